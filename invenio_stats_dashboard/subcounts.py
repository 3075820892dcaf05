# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The registry of breakdowns, read from ``COMMUNITY_STATS_SUBCOUNTS``.

Live enrichment, migration, record aggregation, the API and the pages all ask
this registry; a new key needs config only.
"""

import re
from dataclasses import dataclass

from .errors import ConfigurationError

VARIABLE = "COMMUNITY_STATS_SUBCOUNTS"
_KEY = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
_OPTIONS = {"field", "text", "event", "extract", "vocabulary", "show"}
_EXTRACTS = ("value", "host", "agent")
_SHOW = ("all", "top")
EVENT_FIELDS = ("country", "referrer", "is_machine", "is_robot", "via_api")
"""Fields of a stored usage event that a breakdown may use."""

FILE_TYPES = "file_types"
"""The key whose value, for a download, is the type of the downloaded file."""


@dataclass(frozen=True)
class Subcount:
    """One breakdown.

    Attributes:
        key: name in documents, API and pages.
        fields: dotted paths into an indexed record; empty for an event's field.
        text: key of the text of a value without an id.
        event: field of the usage event; None for a record's field.
        extract: how the event's value is read: value, host or agent.
        vocabulary: where labels come from; None when the id is its own label.
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
    def of_record(self):
        """Tell whether records have this breakdown, not only events."""
        return self.event is None


def load(config, mapping=None):
    """Read and check the registry.

    Args:
        config: value of ``COMMUNITY_STATS_SUBCOUNTS``.
        mapping: ``properties`` of the record index's mapping, to check paths
            against; None checks their form only.

    Returns:
        dict: key -> :class:`Subcount`, in the order of the config.

    Raises:
        ConfigurationError: a sentence that names the key and what is wrong.
    """
    if not isinstance(config, dict):
        raise ConfigurationError(f"{VARIABLE} must be a dict of breakdowns by key.")
    return {
        key: _subcount(key, options, mapping)
        for key, options in config.items()
        if options is not None
    }


def for_records(subcounts):
    """Return the breakdowns that a record has, as a tuple."""
    return tuple(s for s in subcounts.values() if s.of_record)


def _subcount(key, options, mapping):
    def refuse(reason):
        raise ConfigurationError(f"{VARIABLE}[{key!r}] {reason}.")

    if not isinstance(key, str) or not _KEY.match(key):
        refuse("is no valid key: lower case letters, digits and underscores")
    if not isinstance(options, dict):
        refuse("must be a dict of options, or None to remove the key")
    if unknown := sorted(set(options) - _OPTIONS):
        refuse(f"has the unknown option {unknown[0]!r}")
    if ("field" in options) == ("event" in options):
        refuse("needs exactly one of 'field' and 'event'")
    if options.get("show", "all") not in _SHOW:
        refuse(f"has 'show' {options['show']!r}; it can be 'all' or 'top'")
    if options.get("extract", "value") not in _EXTRACTS:
        refuse(f"has 'extract' {options['extract']!r}; it can be {_EXTRACTS}")
    if "extract" in options and "field" in options:
        refuse("has 'extract', which goes with 'event' only")
    if "event" in options and options["event"] not in EVENT_FIELDS:
        refuse(
            f"names the unknown event field {options['event']!r}; "
            f"there are {', '.join(EVENT_FIELDS)}"
        )
    for option in ("text", "vocabulary"):
        if not isinstance(options.get(option), str | None):
            refuse(f"has a {option!r} that is no text")
    fields = options.get("field", ())
    if "field" in options and fields in ([], (), ""):
        refuse("has an empty 'field'")
    fields = tuple(fields) if isinstance(fields, list | tuple) else (fields,)
    for path in fields:
        if not isinstance(path, str) or not path:
            refuse("has a 'field' that is no dotted path")
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


def _is_mapped(path, properties):
    """Tell whether a dotted path is a field of a mapping.

    Custom fields are put into the mapping by the site, later than the
    application starts, so everything under ``custom_fields`` passes.
    """
    if path.startswith("custom_fields."):
        return True
    here = {"properties": properties}
    for part in path.split("."):
        here = here.get("properties", {}).get(part)
        if here is None:
            return False
    return True
