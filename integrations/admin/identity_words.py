"""What another answer to an identity question will do, and what it leaves as it is, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.models import Contact, EarlierAnswer, EventState, IdentityQuestion, InboundEvent
from integrations.sync import answering
from integrations.sync.answering import Standing
from integrations.sync.contact_moves import moves_of
from integrations.templatetags.human import money
from integrations.views.crm_links import link_of
from integrations.views.links import page_of

Answer = IdentityQuestion.Answer
CLASH_WORDS = {"email": "e-mail", "phone": "phone"}
MOVES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Linked:
    """A contact and what this patient's events left there. ``words`` says it; ``crm`` is "" once it is deleted."""

    crm_id: str
    page: str
    crm: str
    words: str


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """An answer that counted before, and where it led."""

    row: EarlierAnswer
    said: str
    linked: Linked | None


@dataclass(frozen=True, slots=True)
class MoveLine:
    """An event by which an earlier change is carried out."""

    label: str
    page: str
    state: str
    is_open: bool


def counted(number: int, noun: str) -> str:
    """``1 event``, ``3 events``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def linked(question: IdentityQuestion, contact: Contact) -> Linked:
    """A contact as the page shows it."""
    notes, amount = answering.left_at(question, contact)
    words = f"{counted(notes, 'audit note')} of this patient"
    if amount:
        words += f" and {money(amount, question.patient.practice)} of lifetime value"
    return Linked(contact.crm_id, page_of(Contact, contact.pk), link_of(contact), f"{words} there.")


def earlier_lines(question: IdentityQuestion) -> list[EarlierLine]:
    """The answers that counted before, newest first."""
    rows = EarlierAnswer.objects.for_practice(question.patient.practice_id).filter(question=question)
    return [
        EarlierLine(
            row,
            row.get_answer_display() if row.answer else "Linked by AX Connect, nobody had been asked",
            linked(question, row.contact) if row.contact else None,
        )
        for row in rows.select_related("contact__sub_account__practice", "answered_by")
    ]


def move_lines(question: IdentityQuestion) -> list[MoveLine]:
    """The newest events that carry changes out."""
    rows = moves_of(question.patient, question.sub_account_id).order_by("-pk")[:MOVES_SHOWN]
    open_states = (EventState.WAITING, EventState.HELD, EventState.PARKED)
    return [
        MoveLine(
            answering.OWN_LABELS[row.kind],
            page_of(InboundEvent, row.pk),
            row.get_state_display(),
            row.state in open_states,
        )
        for row in rows
    ]


def will_do(question: IdentityQuestion, choice: str, crm_id: str, where: Standing) -> Iterator[str]:
    """What changing to ``choice`` does. ``crm_id``: the contact chosen, for "link"."""
    practice = question.patient.practice
    if choice == Answer.IGNORE:
        yield "The link is removed. Nothing is written for this patient from now on; events that wait are left out."
    elif choice == Answer.LINK:
        yield "The patient is linked to the contact chosen. Every event from now on writes there."
    else:
        yield _created(question)
    if where.is_linked and where.others:
        others = counted(where.others, "other patient")
        yield f"The cards of the contact that is left are decided again, for {others} linked to it."
    if choice == Answer.IGNORE:
        return
    if where.left_out:
        yield f"{counted(where.left_out, 'event')} that had been left out go to work, in order, each once."
    amount = answering.would_move(question, choice, crm_id)
    if amount:
        yield (
            f"{money(amount, practice)} of lifetime value is taken off the contact that is left and added to the "
            "other one. Both are rows of the ledger, confirmed by the CRM."
        )
    if where.contact is not None and not _stays(question, choice, crm_id, where):
        yield "What this patient's events wrote last (fields, tags, stages) is written to the contact that counts then."


def _created(question: IdentityQuestion) -> str:
    made = answering.made_before(question)
    if made is not None:
        return f"The patient is linked again to the contact that was theirs before, {made.crm_id}."
    shared = " and ".join(CLASH_WORDS.get(name, name) for name in question.clashes)
    without = f" without the {shared}" if shared else ""
    return f"A contact of the patient's own is made{without}. Every event from now on writes there."


def _stays(question: IdentityQuestion, choice: str, crm_id: str, where: Standing) -> bool:
    """Whether the patient comes back to the contact where they were."""
    made = answering.made_before(question) if choice == Answer.CREATE else None
    target = made.crm_id if made is not None else crm_id
    return where.contact is not None and where.contact.crm_id == target


def will_not_do(question: IdentityQuestion, choice: str, crm_id: str, where: Standing) -> Iterator[str]:
    """What stays as it is, for a person to know or to do."""
    practice, left = question.patient.practice, where.contact
    if _stays(question, choice, crm_id, where):
        left = None
    if left is not None:
        notes = counted(where.notes, "audit note")
        yield (
            f"{notes}, fields, tags, workflows and cards stay on the contact that is left. "
            "Nothing is merged or deleted in the CRM."
        )
    if left is not None and choice != Answer.IGNORE:
        yield (
            "If that contact shows this patient's e-mail or phone, take it off there first: the CRM gives each to "
            "one contact only."
        )
    if choice == Answer.IGNORE and where.written:
        yield f"{money(where.written, practice)} of lifetime value stays there: correct it by hand if it is wrong."
    if where.by_hand:
        yield (
            f"{money(where.by_hand, practice)} was counted by the CRM's own workflow and is not moved: correct it by "
            "hand on both contacts."
        )
    if question.answer == Answer.CREATE and choice == Answer.LINK and left is not None:
        yield f"The contact that was made, {left.crm_id}, stays in the CRM. Merge the two there if it is to go."
    if choice != Answer.IGNORE and where.unreadable:
        events = counted(where.unreadable, "event")
        yield f"{events} that had been left out cannot run any more: retention has deleted what they said."
