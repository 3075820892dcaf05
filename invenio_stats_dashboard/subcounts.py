# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read and check the registry of breakdowns, ``COMMUNITY_STATS_SUBCOUNTS``.

Live enrichment, migration, record aggregation, the API and the pages all use this
registry, so a new breakdown needs configuration only.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .errors import ConfigurationError

VARIABLE = "COMMUNITY_STATS_SUBCOUNTS"
_KEY = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
_OPTIONS = {"field", "text", "event", "extract", "vocabulary", "show"}
_EXTRACTS = ("value", "host", "agent")
_SHOW = ("all", "top")
REFERRER = "referrer"
"""The field of a usage event that a client can fill with any text."""

EVENT_FIELDS = ("country", REFERRER, "is_machine", "is_robot", "via_api")
"""Fields of a stored usage event that a breakdown may use."""

_OF_REFERRERS = {"extract": "host", "show": "top"}
"""The only values of these options for a breakdown by :data:`REFERRER`."""

FILE_TYPES = "file_types"
"""Key whose value, for a download, is the type of the downloaded file."""


@dataclass(frozen=True)
class Subcount:
    """One breakdown.

    Attributes:
        key: name in documents, API and pages.
        fields: dotted paths into an indexed record; empty for a field of the event.
        text: the key of the text of a value without an id.
        event: field of the usage event; None for a field of the record.
        extract: how to read the value of the event: value, host or agent.
        vocabulary: source of the labels; None if each id is its own label.
        show: ``all`` or ``top``.
    """

    key: str
    fields: tuple[str, ...] = ()
    text: str | None = None
    event: str | None = None
    extract: str = "value"
    vocabulary: str | None = None
    show: str = "all"

    @property
    def of_record(self) -> bool:
        """Return whether records have this breakdown, not only events."""
        return self.event is None


def load(
    config: object, mapping: Mapping[str, Any] | None = None
) -> dict[str, Subcount]:
    """Read and check the registry.

    Args:
        config: value of ``COMMUNITY_STATS_SUBCOUNTS``.
        mapping: ``properties`` of the record mapping, in which each path must exist.
            With None, only the form of the paths is checked.

    Returns:
        Key -> breakdown, in the order of the configuration.

    Raises:
        ConfigurationError: a breakdown is invalid; the text names its key.
    """
    if not isinstance(config, dict):
        raise ConfigurationError(f"{VARIABLE} must be a dict of breakdowns by key.")
    return {
        key: _subcount(key, options, mapping)
        for key, options in config.items()
        if options is not None
    }


def for_records(subcounts: Mapping[str, Subcount]) -> tuple[Subcount, ...]:
    """Return the breakdowns that records have."""
    return tuple(s for s in subcounts.values() if s.of_record)


def _subcount(
    key: object, options: object, mapping: Mapping[str, Any] | None
) -> Subcount:
    def refuse(reason: str) -> NoReturn:
        raise ConfigurationError(f"{VARIABLE}[{key!r}] {reason}.")

    if not isinstance(key, str) or not _KEY.match(key):
        refuse("is not a valid key: use lower-case letters, digits and underscores")
    if not isinstance(options, dict):
        refuse("must be a dict of options, or None to remove the key")
    if unknown := sorted(set(options) - _OPTIONS):
        refuse(f"has the unknown option {unknown[0]!r}")
    if ("field" in options) == ("event" in options):
        refuse("needs exactly one of 'field' and 'event'")
    if options.get("show", "all") not in _SHOW:
        refuse(f"has 'show' {options['show']!r}; it must be 'all' or 'top'")
    if options.get("extract", "value") not in _EXTRACTS:
        refuse(
            f"has 'extract' {options['extract']!r}; it must be one of "
            f"{', '.join(_EXTRACTS)}"
        )
    if "extract" in options and "field" in options:
        refuse("has 'extract', which is allowed only with 'event'")
    if "event" in options and options["event"] not in EVENT_FIELDS:
        refuse(
            f"names the unknown event field {options['event']!r}; "
            f"the fields are {', '.join(EVENT_FIELDS)}"
        )
    if options.get("event") == REFERRER:
        options = _of_referrers(options, refuse)
    for option in ("text", "vocabulary"):
        if not isinstance(options.get(option), str | None):
            refuse(f"has a {option!r} that is not a string")
    fields = options.get("field", ())
    if "field" in options and fields in ([], (), ""):
        refuse("has an empty 'field'")
    fields = tuple(fields) if isinstance(fields, list | tuple) else (fields,)
    for path in fields:
        if not isinstance(path, str) or not path:
            refuse("has a 'field' that is not a dotted path")
        if mapping is not None and not _is_mapped(path, mapping):
            refuse(f"names the record field {path!r}, which records do not have")
    return Subcount(
        key=key,
        fields=fields,
        text=options.get("text"),
        event=options.get("event"),
        extract=options.get("extract", "value"),
        vocabulary=options.get("vocabulary"),
        show=options.get("show", "all"),
    )


def _of_referrers(
    options: Mapping[str, Any], refuse: Callable[[str], NoReturn]
) -> dict[str, Any]:
    """Return the options of a breakdown by :data:`REFERRER`; refuse others."""
    for option, needed in _OF_REFERRERS.items():
        if (given := options.get(option, needed)) != needed:
            refuse(
                f"has {option!r} {given!r}; for the event field {REFERRER!r} it must "
                f"be {needed!r}, because clients can send any number of different texts"
            )
    return {**options, **_OF_REFERRERS}


def _is_mapped(path: str, properties: Mapping[str, Any]) -> bool:
    """Return whether a dotted path is a field of a mapping.

    A site adds its custom fields to the mapping after the application has started, so
    every path below ``custom_fields`` is accepted.
    """
    if path.startswith("custom_fields."):
        return True
    here: Mapping[str, Any] = {"properties": properties}
    for part in path.split("."):
        below = here.get("properties", {}).get(part)
        if below is None:
            return False
        here = below
    return True
