# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find indices and templates of another extension under names of this package.

The earlier extension of the same name made indices such as
``stats-community-events-2024`` and templates such as ``stats-community-events-*``. They
lack this package's ``_meta``. An index with such a name would receive documents of this
package, or is read through one of its aliases, although its mapping is another one. So
operations that would use such an index refuse to start, and name the command that moves
it to another name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import ForeignIndexError
from .client import decoded
from .failures import Failure, failure_of
from .index_templates import overlap
from .names import META_KEY, Names

COMMAND = "invenio community-stats move-earlier-indices"
"""The command that moves the indices, and removes the templates."""

_DETAILS = ("settings.index.uuid", "aliases", "mappings._meta")
_OF_STATE = ("settings.index.uuid", "aliases", "mappings._doc._meta")
_NAMED = 3


@dataclass(frozen=True)
class NamedIndex:
    """An index whose name belongs to this package.

    Attributes:
        name: name of the index.
        uuid: its UUID. A recreated index has another one.
        aliases: names of its aliases, sorted.
        is_ours: whether this package created it, as the ``_meta`` of its mapping shows.
    """

    name: str
    uuid: str
    aliases: tuple[str, ...]
    is_ours: bool


@dataclass(frozen=True)
class ForeignTemplate:
    """An index template of another extension for names of this package.

    Attributes:
        name: name of the template.
        patterns: its index patterns.
        priority: its priority, or the order of a legacy template.
        is_legacy: whether it is a legacy template.
    """

    name: str
    patterns: tuple[str, ...]
    priority: int
    is_legacy: bool


def named_indices(
    client: OpenSearch, names: Names, sources_only: bool = False
) -> list[NamedIndex]:
    """Return the existing indices whose names belong to this package, by name.

    Indices of usage events are not included: one without ``_meta`` is legacy.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        sources_only: only those of :meth:`.Names.is_source`.

    Raises:
        OpenSearchException: the cluster does not answer, or refuses the request.
    """
    pattern, is_wanted = f"{names.community_start}*", names.is_used
    if sources_only:
        pattern = f"{names.community_events}*,{names.record_facts}*"
        is_wanted = names.is_source
    return [
        NamedIndex(
            name,
            details.get("settings", {}).get("index", {}).get("uuid", ""),
            tuple(sorted(details.get("aliases", ()))),
            META_KEY in _mappings(details).get("_meta", {}),
        )
        for name, details in sorted(_details(client, pattern).items())
        if is_wanted(name)
    ]


def foreign_indices(
    client: OpenSearch, names: Names, sources_only: bool = False
) -> list[NamedIndex]:
    """Return the indices of :func:`named_indices` that are not this package's."""
    found = named_indices(client, names, sources_only)
    return [index for index in found if not index.is_ours]


def foreign_templates(client: OpenSearch, names: Names) -> list[ForeignTemplate]:
    """Return the templates of another extension for names of this package.

    A template is one of them if it has no ``_meta`` of this package, and each of its
    patterns matches only such names, as ``stats-community-events-*`` does. A template
    of the site for everything, such as ``stats-community-*``, is not, and neither is
    one for a single index.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.

    Raises:
        OpenSearchException: the cluster does not answer, or refuses a request.
    """
    found = [
        ForeignTemplate(
            one["name"],
            tuple(one["index_template"].get("index_patterns", ())),
            int(one["index_template"].get("priority", 0)),
            is_legacy=False,
        )
        for one in _composable(client)
        if META_KEY not in one["index_template"].get("_meta", {})
    ]
    only_these = {"filter_path": "*.index_patterns,*.order"}
    legacy = decoded(
        client.transport.perform_request("GET", "/_template", params=only_these)
    )
    found += [
        ForeignTemplate(
            name,
            tuple(body.get("index_patterns", ())),
            int(body.get("order", 0)),
            is_legacy=True,
        )
        for name, body in legacy.items()
    ]
    chosen = [one for one in found if _is_for_ours(names, one.patterns)]
    return sorted(chosen, key=lambda one: (one.name, one.is_legacy))


def foreign_problems(client: OpenSearch, names: Names) -> list[str]:
    """Return sentences about foreign indices and templates; empty without any.

    Raises:
        OpenSearchException: the cluster does not answer, or refuses a request.
    """
    return list(
        _sentences(foreign_indices(client, names), foreign_templates(client, names))
    )


