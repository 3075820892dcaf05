# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Sphinx configuration."""

import runpy
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent / "invenio_stats_dashboard"

project = "invenio-stats-dashboard"
author = "Invenio Stats Dashboard contributors"
copyright = f"2026, {author}"
# without importing the package, which needs InvenioRDM
release = version = runpy.run_path(str(_PACKAGE / "version.py"))["__version__"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "alabaster"
