"""A person says who a patient is in the CRM, and may say otherwise later.

The answer itself counts at once. What follows from it outside (money, cards, values) are events in the patient's lane.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from integrations.crm.client import Json
from integrations.models import (
    Contact,
    ContactLink,
    EarlierAnswer,
    Effect,
    EffectKind,
    EffectState,
    EventState,
    IdentityQuestion,
    InboundEvent,
    LedgerRow,
    LedgerState,
    PipelineLogic,
    SubAccount,
)
from integrations.sync import bell, contact_moves
from integrations.sync.crm_access import client_for
from integrations.sync.own_kinds import LEAVE_CONTACT, OWN_LABELS
from integrations.sync.release import left_out_events, release_identity, take_back_in
from integrations.sync.standstill import standing_still

if TYPE_CHECKING:
    from tenants.models import User

Answer = IdentityQuestion.Answer
_UNFINISHED = (EventState.WAITING, EventState.HELD, EventState.PARKED)
_IN_DOUBT = (EffectState.SENDING, EffectState.IN_DOUBT)
_ZERO = Decimal("0.00")


class ChangedMeanwhile(ValueError):
    """Somebody else answered first."""

    def __init__(self) -> None:
        super().__init__("Somebody has changed this in the meantime. Nothing was done: look at it again.")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an answered question stands, for whoever thinks of changing it.

    ``contact``: whom the patient is linked to now (``is_linked``), else whom they were linked to last. ``notes`` and
    ``written`` are there, in the practice's currency; ``by_hand`` are payments that the CRM's own workflow added.
    ``others``: further patients of that contact. ``left_out`` events would go to work, ``unreadable`` ones have no
    payload any more. ``blocked``: why the answer cannot be changed now, "" where it can.
    """

    contact: Contact | None
    is_linked: bool
    notes: int
    written: Decimal
    by_hand: Decimal
    others: int
    left_out: int
    unreadable: int
    blocked: str


def version_of(question: IdentityQuestion) -> str:
    """What an answer is known by, "" before the first: whoever changes it says which one they saw."""
    return question.answered_at.isoformat() if question.answered_at else ""


def answer(question: IdentityQuestion, choice: str, user: "User", crm_contact_id: str = "") -> int:
    """The first answer; events that waited go on. Number of events released.

    ``choice``: IdentityQuestion.Answer. For LINK, ``crm_contact_id`` is one of the candidates. Raises ValueError in
    words for the person (not one of them, answered meanwhile, in work), and the contract's errors.
    """
    return _give(question, choice, user, crm_contact_id, "")


def change(
    question: IdentityQuestion, choice: str, user: "User", crm_contact_id: str = "", *, version: str
) -> int:
    """Another answer instead of the one of that ``version``. Number of events that go to work for it; the rest as
    ``answer``."""
    if not version:
        raise ChangedMeanwhile
    return _give(question, choice, user, crm_contact_id, version)


def standing(question: IdentityQuestion) -> Standing:
    """Where a question stands now."""
    patient, contact = question.patient, _linked(question)
    left_out = left_out_events(patient, question.sub_account_id)
    known = contact if contact is not None else _before(question)
    notes, written = left_at(question, known) if known is not None else (0, _ZERO)
    return Standing(
        contact=known,
        is_linked=contact is not None,
        notes=notes,
        written=written,
        by_hand=_by_hand(question),
        others=_others(question, known),
        left_out=left_out.exclude(payload="").count(),
        unreadable=left_out.filter(payload="", connection__isnull=False).exclude(kind__in=OWN_LABELS).count(),
        blocked=_blocked(question),
    )


def left_at(question: IdentityQuestion, contact: Contact) -> tuple[int, Decimal]:
    """How many audit notes of the patient a contact carries, and what we added to its lifetime value for them."""
    amounts = contact_moves.written_for(question.patient, question.sub_account_id)
    return _notes(question, contact).count(), amounts.get(contact.pk, _ZERO)


def would_move(question: IdentityQuestion, choice: str, crm_contact_id: str = "") -> Decimal:
    """How much lifetime value another answer takes from contact to contact."""
    if choice == Answer.IGNORE or not _is_ours(question):
        return _ZERO
    made = made_before(question) if choice == Answer.CREATE else None
    target = made.crm_id if made is not None else crm_contact_id
    amounts = contact_moves.written_for(question.patient, question.sub_account_id)
    rows = Contact.objects.across_practices().filter(pk__in=amounts, is_gone=False).exclude(crm_id=target)
    return sum((amounts[pk] for pk in rows.values_list("pk", flat=True)), _ZERO)


# --- giving an answer ------------------------------------------------------------------------------------------


