# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find indices and templates of another extension under names of this package.

The earlier extension of the same name made indices such as
``stats-community-events-2024`` and templates such as ``stats-community-events-*``. An
index with such a name would receive documents of this package, or is read through one
of its aliases, although its mapping is another one. Operations that would use such an
index therefore refuse to start. This package never changes, moves or deletes it.

An index is foreign only if its mapping shows so. It lacks this package's ``_meta``, it
has fields, and none of them is one by which this package's documents are known:

* ``place`` in community events: the number of an event among those of its record and
  community.
* ``registry`` or ``parent_recid`` in record facts.
* ``checksum`` in aggregates.

All versions of this package have stored these fields, and other extensions number or
sum no documents so. An index of this package can lack the ``_meta``, because OpenSearch
created it for a write while the template was missing or overridden; its mapping then
has these fields all the same. An index without fields, or with a mapping that adds none
(``"dynamic": false``), shows nothing and is not foreign. Neither are indices whose names
only this package uses: bookmarks, locks, intermediate results and indices such as
``stats-community-usage-delta-from-2020``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import ForeignIndexError
from .client import decoded
from .failures import Failure, failure_of
from .names import FAMILIES, META_KEY, Names

PAGE = "'Coming from the earlier extension' in the documentation"
"""Names the page that describes how to move such an index."""

_FIELDS = ("_meta", "dynamic", "properties")
_NAMED = 3


@dataclass(frozen=True)
class NamedIndex:
    """An index whose name belongs to this package.

    It can be neither ours nor foreign, if its mapping shows nothing.

    Attributes:
        name: name of the index.
        is_ours: whether its mapping shows that this package created it.
        is_foreign: whether its mapping shows that another extension created it.
    """

    name: str
    is_ours: bool
    is_foreign: bool


@dataclass(frozen=True)
class ForeignTemplate:
    """An index template of another extension for names of this package.

    Attributes:
        name: name of the template.
        patterns: its index patterns.
        is_legacy: whether it is a legacy template.
    """

    name: str
    patterns: tuple[str, ...]
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
        _named(names, name, _mapping(details))
        for name, details in sorted(_details(client, pattern).items())
        if is_wanted(name)
    ]


def foreign_indices(
    client: OpenSearch, names: Names, sources_only: bool = False
) -> list[NamedIndex]:
    """Return the indices of :func:`named_indices` that are foreign."""
    found = named_indices(client, names, sources_only)
    return [index for index in found if index.is_foreign]


def foreign_templates(client: OpenSearch, names: Names) -> list[ForeignTemplate]:
    """Return the templates of another extension for names of this package.

    A template is one of them if it has no ``_meta`` of this package, its patterns are
    those of whole families, such as ``stats-community-events-*``, and it has a mapping
    with fields but none by which this package's documents are known. A template with
    settings of the site, or for other patterns, is not.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.

    Raises:
        OpenSearchException: the cluster does not answer, or refuses a request.
    """
    composable = {
        one["name"]: one["index_template"]
        for one in _get(client, "/_index_template", "index_templates").get(
            "index_templates", ()
        )
    }
    found = [
        ForeignTemplate(name, tuple(body["index_patterns"]), is_legacy)
        for bodies, is_legacy in (
            (composable, False),
            (_get(client, "/_template", "*.index_patterns,*.mappings"), True),
        )
        for name, body in bodies.items()
        if META_KEY not in (body.get("_meta") or {})
        and _is_of_another(
            names,
            body.get("index_patterns", ()),
            (body if is_legacy else body.get("template", {})).get("mappings") or {},
        )
    ]
    return sorted(found, key=lambda one: (one.name, one.is_legacy))


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
        ForeignIndexError: one does; the text names it.
        OpenSearchException: the cluster does not answer, or refuses the request.
    """
    found = foreign_indices(client, names, sources_only)
    if found:
        raise ForeignIndexError(sentence_about([index.name for index in found]))


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
            f"the same name. Move it to another name; see {PAGE}."
        )
    if len(indices) > _NAMED:
        listed += f" and {len(indices) - _NAMED} more"
    return (
        f"The indices {listed} have names of this package, but do not belong to this "
        "package: another extension created them, such as the earlier one of the same "
        f"name. Move them to other names; see {PAGE}."
    )


def _sentences(
    indices: Sequence[NamedIndex], templates: Iterable[ForeignTemplate]
) -> Iterator[str]:
    if indices:
        yield sentence_about([index.name for index in indices])
    for template in templates:
        yield (
            f"The index template {template.name} is for names of this package "
            f"({', '.join(template.patterns)}), but another extension put it. Remove "
            f"it; see {PAGE}."
        )


def is_ours(names: Names, index: str, mapping: Mapping[str, Any]) -> bool:
    """Return whether the mapping of an index shows that this package created it.

    Args:
        names: the instance's index names.
        index: a name for which :meth:`.Names.is_used` is true.
        mapping: its ``_meta`` and ``properties``, as far as it has them.
    """
    fields = mapping.get("properties") or {}
    return (
        not names.is_shared(index)
        or META_KEY in (mapping.get("_meta") or {})
        or any(name in fields for name in _own_fields(names, index))
    )


def _named(names: Names, index: str, mapping: Mapping[str, Any]) -> NamedIndex:
    """Return an index, and what its mapping shows; see the module."""
    ours = is_ours(names, index, mapping)
    is_dynamic = str(mapping.get("dynamic", True)).lower() != "false"
    has_fields = bool(mapping.get("properties"))
    return NamedIndex(index, ours, has_fields and is_dynamic and not ours)


def _own_fields(names: Names, index: str) -> tuple[str, ...]:
    """Return the fields by which documents of this package are known."""
    if index == names.record_facts:
        return ("registry", "parent_recid")
    return ("place",) if names.is_source(index) else ("checksum",)


def _is_of_another(
    names: Names, patterns: Sequence[str], mapping: Mapping[str, Any]
) -> bool:
    """Return whether a template without ``_meta`` is one of another extension."""
    aliases = [names.community_events, *map(names.aggregates, FAMILIES)]
    families = {f"{alias}-*": f"{alias}-2000" for alias in aliases}
    return bool(patterns) and all(
        pattern in families and _named(names, families[pattern], mapping).is_foreign
        for pattern in patterns
    )


def _details(client: OpenSearch, pattern: str) -> dict[str, Any]:
    """Return name -> mapping of indices, also of closed and blocked ones."""
    paths = ",".join(f"*.mappings.{field}" for field in _FIELDS)
    try:
        # With the UUID, so that the response also names indices without a mapping.
        return _get(client, f"/{pattern}", f"*.settings.index.uuid,{paths}")
    except OpenSearchException as error:
        if failure_of(error) is not Failure.BLOCKED:
            raise
    # A block of the metadata of one index refuses the request about all. The state of
    # the cluster shows that index all the same.
    start = "metadata.indices.*"
    paths = ",".join(f"{start}.mappings._doc.{field}" for field in _FIELDS)
    paths = f"{start}.settings.index.uuid,{paths}"
    state = _get(client, f"/_cluster/state/metadata/{pattern}", paths)
    return state.get("metadata", {}).get("indices", {})


def _mapping(details: Mapping[str, Any]) -> dict[str, Any]:
    found = details.get("mappings", {})
    return found.get("_doc", found)  # the state of the cluster has one more level


def _get(client: OpenSearch, path: str, wanted: str) -> dict[str, Any]:
    params = {"filter_path": wanted}
    if not path.startswith(("/_index_template", "/_template")):
        params["expand_wildcards"] = "all"
    return decoded(client.transport.perform_request("GET", path, params=params))
