# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the migration's tests."""

import pytest

from ...conftest import remove_statistics
from ...helpers.usage import Usage


@pytest.fixture()
def usage(app, client, names):
    """Return usage events of an instance that has none yet, and known records."""
    remove_statistics(client, names)
    client.indices.delete(index=f"{names.prefix}backup-*", ignore=[404])
    with app.app_context():
        yield Usage(app, client, names)
