# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Call the service methods of an older InvenioRDM and print which hooks ran.

Run by ``scripts/check-patches`` with the Python of that environment. The services, their
configuration, ``run_components`` and the methods are the installed ones; records,
schemas, permissions and the unit of work around them are stand-ins, so that neither a
database nor a search cluster is needed.
"""

import json
from unittest.mock import MagicMock

from flask import Flask
from invenio_rdm_records.services.communities import service as communities
from invenio_rdm_records.services.config import RDMRecordCommunitiesConfig
from invenio_rdm_records.services.errors import CommunityAlreadyExists
from invenio_requests.customizations import CommentEventType
from invenio_requests.services.events import service as events
from invenio_requests.services.events.config import RequestEventsServiceConfig

IDENTITY, UOW = object(), MagicMock()
TRACE = []


class Recorder:
    """Component that writes down each hook with its arguments."""

    def __init__(self, service):
        """Take the service, as each component does."""
        self.uow = None

    def __getattr__(self, name):
        """Return a hook of any name but those of Python and Mock."""
        if name.startswith("_"):
            raise AttributeError(name)

        def record(identity, **arguments):
            assert identity is IDENTITY and self.uow is UOW, name
            TRACE.append([name, sorted(arguments)])
            if name == "bulk_add":
                arguments["set_default"]["value"] = "chosen by a component"

        return record


class StandIns:
    """What the services take from their surroundings."""

    schema = communities_schema = record_cls = indexer = MagicMock()
    links_item_tpl = None

    def require_permission(self, identity, action, **kwargs):
        """Allow everything."""

    def check_revision_id(self, *args):
        """Find nothing outdated."""

    def result_item(self, *args, **kwargs):
        """Return no result."""


class Communities(StandIns, communities.RecordCommunitiesService):
    """The installed service among stand-ins."""

    _include = MagicMock(side_effect=CommunityAlreadyExists())


class Events(StandIns, events.RequestEventsService):
    """The installed service among stand-ins."""

    _get_request = _get_event = _get_creator = _wrap_schema = MagicMock()


def call_communities(app):
    """Add, remove, set the default, add many; and remove one that is not there."""
    service = Communities(RDMRecordCommunitiesConfig.build(app))
    communities.current_communities = communities.current_rdm_records_service = MagicMock()
    record = service.record_cls.pid.resolve.return_value
    members = record.parent.communities
    members.ids = ["one"]
    members.__contains__.return_value = False
    members.remove.side_effect = lambda *_: TRACE.append(["(removed)", []])
    members.add.side_effect = lambda *_, default, **__: TRACE.append(
        ["(added)", [f"default={default}"]]
    )
    loaded = {"communities": [{"id": "one"}, {"id": "other"}], "default": {"id": "one"}}
    service.schema.load.return_value = (loaded, [])
    # one community, which has no parent
    resolve = communities.current_communities.service.record_cls.pid.resolve
    resolve.return_value.parent = None
    service.add(IDENTITY, "r", {}, uow=UOW)
    _, errors = service.remove(IDENTITY, "r", {}, uow=UOW)
    assert [error.get("community") for error in errors] == [None, None, "other"], errors
    service.set_default(IDENTITY, "r", {}, uow=UOW)
    service.bulk_add(IDENTITY, "c", ["r"], uow=UOW)


def call_events(app):
    """Create, update and delete a comment."""
    service = Events(RequestEventsServiceConfig.build(app))
    events.requests_service = MagicMock()
    service._wrap_schema.return_value.load.return_value = (MagicMock(), [])
    service.create(IDENTITY, "q", {}, CommentEventType, uow=UOW, notify=False)
    service._get_event.return_value.type = CommentEventType
    service.update(IDENTITY, "e", {}, uow=UOW)
    service._get_event.return_value.type = CommentEventType
    service.delete(IDENTITY, "e", uow=UOW)


def main():
    """Print what happened, as JSON."""
    app = Flask("fire")
    app.extensions["invenio-requests"] = MagicMock(_events_schema_cache={})
    for setting in ("RDM_RECORD_COMMUNITIES", "REQUESTS_EVENTS"):
        app.config[f"{setting}_SERVICE_COMPONENTS"] = [Recorder]
    with app.app_context():
        call_communities(app)
        call_events(app)
    print(json.dumps(TRACE))


if __name__ == "__main__":
    main()
