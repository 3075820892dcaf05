# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The Celery application of a test's instance, as ``invenio_app.celery`` is a site's.

For ``celery -A tests.helpers.site worker``; see :mod:`.site_worker`.
"""

import json
import os

from flask_celeryext import create_celery_app
from invenio_app.factory import create_ui

from .instance import Place, create
from .site_worker import CHANGES, PLACE

celery = create_celery_app(
    create(
        Place(**json.loads(os.environ[PLACE])),
        create_ui,
        CELERY_TASK_ALWAYS_EAGER=False,
        **json.loads(os.environ[CHANGES]),
    )
)