def require_own_indices(
    client: OpenSearch, names: Names, sources_only: bool = False
) -> None:
    """Check that no index of this package's names belongs to another extension.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        sources_only: check only names of :meth:`.Names.is_source`.

    Raises:
        ForeignIndexError: one does; the text names it, and the command that moves it.
        OpenSearchException: the cluster does not answer, or refuses the request.
    """
    found = foreign_indices(client, names, sources_only)
    if found:
        raise ForeignIndexError(sentence_about([index.name for index in found]))


def is_own(client: OpenSearch, names: Names, index: str) -> bool:
    """Return whether an index exists and belongs to this package.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        index: one of the names of :meth:`.Names.is_used`.
    """
    found = named_indices(client, names)
    return any(one.name == index and one.is_ours for one in found)


def require_own_index(client: OpenSearch, names: Names, index: str) -> None:
    """Check that an index does not belong to another extension; it may be missing.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        index: one of the names of :meth:`.Names.is_used`.

    Raises:
        ForeignIndexError: see :func:`require_own_indices`.
        OpenSearchException: the cluster does not answer, or refuses the request.
    """
    if any(one.name == index for one in foreign_indices(client, names)):
        raise ForeignIndexError(sentence_about([index]))


def sentence_about(indices: Sequence[str]) -> str:
    """Return two sentences about foreign indices.

    Args:
        indices: their names, at least one.
    """
    listed = ", ".join(indices[:_NAMED])
    if len(indices) == 1:
        return (
            f"The index {listed} has a name of this package, but does not belong to "
            "this package: another extension created it, such as the earlier one of "
            f"the same name. Run '{COMMAND}', which moves it to another name after a "
            "question."
        )
    if len(indices) > _NAMED:
        listed += f" and {len(indices) - _NAMED} more"
    return (
        f"The indices {listed} have names of this package, but do not belong to this "
        "package: another extension created them, such as the earlier one of the same "
        f"name. Run '{COMMAND}', which moves them to other names after a question."
    )


def _sentences(
    indices: Sequence[NamedIndex], templates: Iterable[ForeignTemplate]
) -> Iterator[str]:
    if indices:
        yield sentence_about([index.name for index in indices])
    for template in templates:
        yield (
            f"The index template {template.name} is for names of this package "
            f"({', '.join(template.patterns)}), but another extension put it. Run "
            f"'{COMMAND}', which removes it after a question."
        )


def _details(client: OpenSearch, pattern: str) -> dict[str, Any]:
    """Return name -> settings, aliases and mappings of indices, also of closed ones."""
    params = {"expand_wildcards": "all"}
    try:
        return decoded(
            client.transport.perform_request(
                "GET",
                f"/{pattern}",
                params={**params, "filter_path": ",".join(f"*.{p}" for p in _DETAILS)},
            )
        )
    except OpenSearchException as error:
        if failure_of(error) is not Failure.BLOCKED:
            raise
    # A block of the metadata of one index refuses the request about all. The state of
    # the cluster shows that index all the same.
    paths = [f"metadata.indices.*.{path}" for path in _OF_STATE]
    state = decoded(
        client.transport.perform_request(
            "GET",
            f"/_cluster/state/metadata/{pattern}",
            params={**params, "filter_path": ",".join(paths)},
        )
    )
    return state.get("metadata", {}).get("indices", {})


def _mappings(details: dict[str, Any]) -> dict[str, Any]:
    found = details.get("mappings", {})
    return found.get("_doc", found)  # the state of the cluster has one more level


def _composable(client: OpenSearch) -> list[dict[str, Any]]:
    """Return all composable templates, each with name, patterns, priority and meta."""
    paths = ("name", *(f"index_template.{p}" for p in _OF_TEMPLATE))
    answer = client.transport.perform_request(
        "GET",
        "/_index_template",
        params={"filter_path": ",".join(f"index_templates.{p}" for p in paths)},
    )
    return decoded(answer).get("index_templates", [])


_OF_TEMPLATE = ("index_patterns", "priority", "_meta")


def _is_for_ours(names: Names, patterns: Sequence[str]) -> bool:
    """Return whether all patterns match only names of this package; see above."""
    start, ours = names.community_start, names.patterns()
    return bool(patterns) and all(
        _is_inside(pattern, start) and any(overlap(pattern, own) for own in ours)
        for pattern in patterns
    )


def _is_inside(pattern: str, start: str) -> bool:
    """Return whether a pattern has a wildcard, and begins with more than a start."""
    literal, wildcard, _ = pattern.partition("*")
    return bool(wildcard) and literal.startswith(start) and literal != start
