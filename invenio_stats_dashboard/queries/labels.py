# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What people call breakdowns and their cells, in a language.

Labels come from the vocabularies when numbers are read, so that a new title shows in
all years. Where a vocabulary does not answer, the id stands for itself.
"""

import logging
from contextlib import contextmanager

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

from ..subcounts import FILE_TYPES
from .caching import cache, cached
from .query import OTHER

SECONDS = 3600
"""How long a label of a vocabulary is kept in the cache."""

TOGETHER = 1000
"""Ids that a vocabulary is asked for in one request."""

_EVERYWHERE = {"unknown": _("Unknown"), OTHER: _("Others")}
_AGENTS = {"human": _("People"), "machine": _("Machines")}
_ACCESS = {
    # InvenioRDM's own "Open" is what a button does
    "open": pgettext("access status", "Open"),
    "embargoed": _("Embargoed"),
    "restricted": _("Restricted"),
    "metadata-only": _("Metadata-only"),
}
_BREAKDOWNS = {
    "resource_types": _("Resource types"),
    "access_statuses": _("Access"),
    "languages": _("Languages"),
    "subjects": _("Subjects"),
    "rights": _("Licenses"),
    "funders": _("Funders"),
    "affiliations": _("Affiliations"),
    "publishers": _("Publishers"),
    "periodicals": _("Journals"),
    "file_types": _("File types"),
    "countries": _("Countries"),
    "referrers": _("Referrers"),
    "agents": _("People and machines"),
}

logger = logging.getLogger(__name__)


class Labels:
    """Finds labels; needs an application context.

    Args:
        subcounts: the registry of breakdowns.
    """

    def __init__(self, subcounts):
        """Keep the registry."""
        self._subcounts = subcounts

    def of(self, breakdown, ids, language=None):
        """Return what the cells of a breakdown are called.

        Args:
            breakdown: key.
            ids: iterable of the ids of cells, ``unknown`` and ``_other`` among them.
            language: code such as ``de`` or ``pt_BR``; None for that of the request.

        Returns:
            dict: id -> label; an id that nobody knows is its own.
        """
        ids = list(dict.fromkeys(ids))
        subcount = self._subcounts.get(breakdown)
        with _spoken(language) as locale:
            found = {id: str(_EVERYWHERE[id]) for id in ids if id in _EVERYWHERE}
            rest = [id for id in ids if id not in found]
            if subcount is None:
                return found | {id: id for id in rest}
            if subcount.vocabulary:
                return found | self._of_vocabulary(subcount.vocabulary, rest, locale)
            return found | {id: _fixed(subcount, id, locale) for id in rest}

    def of_breakdowns(self, keys, language=None):
        """Return what breakdowns are called.

        Args:
            keys: iterable of keys.
            language: code; None for that of the request.

        Returns:
            dict: key -> label; of a key of the site's own, the key in plain words.
        """
        with _spoken(language):
            return {
                key: str(_BREAKDOWNS.get(key) or key.replace("_", " ").capitalize())
                for key in keys
            }

    # -- vocabularies ---------------------------------------------------------

    def _of_vocabulary(self, vocabulary, ids, locale):
        keys = {id: _cache_key(vocabulary, id, locale) for id in ids}
        found = cached(keys)
        missing = [id for id in ids if id not in found]
        for start in range(0, len(missing), TOGETHER):
            some = missing[start : start + TOGETHER]
            labels = _read(vocabulary, some, locale)
            if labels is None:
                return {id: found.get(id, id) for id in ids}
            found |= {id: labels.get(id, id) for id in some}
            cache({keys[id]: found[id] for id in some}, SECONDS)
        return found


def _read(vocabulary, ids, locale):
    """Return the labels that a vocabulary has; None if it does not answer."""
    try:
        service = current_service_registry.get(vocabulary)
        only = None
    except KeyError:
        # one of the vocabularies that are all in one service
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


def _title(term, locale):
    if title := term.get("title"):
        default = current_app.config.get("BABEL_DEFAULT_LOCALE", "en")
        return gettext_from_dict(title, locale, default)
    return term.get("name") or term.get("subject") or term["id"]


def _cache_key(vocabulary, id, locale):
    # ids are of any length and hold anything
    digest = xxhash.xxh3_128_hexdigest(id.encode())
    return f"stats-dashboard-label:{locale}:{vocabulary}:{digest}"


# -- without a vocabulary -------------------------------------------------------


def _fixed(subcount, id, locale):
    """Return the label of an id whose kind is known."""
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
def _spoken(language):
    """Speak a language for a while; yield its locale."""
    if language is None:
        yield get_locale() or Locale("en")
        return
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    with force_locale(locale):
        yield locale
