"""A contact's cards decided anew, after categories changed: from the visits known, without any message of the EMR."""

from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from integrations.contract.errors import RejectedError
from integrations.contract.records import FieldValue, Outcome, PatientRecord
from integrations.models import Contact, Effect, Opportunity
from integrations.models.subaccounts import PipelineKind
from integrations.sync import hot, lanes, stored
from integrations.sync.categories.around import Around, around
from integrations.sync.decide import OPEN, PATIENT, WON, ContactWrite, Decision, Plan, StageMove
from integrations.sync.effects import store_effects
from integrations.sync.identity import Reachable, Who
from integrations.sync.own_kinds import DECIDE_AGAIN, OWN_LABELS
from integrations.sync.people import person_of
from integrations.sync.profile import SubAccountProfile
from integrations.sync.work import Found, Work

LABEL = f"{OWN_LABELS[DECIDE_AGAIN]}: stages decided again"


def plan_again(work: Work) -> list[Effect]:
    """The effects that bring the contact's cards to where its visits put them today. The contact's lease is held.

    Raises RejectedError where the contact is known no longer.
    """
    event = work.event
    event.story = [{"step": "received", "text": f"{LABEL}."}]
    with transaction.atomic():
        effects = decide_again(work)
        event.planned_at = timezone.now()
        if not hot.plan_event(event, work.lane.id, work.lane.owner):
            raise lanes.LeaseLost
    return effects


def decide_again(work: Work) -> list[Effect]:
    """Store the effects by which the contact's cards go to where its visits put them. Call inside a transaction.

    Raises RejectedError where the contact is known no longer.
    """
    event, contact = work.event, work.event.contact
    account = work.profile.sub_accounts.get(event.sub_account_id or 0)
    if contact is None or event.patient is None or account is None:
        raise RejectedError("The contact is not linked any more: there is no card to move.")
    result = decided(work, contact, account, around(work.profile, contact))
    for step, text in result.story:
        work.tell(step, text)
    return store_effects(work, result, _found(work, contact, account), _reachable(work), 0)


def decided(work: Work, contact: Contact | None, account: SubAccountProfile, one: Around) -> Plan:
    """Where the visits put the cards of a contact (None: one that is to be made), as far as they stand elsewhere."""
    if not one.visits:
        return Plan(story=(("decided", "No visit of this contact is known any more."),))
    rows = Opportunity.objects.across_practices().filter(contact=contact) if contact is not None else ()
    known = {PipelineKind(row.pipeline): row for row in rows}
    work.opportunities = known
    stages = one.stages(work.profile)
    moves: list[StageMove] = []
    story: list[tuple[str, str]] = []
    for kind, decision in stages.items():
        story.append(("pipeline", decision.why))
        if _differs(decision, known.get(kind)):
            moves.append(replace(decision, status_of_lead=OPEN if _reopens(decision, one) else None))
    if not account.moves_pipeline:
        story.append(("left to the CRM", "The CRM's own workflow moves the cards of this sub-account."))
        return Plan(story=tuple(story))
    custom = _custom(work, contact, one, stages)
    return Plan(contact=ContactWrite(custom) if custom else None, moves=tuple(moves), story=tuple(story))


def _differs(decision: Decision, known: Opportunity | None) -> bool:
    if known is None or known.stage != decision.stage:
        return True
    return decision.makes_patient and known.status != WON


def _reopens(decision: Decision, one: Around) -> bool:
    """Only a booking or a completed visit opens a lost card again."""
    ids = {stored.visit_key(row.connection_id, row.external_id): row for row in one.visits}
    row = ids.get(decision.decided_by)
    return row is not None and row.outcome in (Outcome.BOOKED, Outcome.COMPLETED)


def _custom(
    work: Work, contact: Contact | None, one: Around, stages: dict[PipelineKind, Decision]
) -> dict[str, FieldValue]:
    """Appointment Category of the newest visit, and what a visit completed in a final stage makes of a contact."""
    custom: dict[str, FieldValue] = {}
    newest = max(
        stored.known_visits(one.visits, work.profile),
        key=lambda visit: (visit.data.version is not None, visit.data.version, visit.id),
    )
    if (
        newest.category is not None
        and work.connection.manifest.has_surgical_pipeline
        and work.profile.has_surgery
    ):
        custom["Appointment Category"] = newest.category.value
    is_patient = contact is not None and contact.contact_type == PATIENT
    if any(decision.makes_patient for decision in stages.values()) and not is_patient:
        custom["Contact Type"] = PATIENT
    return custom


def _found(work: Work, contact: Contact, account: SubAccountProfile) -> Found:
    patient = work.event.patient
    assert patient is not None
    record = PatientRecord(person_of(patient))
    return Found(record, _reachable(work), Who(patient, contact), None, account)


def _reachable(work: Work) -> Reachable:
    """Nothing of the person is written: only what the categories changed."""
    return Reachable("", "", ())