def _give(question: IdentityQuestion, choice: str, user: "User", crm_contact_id: str, version: str) -> int:
    chosen = _chosen(question, choice, crm_contact_id)
    before = _linked(question)
    with standing_still(question.patient, before), transaction.atomic():
        row = IdentityQuestion.objects.for_practice(question.patient.practice_id).get(pk=question.pk)
        if version_of(row) != version or _linked(row) != before:
            raise ChangedMeanwhile
        released = _carry_out(row, choice, chosen, before, user)
    question.refresh_from_db(fields=["answer", "answered_by", "answered_at"])
    return released


def _chosen(question: IdentityQuestion, choice: str, crm_contact_id: str) -> Json | None:
    """The contact to link, as the CRM has it."""
    if choice != Answer.LINK:
        return None
    if crm_contact_id not in question.candidate_crm_ids:
        raise ValueError("Choose one of the contacts shown.")
    account = SubAccount.objects.for_practice(question.patient.practice_id).get(pk=question.sub_account_id)
    return client_for(account).get_contact(crm_contact_id)


def _carry_out(
    row: IdentityQuestion, choice: str, chosen: Json | None, before: Contact | None, user: "User"
) -> int:
    target, left_out = _target(row, choice, chosen, before)
    if row.answer == choice and (choice != Answer.LINK or target == before):
        raise ValueError("That is the answer already.")
    is_moved = before is not None and target != before
    if row.answer or is_moved:
        blocked = _blocked(row)
        if blocked:
            raise ValueError(blocked)
        EarlierAnswer.objects.create(
            question=row,
            answer=row.answer,
            contact=before,
            answered_by=row.answered_by,
            answered_at=row.answered_at or row.asked_at,
        )
    at = timezone.now()
    _keep(row, choice, user, at)
    _link(row, before, target, left_out, is_kept=target is not None and target == before)
    abandoned = contact_moves.call_off(row.patient, row.sub_account_id)
    _plan_unfinished_again(row)
    released = release_identity(row.patient, row.sub_account_id, drop=choice == Answer.IGNORE)
    if choice != Answer.IGNORE:
        released += take_back_in(row.patient, row.sub_account_id)
    if is_moved and before is not None:
        abandoned.add(before.pk)
    _move(row, choice, target, abandoned, at)
    return released


def _keep(row: IdentityQuestion, choice: str, user: "User", at: datetime) -> None:
    rows = IdentityQuestion.objects.for_practice(row.patient.practice_id)
    kept = rows.filter(pk=row.pk, answer=row.answer, answered_at=row.answered_at).update(
        answer=choice, answered_by=user, answered_at=at
    )
    if not kept:
        raise ChangedMeanwhile


def _target(
    row: IdentityQuestion, choice: str, chosen: Json | None, before: Contact | None
) -> tuple[Contact | None, list[str]]:
    """The contact that counts from now on (None: one to be made, or nobody), and what is left out there."""
    if chosen is not None:
        contact, _ = Contact.objects.across_practices().get_or_create(
            sub_account_id=row.sub_account_id, crm_id=chosen["id"]
        )
        return contact, []
    if choice == Answer.IGNORE:
        return None, []
    if not row.answer and before is not None:
        return before, []
    return made_before(row), list(row.clashes)


def made_before(row: IdentityQuestion) -> Contact | None:
    """The contact that an earlier "create" (or what we found ourselves) led to: nobody is made twice."""
    rows = EarlierAnswer.objects.for_practice(row.patient.practice_id).filter(
        question=row, answer__in=["", Answer.CREATE], contact__isnull=False, contact__is_gone=False
    )
    found = rows.select_related("contact").first()
    return found.contact if found else None


def _link(
    row: IdentityQuestion,
    before: Contact | None,
    target: Contact | None,
    left_out: list[str],
    *,
    is_kept: bool,
) -> None:
    links = ContactLink.objects.for_practice(row.patient.practice_id)
    if is_kept:
        return
    links.filter(patient=row.patient, sub_account_id=row.sub_account_id).delete()
    if target is not None:
        ContactLink.objects.create(
            patient=row.patient,
            sub_account_id=row.sub_account_id,
            contact=target,
            how="linked by a person",
            left_out=left_out,
        )


def _plan_unfinished_again(row: IdentityQuestion) -> None:
    """What is not finished yet is decided anew when its turn comes: for whoever counts then."""
    _events(row).filter(state__in=_UNFINISHED, planned_at__isnull=False, connection__isnull=False).exclude(
        kind=LEAVE_CONTACT
    ).update(planned_at=None, runs=F("runs") + 1)


