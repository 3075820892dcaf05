# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The garbage collector runs less often while it is requested, and no longer."""

import gc

from invenio_stats_dashboard.search.garbage_collection import rare_collections


def test_the_collector_is_reset_after_the_last_of_several_users():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    first, second = rare_collections(), rare_collections()
    first.__enter__()
    rare = gc.get_threshold()
    assert rare[0] > before[0] and gc.get_freeze_count() > frozen
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == rare and gc.get_freeze_count() > frozen
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == frozen
