# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define the metrics: their fields in stored documents, and what they mean.

A *flow* is what happened in an interval, and adds up over intervals. A *level* is what
existed at the end of one. A *distinct* metric is known for single days, and since the
beginning. It does not add up, because the same record can be viewed on two days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_babel import format_decimal
from invenio_i18n import lazy_gettext as _

from ..search.names import USAGE_DELTA, USAGE_SNAPSHOT

FLOW, LEVEL, DISTINCT = "flow", "level", "distinct"

_CLASSES = ("metadata_only", "with_files")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: name in the API, in files and in pages.
        of: ``usage`` or ``records``.
        kind: flow, level or distinct.
        delta: paths, from the document's root, of the totals of a delta that add up to
            the metric; empty for a level.
        snapshot: the same of a snapshot; empty if snapshots do not have the metric.
        cell: the same, from a value of a breakdown, in the family that the metric is
            read from; empty if values do not have the metric.
        unit: ``count`` or ``bytes``.
        label: its translated name.
        definition: a translated text that defines what is counted; :func:`definition`
            adds what applies to robots.
    """

    key: str
    of: str
    kind: str
    delta: tuple[str, ...]
    snapshot: tuple[str, ...]
    cell: tuple[str, ...]
    unit: str
    label: str
    definition: str

    def delta_family(self, basis: str) -> str:
        """Return the aggregate family of the deltas that hold it."""
        return USAGE_DELTA if self.of == "usage" else f"records-delta-{basis}"

    def snapshot_family(self, basis: str) -> str:
        """Return the aggregate family of the snapshots that hold it."""
        return USAGE_SNAPSHOT if self.of == "usage" else f"records-snapshot-{basis}"


@dataclass(frozen=True)
class RobotRule:
    """Whether events of robots count in the stored numbers.

    Attributes:
        counted: they count as on the record pages, or none counts; None after a change
            of the setting, as long as days can have their earlier numbers.
        left_out: event type -> number of stored events of robots, of the whole
            instance and of all days, that do not count; empty if the number is
            unknown, or not for the caller.
    """

    counted: bool | None = False
    left_out: Mapping[str, int] = field(default_factory=dict)


def definition(metric: Metric, robots: RobotRule) -> str:
    """Return the definition of a metric, in the language of the request."""
    sentences = [str(metric.definition)]
    if metric.key in _LEFT_OUT:
        event_type, text = _LEFT_OUT[metric.key]
        sentences.append(robots_sentence(robots))
        if number := robots.left_out.get(event_type):
            sentences.append(str(text) % {"number": format_decimal(number)})
    return " ".join(sentences)


def robots_sentence(robots: RobotRule) -> str:
    """Return a sentence or two in the language of the request: whether robots count."""
    if robots.counted is None:
        text = _(
            "The counting of known robots has changed. Some days can still have their "
            "earlier numbers."
        )
    elif robots.counted:
        text = _("Known robots are treated as on the record pages.")
    else:
        text = _("Known robots are not counted.")
    return str(text)


_LEFT_OUT = {
    "views": ("view", _("Stored views by robots that are not counted: %(number)s.")),
    "downloads": (
        "download",
        _("Stored downloads by robots that are not counted: %(number)s."),
    ),
}
"""Key of a metric of events -> event type, and the text for the number left out."""


def _usage(
    key: str, part: str, field: str, label: str, definition: str, unit: str = "count"
) -> Metric:
    kind = DISTINCT if field not in _ADDED_UP else FLOW
    total = (f"totals.{part}.{field}",)
    return Metric(
        key, "usage", kind, total, total, (f"{part}.{field}",), unit, label, definition
    )


def _flow(
    key: str,
    what: str,
    way: str,
    fields: tuple[str, ...],
    label: str,
    definition: str,
    unit: str = "count",
) -> Metric:
    paths = tuple(f"{what}.{way}.{name}" for name in fields)
    return Metric(key, "records", FLOW, paths, (), paths, unit, label, definition)


def _level(
    key: str,
    what: str,
    fields: tuple[str, ...],
    label: str,
    definition: str,
    unit: str = "count",
) -> Metric:
    total = tuple(f"total_{what}.{name}" for name in fields)
    cell = tuple(f"{what}.{name}" for name in fields)
    return Metric(key, "records", LEVEL, (), total, cell, unit, label, definition)


_ADDED_UP = ("total_events", "total_volume", "unique_visitors")

_METRICS = (
    _usage(
        "views",
        "view",
        "total_events",
        _("Views"),
        _("Views of record pages by humans and machines."),
    ),
    _usage(
        "view_visitors",
        "view",
        "unique_visitors",
        _("Visitors per day (added up)"),
        _(
            "Visitors who viewed records, counted anew each day. A person who visits "
            "on two days counts twice, because visitors cannot be recognised on "
            "another day."
        ),
    ),
    _usage(
        "viewed_records",
        "view",
        "unique_records",
        _("Viewed records"),
        _("Different records that were viewed. Each version counts separately."),
    ),
    _usage(
        "viewed_parents",
        "view",
        "unique_parents",
        _("Viewed works"),
        _("Different works that were viewed. All versions of a work count as one."),
    ),
    _usage(
        "downloads",
        "download",
        "total_events",
        _("Downloads"),
        _("Downloads of files by humans and machines."),
    ),
    _usage(
        "download_visitors",
        "download",
        "unique_visitors",
        _("Visitors with downloads per day (added up)"),
        _(
            "Visitors who downloaded files, counted anew each day. A person who "
            "visits on two days counts twice, because visitors cannot be recognised "
            "on another day."
        ),
    ),
    _usage(
        "downloaded_volume",
        "download",
        "total_volume",
        _("Downloaded data"),
        _("Total bytes downloaded."),
        "bytes",
    ),
    _usage(
        "downloaded_records",
        "download",
        "unique_records",
        _("Downloaded records"),
        _("Different records with downloads. Each version counts separately."),
    ),
    _usage(
        "downloaded_parents",
        "download",
        "unique_parents",
        _("Downloaded works"),
        _("Different works with downloads. All versions of a work count as one."),
    ),
    _usage(
        "downloaded_files",
        "download",
        "unique_files",
        _("Downloaded files"),
        _("Different files that were downloaded."),
    ),
    _level(
        "records",
        "records",
        _CLASSES,
        _("Records"),
        _("Records at the end of the period. Each version counts separately."),
    ),
    _level(
        "records_with_files",
        "records",
        ("with_files",),
        _("Records with files"),
        _("Records with at least one file at the end of the period."),
    ),
    _level(
        "records_metadata_only",
        "records",
        ("metadata_only",),
        _("Metadata-only records"),
        _("Records without files at the end of the period."),
    ),
    _level(
        "parents",
        "parents",
        _CLASSES,
        _("Works"),
        _("Works at the end of the period. All versions of a work count as one."),
    ),
    _level(
        "files",
        "files",
        ("file_count",),
        _("Files"),
        _("Files of the records at the end of the period."),
    ),
    _level(
        "stored_volume",
        "files",
        ("data_volume",),
        _("Stored data"),
        _("Total size of the files of the records at the end of the period."),
        "bytes",
    ),
    Metric(
        "uploaders",
        "records",
        LEVEL,
        (),
        ("total_uploaders",),
        (),
        "count",
        _("Uploaders"),
        _("Different owners of the records at the end of the period."),
    ),
    _flow(
        "records_added",
        "records",
        "added",
        _CLASSES,
        _("Records added"),
        _("Records added in the period. Each version counts separately."),
    ),
    _flow(
        "records_removed",
        "records",
        "removed",
        _CLASSES,
        _("Records removed"),
        _("Records removed or deleted in the period. Each version counts separately."),
    ),
    _flow(
        "parents_added",
        "parents",
        "added",
        _CLASSES,
        _("Works added"),
        _(
            "Works added in the period. All versions of a work count as one. A work "
            "that receives its first file counts as one removed work without files "
            "and one added work with files."
        ),
    ),
    _flow(
        "parents_removed",
        "parents",
        "removed",
        _CLASSES,
        _("Works removed"),
        _(
            "Works removed or deleted in the period. All versions of a work count as "
            "one."
        ),
    ),
    _flow(
        "files_added",
        "files",
        "added",
        ("file_count",),
        _("Files added"),
        _("Files of the records added in the period."),
    ),
    _flow(
        "files_removed",
        "files",
        "removed",
        ("file_count",),
        _("Files removed"),
        _("Files of the records removed or deleted in the period."),
    ),
    _flow(
        "volume_added",
        "files",
        "added",
        ("data_volume",),
        _("Data added"),
        _("Total size of the files of the records added in the period."),
        "bytes",
    ),
    _flow(
        "volume_removed",
        "files",
        "removed",
        ("data_volume",),
        _("Data removed"),
        _("Total size of the files of the records removed or deleted in the period."),
        "bytes",
    ),
)

METRICS = {metric.key: metric for metric in _METRICS}
"""Key -> metric, in the order of results."""

DEFAULT_METRICS = ("views", "downloads")
"""The metrics of a query that names none."""
