# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the migration's tests."""

import pytest


@pytest.fixture()
def events_of(app, known_records):
    """Return known records without any event, or index or bookmark of one."""
    with app.app_context():
        yield known_records.without_events()


@pytest.fixture()
def usage(events_of):
    """Return the same; some modules replace it with another cluster or setting."""
    return events_of
