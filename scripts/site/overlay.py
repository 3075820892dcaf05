# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The minimal additions of an instance to the generated JavaScript project."""

import json
import re
from importlib.resources import files
from pathlib import Path

OVERRIDES = {"warcio": "2.4.11"}
"""npm package -> version, for packages whose requested version is not available."""

EMPTY = (
    "less/site/globals/site.variables",
    "less/site/globals/site.overrides",
    # folders that are compiled as a whole, without files that begin with a dot
    "templates/custom_fields/.keep",
    "templates/search/.keep",
)

_EXAMPLE = "assets/semantic-ui/less/invenio_theme/theme.config.example"

_THEME = (
    (r": 'invenio';", ": 'rdm';"),
    (r"(?m)^@siteFolder .*", "@siteFolder  : '../../less/site';"),
    (r"themes/invenio/theme\.less", "themes/rdm/theme.less"),
)


def apply(project):
    """Add the instance's own files and the required versions.

    Args:
        project: folder of the project, just created.
    """
    project = Path(project)
    theme = files("invenio_theme").joinpath(_EXAMPLE).read_text(encoding="utf-8")
    for pattern, replacement in _THEME:
        theme = re.sub(pattern, replacement, theme)
    (project / "less/theme.config").write_text(theme, encoding="utf-8")
    for name in EMPTY:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    package = project / "package.json"
    content = json.loads(package.read_text())
    package.write_text(json.dumps(content | {"overrides": OVERRIDES}, indent=2))
