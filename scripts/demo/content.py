# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Makes a story happen through the services of InvenioRDM.

All functions need an application context.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

from flask_security.utils import hash_password
from invenio_access.permissions import any_user, authenticated_user, system_identity
from invenio_access.utils import get_identity
from invenio_accounts.proxies import current_datastore
from invenio_communities.generators import CommunityRoleNeed
from invenio_communities.members.records.api import Member
from invenio_communities.proxies import current_communities
from invenio_db import db
from invenio_db.uow import UnitOfWork
from invenio_rdm_records.proxies import current_rdm_records
from invenio_rdm_records.proxies import current_rdm_records_service as records
from invenio_requests.proxies import current_requests_service as requests

from .story import COMMUNITIES, USERS

TOMBSTONE = {"removal_reason": {"id": "retracted"}, "note": "Taken back."}
PASSWORD = "demo-demo-demo"


@dataclass
class Version:
    """One published version of a record, with the dates of the story."""

    recid: str
    published: datetime
    gone: datetime | None = None


@dataclass
class Made:
    """A deposit after it was made.

    Attributes:
        deposit: the :class:`~.story.Deposit`.
        parent: PID value of the parent.
        versions: the versions, the oldest first.
        requests: request id -> (submitted, closed).
        last_change: date of the last thing that happened.
    """

    deposit: object
    parent: str
    versions: list[Version]
    requests: dict = field(default_factory=dict)
    last_change: datetime | None = None

    @property
    def recid(self):
        """Return the PID value of the newest version."""
        return self.versions[-1].recid


class Author:
    """Makes communities and records happen.

    Args:
        progress: called with no argument after each deposit.
    """

    def __init__(self, progress=lambda: None):
        """Make the users."""
        self.progress = progress
        self.users = {name: _user(name) for name in USERS}
        self.identities = {}
        self.communities = {}
        self.made = []

    def tell(self, deposits):
        """Make everything happen, in an order that the services allow.

        Args:
            deposits: list of :class:`~.story.Deposit`.

        Returns:
            list[Made]: the deposits as they are now.
        """
        self.make_communities()
        for deposit in deposits:
            self.made.append(self.deposit(deposit))
            _forget()
            self.progress()
        self.bulk_add()
        for made in self.made:
            self.live_on(made)
            _forget()
        self.delete_communities()
        return self.made

    def make_communities(self):
        """Make users' communities, their members and their family ties."""
        service = current_communities.service
        for community in COMMUNITIES:
            data = {
                "slug": community.slug,
                "access": {
                    "visibility": "restricted" if community.restricted else "public",
                    "review_policy": "open",
                },
                "metadata": {"title": community.title},
            }
            item = service.create(_identity(self.users[community.owner]), data)
            self.communities[community.slug] = item.id
        for community in COMMUNITIES:
            if community.parent:
                self._adopt(community.slug, community.parent)
            if community.restricted:
                others = [u for n, u in self.users.items() if n != community.owner]
                members = [{"type": "user", "id": str(user.id)} for user in others]
                service.members.add(
                    system_identity,
                    self.communities[community.slug],
                    {"members": members, "role": "reader"},
                )
        # the roles in the communities are part of what an identity provides
        self.identities = {name: _identity(user) for name, user in self.users.items()}

    def _adopt(self, child, parent):
        service, parent_id = current_communities.service, self.communities[parent]
        data = service.read(system_identity, parent_id).data
        service.update(
            system_identity, parent_id, {**data, "children": {"allow": True}}
        )
        service.bulk_update_parent(
            system_identity, [self.communities[child]], parent_id
        )

    def deposit(self, deposit):
        """Make, review and publish a record and let its requests be accepted."""
        identity = self.identities[deposit.owner]
        with UnitOfWork() as uow:
            draft = records.create(identity, _data(deposit), uow=uow)
            _upload(identity, draft.id, deposit.files, uow)
            if deposit.path == "direct":
                record = records.publish(identity, draft.id, uow=uow)
            uow.commit()
        if deposit.path == "direct":
            made = Made(deposit, record.data["parent"]["id"], [])
        else:
            made = self._submit(identity, draft, deposit)
        made.versions.append(Version(draft.id, deposit.published))
        made.last_change = deposit.published
        for step in deposit.steps:
            if step.kind in ("include", "declined"):
                if any(s.kind == "remove" and s.at < step.at for s in deposit.steps):
                    continue  # the second half of a move: after the removal
                self._include(made, step)
        return made

    def _submit(self, identity, draft, deposit):
        """Submit a draft to a community and get it accepted."""
        community = self.communities[deposit.community]
        review = {"type": "community-submission", "receiver": {"community": community}}
        with UnitOfWork() as uow:
            records.review.update(identity, draft.id, review, uow=uow)
            uow.commit()
        reviewed = deposit.path == "submission"
        request = records.review.submit(
            identity, draft.id, data=None, require_review=reviewed
        )
        if reviewed:
            requests.execute_action(system_identity, request.id, "accept")
        made = Made(deposit, draft.data["parent"]["id"], [])
        submitted = deposit.drafted if reviewed else deposit.published
        made.requests[request.id] = (submitted, deposit.published)
        return made

    def _include(self, made, step):
        """Ask a community to take a record in; the answer is the step's kind."""
        data = {
            "communities": [
                {"id": self.communities[step.community], "require_review": True}
            ]
        }
        processed, errors = current_rdm_records.record_communities_service.add(
            self.identities[made.deposit.owner], made.recid, data
        )
        if errors:
            raise RuntimeError(f"{made.recid} into {step.community}: {errors}")
        (answer,) = processed
        action = "accept" if step.kind == "include" else "decline"
        requests.execute_action(system_identity, answer["request_id"], action)
        submitted = made.deposit.published + (step.at - made.deposit.published) / 2
        made.requests[answer["request_id"]] = (submitted, step.at)
        made.last_change = max(made.last_change, step.at)

    def bulk_add(self):
        """Add records to communities in bulk, as a script of the site would."""
        wanted = defaultdict(list)
        for made in self.made:
            for step in made.deposit.steps:
                if step.kind == "bulk":
                    wanted[step.community].append(made.recid)
                    made.last_change = max(made.last_change, step.at)
        for slug, recids in wanted.items():
            errors = current_rdm_records.record_communities_service.bulk_add(
                system_identity, self.communities[slug], recids
            )
            if errors:
                raise RuntimeError(f"bulk into {slug}: {errors}")

    def live_on(self, made):
        """Do what happens to a record after it came into its communities."""
        removed = False
        for step in made.deposit.steps:
            if step.kind == "remove":
                self._remove(made, step)
                removed = True
            elif step.kind == "include" and removed:
                self._include(made, step)
            elif step.kind == "version":
                self._new_version(made, step)
            elif step.kind == "delete":
                records.delete_record(system_identity, made.recid, TOMBSTONE)
                made.versions[-1].gone = step.at
            elif step.kind == "restore":
                records.restore_record(system_identity, made.recid)
                made.versions[-1].gone = None
            made.last_change = max(made.last_change, step.at)

    def _remove(self, made, step):
        data = {"communities": [{"id": self.communities[step.community]}]}
        _, errors = current_rdm_records.record_communities_service.remove(
            system_identity, made.recid, data
        )
        if errors:
            raise RuntimeError(f"{made.recid} out of {step.community}: {errors}")

    def _new_version(self, made, step):
        identity, deposit = self.identities[made.deposit.owner], made.deposit
        with UnitOfWork() as uow:
            draft = records.new_version(identity, made.recid, uow=uow)
            data = draft.data
            data["metadata"]["publication_date"] = step.at.date().isoformat()
            data["metadata"]["version"] = "v2"
            data["files"] = {"enabled": bool(deposit.files)}
            records.update_draft(identity, draft.id, data, uow=uow)
            _upload(identity, draft.id, deposit.files, uow)
            records.publish(identity, draft.id, uow=uow)
            uow.commit()
        made.versions.append(Version(draft.id, step.at))

    def delete_communities(self):
        """Delete the communities whose time is over."""
        for community in COMMUNITIES:
            if community.deleted:
                current_communities.service.delete_community(
                    system_identity,
                    self.communities[community.slug],
                    {"note": "The project is over.", "is_visible": True},
                )


