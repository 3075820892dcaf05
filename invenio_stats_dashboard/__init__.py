# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage and content statistics of communities for InvenioRDM."""

from .ext import InvenioStatsDashboard
from .version import __version__

__all__ = ("InvenioStatsDashboard", "__version__")
