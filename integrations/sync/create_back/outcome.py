"""How a request ends: exactly one of created, linked, needs fixing, needs a decision. Written down in one
transaction, before the contact is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from integrations.contract.creating import Problem
from integrations.contract.records import Person
from integrations.models import ContactLink, CreateRequest, CreateState, Patient
from integrations.models.creates import SETTLED
from integrations.sync.people import demographics_of, remember_person

if TYPE_CHECKING:
    from integrations.sync.create_back.attempt import Attempt

HOW = {
    CreateState.CREATED: "created in the EMR from this contact",
    CreateState.LINKED: "linked when it was to be created in the EMR",
}


def needs_fixing(attempt: "Attempt", problems: Sequence[Problem], person: Person | None) -> None:
    """A person at the practice has to change something, and add the tag again."""
    request = attempt.request
    request.problems = [{"field": problem.field, "words": problem.words[:500]} for problem in problems]
    request.why, request.candidates = "", []
    _keep(attempt, CreateState.NEEDS_FIXING, person)
    attempt.tell("skipped", "Not created: " + " ".join(problem.words for problem in problems))


def still_failed(request: CreateRequest, problems: Sequence[Problem]) -> None:
    """It was looked at again and is not fixed: it stands as it stood, with the problems of now."""
    request.problems = [{"field": problem.field, "words": problem.words[:500]} for problem in problems]
    request.state, request.attempts = CreateState.NEEDS_FIXING, max(1, request.attempts - 1)
    request.answered_at = request.answered_at or timezone.now()
    request.save()


def needs_decision(
    attempt: "Attempt", words: str, candidates: Sequence[Person], person: Person | None
) -> None:
    """Somebody who knows the patients has to say who this is."""
    request = attempt.request
    request.problems, request.why = [], words[:500]
    request.candidates = [
        {"id": patient.external_id, "person": demographics_of(patient)} for patient in candidates
    ]
    _keep(attempt, CreateState.NEEDS_DECISION, person)
    attempt.tell("held", f"Not created: {words}")


def has_patient(attempt: "Attempt", state: CreateState, patient: Person, words: str) -> None:
    """The contact is a patient of the EMR from here on: the link exists before anything else is written."""
    request = attempt.request
    request.problems, request.why, request.candidates = [], words[:500], []
    request.external_id = patient.external_id
    with transaction.atomic():
        _link(attempt, state, patient)
        _keep(attempt, state, None)
    verb = "created" if state is CreateState.CREATED else "found"
    attempt.tell("matched", f"The patient was {verb} in {attempt.emr} and is linked. {words}".strip())


def _link(attempt: "Attempt", state: CreateState, patient: Person) -> None:
    rows = Patient.objects.for_practice(attempt.profile.id)
    row, _ = rows.get_or_create(
        connection_id=attempt.connection.id,
        external_id=patient.external_id,
        defaults={"practice_id": attempt.profile.id},
    )
    remember_person(row, patient, attempt.profile.country)
    attempt.event.patient = row
    if attempt.contact is None:
        return  # deleted in the CRM: there is nothing to link to
    ContactLink.objects.across_practices().update_or_create(
        patient=row,
        sub_account_id=attempt.account.id,
        defaults={"contact": attempt.known_contact(), "how": HOW[state]},
    )


def _keep(attempt: "Attempt", state: CreateState, person: Person | None) -> None:
    attempt.check_lease()
    request = attempt.request
    if state in SETTLED:
        request.tries_itself = False
    request.state, request.answered_at = state, None
    if person is None and not request.person:
        person = attempt.who()
    if person is not None:
        request.person = demographics_of(person)
    if attempt.contact is not None:
        request.contact = attempt.known_contact()
    request.save()
