"""A practice with one row of everything and what its buttons need, another practice, and people in every role."""

import logging
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
import requests
from django.test import Client
from django.urls import reverse

from categorization.models import CategoryBatch, CategoryChange, ConfirmedVia, Invitation
from integrations.models import (
    Backfill,
    BulkRun,
    Connection,
    Incident,
    IncidentKind,
    LedgerState,
    PollCursor,
    ProvisionRun,
    SubAccount,
)
from integrations.sandbox.demo.door import Door
from integrations.sandbox.demo.practices import demo_practices
from integrations.views import sandbox, sandbox_creates
from tenants.models import Practice, PracticeState, Role, User
from tests.admin.conftest import World, nothing_kept, other, person, root, signed_in, world

__all__ = ["nothing_kept", "other", "root", "world"]
ROLES = (Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT, Role.REVIEWER)
COMPANY = {f"company {role}": role for role in ROLES if role != Role.REVIEWER}
SUPERUSER, STRANGER, NOBODY = "superuser", "administrator of another practice", "signed out"
EVERYBODY = [*map(str, ROLES), *COMPANY, SUPERUSER, STRANGER, NOBODY]


@dataclass
class Sample:
    """The rows, and who is asking."""

    world: World
    other: World
    people: dict[str, User]
    polled: Connection
    idle: Connection
    idle_account: SubAccount
    member: User
    run: BulkRun
    fields: ProvisionRun
    fill: Backfill
    undone: dict[str, CategoryBatch] = field(default_factory=dict)

    def client(self, who: str) -> Client:
        """A browser of this person; one that is not signed in for nobody."""
        client = signed_in(self.people[who]) if who in self.people else Client()
        client.raise_request_exception = False
        return client

    def row_of(self, model: type, action: str) -> Any:
        """The row on whose page a button stands, in the state in which it is there."""
        name = f"{model._meta.model_name}_{action}"  # type: ignore[attr-defined]
        if name in OF_THE_POLLED:
            return self.polled
        if name in OF_THE_IDLE:
            return self.idle if model is Connection else self.idle_account
        return self.member if model is User else self.world.row_of(model)

    def make_ready(self, name: str) -> None:
        """The state of the practice in which a button is there."""
        state = STATES.get(name.removeprefix("admin:tenants_practice_"))
        if state:
            self.set_state(state)
        if name.endswith(("_write_birth_date", "_leave_it")):
            self.refuse_birth_date()

    def refuse_birth_date(self) -> None:
        """The CRM refused the native date of birth, and an incident says so."""
        practice = self.world.practice.pk
        SubAccount.objects.for_practice(practice).update(refuses_birth_date=True)
        Incident.objects.for_practice(practice).update(kind=IncidentKind.BIRTH_DATE_REFUSED, closed_at=None)

    def set_state(self, state: str) -> None:
        """Onboarding, live or paused."""
        Practice.objects.for_practice(self.world.practice.pk).update(state=state)

    def state(self) -> str:
        """In which of them the practice is."""
        return Practice.objects.for_practice(self.world.practice.pk).get().state


STATES = {"go_live": PracticeState.ONBOARDING, "resume": PracticeState.PAUSED}
OF_THE_POLLED = {
    f"connection_{one}"
    for one in ("poll_now", "test", "pull_locations", "back_fill", "stop_backfill", "backfill")
}
OF_THE_IDLE = {"connection_resume", "connection_delete", "subaccount_delete"}


@pytest.fixture
def sample(
    world: World,
    other: World,
    root: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Sample:
    """Nothing of it reaches a network: every call out fails at once."""
    monkeypatch.setattr(requests.Session, "send", _no_network)
    # Being refused is what happens here all the time; telling of each takes longer than refusing.
    caplog.set_level(logging.CRITICAL, logger="django.request")
    settings.DEMO = True
    made = demo_practices()["harbor"]
    monkeypatch.setattr(sandbox, "practice_with", lambda crm_id: made)
    monkeypatch.setattr(Door, "contact", lambda self, pk: _card(world, pk))
    monkeypatch.setattr(sandbox_creates, "tags_of", lambda connection: ("create",))
    people = _people(world, other, root)
    type(world.ledger)._default_manager.filter(pk=world.ledger.pk).update(state=LedgerState.NEEDS_ATTENTION)
    found = Sample(world, other, people, **_more_rows(world.practice))
    Invitation.objects.create(practice=world.practice, user=people[Role.REVIEWER])
    found.undone = {who: _choice_of(world, one) for who, one in people.items()}
    return found


def _card(world: World, pk: str) -> dict[str, Any]:
    """A contact as the sandbox tells of it."""
    account = world.sub_account.crm_subaccount_id
    nothing = {"tags": [], "opportunities": [], "notes": [], "enrolments": [], "native": {}, "fields": {}}
    return {"id": pk, "name": "Somebody", "location_id": account, "location_name": "Main", **nothing}


def _no_network(*args: Any, **kwargs: Any) -> Any:
    raise requests.ConnectionError("There is no network in this test.")


def _people(world: World, other: World, root: User) -> dict[str, User]:
    own = {str(role): person(f"{role}@example.com", world.practice, role) for role in ROLES}
    company = {
        words: person(f"company.{role}@example.com", company_role=role) for words, role in COMPANY.items()
    }
    stranger = person("stranger@example.com", other.practice, Role.ADMINISTRATOR)
    return {**own, **company, SUPERUSER: root, STRANGER: stranger}


def _more_rows(practice: Practice) -> dict[str, Any]:
    polled = Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    cursor = PollCursor.objects.create(practice=practice, connection=polled, resource="appointments")
    idle_account = SubAccount.objects.create(
        practice=practice, key="idle", crm_subaccount_id="LOC-idle", token="t"
    )
    return {
        "fill": Backfill.objects.create(practice=practice, cursor=cursor, since=date(2026, 1, 1)),
        "fields": ProvisionRun.objects.create(practice=practice, sub_account=idle_account),
        "polled": polled,
        "idle": Connection.objects.create(practice=practice, key="idle", emr="aestheticspro", state="paused"),
        "idle_account": idle_account,
        "run": BulkRun.objects.create(practice=practice, kind="retry"),
        "member": person("member@example.com", practice, Role.SUPPORT),
    }


def _choice_of(world: World, user: User) -> CategoryBatch:
    """What somebody chose on the review page, and so may undo there."""
    batch = CategoryBatch.objects.create(practice=world.practice, made_by=user, via=ConfirmedVia.REVIEW)
    CategoryChange.objects.create(batch=batch, type=world.type, after="Blocked")
    return batch


def sign_in_page(name: str) -> str:
    """Where somebody who is not signed in is sent to from an address."""
    return reverse("review:sign-in" if name.startswith("review:") else "admin:login")
