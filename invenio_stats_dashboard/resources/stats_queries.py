# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The queries of ``POST /api/stats``: documents of a community, one for each day.

The endpoint checks the permission before it runs a query. So queries are validated in
that check, and an error names the query of the batch.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, g, has_request_context, request
from invenio_access.permissions import system_identity
from invenio_rest.errors import RESTException
from opensearchpy.exceptions import OpenSearchException

from ..errors import (
    GlobalNotReadableError,
    NotReadableError,
    StatsDashboardError,
    UsageError,
)
from ..permissions import GLOBAL
from ..proxies import current_stats_dashboard
from ..queries.query import EARLIEST
from ..search.names import FAMILIES, RECORD_FAMILIES, USAGE_FAMILIES

if TYPE_CHECKING:
    from ..services.results import CommunityStatsItem

logger = logging.getLogger(__name__)

_DAYS = 30
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ASKED_FOR = "invenio_stats_dashboard.documents"
"""Key in the WSGI environment: number of documents of the batch so far."""
_VALUES_READ = "invenio_stats_dashboard.document_values"
"""Key in the WSGI environment: values of breakdowns in the documents read so far."""
_PARAMETERS = ("community_id", "start_date", "end_date")


class RefusedQuery(RESTException):
    """A query of a batch was refused.

    Args:
        code: HTTP status.
        sentence: names the query and the reason.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__()
        self.code, self.description = code, sentence

    def get_headers(
        self, environ: Any = None, scope: Any = None
    ) -> list[tuple[str, str]]:
        """Return the headers; a 503 has the time of the next attempt."""
        headers = super().get_headers(environ, scope)
        return [*headers, ("Retry-After", "60")] if self.code == 503 else headers


class CommunityStatsQuery:
    """Documents of one community in a range of days.

    Args:
        name: name of the query in ``STATS_QUERIES``.
        families: some of :data:`~..search.names.FAMILIES`.
        whole_instance: the query has no ``community_id``.
    """

    metric_fields: dict[str, Any] = {}
    """Required by the endpoint for missing indices, which this class never reports."""

    def __init__(
        self, name: str, families: Iterable[str], whole_instance: bool = False
    ) -> None:
        self.name, self.families = name, tuple(families)
        self.whole_instance = whole_instance

    def run(self, **params: Any) -> dict[str, Any]:
        """Return the documents.

        Args:
            **params: ``community_id`` (UUID, slug or ``global``), ``start_date`` and
                ``end_date`` (``YYYY-MM-DD``, UTC, inclusive; by default the last
                thirty days). Days after today are left out.

        Returns:
            ``community_id``, ``start_date``, ``end_date``, ``data_as_of`` and
            ``documents``: a list with a document for each day, or, for several
            families, a dict of such lists.

        Raises:
            RefusedQuery: with the HTTP status and a sentence.
        """
        item, first, last = self.checked(params)
        try:
            found = {
                family: item.documents(family, first, last) for family in self.families
            }
            documents = {
                family: list(self._bounded(read.documents))
                for family, read in found.items()
            }
        except OpenSearchException as error:
            raise self._unavailable(error) from error
        except UsageError as error:
            raise RefusedQuery(400, self._named(str(error), params)) from error
        except StatsDashboardError as error:
            raise self._unavailable(error) from error
        one = found[self.families[0]]
        return {
            "community_id": one.community_id,
            "start_date": one.start_date,
            "end_date": one.end_date,
            "data_as_of": one.data_as_of,
            "documents": (
                documents if len(self.families) > 1 else documents[self.families[0]]
            ),
        }

    def admit(self, params: Any) -> None:
        """Check that a query of a batch can be run, together with the others.

        The endpoint runs the queries one after the other, and stores all results of a
        batch in memory.

        Args:
            params: the received parameters of the query, not checked yet.

        Raises:
            RefusedQuery: it is invalid, not permitted, or too large; or the batch has
                too many queries.
        """
        _check_batch()
        _, first, last = self.checked(params)
        number = self._number(date.fromisoformat(first), date.fromisoformat(last))
        number += request.environ.get(_ASKED_FOR, 0)
        try:
            self._check_number(number, "With the queries before it, it asks for")
        except UsageError as error:
            raise RefusedQuery(400, self._named(str(error), params)) from error
        request.environ[_ASKED_FOR] = number

    def checked(self, params: Any) -> "tuple[CommunityStatsItem, str, str]":
        """Return the statistics of the community, and the first and the last day.

        Args:
            params: the received parameters of the query, not checked yet.

        Raises:
            RefusedQuery: they are invalid, or the caller has no permission.
        """
        try:
            return self._checked(params)
        except UsageError as error:
            code = 400
            if isinstance(error, NotReadableError):
                code = 404
            elif isinstance(error, GlobalNotReadableError):
                code = 403
            raise RefusedQuery(code, self._named(str(error), params)) from error

    # -- inside -------------------------------------------------------------

    def _unavailable(self, error: Exception) -> RefusedQuery:
        # only operators may see messages of OpenSearch and the database
        logger.error("statistics cannot be read: %s", error, exc_info=error)
        return RefusedQuery(
            503,
            self._named(
                "The statistics are temporarily unavailable. Try again in a minute."
            ),
        )

    def _checked(self, params: Any) -> "tuple[CommunityStatsItem, str, str]":
        if not isinstance(params, dict):
            raise UsageError(
                "Its params must be an object with the keys "
                f"{', '.join(self._parameters())}."
            )
        for name, value in params.items():
            if name not in self._parameters():
                raise UsageError(
                    f"There is no parameter {_shown(name)}. Available: "
                    f"{', '.join(self._parameters())}."
                )
            if value is not None and not isinstance(value, str):
                raise UsageError(f"The parameter {name} must be a string.")
        first, last = self._days(params)
        return self._item(params), first, last

    def _parameters(self) -> tuple[str, ...]:
        return _PARAMETERS[1:] if self.whole_instance else _PARAMETERS

    def _item(self, params: dict[str, Any]) -> "CommunityStatsItem":
        identity = g.identity if has_request_context() else system_identity
        name = GLOBAL if self.whole_instance else params.get("community_id")
        if not name:
            raise UsageError(
                "The parameter community_id is missing. Give the UUID or the slug of a "
                "community, or global."
            )
        return current_stats_dashboard.community_stats_service.read(identity, name)

    def _days(self, params: dict[str, Any]) -> tuple[str, str]:
        """Return the first and the last day as ``YYYY-MM-DD``."""
        today = datetime.now(UTC).date()
        last = min(_day(params.get("end_date"), "end_date") or today, today)
        first = _day(params.get("start_date"), "start_date") or max(
            last - timedelta(days=_DAYS - 1), EARLIEST
        )
        if first > last:
            raise UsageError(
                f"The range is empty: it begins on {first} and ends on {last}"
                + (", which is today." if last == today else ".")
            )
        self._check_number(self._number(first, last))
        return first.isoformat(), last.isoformat()

    def _number(self, first: date, last: date) -> int:
        """Return the number of documents of the days."""
        return ((last - first).days + 1) * len(self.families)

    def _check_number(self, number: int, who: str = "The query asks for") -> None:
        limit = current_app.config["STATS_DASHBOARD_MAX_DOCUMENTS"]
        if number > limit:
            raise UsageError(
                f"{who} {number} documents; the maximum for one request is {limit}. "
                "Use a shorter range."
            )

    def _bounded(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the documents until those of the batch have too many values.

        Raises:
            UsageError: they have too many.
        """
        limit = current_app.config["STATS_DASHBOARD_MAX_DOCUMENT_VALUES"]
        shared = request.environ if has_request_context() else {}
        for document in documents:
            shared[_VALUES_READ] = shared.get(_VALUES_READ, 0) + _values_of(document)
            if shared[_VALUES_READ] > limit:
                raise UsageError(
                    "The documents of the request have more than "
                    f"{limit} values of breakdowns. Use a shorter range, or send the "
                    "queries in several requests."
                )
            yield document

    def _named(self, sentence: str, params: Any = None) -> str:
        """Return a sentence that starts with the name of the query in its batch."""
        name = _name_in_batch(self.name, params)
        return f"Query {_shown(name)} ({self.name}): {sentence}" if name else sentence


