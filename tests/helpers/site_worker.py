# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The Celery application of a site, as ``invenio_app.celery`` is it in production.

A worker imports it; :mod:`.sites` starts that worker and says in the environment where
the site lives.
"""

import json
import os

from flask_celeryext import create_celery_app
from invenio_app.factory import create_ui

from .instance import Place, create
from .sites import VARIABLE

_place, _changes = json.loads(os.environ[VARIABLE])

celery = create_celery_app(create(Place(**_place), create_ui, **_changes))
