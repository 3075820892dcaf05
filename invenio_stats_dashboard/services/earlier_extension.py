# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Move the indices of the earlier extension to other names, and remove its templates."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException
from opensearchpy.helpers import scan

from ..community_events.earlier_events import (
    FIELDS,
    EarlierEvents,
    count_lacking,
    holds_events,
)
from ..community_events.membership import MembershipReader
from ..errors import StatsDashboardError
from ..migration.set_aside import new_name, set_aside
from ..search.client import is_transient
from ..search.failures import Failure, as_error, explain, failure_of
from ..search.foreign_indices import (
    ForeignTemplate,
    NamedIndex,
    foreign_indices,
    foreign_templates,
)
from ..search.names import Names

_PAGE = 5000


@dataclass(frozen=True)
class EarlierIndex:
    """An index of another extension.

    Attributes:
        name: name of the index.
        new_name: the name to which it is moved, or was moved.
        documents: number of documents; None if the index is closed, or its metadata
            blocked.
        bytes: size with all replicas; None as well.
        aliases: names of its aliases, which it loses.
        problem: why it was not moved, or None.
    """

    name: str
    new_name: str
    documents: int | None
    bytes: int | None
    aliases: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class EarlierTemplate:
    """An index template of another extension.

    Attributes:
        name: name of the template.
        patterns: its index patterns.
        priority: its priority, or the order of a legacy template.
        is_legacy: whether it is a legacy template.
        problem: why it was not removed, or None.
    """

    name: str
    patterns: tuple[str, ...]
    priority: int
    is_legacy: bool
    problem: str | None = None


@dataclass(frozen=True)
class EarlierFindings:
    """What another extension has under names of this package.

    Attributes:
        indices: its indices.
        templates: its index templates.
        community_events: how many of its community events the timelines will lack; None
            if it has no index of community events.
    """

    indices: tuple[EarlierIndex, ...] = ()
    templates: tuple[EarlierTemplate, ...] = ()
    community_events: EarlierEvents | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to move or to remove."""
        return not self.indices and not self.templates

    @property
    def lacking(self) -> int:
        """Return the number of its community events that the timelines will lack."""
        found = self.community_events
        return found.lacking if found else 0

    @property
    def problems(self) -> list[str]:
        """Return why an index was not moved, or a template was not removed."""
        every: Iterable[EarlierIndex | EarlierTemplate]
        every = (*self.indices, *self.templates)
        return [f"{one.name}: {one.problem}" for one in every if one.problem]

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        found = asdict(self)
        if self.community_events:
            found["community_events"]["lacking"] = self.lacking
        return found


class EarlierExtension:
    """Finds and moves what another extension has under names of this package.

    Args:
        app: the application.
        client: decodes responses.
        reader: reads the records with which community events are compared.
    """

    def __init__(
        self, app: Flask, client: OpenSearch, reader: MembershipReader
    ) -> None:
        self._client, self._names, self._reader = client, Names.of(app), reader

    def find(self, progress: Callable[[int], None] | None = None) -> EarlierFindings:
        """Return what would be moved and removed; change nothing.

        Args:
            progress: called with the number of community events that were compared.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer, or refuses a request.
        """
        indices = foreign_indices(self._client, self._names)
        return EarlierFindings(
            tuple(map(self._described, indices)),
            tuple(
                EarlierTemplate(**vars(template))
                for template in foreign_templates(self._client, self._names)
            ),
            self._events(indices, progress),
        )

    def move(
        self,
        found: EarlierFindings,
        step: Callable[[str, str], None] | None = None,
    ) -> EarlierFindings:
        """Move the indices, then remove the templates.

        What another run has moved meanwhile is left out. One index or template that
        cannot be moved or removed does not prevent the others.

        Args:
            found: what :meth:`find` has returned, and an operator has confirmed.
            step: called with the name of an index, and with each step before it starts.

        Returns:
            The findings with their problems.

        Raises:
            SearchUnavailableError: OpenSearch does not answer; run it again.
        """
        wanted = {index.name for index in found.indices}
        moved, run = [], secrets.token_hex(6)
        described = {index.name: index for index in found.indices}
        for index in foreign_indices(self._client, self._names):
            if index.name in wanted:
                moved.append(self._moved(index, described[index.name], run, step))
        return EarlierFindings(
            tuple(moved),
            tuple(self._removed(template) for template in found.templates),
            found.community_events,
        )

    # -- inside ------------------------------------------------------------

    def _described(self, index: NamedIndex) -> EarlierIndex:
        """Return an index with its size, as far as OpenSearch shows it."""
        size: Mapping[str, str | None] = {}
        try:
            (size,) = self._client.cat.indices(
                index=index.name,
                params={
                    "format": "json",
                    "bytes": "b",
                    "h": "docs.count,store.size",
                    "expand_wildcards": "all",
                },
            )
        except OpenSearchException as error:
            if failure_of(error) is not Failure.BLOCKED:
                raise
        return EarlierIndex(
            name=index.name,
            new_name=new_name(index.name, self._names.prefix),
            documents=_number(size.get("docs.count")),
            bytes=_number(size.get("store.size")),
            aliases=index.aliases,
        )

    def _events(
        self,
        indices: Iterable[NamedIndex],
        progress: Callable[[int], None] | None,
    ) -> EarlierEvents | None:
        """Compare the community events of all open indices with the database."""
        found = [i.name for i in indices if holds_events(self._names, i.name)]
        if not found:
            return None
        hits = scan(
            self._client,
            index=",".join(found),
            query={"_source": list(FIELDS)},
            size=_PAGE,
            ignore_unavailable=True,
        )
        sources = (hit.get("_source") or {} for hit in hits)
        return count_lacking(sources, self._reader, progress)

    def _moved(
        self,
        index: NamedIndex,
        described: EarlierIndex,
        run: str,
        step: Callable[[str, str], None] | None,
    ) -> EarlierIndex:
        def do(name: str) -> None:
            if step:
                step(index.name, name)

        fields = vars(described)
        try:
            target = set_aside(self._client, self._names.prefix, index, run, do)
        except StatsDashboardError as error:
            return EarlierIndex(**{**fields, "problem": str(error)})
        except OpenSearchException as error:
            if is_transient(error):
                raise as_error(error) from error
            return EarlierIndex(**{**fields, "problem": explain(error)})
        return EarlierIndex(**{**fields, "new_name": target})

    def _removed(self, template: EarlierTemplate) -> EarlierTemplate:
        """Remove a template, unless it was replaced by another one meanwhile."""
        same = ForeignTemplate(
            template.name, template.patterns, template.priority, template.is_legacy
        )
        indices = self._client.indices
        delete = (
            indices.delete_template
            if template.is_legacy
            else indices.delete_index_template
        )
        try:
            if same in foreign_templates(self._client, self._names):
                delete(name=template.name)
        except NotFoundError:
            pass
        except OpenSearchException as error:
            if is_transient(error):
                raise as_error(error) from error
            return EarlierTemplate(**{**vars(template), "problem": explain(error)})
        return template


def _number(text: str | None) -> int | None:
    return int(text) if text else None