def permission(query_name: str, params: Any) -> "type[_Checked]":
    """Check a query of a batch before the endpoint runs it.

    Args:
        query_name: its name in ``STATS_QUERIES``.
        params: its received parameters, not checked yet.

    Returns:
        A permission for the endpoint, which always allows the query.

    Raises:
        RefusedQuery: the query is invalid, not permitted, or too large.
    """
    from invenio_stats.proxies import current_stats

    current_stats.get_query(query_name).admit(params)
    return _Checked


class _Checked:
    """The permission of a query that was checked already."""

    @staticmethod
    def can() -> bool:
        return True


def queries() -> dict[str, dict[str, Any]]:
    """Return the entries for ``STATS_QUERIES``, by name."""
    found: dict[str, dict[str, Any]] = {
        f"community-{family.replace('records', 'record')}": {"families": (family,)}
        for family in (*RECORD_FAMILIES, *USAGE_FAMILIES)
    }
    found["community-stats"] = {"families": FAMILIES}
    found["global-stats"] = {"families": FAMILIES, "whole_instance": True}
    return {
        name: {
            "cls": CommunityStatsQuery,
            "permission_factory": permission,
            "params": params,
        }
        for name, params in found.items()
    }


def register(app: Flask) -> None:
    """Add the queries to those of the site, without replacing any of them."""
    app.config["STATS_QUERIES"] = {
        **queries(),
        **(app.config.get("STATS_QUERIES") or {}),
    }