def _forget():
    """Empty the session: each flush looks at every object that it holds."""
    db.session.remove()


def _data(deposit):
    """Return the draft of a deposit as the REST API takes it."""
    access = {
        "record": "restricted" if deposit.access == "restricted" else "public",
        "files": "public",
    }
    if deposit.access in ("restricted", "embargoed", "files-restricted"):
        access["files"] = "restricted"
    if deposit.access == "embargoed":
        until = f"{datetime.now(UTC).year + 2}-01-31"
        access["embargo"] = {"active": True, "until": until, "reason": "Patent."}
    return {
        "access": access,
        "files": {"enabled": bool(deposit.files)},
        "metadata": deposit.metadata,
        "custom_fields": deposit.custom_fields,
    }


def _upload(identity, draft_id, files, uow):
    """Upload files of some bytes each."""
    if not files:
        return
    service = records.draft_files
    service.init_files(
        identity, draft_id, [{"key": name} for name, _ in files], uow=uow
    )
    for name, size in files:
        text = f"{draft_id},{name}\n".encode()
        stream = BytesIO((text * (size // len(text) + 1))[:size])
        service.set_file_content(identity, draft_id, name, stream, uow=uow)
        service.commit_file(identity, draft_id, name, uow=uow)


def _user(name):
    """Make a user."""
    user = current_datastore.create_user(
        email=f"{name}@example.org",
        username=name,
        password=hash_password(PASSWORD),
        active=True,
        confirmed_at=datetime.now(UTC).replace(tzinfo=None),
        user_profile={"full_name": name.title(), "affiliations": "Demonstration"},
        preferences={"visibility": "public", "email_visibility": "restricted"},
    )
    current_datastore.commit()
    return user


def _identity(user):
    """Return what a user is after logging in."""
    identity = get_identity(user)
    identity.provides.update({any_user, authenticated_user})
    for community_id, role in Member.get_memberships(identity):
        identity.provides.add(CommunityRoleNeed(community_id, role))
    return identity
