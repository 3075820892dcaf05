# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The custom fields of communities suit the widgets of the installed InvenioRDM."""

from invenio_rdm_records.contrib.journal import JOURNAL_CUSTOM_FIELDS_UI

from invenio_stats_dashboard.custom_fields import DASHBOARD_CUSTOM_FIELDS_UI

ICONS = {"icon", "labelIcon"}
DEPRECATED = {"description"}
"""``helpText`` since widgets have ``labelIcon``."""


def test_properties_have_the_names_that_inveniordm_uses_for_its_own_fields():
    own = JOURNAL_CUSTOM_FIELDS_UI["fields"][0]["props"]
    for field in DASHBOARD_CUSTOM_FIELDS_UI["fields"]:
        assert field["props"].keys() & ICONS == own.keys() & ICONS == {"labelIcon"}
        assert not field["props"].keys() & DEPRECATED
