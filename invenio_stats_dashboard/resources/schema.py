# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The parameters of the resource: their syntax and their descriptions.

:mod:`~.query_parser` checks whether the parameters of a request can be combined.
"""

import re
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import marshmallow as ma
from flask_resources import MultiDictSchema
from invenio_i18n.ext import current_i18n
from marshmallow import fields
from werkzeug.datastructures import MultiDict

from ..queries.metrics import METRICS
from ..queries.query import COMPARISONS, INTERVALS
from ..reserved_ids import OTHER
from ..search.names import BASES
from . import ranges

ALL = "all"
FORMATS = ("json", "csv", "xlsx")
LARGEST_TOP = 1000

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_SHOWN = 60


def shown(value: str) -> str:
    """Return a received text, shortened and quoted for an error message."""
    text = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    return repr(text)


class DayArgument(fields.Field):
    """A day as YYYY-MM-DD."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> date:
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            return date.fromisoformat(value)
        except ValueError:
            raise ma.ValidationError(
                f"{shown(value)} is not a date; write it as YYYY-MM-DD."
            ) from None


class MonthArgument(fields.Field):
    """A month as YYYY-MM; loaded as its first day."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> date:
        if not _MONTH.fullmatch(value) or value < "1900":
            raise ma.ValidationError(
                f"{shown(value)} is not a month since 1900; write it as YYYY-MM."
            )
        return date.fromisoformat(f"{value}-01")


class OneOf(fields.Field):
    """One of some words.

    Args:
        words: the allowed ones.
        **options: the options of a marshmallow field.
    """

    def __init__(self, words: Iterable[str], **options: Any) -> None:
        super().__init__(**options)
        self.words = tuple(words)

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> str:
        if value not in self.words:
            raise ma.ValidationError(
                f"{shown(value)} is unknown. Available: {', '.join(self.words)}."
            )
        return value


class Words(fields.Field):
    """Words separated by commas; loaded without repetitions, ``("all",)`` for all."""

    def _deserialize(
        self, value: str, attr: str | None, data: Any, **_: Any
    ) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(w.strip() for w in value.split(",")))
        if "" in words:
            raise ma.ValidationError("Give a comma-separated list of names, or all.")
        if ALL in words and len(words) > 1:
            raise ma.ValidationError("Give either all, or names.")
        return words


class Whole(fields.Field):
    """A whole number within bounds.

    Args:
        low: the smallest allowed number.
        high: the largest allowed number.
        or_all: also allow ``all``, which is loaded as None.
        **options: the options of a marshmallow field.
    """

    def __init__(
        self, low: int, high: int, or_all: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.low, self.high, self.or_all = low, high, or_all

    def _deserialize(
        self, value: str, attr: str | None, data: Any, **_: Any
    ) -> int | None:
        if self.or_all and value == ALL:
            return None
        if not _NUMBER.fullmatch(value) or not self.low <= int(value) <= self.high:
            raise ma.ValidationError(
                f"{shown(value)} is not allowed; give a whole number from {self.low} "
                f"to {self.high}{', or all' if self.or_all else ''}."
            )
        return int(value)


class SwitchArgument(fields.Field):
    """True or false, also as 1 or 0."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> bool:
        if value not in ("true", "false", "1", "0"):
            raise ma.ValidationError(f"{shown(value)} is neither true nor false.")
        return value in ("true", "1")


class CellArgument(fields.Field):
    """One value of a breakdown: the breakdown's key, a colon, the id."""

    def _deserialize(
        self, value: str, attr: str | None, data: Any, **_: Any
    ) -> tuple[str, str]:
        key, colon, id_ = value.partition(":")
        if not colon or not key or not id_:
            raise ma.ValidationError(
                f"{shown(value)} is not a value of a breakdown; write it as "
                "<breakdown>:<id>, for example countries:CA."
            )
        return key, id_


class RangeName(fields.Field):
    """The name of a range that ends today."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> str:
        if ranges.first_day(value, date(2000, 1, 1)) is None:
            raise ma.ValidationError(
                f"{shown(value)} is not a range; use {ranges.ALLOWED}."
            )
        return value


class Language(fields.Field):
    """One of the site's languages."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **_: Any) -> str:
        languages = site_languages()
        if value not in languages:
            raise ma.ValidationError(
                f"{shown(value)} is not a language of this site. Available: "
                f"{', '.join(languages)}."
            )
        return value


def site_languages() -> tuple[str, ...]:
    """Return the locale names of the site's languages."""
    return tuple(dict.fromkeys(code for code, _ in current_i18n.get_languages()))


