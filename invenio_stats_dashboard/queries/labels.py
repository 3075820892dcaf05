# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Label breakdowns and their values in the language of the user.

Labels are read from vocabularies together with the numbers, so a new title applies to
all years. If a vocabulary does not answer, the id is the label.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import xxhash
from babel import Locale, UnknownLocaleError
from flask import current_app
from flask_babel import force_locale
from flask_babel import lazy_pgettext as pgettext
from invenio_access.permissions import system_identity
from invenio_i18n import get_locale
from invenio_i18n import lazy_gettext as _
from invenio_records_resources.proxies import current_service_registry
from invenio_search.engine import dsl
from marshmallow_utils.fields.babel import gettext_from_dict
from opensearchpy.exceptions import OpenSearchException

from ..reserved_ids import HIDDEN, OTHER, UNKNOWN
from ..subcounts import FILE_TYPES, Subcount
from .caching import cache, cached

SECONDS = 3600
"""Lifetime of a vocabulary's label in the cache."""

TOGETHER = 1000
"""Ids in one request to a vocabulary."""

_EVERYWHERE = {
    UNKNOWN: _("Unknown"),
    OTHER: _("Others"),
    HIDDEN: _("Restricted records"),
}
_AGENTS = {"human": _("Humans"), "machine": _("Machines")}
_ACCESS = {
    # the message "Open" of InvenioRDM is the verb on a button
    "open": pgettext("access status", "Open"),
    "embargoed": pgettext("access status", "Embargoed"),
    "restricted": _("Restricted"),
    "metadata-only": pgettext("access status", "Metadata-only"),
}
_BREAKDOWNS = {
    "resource_types": pgettext("breakdown", "Resource types"),
    "access_statuses": _("Access"),
    "languages": _("Languages"),
    "subjects": _("Subjects"),
    "rights": _("Licenses"),
    "funders": pgettext("breakdown", "Funders"),
    "affiliations": pgettext("breakdown", "Affiliations"),
    "publishers": _("Publishers"),
    "periodicals": _("Journals"),
    "file_types": _("File types"),
    "countries": _("Countries"),
    "referrers": _("Referrers"),
    "agents": _("Humans and machines"),
}

logger = logging.getLogger(__name__)


class Labels:
    """Finds labels; needs an application context.

    Args:
        subcounts: the registry of breakdowns.
    """

    def __init__(self, subcounts: Mapping[str, Subcount]) -> None:
        self._subcounts = subcounts

    def of(
        self,
        breakdown: str,
        ids: Iterable[str],
        language: str | None = None,
        from_caller: bool = False,
    ) -> dict[str, str]:
        """Return the labels of values of a breakdown.

        Args:
            breakdown: key.
            ids: ids of values, ``unknown`` and reserved ids included.
            language: code such as ``de`` or ``pt_BR``; None for that of the request.
            from_caller: a caller has sent the ids. They are cached only if the
                vocabulary has them, so that nobody can fill the cache with others.

        Returns:
            id -> label; an unknown id is its own label.
        """
        ids = list(dict.fromkeys(ids))
        subcount = self._subcounts.get(breakdown)
        with _spoken(language) as locale:
            found = {id: str(_EVERYWHERE[id]) for id in ids if id in _EVERYWHERE}
            rest = [id for id in ids if id not in found]
            if subcount is None:
                return found | {id: id for id in rest}
            if subcount.vocabulary:
                return found | self._of_vocabulary(
                    subcount.vocabulary, rest, locale, from_caller
                )
            return found | {id: _fixed(subcount, id, locale) for id in rest}

    def of_breakdowns(
        self, keys: Iterable[str], language: str | None = None
    ) -> dict[str, str]:
        """Return the labels of breakdowns.

        Args:
            keys: keys of breakdowns.
            language: code; None for that of the request.

        Returns:
            key -> label; the words of the key if the site has defined the breakdown.
        """
        with _spoken(language):
            return {
                key: str(_BREAKDOWNS.get(key) or key.replace("_", " ").capitalize())
                for key in keys
            }

    # -- vocabularies ---------------------------------------------------------

    def _of_vocabulary(
        self,
        vocabulary: str,
        ids: Collection[str],
        locale: Locale,
        from_caller: bool,
    ) -> dict[str, str]:
        keys = {id: _cache_key(vocabulary, id, locale) for id in ids}
        found: dict[str, str] = cached(keys)
        missing = [id for id in ids if id not in found]
        for start in range(0, len(missing), TOGETHER):
            some = missing[start : start + TOGETHER]
            labels = _read(vocabulary, some, locale)
            if labels is None:
                return {id: found.get(id, id) for id in ids}
            found |= {id: labels.get(id, id) for id in some}
            stored = labels if from_caller else some
            cache({keys[id]: found[id] for id in stored}, SECONDS)
        return found


def _read(vocabulary: str, ids: list[str], locale: Locale) -> dict[str, str] | None:
    """Return id -> label, of the ids in a vocabulary; None if it does not answer."""
    try:
        service = current_service_registry.get(vocabulary)
        only = None
    except KeyError:
        # the generic vocabularies share one service
        service = current_service_registry.get("vocabularies")
        only = dsl.Q("term", **{"type.id": vocabulary})
    search = service.create_search(
        system_identity,
        service.record_cls,
        service.config.search,
        permission_action="search",
        extra_filter=only,
    )
    search = search.query("terms", id=ids).source(["id", "title", "name", "subject"])
    try:
        hits = search.extra(size=len(ids)).execute()
    except OpenSearchException as error:
        logger.warning("the vocabulary %s does not answer: %s", vocabulary, error)
        return None
    return {hit["id"]: _title(hit.to_dict(), locale) for hit in hits}


def _title(term: dict[str, Any], locale: Locale) -> str:
    if title := term.get("title"):
        default = current_app.config.get("BABEL_DEFAULT_LOCALE", "en")
        return gettext_from_dict(title, locale, default)
    return term.get("name") or term.get("subject") or term["id"]


def _cache_key(vocabulary: str, id: str, locale: Locale) -> str:
    # ids can have any length and any characters
    digest = xxhash.xxh3_128_hexdigest(id.encode())
    return f"stats-dashboard-label:{locale}:{vocabulary}:{digest}"


# -- without a vocabulary -------------------------------------------------------


def _fixed(subcount: Subcount, id: str, locale: Locale) -> str:
    """Return the label of an id of a breakdown without a vocabulary."""
    if subcount.event == "country":
        return locale.territories.get(id, id)
    if subcount.extract == "agent":
        return str(_AGENTS.get(id, id))
    if subcount.fields == ("access.status",):
        return str(_ACCESS.get(id, id))
    if subcount.key == FILE_TYPES:
        return id.upper()
    return id


@contextmanager
def _spoken(language: str | None) -> Iterator[Locale]:
    """Use a language in the context; yield its locale."""
    if language is None:
        yield get_locale() or Locale("en")
        return
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    with force_locale(locale):
        yield locale
