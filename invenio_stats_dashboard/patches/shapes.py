# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What is patched: the classes, their known shapes without hooks, and the lines added.

A shape is the source text of the members that a patch touches or relies on, so that a
version nobody looked at, or a file that somebody edited there, is not recognised. The
names of the hooks, the place where they run and their arguments are those of
invenio-rdm-records 19.6 and 20.3 and of invenio-requests 7.2.3 and 9.0.3.
"""

from __future__ import annotations

from dataclasses import dataclass

COMMENT = "# component hook, added by invenio-stats-dashboard"


@dataclass(frozen=True)
class Edit:
    """One change inside a member of a class.

    Attributes:
        member: Method that is changed; empty for the body of the class.
        anchor: Line that is there exactly once, without its indentation.
        place: ``before``, ``after`` or ``instead`` of that line.
        text: Lines to put there, indented relative to the anchor.
    """

    member: str
    anchor: str
    place: str
    text: str


@dataclass(frozen=True)
class Target:
    """One file of an installed package.

    Attributes:
        package: Import name of the package.
        path: The file within it.
        cls: Class that has, or gets, the hooks.
        members: Methods whose text makes the shape; none means the whole class.
        hooks: Method to the names of which one is given to ``run_components`` in it.
        setting: Config variable that ``components`` of the class is read from, or empty.
        shapes: SHA-256 of a known shape without hooks, to the edits that give it hooks.
    """

    package: str
    path: str
    cls: str
    members: tuple[str, ...]
    hooks: dict[str, tuple[str, ...]]
    setting: str
    shapes: dict[str, tuple[Edit, ...]]


def hook(name: str, *arguments: str) -> str:
    """Return the lines that run the components, each argument as ``name=expression``."""
    lines = [COMMENT, "self.run_components(", f'    "{name}",', "    identity,"]
    lines += [f"    {argument}," for argument in (*arguments, "uow=uow")]
    return "\n".join([*lines, ")"])


def components(setting: str, anchor: str) -> tuple[Edit, ...]:
    """Return the edit that makes a config class read its components from the app."""
    text = f'{COMMENT}\ncomponents = FromConfig("{setting}", default=[])'
    return (Edit("", anchor, "after", text),)


def record_communities(default: str) -> tuple[Edit, ...]:
    """Return the edits of RecordCommunitiesService.

    Args:
        default: Expression that ``set_default`` assigns as the default community.
    """
    return (
        Edit(
            "add",
            "processed = []",
            "before",
            hook("add_community", "record=record", "communities=communities"),
        ),
        # As keywords with no place of their own: a subclass or a caller with the
        # signature of old goes on working, without the hook.
        Edit(
            "_remove",
            "def _remove(self, identity, community_id, record):",
            "instead",
            "def _remove(self, identity, community_id, record, **hook_arguments):",
        ),
        Edit(
            "_remove",
            "record.parent.communities.remove(community_id)",
            "before",
            f"""{COMMENT}
if hook_arguments:
    self.run_components(
        "remove_community", identity, record=record, **hook_arguments
    )""",
        ),
        Edit(
            "remove",
            "self._remove(identity, community_id, record)",
            "instead",
            """self._remove(
    identity,
    community_id,
    record,
    community=community,
    valid_data=valid_data,
    errors=errors,
    uow=uow,
)""",
        ),
        Edit(
            "set_default",
            f"record.parent.communities.default = {default}",
            "after",
            hook(
                "set_default",
                "record=record",
                f"default_community_id={default}",
                "valid_data=valid_data",
            ),
        ),
        Edit(
            "bulk_add",
            "for record_id in record_ids:",
            "before",
            'set_default_flag = {"value": set_default}\n'
            + hook(
                "bulk_add",
                "community_id=community_id",
                "record_ids=record_ids",
                "set_default=set_default_flag",
            )
            + '\nset_default = set_default_flag["value"]',
        ),
    )


COMMIT_EVENT = "uow.register(RecordCommitOp(event, indexer=self.indexer))"

REQUEST_EVENTS = (
    Edit(
        "create",
        COMMIT_EVENT,
        "before",
        hook("create", "data=data", "event=event", "errors=errors"),
    ),
    *(
        Edit(
            member,
            COMMIT_EVENT,
            "before",
            hook(f"{member}_comment", "data=data", "event=event", "request=request"),
        )
        for member in ("update", "delete")
    ),
)

# In this order, so that a service never runs components before its config names them:
# the stock components of a request event would break on the arguments.
TARGETS = (
    Target(
        package="invenio_rdm_records",
        path="services/config.py",
        cls="RDMRecordCommunitiesConfig",
        members=(),
        hooks={},
        setting="RDM_RECORD_COMMUNITIES_SERVICE_COMPONENTS",
        shapes={
            # 10.9.3, 19.0.0 to 19.5.11, 20.0.0, 20.2.0
            "2fbf3c3d48b9d50386d07afdd987251e734981e7f4577e2a4526fe308ffa4641": components(
                "RDM_RECORD_COMMUNITIES_SERVICE_COMPONENTS",
                "max_number_of_removals = 10",
            ),
        },
    ),
    Target(
        package="invenio_rdm_records",
        path="services/communities/service.py",
        cls="RecordCommunitiesService",
        members=("add", "_remove", "remove", "set_default", "bulk_add"),
        hooks={
            "add": ("add_community",),
            "_remove": ("remove_community", "remove_community_from_record"),
            "set_default": ("set_default",),
            "bulk_add": ("bulk_add",),
        },
        setting="",
        shapes={
            # 10.9.3
            "9fd7e07ec0a63ba67fe0ac2268e4253ba8059c3a349fdffa04db6239bd30baba": record_communities('valid_data["default"]["id"]'),
            # 19.0.0 to 19.5.11, 20.0.0, 20.2.0
            "27e7ccd42db4cd137826f4570d8123334519b4c4ba93cb4f2b522a0c24c76f86": record_communities("default_community_id"),
        },
    ),
    Target(
        package="invenio_requests",
        path="services/events/config.py",
        cls="RequestEventsServiceConfig",
        members=(),
        hooks={},
        setting="REQUESTS_EVENTS_SERVICE_COMPONENTS",
        shapes={
            # 4.7.0, 7.0.0 to 7.2.2, 9.0.0 to 9.0.2, 10.0.0
            "f8954fb8becde1aaf104fcda6db14e914d2c474356fa5424c556d138f4c6652e": components(
                "REQUESTS_EVENTS_SERVICE_COMPONENTS",
                "links_search = pagination_links("
                '"{+api}/requests/{request_id}/timeline{?args*}")',
            ),
        },
    ),
    Target(
        package="invenio_requests",
        path="services/events/service.py",
        cls="RequestEventsService",
        members=("create", "update", "delete"),
        hooks={
            "create": ("create",),
            "update": ("update_comment",),
            "delete": ("delete_comment",),
        },
        setting="",
        shapes={
            # 4.7.0
            "0503688def59bfedde062c9f30a3ce2c40e57404d944b7ec8ccde6e33d25f495": REQUEST_EVENTS,
            # 7.0.0 to 7.2.2, 9.0.0 to 9.0.2
            "14b253fb03cb0da3307dc931ebe5ed2073cf8509f1761ada0f32efcaa24187d8": REQUEST_EVENTS,
            # 10.0.0
            "0aacf8b39ef1244241b32d9cecc3e91fe804eb079054f94c6ef9c4ab368abf3d": REQUEST_EVENTS,
        },
    ),
)
