"""A practice with a patient and events, in the states that upkeep must tell apart."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations.contract.records import Person
from integrations.models import Connection, Effect, InboundEvent, Patient, SubAccount
from integrations.sync.people import remember_person
from tenants.models import Practice

PERSON = Person(
    "P-77", first_name="Ada", last_name="Stone", email="ada.stone@example.com", phone="(212) 555-0142"
)


def connection() -> Connection:
    """A connection with a secret, in a practice with a sub-account that has a token."""
    practice = Practice.objects.create(slug="bluestone", name="Bluestone", kind="med_spa")
    SubAccount.objects.create(practice=practice, key="main", crm_subaccount_id="LOC1", token="pit-one")
    return Connection.objects.create(
        practice=practice, key="apro", emr="x", credentials={"header_secret": "hush"}
    )


def patient(row: Connection) -> Patient:
    """A patient who can be found."""
    found = Patient(practice=row.practice, connection=row, external_id=PERSON.external_id)
    remember_person(found, PERSON, "US")
    return found


def event(row: Connection, name: str, *, days_old: float = 0, **values: Any) -> InboundEvent:
    """An event with a payload, received so many days ago."""
    defaults = {"source": "webhook", "state": "done", "payload": f'{{"event": "{name}"}}'}
    received_at = timezone.now() - timedelta(days=days_old)
    return InboundEvent.objects.create(
        practice=row.practice, connection=row, dedupe_key=name, received_at=received_at, **(defaults | values)
    )


def effect(of: InboundEvent, kind: str, **values: Any) -> Effect:
    """A write of an event."""
    defaults = {"target": kind, "position": 1, "state": "done", "body": {"what": kind}}
    return Effect.objects.create(
        practice=of.practice, event=of, kind=kind, planned_at=timezone.now(), **(defaults | values)
    )