def _day(text: str | None, name: str) -> date | None:
    if not text:
        return None
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"The {name} {_shown(text)} is not a date; write it as YYYY-MM-DD."
        ) from None
    if day < EARLIEST:
        raise UsageError(
            f"The {name} {day} is too early; the first possible day is {EARLIEST}."
        )
    return day


def _check_batch() -> None:
    """Refuse a batch with too many queries of this module.

    Raises:
        RefusedQuery: it has too many.
    """
    number = sum(map(_is_ours, _batch().values()))
    limit = current_app.config["STATS_DASHBOARD_MAX_QUERIES"]
    if number > limit:
        raise RefusedQuery(
            400,
            f"The request has {number} queries for statistics of communities or of the "
            f"instance; the maximum is {limit}. Send several requests with fewer "
            "queries. The queries community-stats and global-stats return the "
            "documents of all families at once.",
        )


def _values_of(document: dict[str, Any]) -> int:
    """Return the number of values in all breakdowns of a document."""
    return sum(
        len(values) if isinstance(values, list) else sum(map(len, values.values()))
        for values in document["subcounts"].values()
    )


def _is_ours(query: Any) -> bool:
    """Return whether a query of a batch, not checked yet, is of this module."""
    from invenio_stats.proxies import current_stats

    stat = query.get("stat") if isinstance(query, dict) else None
    found = current_stats.queries.get(stat) if isinstance(stat, str) else None
    return found is not None and issubclass(found.cls, CommunityStatsQuery)


def _batch() -> dict[str, Any]:
    """Return the queries of the request, not checked yet, by their name."""
    batch = request.get_json(silent=True) if has_request_context() else None
    return batch if isinstance(batch, dict) else {}


def _name_in_batch(stat: str, params: Any) -> str | None:
    """Return the name of the query with these parameters in its batch, or None."""
    batch = _batch()
    of_kind = [
        name
        for name, query in batch.items()
        if isinstance(query, dict) and query.get("stat") == stat
    ]
    for name in of_kind:
        if params is not None and batch[name].get("params") is params:
            return name
    return of_kind[0] if len(of_kind) == 1 else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