def _move(row: IdentityQuestion, choice: str, target: Contact | None, left: set[int], at: datetime) -> None:
    """Put the events to work by which the contacts that were left, and the one that counts now, come to be right."""
    move = contact_moves.Move(row.patient, row.sub_account_id, f"{row.pk}:{at.timestamp():.6f}", target)
    amounts: dict[int, Decimal] = {}
    if choice != Answer.IGNORE and _is_ours(row):
        amounts = contact_moves.written_for(row.patient, row.sub_account_id)
    own = target.pk if target is not None else None
    amounts.pop(own or 0, None)
    contacts = Contact.objects.across_practices().filter(pk__in={*amounts, *left} - {own}, is_gone=False)
    taken = _ZERO
    for contact in contacts.order_by("pk"):
        amount = amounts.get(contact.pk, _ZERO)
        if amount or _has_patients(contact):
            contact_moves.leave(move, contact, amount)
            taken += amount
    if choice != Answer.IGNORE and (taken or _was_written_elsewhere(row, target)):
        contact_moves.join(move, taken)
    transaction.on_commit(bell.ring)


def _is_ours(row: IdentityQuestion) -> bool:
    """Whether we write the lifetime value there, rather than the CRM's own workflow."""
    logic: str = row.sub_account.pipeline_logic
    return logic == PipelineLogic.AX_CONNECT


def _has_patients(contact: Contact) -> bool:
    return bool(ContactLink.objects.across_practices().filter(contact=contact).exists())


def _was_written_elsewhere(row: IdentityQuestion, target: Contact | None) -> bool:
    rows = Effect.objects.for_practice(row.patient.practice_id).filter(
        event__patient=row.patient,
        event__sub_account_id=row.sub_account_id,
        kind=EffectKind.CONTACT,
        state=EffectState.DONE,
    )
    return bool(rows.exclude(event__kind=LEAVE_CONTACT).exclude(contact=target).exists())


# --- where it stands -------------------------------------------------------------------------------------------


def _events(row: IdentityQuestion) -> QuerySet[InboundEvent]:
    rows: QuerySet[InboundEvent] = InboundEvent.objects.for_practice(row.patient.practice_id)
    return rows.filter(patient=row.patient, sub_account_id=row.sub_account_id)


def _linked(question: IdentityQuestion) -> Contact | None:
    rows = ContactLink.objects.for_practice(question.patient.practice_id).filter(
        patient=question.patient, sub_account_id=question.sub_account_id
    )
    link = rows.select_related("contact").first()
    return link.contact if link is not None else None


def _before(question: IdentityQuestion) -> Contact | None:
    """The contact that the answer before this one led to."""
    rows = EarlierAnswer.objects.for_practice(question.patient.practice_id).filter(question=question)
    earlier = rows.select_related("contact").first()
    return earlier.contact if earlier else None


def _notes(question: IdentityQuestion, contact: Contact) -> QuerySet[Effect]:
    rows: QuerySet[Effect] = Effect.objects.for_practice(question.patient.practice_id)
    own = rows.filter(event__patient=question.patient, contact=contact, kind=EffectKind.NOTE)
    return own.filter(state=EffectState.DONE).exclude(event__kind__in=OWN_LABELS)


def _by_hand(question: IdentityQuestion) -> Decimal:
    """Payments that we cannot move: the CRM's own workflow counted them."""
    states = [LedgerState.LEFT_TO_CRM] + ([] if _is_ours(question) else [LedgerState.WRITTEN])
    rows = LedgerRow.objects.for_practice(question.patient.practice_id).filter(
        patient=question.patient, contact__sub_account_id=question.sub_account_id, state__in=states
    )
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or _ZERO


def _others(question: IdentityQuestion, contact: Contact | None) -> int:
    if contact is None:
        return 0
    rows = ContactLink.objects.across_practices().filter(contact=contact)
    return int(rows.exclude(patient=question.patient).count())


def _blocked(question: IdentityQuestion) -> str:
    """Why the answer cannot be changed at this moment."""
    newer = IdentityQuestion.objects.for_practice(question.patient.practice_id).filter(
        Q(answer="", is_held=True), patient=question.patient, sub_account_id=question.sub_account_id
    )
    if newer.exclude(pk=question.pk).exists():
        return "Another question about this patient is open: answer that one."
    doubts = Effect.objects.for_practice(question.patient.practice_id).filter(
        event__in=_events(question).exclude(state=EventState.SKIPPED), state__in=_IN_DOUBT
    )
    event_id = doubts.order_by("event_id").values_list("event_id", flat=True).first()
    if event_id is None:
        return ""
    return (
        f"It is not certain yet whether a write of event {event_id} happened. Once that is looked up, or settled on "
        "its page, the answer can be changed."
    )
