"""A practice with one row of everything, and people in every role."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from categorization.models import AppointmentType, CategoryBatch, CategoryChange
from integrations.models import (
    Connection,
    Contact,
    ContactLink,
    CreateRequest,
    CustomField,
    Effect,
    IdentityQuestion,
    InboundEvent,
    Incident,
    Lane,
    LedgerRow,
    LocationRoute,
    Opportunity,
    Patient,
    PayloadReveal,
    Pipeline,
    SearchKey,
    Stage,
    SubAccount,
    Visit,
    WorkflowMapping,
)
from integrations.sync import bell
from integrations.sync.people import digests_for, search_terms
from tenants.models import Location, Membership, Practice, Role, User

TOKEN = "pit-never-on-a-page"
SECRET = "header-never-on-a-page"
FIRST_NAME, LAST_NAME, EMAIL, PHONE = "Zuleika", "Quartermaine", "zuleika.q@example.com", "+12125550177"


@dataclass
class World:
    """One practice and the rows that belong to it."""

    practice: Practice
    sub_account: SubAccount
    location: Location
    connection: Connection
    type: AppointmentType
    batch: CategoryBatch
    patient: Patient
    contact: Contact
    event: InboundEvent
    question: IdentityQuestion
    create: CreateRequest
    incident: Incident
    ledger: LedgerRow
    reveal: PayloadReveal

    def row_of(self, model: type) -> Any:
        """The row of a registered model; None for people, who belong to no practice."""
        rows = [getattr(self, name) for name in self.__dataclass_fields__]
        return next((row for row in rows if type(row) is model), None)


def make_world(slug: str, revealed_by: User, **names: str) -> World:
    """A practice with a row of every kind, all synthetic."""
    now = timezone.now()
    practice = Practice.objects.create(
        slug=slug, name=f"Practice {slug}", kind="plastic_surgery_med_spa", state="live"
    )
    account = SubAccount.objects.create(
        practice=practice, key="main", is_default=True, crm_subaccount_id=f"LOC-{slug}", token=TOKEN
    )
    pipeline = Pipeline.objects.create(
        sub_account=account, kind="non_surgical", crm_id="P1", crm_name="Med spa"
    )
    Stage.objects.create(pipeline=pipeline, name="Booked", crm_id="S1", crm_name="Booked")
    WorkflowMapping.objects.create(sub_account=account, name="APro Appointments Update", crm_id="WF1")
    CustomField.objects.create(
        sub_account=account, name="APro Client ID", crm_id=f"F-{slug}", data_type="TEXT"
    )
    location = Location.objects.create(practice=practice, external_id="827", name="Downtown")
    LocationRoute.objects.create(location=location, sub_account=account)
    connection = Connection.objects.create(
        practice=practice, key="aestheticspro", emr="aestheticspro", credentials={"header_secret": SECRET}
    )
    demographics = {
        "first_name": names.get("first_name", FIRST_NAME),
        "last_name": names.get("last_name", LAST_NAME),
        "email": names.get("email", EMAIL),
        "phone": names.get("phone", PHONE),
        "birth_date": "1980-03-02",
    }
    patient = Patient.objects.create(
        practice=practice, connection=connection, external_id="EMR-5001", demographics=demographics
    )
    for kind, digest in digests_for(search_terms(demographics, patient.external_id)):
        SearchKey.objects.create(patient=patient, practice=practice, kind=kind, digest=digest)
    contact = Contact.objects.create(
        sub_account=account,
        crm_id=f"crmContact{slug}",
        contact_type="Patient",
        lifetime_value=Decimal("1450.00"),
    )
    ContactLink.objects.create(patient=patient, sub_account=account, contact=contact, how="by e-mail")
    Opportunity.objects.create(
        contact=contact,
        pipeline="non_surgical",
        crm_id="O1",
        stage="Patient",
        status="won",
        why="A completed visit.",
    )
    Visit.objects.create(
        practice=practice,
        connection=connection,
        patient=patient,
        sub_account=account,
        external_id="A77",
        version=now - timedelta(days=1),
        outcome="completed",
        status="Completed",
        visit_on=date(2026, 3, 12),
        type="Botox",
        ever_completed=True,
    )
    event = make_event(practice, connection, patient=patient, contact=contact, sub_account=account)
    Effect.objects.create(
        practice=practice,
        event=event,
        contact=contact,
        kind="contact",
        target="1",
        position=0,
        state="done",
        planned_at=now,
        body={
            "native": {"firstName": FIRST_NAME, "email": EMAIL},
            "custom": {"APro Appt Status": "Booked"},
            "money": {},
        },
        attempts=[{"at": now.isoformat(), "ms": 184, "status": 200}],
        answer={"contactId": contact.crm_id},
    )
    Effect.objects.create(
        practice=practice,
        event=event,
        contact=contact,
        kind="note",
        target="2",
        position=1,
        state="done",
        planned_at=now,
        confirmed_at=now,
        reference="AX-TESTNOTE",
        body={"text": "AestheticsPro: appointment booked\nReference: AX-TESTNOTE"},
    )
    kind = AppointmentType.objects.create(practice=practice, connection_key="aestheticspro", name="Botox")
    batch = CategoryBatch.objects.create(practice=practice, made_by=revealed_by, via="page")
    CategoryChange.objects.create(batch=batch, type=kind, after="Blocked")
    return World(
        batch=batch,
        practice=practice,
        sub_account=account,
        location=location,
        connection=connection,
        type=kind,
        patient=patient,
        contact=contact,
        event=event,
        question=IdentityQuestion.objects.create(
            patient=patient, sub_account=account, candidate_crm_ids=["other1"], clashes=["phone"]
        ),
        create=CreateRequest.objects.create(
            practice=practice,
            sub_account=account,
            connection=connection,
            contact_crm_id="new1",
            state="needs_fixing",
            person={"first_name": "Iris", "last_name": LAST_NAME, "email": EMAIL},
            problems=[{"field": "phone", "words": "Phone is missing."}],
            asked_at=now,
            tried_at=now,
            answered_at=now,
        ),
        incident=Incident.objects.create(
            practice=practice,
            connection=connection,
            kind="unreachable",
            subject="x",
            words="It does not answer.",
        ),
        ledger=LedgerRow.objects.create(
            practice=practice,
            connection=connection,
            external_id="INV-1",
            patient=patient,
            contact=contact,
            event=event,
            amount=Decimal("450.00"),
            before=Decimal("1000.00"),
            after=Decimal("1450.00"),
            state="written",
        ),
        reveal=PayloadReveal.objects.create(event=event, user=revealed_by, reason="a patient asked"),
    )


def make_event(practice: Practice, connection: Connection | None, **values: Any) -> InboundEvent:
    """One more event of a connection, done unless said otherwise."""
    number = InboundEvent.objects.across_practices().count()
    body = {"event": "appointment.created", "data": {"client": {"first_name": FIRST_NAME, "email": EMAIL}}}
    given = {
        "source": "webhook",
        "kind": "appointment.created",
        "dedupe_key": f"test-{number}",
        "payload": json.dumps(body),
        "received_at": timezone.now(),
        "state": "done",
        "lane": Lane.objects.create(practice=practice, key=f"lane-{number}"),
        "story": [{"step": "pipeline", "text": "It was booked."}],
    }
    return InboundEvent.objects.create(practice=practice, connection=connection, **{**given, **values})


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search result of an earlier test, and no bell: there is no Redis here."""
    cache.clear()
    monkeypatch.setattr(bell, "ring", lambda *args, **kwargs: None)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root@example.com", name="Rosa Root")


