# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Cause changes on an instance of an older InvenioRDM, and report the hooks called.

``scripts/check-patches`` runs this with the Python of that version, and compares what
it prints with ``fired.txt``: a line for each call of a hook, in their order, with the
names of its arguments and what they say.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from helpers import content, instance, vocabularies

SETTINGS = {
    "communities": "RDM_RECORD_COMMUNITIES_SERVICE_COMPONENTS",
    "events": "REQUESTS_EVENTS_SERVICE_COMPONENTS",
}
NAMES = {
    "communities": ("add_community", "remove_community", "set_default", "bulk_add"),
    "events": ("create", "update_comment", "delete_comment"),
}
PLAIN = ("communities", "community", "default_community_id", "valid_data", "errors")
fired = []
named = {}


def recorder(service):
    """Return a component that writes down how it is called."""
    from invenio_records_resources.services.records.components import ServiceComponent

    def method(name):
        def record_call(self, identity, **arguments):
            assert identity.id is not None and self.uow is not None
            given = ", ".join(sorted(arguments))
            fired.append(f"{service}.{name}({given}): {seen(arguments)}")
            if name == "bulk_add":  # components may change it
                arguments["set_default"]["value"] = True

        return record_call

    return type("Recorder", (ServiceComponent,), {n: method(n) for n in NAMES[service]})


def seen(arguments):
    """Return a text by which the arguments can be checked."""
    if "event" in arguments:
        event = arguments["event"]
        return " ".join([event.type.type_id, event["payload"].get("event", "")]).strip()
    if "record" not in arguments:
        default = arguments["set_default"]
        return f"{arguments['record_ids']} into {arguments['community_id']}, {default}"
    record = arguments["record"]
    communities = record.parent.communities
    now = sorted(named.get(id_, id_) for id_ in communities.ids)
    default = named[str(communities.default.id)] if communities.default else None
    given = {k: arguments[k] for k in sorted(arguments) if k in PLAIN}
    return f"{record.pid.pid_value} is in {now}, by default {default}; {given}"


def make_community(slug):
    """Create a community with what all versions know; return its UUID."""
    from invenio_access.permissions import system_identity
    from invenio_communities.proxies import current_communities

    access = {"visibility": "public", "review_policy": "closed"}
    data = {"slug": slug, "metadata": {"title": slug}, "access": access}
    id_ = str(current_communities.service.create(system_identity, data).id)
    named[id_] = slug
    return id_


def change_things():
    """Use every method that has a hook."""
    from invenio_access.permissions import system_identity
    from invenio_rdm_records.proxies import current_record_communities_service
    from invenio_requests.customizations import CommentEventType
    from invenio_requests.proxies import (
        current_events_service,
        current_requests_service,
    )

    first, second = make_community("first"), make_community("second")
    recid = content.make_record()
    named[recid] = "record"

    request = content.request_inclusion(recid, first)
    comment = {"payload": {"content": "a comment", "format": "html"}}
    item = current_events_service.create(
        system_identity, request, comment, CommentEventType
    )
    current_events_service.update(system_identity, item.id, comment)
    current_events_service.delete(system_identity, item.id)
    current_requests_service.execute_action(system_identity, request, "accept", {})

    content.include_in_bulk([recid], second)
    content.remove_by_community(recid, first)
    current_record_communities_service.set_default(
        system_identity, recid, {"default": second}
    )
    content.remove(recid, second)


def main():
    """Build the instance, use it, print what fired."""
    with instance.place() as where:
        app = instance.create(where)
        instance.initialise(app, where)
        app.config.update({SETTINGS[s]: [recorder(s)] for s in SETTINGS})
        with app.app_context():
            vocabularies.make_vocabularies()
            change_things()
    for line in fired:
        for id_, name in named.items():
            line = line.replace(id_, name)
        print(line)


if __name__ == "__main__":
    os.chdir(tempfile.gettempdir())
    main()
