# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Every request gets a response or a sentence, never a server error."""

import json
from datetime import timedelta
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invenio_stats_dashboard.queries.metrics import METRICS
from invenio_stats_dashboard.queries.query import INTERVALS
from invenio_stats_dashboard.resources.stats_queries import queries
from invenio_stats_dashboard.search.names import BASES

from ..helpers.counted_site import HOSTILE, TODAY

TOGETHER = 5
"""Requests of an example: drawing an example takes longer than refusing a request."""


def often(examples):
    """Return the settings of a test with so many examples."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


hostile = st.one_of(
    st.sampled_from(
        (
            *HOSTILE,
            "\x00",
            "\ud800",
            "a" * 5000,
            "'; DROP TABLE communities_metadata; --",
            "../../etc/passwd",
            "%00",
            "null",
            "NaN",
            "-1",
            "1e999",
            "٣",
            "9" * 400,
            "0001-01-01",
            "9999-12-31",
            "global",
            "*",
            "_all",
        )
    ),
    st.text(max_size=20),
)
days = st.one_of(
    st.integers(0, 500).map(lambda n: (TODAY - timedelta(days=n)).isoformat()),
    st.dates().map(str),
)


def mostly(valid):
    """Return what makes sense, and now and then what does not."""
    return st.one_of(valid, valid, hostile)


def words(choices):
    """Return a list of names."""
    return mostly(
        st.lists(st.sampled_from(choices), min_size=1, max_size=3).map(",".join)
    )


BREAKDOWNS = ("subjects", "countries", "resource_types", "agents", "all")
PARAMETERS = {
    "from": mostly(days),
    "to": mostly(days),
    "range": mostly(st.sampled_from(("7d", "30d", "12mo", "mtd", "ytd", "all", "3y"))),
    "interval": mostly(st.sampled_from(INTERVALS)),
    "metrics": words((*METRICS, "all")),
    "breakdown": words(BREAKDOWNS),
    "top": mostly(st.sampled_from(("1", "3", "1000", "all"))),
    "other": mostly(st.sampled_from(("true", "false"))),
    "basis": mostly(st.sampled_from(BASES)),
    "cumulative": mostly(st.sampled_from(("true", "false"))),
    "compare": mostly(st.sampled_from(("previous", "year"))),
    "filter": mostly(st.sampled_from(("countries:CA", "subjects:=1+1", "agents:x"))),
    "lang": mostly(st.just("en")),
    "format": mostly(st.sampled_from(("json", "json", "csv", "xlsx"))),
    "by": mostly(st.sampled_from(("views", "downloads"))),
    "of": mostly(st.sampled_from(("parents", "records"))),
    "size": mostly(st.sampled_from(("1", "100"))),
    "month": mostly(st.sampled_from(("2999-01", "2024-1"))),
}


SERIES = tuple(PARAMETERS)[:14]
TAKES = {
    "/records": ("from", "to", "range", "by", "of", "size", "interval"),
    "/counter": ("month", "format", "range"),
}


@st.composite
def requests(draw):
    """Return (whose, part, parameters, headers)."""
    whose = draw(mostly(st.sampled_from(("open", "global", "closed"))))
    part = draw(st.sampled_from(("", "", "", "", "/records", "/counter")))
    takes = TAKES.get(part, SERIES)
    names = draw(st.lists(st.sampled_from(takes), min_size=2, max_size=5, unique=True))
    query = [(name, draw(PARAMETERS[name])) for name in names]
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(hostile), draw(hostile)))
    headers = {}
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(("Accept", "If-None-Match", "Accept-Language")))
        headers[name] = draw(
            st.sampled_from(("*/*", "text/csv", "x", ";;q=", 'W/"a"', "de, *;q=0"))
        )
    return whose, part, query, headers


def storable(text):
    """Return a text as a URL can hold it."""
    return text.encode("utf-8", "replace").decode()


@often(280)
@given(st.lists(requests(), min_size=TOGETHER, max_size=TOGETHER))
def test_any_question_is_answered_or_refused_with_a_sentence(site, anyone, many):
    for whose, part, query, headers in many:
        path = "/stats-dashboard/global"
        if whose != "global":
            name = storable(site.slugs.get(whose, whose))
            if "/" in name:
                # no route matches, and invenio-pages fails for a path with this
                name = name.replace("\x00", "")
            path = f"/stats-dashboard/communities/{quote(name, safe='')}"
        answer = anyone.get(
            path + part,
            query_string=[(storable(key), storable(value)) for key, value in query],
            headers=headers,
        )
        assert answer.status_code < 500, (path, part, query, answer.data)
        if answer.status_code >= 400:
            assert len(answer.json["message"]) > 8
            for error in answer.json.get("errors", []):
                assert all(len(message.split()) > 3 for message in error["messages"])


STATS = tuple(queries())
values = st.one_of(
    hostile,
    days,
    st.none(),
    st.booleans(),
    st.integers(),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
params = st.one_of(
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "community_id": st.one_of(
                st.sampled_from(("global", "open", "closed")), values
            ),
            "start_date": st.one_of(days, values),
            "end_date": st.one_of(days, values),
            "x": values,
        },
    ),
)


@often(140)
@given(
    st.lists(
        st.tuples(st.sampled_from(STATS), params), min_size=TOGETHER, max_size=TOGETHER
    )
)
def test_any_query_of_a_batch_is_answered_or_refused_with_a_sentence(
    site, anyone, many
):
    for stat, sent in many:
        if isinstance(sent, dict) and sent.get("community_id") in ("open", "closed"):
            sent = {**sent, "community_id": site.slugs[sent["community_id"]]}
        body = json.dumps({"one <of> many": {"stat": stat, "params": sent}})
        answer = anyone.post("/stats", data=body, content_type="application/json")
        assert answer.status_code < 500, (body, answer.data)
        if answer.status_code >= 400:
            assert answer.json["message"].startswith("Query 'one <of> many'")
            assert len(answer.json["message"].split()) > 8
