"""A patient who is being created right now: the EMR's own word of them must wait until they are linked."""

from datetime import timedelta

from django.utils import timezone

from integrations.contract.records import Person
from integrations.crm.matching import same_first, same_last
from integrations.models import CreateRequest
from integrations.models.creates import IN_FLIGHT
from integrations.sync.people import person_from

# After this the patient's own events go on: matching finds the contact by its e-mail or phone anyway.
LONGEST = timedelta(minutes=10)
WAIT_SECONDS = 2.0


class BeingCreated(Exception):
    """The CRM asked for this very person, and whether the EMR made them is not known yet."""

    def __init__(self) -> None:
        super().__init__("This patient is just being created from the CRM; their events wait for the link.")


def is_being_created(practice_id: int, connection_id: int, person: Person) -> bool:
    """Whether a request that is on its way to this EMR could be this person."""
    rows = CreateRequest.objects.for_practice(practice_id).filter(
        connection_id=connection_id, state__in=IN_FLIGHT, sent_at__gt=timezone.now() - LONGEST
    )
    return any(_alike(person, person_from(row.person)) for row in rows)


def _alike(patient: Person, person: Person) -> bool:
    name = same_first(patient.first_name, person.first_name) and same_last(
        patient.last_name, person.last_name
    )
    email = patient.email.strip().casefold()
    return name or bool(email and email == person.email.strip().casefold())
