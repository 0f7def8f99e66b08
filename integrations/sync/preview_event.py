"""What an event would do if it ran now, under today's settings. It is planned for real, in a transaction that is
rolled back: nothing is kept of it, and neither the CRM nor the EMR is asked."""

import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError, transaction

from integrations.contract.errors import ContractError, IgnoredEvent
from integrations.contract.records import AppointmentRecord, PaymentRecord, Record
from integrations.models import Effect, EffectKind, EventState, InboundEvent, Priority
from integrations.sync import stored
from integrations.sync.categories.again import decide_again
from integrations.sync.categories.around import Around, around
from integrations.sync.categorize import verdict
from integrations.sync.contact_moves import preview_move
from integrations.sync.emr_access import enriches
from integrations.sync.lanes import Claimed
from integrations.sync.own_kinds import DECIDE_AGAIN, JOIN_CONTACT, LEAVE_CONTACT
from integrations.sync.plan import decide_all, find_all, understand, writes
from integrations.sync.preview_compare import Cards, PlannedWrite, Was, compare
from integrations.sync.profile import PracticeProfile, load_profile
from integrations.sync.stored_body import NotStored, stored_body, with_stored_people
from integrations.sync.work import Found, Work

logger = logging.getLogger(__name__)

TEST_PING = "A test event never runs: it only showed that the connection works."
TAG_EVENT = (
    "This event makes a patient in the EMR. "
    "What that would do cannot be previewed without asking the EMR and the CRM."
)
NOT_LIVE = (
    "The practice is not live: the event would be held. Below is what it would do once the practice is live."
)
PAUSED = "It would wait: {} is paused. Below is what it would do once that is over."
NOT_LINKED = (
    "This patient is not linked to a contact yet. Whether the CRM has one cannot be previewed without asking the CRM; "
    "shown is what would be written to a contact that is made new."
)
FROM_STORE = (
    "{} is not asked: who the patient is comes from what is stored here, and fields that only its patient record "
    "fills are left out."
)
NOT_STORED = (
    "What this event is about is read from {} when it runs, and is not stored here. Its contact fields, note, payment, "
    "tags and enrolments cannot be previewed without asking the EMR. The cards are shown as the visits that are known "
    "put them."
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the type of the event's own visit counts as, "" for nothing yet, and the words that say who confirmed it."""

    type: str
    category: str
    words: str


@dataclass(frozen=True, slots=True)
class Deciding:
    """The visit that decides where the card of one pipeline stands. ``is_own``: it is the one of this event."""

    pipeline: str
    stage: str
    why: str
    is_own: bool
    category_words: str


@dataclass(frozen=True, slots=True)
class EventPreview:
    """What would come of an event. ``headline`` sums it up, ``limits`` say what cannot be known here.

    ``ends``: the state in which the event would end, "" where it never runs or cannot be previewed;
    ``story``: the sentences of why, as the event's page shows them. ``writes`` hold values of a patient: show them
    only to those who may reveal them.
    """

    headline: str
    ends: str = ""
    is_again: bool = False
    limits: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()
    deciding: tuple[Deciding, ...] = ()
    story: tuple[dict[str, str], ...] = ()
    writes: tuple[PlannedWrite, ...] = ()

    @property
    def changes(self) -> int:
        """How many of the writes would change something."""
        return sum(one.changes for one in self.writes)


@dataclass(slots=True)
class _Notes:
    """What the planning found out beside the effects."""

    limits: list[str] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    deciding: list[Deciding] = field(default_factory=list)
    cards_only: bool = False  # nothing but the cards could be planned


def preview_event(event: InboundEvent) -> EventPreview:
    """What an event would do if it ran now. Writes nothing and calls nobody; the row given stays as it is."""
    own = (
        InboundEvent.objects.for_practice(event.practice_id)
        .select_related("patient", "contact")
        .get(pk=event.pk)
    )
    if own.connection_id is None:
        return EventPreview(TAG_EVENT)
    if own.lane_id is None and own.state != EventState.WAITING:
        return EventPreview(TEST_PING)
    # Read before the transaction, and not through the cache: what is planned inside may change the set-up's version.
    profile = load_profile(own.practice_id)
    with transaction.atomic():
        found = _planned(own, profile)
        transaction.set_rollback(True)
    return found


def _planned(event: InboundEvent, profile: PracticeProfile) -> EventPreview:
    before = _written(event)
    is_again = _start_anew(event)
    lane = Claimed(event.lane_id or 0, profile.id, "", 0, 0, int(event.priority))
    work = Work(event, lane, profile, profile.connections[event.connection_id or 0], may_ask=False)
    notes = _Notes(limits=list(_gates(work)))
    try:
        effects = _effects(work, notes)
    except IgnoredEvent as ignored:
        return _stopped(work, notes, EventState.IGNORED, f"It would be ignored: {ignored}")
    except ContractError as error:
        return _stopped(work, notes, EventState.PARKED, f"It would stop and need a person: {error}")
    except DatabaseError:
        raise
    except Exception as error:
        # The traceback names lines of code only: the error's own text could hold a patient's data.
        logger.error("preview of event %s\n%s", event.pk, "".join(traceback.format_tb(error.__traceback__)))
        words = f"It would stop: something goes wrong on our side ({type(error).__name__})."
        return _stopped(work, notes, EventState.PARKED, words)
    if event.state != EventState.WAITING:
        return _stopped(work, notes, EventState(event.state), _closing_words(event))
    shown = tuple(compare(effects, before, Cards.of(event), cards_only=notes.cards_only))
    return EventPreview(
        headline=_headline(shown, notes),
        ends=EventState.HELD if event.held_for else EventState.DONE,
        is_again=is_again,
        limits=tuple(notes.limits),
        counted=tuple(notes.counted),
        deciding=tuple(notes.deciding),
        story=tuple(event.story),
        writes=shown,
    )


def _written(event: InboundEvent) -> dict[tuple[str, str], Was]:
    rows = Effect.objects.for_practice(event.practice_id).filter(event=event).order_by("position")
    return {(row.kind, row.target): Was(row.state, dict(row.body or {}), row.position) for row in rows}


def _start_anew(event: InboundEvent) -> bool:
    """Put the copy to where its next run begins. Whether that is a run that repeats what ran before."""
    unfinished = (EventState.WAITING, EventState.HELD, EventState.PARKED)
    is_again = event.planned_at is not None or event.state not in unfinished
    if is_again:
        event.planned_at, event.runs, event.priority = None, event.runs + 1, Priority.REPLAY
    event.state, event.story = EventState.WAITING, []
    event.held_for = event.held_key = event.parked_as = event.reason = ""
    return is_again


def _gates(work: Work) -> Iterator[str]:
    if not work.profile.is_live:
        yield NOT_LIVE
    elif work.profile.is_paused or work.connection.is_paused:
        yield PAUSED.format("the practice" if work.profile.is_paused else "the connection")


def _stopped(work: Work, notes: _Notes, ends: EventState, words: str) -> EventPreview:
    return EventPreview(
        words,
        ends=ends,
        limits=tuple(notes.limits),
        counted=tuple(notes.counted),
        story=tuple(work.event.story),
    )


def _closing_words(event: InboundEvent) -> str:
    if event.state == EventState.HELD:
        return f"It would be held. {event.reason}"
    return f"Nothing would be written: {event.reason[:1].lower()}{event.reason[1:]}"


def _headline(shown: Sequence[PlannedWrite], notes: _Notes) -> str:
    changing = sum(one.changes for one in shown)
    if changing:
        return f"{changing} write{'s' if changing != 1 else ''} would change something in the CRM."
    if notes.cards_only:
        return "No card would move. The rest cannot be previewed."
    if any(one.is_unknown for one in shown):
        return "Nothing is known to change, but not everything can be compared."
    return "Nothing would change."


# What it would write


def _effects(work: Work, notes: _Notes) -> list[Effect]:
    if work.event.kind == DECIDE_AGAIN:
        effects = decide_again(work)
        notes.deciding += _deciding(work, [])
        return effects
    if work.event.kind in (LEAVE_CONTACT, JOIN_CONTACT):
        effects = preview_move(work)
        notes.deciding += _deciding(work, [])
        return effects
    if enriches(work.connection.emr) and work.event.payload:
        try:
            work.body = stored_body(work)
        except NotStored:
            return _cards_only(work, notes)
    records: Sequence[Record] = understand(work)
    if work.body is not None:
        records, is_from_store = with_stored_people(work, records)
        if is_from_store:
            notes.limits.append(FROM_STORE.format(work.connection.manifest.name))
    notes.counted += _counted(work, records)
    found = find_all(work, records)
    if found is None:
        return []
    if any(one.who.contact is None and writes(work, one.record) for one in found):
        notes.limits.append(NOT_LINKED)
    effects = decide_all(work, found)
    notes.deciding += _deciding(work, found)
    return effects


def _cards_only(work: Work, notes: _Notes) -> list[Effect]:
    notes.cards_only = True
    notes.limits.append(NOT_STORED.format(work.connection.manifest.name))
    if work.event.contact is None or work.event.patient is None:
        return []
    effects = decide_again(work)
    notes.deciding += _deciding(work, [])
    return [effect for effect in effects if effect.kind == EffectKind.OPPORTUNITY]


def _counted(work: Work, records: Sequence[Record]) -> Iterator[Counted]:
    for record in records:
        if isinstance(record, AppointmentRecord):
            found = verdict(work.profile, work.connection, record.type, record.purposes)
            words = found.words[:1].upper() + found.words[1:]
            yield Counted(record.type, found.category.value if found.category else "", words)


def _deciding(work: Work, found: Sequence[Found]) -> Iterator[Deciding]:
    """The visit that decides each card, where the event is about cards at all."""
    about = [one for one in found if isinstance(one.record, AppointmentRecord | PaymentRecord)]
    if found and not about:
        return
    own = {
        stored.visit_key(work.connection.id, stored.visit_id(one.record))
        for one in about
        if isinstance(one.record, AppointmentRecord | PaymentRecord)
    }
    one = _around(work, about)
    if not one.visits:
        return
    by_key = {stored.visit_key(row.connection_id, row.external_id): row for row in one.visits}
    for kind, decision in one.stages(work.profile).items():
        row = by_key[decision.decided_by]
        connection = work.profile.connections[row.connection_id]
        words = verdict(work.profile, connection, row.type, tuple(row.purposes)).words
        yield Deciding(str(kind.label), decision.stage or "", decision.why, decision.decided_by in own, words)


def _around(work: Work, about: Sequence[Found]) -> Around:
    if work.event.contact is not None:
        return around(work.profile, work.event.contact)
    if not about:
        return Around(0, 0)
    first = about[0]
    assert isinstance(first.record, AppointmentRecord | PaymentRecord)
    where = (first.account.id, work.connection.id, stored.visit_id(first.record))
    return Around(0, first.account.id, stored.visits_of(work.profile, None, first.who.patient, *where))