@pytest.fixture
def world(root: User) -> World:
    return make_world("bluestone", root)


@pytest.fixture
def other(root: User) -> World:
    """Another practice with a row of everything."""
    return make_world(
        "harbor",
        root,
        first_name="Otto",
        last_name="Elsewhere",
        email="otto@example.com",
        phone="+12125550199",
    )


def person(email: str, practice: Practice | None = None, role: str = "", company_role: str = "") -> User:
    """Somebody with a role in one practice or in all of them."""
    user = User.objects.create_user(
        email, name=email.split("@")[0], company_role=company_role, is_staff=role != Role.REVIEWER
    )
    if practice is not None:
        Membership.objects.create(practice=practice, user=user, role=role)
    return user


def signed_in(user: User) -> Client:
    """A browser in which a person is signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def administrator(world: World) -> User:
    return person("administrator@example.com", world.practice, Role.ADMINISTRATOR)


@pytest.fixture
def specialist(world: World) -> User:
    return person("specialist@example.com", world.practice, Role.ONBOARDING)


@pytest.fixture
def agent(world: World) -> User:
    return person("agent@example.com", world.practice, Role.SUPPORT)


@pytest.fixture
def reviewer(world: World) -> User:
    return person("reviewer@example.com", world.practice, Role.REVIEWER)