class Arguments(MultiDictSchema):
    """The parameters of a URL. Unknown and repeated ones are refused."""

    class Meta:
        """Refuse unknown parameters."""

        unknown = ma.RAISE

    @ma.pre_load
    def flatten_multidict(self, data: Any, **_: Any) -> Any:
        """Refuse unknown and repeated parameters; return a dict of the others."""
        if not isinstance(data, MultiDict):
            return data
        known = [field.data_key or name for name, field in self.load_fields.items()]
        problems = {
            shown(name)[1:-1]: [
                f"There is no such parameter. Available: {', '.join(known)}."
            ]
            for name in data
            if name not in known
        }
        problems |= {
            name: ["This parameter is given more than once."]
            for name, values in data.lists()
            if name in known and len(values) > 1
        }
        if problems:
            raise ma.ValidationError(problems)
        return data.to_dict()


def _day(name: str, description: str) -> DayArgument:
    return DayArgument(
        data_key=name,
        metadata={
            "description": description,
            "schema": {"type": "string", "format": "date"},
        },
    )


def _language() -> Language:
    return Language(
        metadata={
            "description": "Language of the labels. Default: that of the caller.",
            "schema": {"type": "string"},
        }
    )


def _words(description: str, example: str) -> Words:
    return Words(
        metadata={
            "description": description,
            "schema": {"type": "string"},
            "example": example,
        }
    )


def _one_of(
    words: Collection[str], description: str, default: str | None = None
) -> OneOf:
    return OneOf(
        words,
        load_default=default,
        metadata={
            "description": description,
            "schema": {"type": "string", "enum": list(words)}
            | ({"default": default} if default else {}),
        },
    )


def _switch(description: str) -> SwitchArgument:
    return SwitchArgument(
        load_default=False,
        metadata={
            "description": description,
            "schema": {"type": "boolean", "default": False},
        },
    )


def _range() -> RangeName:
    return RangeName(
        data_key="range",
        metadata={
            "description": f"A range that ends today (UTC), instead of from and to: "
            f"{ranges.ALLOWED}. Default: {ranges.DEFAULT}.",
            "schema": {"type": "string"},
            "example": "12mo",
        },
    )


class RangeArguments(Arguments):
    """A range of days."""

    first = _day(
        "from", "First UTC day, YYYY-MM-DD. Default: the range has thirty days."
    )
    last = _day("to", "Last UTC day, inclusive. Default: today.")
    range_name = _range()


class SeriesArguments(RangeArguments):
    """The parameters of a query for series."""

    interval = _one_of(
        INTERVALS,
        "Length of an interval. Default: day for up to 92 days, month for up to three "
        "years, else year.",
    )
    metrics = _words(
        f"Comma-separated metrics: {', '.join(METRICS)}; or all, for all metrics that "
        "the other parameters allow. Default: views,downloads.",
        "views,downloads",
    )
    breakdown = _words(
        "Comma-separated breakdowns; or all, for all breakdowns of the metrics. "
        "Default: none, the result has totals only.",
        "countries",
    )
    top = Whole(
        1,
        LARGEST_TOP,
        or_all=True,
        load_default=10,
        metadata={
            "description": "Number of values of each breakdown, those with the largest "
            "numbers in the range; or all.",
            "schema": {
                "oneOf": [
                    {"type": "integer", "minimum": 1, "maximum": LARGEST_TOP},
                    {"const": ALL},
                ],
                "default": 10,
            },
        },
    )
    other = _switch(f"Add up the values that are not listed, under the id {OTHER}.")
    basis = _one_of(
        BASES,
        "Date by which a record counts: when it was created, published, or added to "
        "the community.",
        "added",
    )
    cumulative = _switch(
        "Return running totals since the beginning, at the end of each interval."
    )
    compare = _one_of(
        COMPARISONS,
        "Also return a range to compare with: as many days just before (previous), or "
        "the same days of the year before (year).",
    )
    # marshmallow takes fields off the class, so this one does not hide ``Schema.only``
    only = CellArgument(
        data_key="filter",
        metadata={
            "description": "Count only one value of a breakdown: <breakdown>:<id>. It "
            "cannot be combined with other breakdowns.",
            "schema": {"type": "string"},
            "example": "countries:CA",
        },
    )
    lang = _language()
    format = _one_of(FORMATS, "Format of the response; overrides the Accept header.")


class RecordsArguments(RangeArguments):
    """The parameters of a query for the most used records."""

    by = _one_of(("views", "downloads"), "What to count.", "views")
    of = _one_of(
        ("parents", "records"),
        "Count all versions of a record as one (parents), or each version (records).",
        "parents",
    )
    size = Whole(
        1,
        100,
        load_default=10,
        metadata={
            "description": "Number of records, at most.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        },
    )
    lang = _language()
    format = _one_of(("json",), "Format of the response.")


class CounterArguments(Arguments):
    """The parameters of a query for the COUNTER report of a month."""

    month = MonthArgument(
        required=True,
        error_messages={"required": "Give the month of the report as YYYY-MM."},
        metadata={
            "description": "The month of the report, YYYY-MM.",
            "schema": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
            "example": "2026-03",
        },
    )
    format = _one_of(("json",), "Format of the response.")
