# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read and write the cache of the site.

If the cache does not answer, reading finds nothing and writing stores nothing.
"""

import logging
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

from invenio_cache import current_cache

logger = logging.getLogger(__name__)

_Name = TypeVar("_Name", bound=Hashable)


def cached(keys: Mapping[_Name, str]) -> dict[_Name, Any]:
    """Return cached values.

    Args:
        keys: name of a value -> its key in the cache.

    Returns:
        name -> value, of the values found.
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


def cache(values: Mapping[str, Any], seconds: int) -> None:
    """Store values.

    Args:
        values: key -> value.
        seconds: time after which they expire.
    """
    try:
        current_cache.set_many(values, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - of any kind of cache
        logger.warning("the cache stores nothing: %s", error)
