# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find index templates of this package that are missing or have no effect.

OpenSearch refuses a composable template if another one of the same priority matches a
common index name. For each new index, it uses only the template of the highest
priority.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from .failures import explain
from .index_templates import PRIORITY
from .names import META_KEY, Names
from .template_composition import counted_types, event_patterns, refused_templates

_VARIABLE = "STATS_DASHBOARD_TEMPLATE_PRIORITY"
_FILTER = ",".join(
    f"index_templates.{path}"
    for path in (
        "name",
        "index_template.index_patterns",
        "index_template.priority",
        "index_template._meta",
    )
)


@dataclass(frozen=True)
class TemplateRank:
    """What decides which template an index gets.

    Attributes:
        name: of the template.
        patterns: its index patterns.
        priority: its priority.
    """

    name: str
    patterns: tuple[str, ...]
    priority: int

    def meets(self, other: "TemplateRank") -> bool:
        """Return whether an index name exists that both templates match."""
        return any(overlap(a, b) for a in self.patterns for b in other.patterns)


def template_problems(
    app: Flask, client: OpenSearch, fixed: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Return a sentence about each problem with the index templates of this package.

    Args:
        app: the application.
        client: decodes responses.
        fixed: the templates that do not depend on the cluster, by name.
    """
    ours = _wanted(app, fixed)
    try:
        answer = client.transport.perform_request(
            "GET", "/_index_template", params={"filter_path": _FILTER}
        )
    except OpenSearchException as error:
        return [f"It is unknown whether index templates are missing. {explain(error)}"]
    stored = answer.get("index_templates", ())
    known = {template.name for template in ours}
    theirs = [
        TemplateRank(
            t["name"],
            tuple(t["index_template"].get("index_patterns", ())),
            t["index_template"].get("priority", 0),
        )
        for t in stored
        if META_KEY not in t["index_template"].get("_meta", {})
        and t["name"] not in known
    ]
    missing = known - {t["name"] for t in stored}
    return list(_sentences(ours, theirs, missing, refused_templates(app)))


def _wanted(app: Flask, fixed: Mapping[str, dict[str, Any]]) -> list[TemplateRank]:
    names, priority = Names.of(app), app.config[_VARIABLE]
    ours = [
        TemplateRank(name, tuple(body["index_patterns"]), max(priority, PRIORITY))
        for name, body in fixed.items()
    ]
    for event_type in counted_types(app):
        for name, (pattern, rank) in event_patterns(app, names, event_type).items():
            ours.append(TemplateRank(name, (pattern,), rank))
    return ours


def _sentences(
    ours: Collection[TemplateRank],
    theirs: Iterable[TemplateRank],
    missing: Collection[str],
    reasons: Mapping[str, str],
) -> Iterator[str]:
    explained: set[str] = set()
    for site in sorted(theirs, key=lambda t: t.name):
        met = [t for t in ours if t.priority <= site.priority and t.meets(site)]
        if not met:
            continue
        equal = [t.name for t in met if t.priority == site.priority]
        explained |= {name for name in equal if name in missing}
        what = (
            f"prevents {_number(met)} of this package from being put or used"
            if equal
            else f"overrides {_number(met)} of this package"
        )
        yield (
            f"The site's index template {site.name} (priority {site.priority}) {what}, "
            f"such as {met[0].name}, so new indices may lack the mapping that counting "
            f"needs. Set {_VARIABLE} to {site.priority + 1} or more, then restart the "
            "application."
        )
    for name in sorted({*missing, *reasons} - explained):
        why = reasons.get(name)
        what = "is missing" if name in missing else "is of an earlier version"
        yield f"The index template {name} {what}. " + (
            f"{why} Then restart the application, which puts it."
            if why
            else "Restart the application, which puts it, or logs why it cannot."
        )


def _number(templates: Collection[TemplateRank]) -> str:
    number = len(templates)
    return "1 index template" if number == 1 else f"{number} index templates"


def overlap(first: str, second: str) -> bool:
    """Return whether an index name exists that two patterns match.

    Args:
        first: a pattern, in which ``*`` stands for any text.
        second: likewise.
    """

    @cache
    def meet(a: int, b: int) -> bool:
        if a == len(first) and b == len(second):
            return True
        if a < len(first) and first[a] == "*":
            return meet(a + 1, b) or (b < len(second) and meet(a, b + 1))
        if b < len(second) and second[b] == "*":
            return meet(a, b + 1) or (a < len(first) and meet(a + 1, b))
        if a == len(first) or b == len(second) or first[a] != second[b]:
            return False
        return meet(a + 1, b + 1)

    return meet(0, 0)
