# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The cache of the site, which may be away: then nothing is found and nothing kept."""

import logging

from invenio_cache import current_cache

logger = logging.getLogger(__name__)


def cached(keys):
    """Return what is kept.

    Args:
        keys: dict of whatever -> its key in the cache.

    Returns:
        dict: whatever -> value, of those that are there.
    """
    if not keys:
        return {}
    try:
        found = current_cache.get_many(*keys.values())
    except Exception as error:  # noqa: BLE001 - of any kind of cache
        logger.warning("the cache does not answer: %s", error)
        return {}
    return {
        name: value
        for name, value in zip(keys, found, strict=True)
        if value is not None
    }


def cache(values, seconds):
    """Keep values.

    Args:
        values: dict of keys -> value.
        seconds: for how long.
    """
    try:
        current_cache.set_many(values, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - of any kind of cache
        logger.warning("the cache takes nothing: %s", error)
