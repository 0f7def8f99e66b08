"""What becomes of a visit when one more message about it arrives. Pure.

Every arrival order and every repetition of one history ends in the same visit and the same notes: a visit is
kept at its newest version, and its states are kept in version order as runs of equal content, one note a run.
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from integrations.contract.records import AppointmentRecord, NoteLines, Outcome, PaymentRecord

# Of two messages with one version time, the later word wins.
RANK = {Outcome.COMPLETED: 3, Outcome.BOOKED: 2, Outcome.NO_SHOW: 1, Outcome.CANCELLED: 0, Outcome.OTHER: -1}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = {
    Outcome.BOOKED: "appointment booked",
    Outcome.COMPLETED: "appointment completed",
    Outcome.CANCELLED: "appointment cancelled",
    Outcome.NO_SHOW: "appointment no-show",
    Outcome.OTHER: "appointment",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One state that a visit was seen in.

    ``key`` tells distinct states apart (status, date, type or purpose, practitioner, location); ``headline``
    and ``lines`` are what its note says.
    """

    version: datetime
    outcome: Outcome
    key: str
    visit_on: date | None
    headline: str = ""
    lines: NoteLines = ()
    is_noted: bool = False
    event_id: int = 0
    content: str = ""  # hash of the whole record: tells a repetition from a change that gets no note
    type: str = ""
    purposes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "v": self.version.isoformat(),
            "o": self.outcome.value,
            "k": self.key,
            "d": self.visit_on.isoformat() if self.visit_on else None,
            "h": self.headline,
            "l": [list(line) for line in self.lines],
            "n": self.is_noted,
            "e": self.event_id,
            "c": self.content,
            "t": self.type,
            "p": list(self.purposes),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Seen":
        return cls(
            version=datetime.fromisoformat(row["v"]),
            outcome=Outcome(row["o"]),
            key=row["k"],
            visit_on=date.fromisoformat(row["d"]) if row["d"] else None,
            headline=row["h"],
            lines=tuple((label, value) for label, value in row["l"]),
            is_noted=row["n"],
            event_id=row["e"],
            content=row["c"],
            type=row["t"],
            purposes=tuple(row["p"]),
        )

    @property
    def order(self) -> tuple[datetime, int, str]:
        return self.version, RANK[self.outcome], self.key


@dataclass(frozen=True, slots=True)
class VisitData:
    """A visit as the rules see it (see models.Visit for the meaning of each column)."""

    external_id: str
    version: datetime | None = None
    outcome: Outcome | None = None
    status: str = ""
    visit_on: date | None = None
    type: str = ""
    purposes: tuple[str, ...] = ()
    practitioner: str = ""
    location_name: str = ""
    moved_on: date | None = None
    moved_at: datetime | None = None
    removed_at: datetime | None = None  # told only: a deletion that is not acted on changes no decision
    ever_completed: bool = False
    states: tuple[Seen, ...] = ()

    @property
    def effective_on(self) -> date | None:
        """The date that counts: a recorded reschedule that is newer than the version moves it."""
        newer = self.moved_at is not None and (self.version is None or self.moved_at > self.version)
        return self.moved_on if newer else self.visit_on


@dataclass(frozen=True, slots=True)
class NoteDue:
    """A state that has to get its note. ``moved_from`` is set when the visit changed its date."""

    seen: Seen
    is_late: bool
    moved_from: date | None = None


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What one message did. ``is_current``: it is the newest version; ``is_news``: a state not seen before."""

    visit: VisitData
    is_current: bool
    is_news: bool
    notes: tuple[NoteDue, ...] = field(default=())


def headline_of(emr_name: str, record: AppointmentRecord) -> str:
    """The first line of the note on a state: the EMR and what happened."""
    what = "appointment rescheduled" if record.is_reschedule else _WORDS[record.outcome]
    return f"{emr_name}: {'appointment deleted' if record.is_deletion else what}"


def found_standing(record: AppointmentRecord, version: datetime, headline: str) -> VisitData:
    """A visit as a first poll finds it: known from now on, and not to be told to anybody. Only a back-fill
    writes the note on this state later."""
    seen = replace(seen_in(record, version, headline, event_id=0), is_noted=True)
    change = apply_appointment(VisitData(record.external_id), record, seen)
    return change.visit


def state_key(record: AppointmentRecord) -> str:
    """What makes an appointment event distinct, as a short hash: comments and the like are not in it."""
    parts = (
        record.outcome,
        record.status,
        record.visit_on.isoformat() if record.visit_on else "",
        record.type,
        "|".join(record.purposes),
        record.practitioner,
        record.location.external_id or record.location.name,
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def seen_in(record: AppointmentRecord, version: datetime, headline: str, event_id: int) -> Seen:
    """The state that an appointment record shows."""
    content = hashlib.sha256(
        repr((record.person, sorted(record.fields.items(), key=str))).encode()
    ).hexdigest()[:16]
    key = state_key(record)
    return Seen(
        version,
        record.outcome,
        key,
        record.visit_on,
        headline,
        record.note,
        event_id=event_id,
        content=content,
        type=record.type,
        purposes=record.purposes,
    )


def apply_appointment(
    visit: VisitData, record: AppointmentRecord, seen: Seen, *, is_backfill: bool = False
) -> VisitChange:
    """The visit after a message that routes (booked, completed, cancelled, no-show). A back-fill also tells of
    states that a first poll found standing."""
    known = tuple(_untold(state) for state in visit.states) if is_backfill else visit.states
    states, is_news = _with_state(known, seen)
    is_current = is_newest(visit, seen.version, seen.outcome) and states[-1].order == seen.order
    notes, states = _notes_due(states, visit.version, seen)
    newest_first = states[::-1]
    changed = replace(
        visit,
        states=states,
        ever_completed=visit.ever_completed or seen.outcome is Outcome.COMPLETED,
        # What the newest message leaves out is taken from those before it, even when they arrive after it.
        type=next((state.type for state in newest_first if state.type), visit.type),
        purposes=next((state.purposes for state in newest_first if state.purposes), visit.purposes),
    )
    if is_current or (visit.version, visit.outcome) == (states[-1].version, states[-1].outcome):
        dates = (state.visit_on for state in newest_first if state.visit_on)
        changed = replace(changed, visit_on=next(dates, None))
    if is_current:
        changed = replace(
            changed,
            version=seen.version,
            outcome=seen.outcome,
            status=record.status,
            practitioner=record.practitioner,
            location_name=record.location.name or record.location.external_id,
        )
    return VisitChange(changed, is_current, is_news, notes)


def apply_payment(visit: VisitData, record: PaymentRecord, version: datetime) -> VisitChange:
    """The visit after a payment that proves it: completed, without an appointment note of its own."""
    is_current = is_newest(visit, version, Outcome.COMPLETED)
    changed = replace(visit, ever_completed=True, type=visit.type or record.service)
    if is_current:
        changed = replace(
            changed,
            version=version,
            outcome=Outcome.COMPLETED,
            status=record.status,
            visit_on=record.visit_on or visit.visit_on,
            practitioner=record.practitioner or visit.practitioner,
            location_name=record.location.name or visit.location_name,
        )
    is_news = visit.version != version or visit.outcome is not Outcome.COMPLETED
    return VisitChange(changed, is_current, is_news)


def apply_recorded(visit: VisitData, record: AppointmentRecord, version: datetime) -> VisitChange:
    """The visit after a message that is only recorded: a reschedule moves its date, a deletion removes it."""
    changed = visit
    if (
        record.is_reschedule
        and record.visit_on
        and (
            visit.moved_at is None
            or (version, record.visit_on) >= (visit.moved_at, visit.moved_on or record.visit_on)
        )
    ):
        changed = replace(changed, moved_on=record.visit_on, moved_at=version)
    if record.is_deletion and (visit.removed_at is None or version > visit.removed_at):
        changed = replace(changed, removed_at=version)
    return VisitChange(changed, is_current=False, is_news=False)


def is_newest(visit: VisitData, version: datetime, outcome: Outcome) -> bool:
    """Whether a message of that version is at least as new as what is known of the visit."""
    if visit.version is None or visit.outcome is None:
        return True
    return (version, RANK[outcome]) >= (visit.version, RANK[visit.outcome])


def _untold(state: Seen) -> Seen:
    """A state without an event was found by a first poll: its note was never written."""
    return state if state.event_id else replace(state, is_noted=False)


def _with_state(states: tuple[Seen, ...], seen: Seen) -> tuple[tuple[Seen, ...], bool]:
    """The states in version order with ``seen`` among them; False when exactly it was there before."""
    for at, known in enumerate(states):
        if known.version == seen.version and known.key == seen.key:
            changed = replace(known, content=seen.content, event_id=known.event_id or seen.event_id)
            return (*states[:at], changed, *states[at + 1 :]), known.content != seen.content
    return tuple(sorted((*states, seen), key=lambda state: state.order)), True


def _notes_due(
    states: tuple[Seen, ...], newest: datetime | None, arrived: Seen
) -> tuple[tuple[NoteDue, ...], tuple[Seen, ...]]:
    """Notes for the runs of equal states that have none yet, and the states with those marked as noted.

    A state that arrives in the middle can split a run in two: the half without a note gets one as well.
    """
    due: list[NoteDue] = []
    marked = list(states)
    start = 0
    for end in range(1, len(states) + 1):
        if end < len(states) and states[end].key == states[start].key:
            continue
        if not any(state.is_noted for state in states[start:end]):
            first = states[start]
            before = states[start - 1] if start else None
            due.append(NoteDue(first, _is_late(first, newest, arrived), _moved_from(before, first)))
            marked[start] = replace(first, is_noted=True)
        start = end
    return tuple(due), tuple(marked)


def _is_late(seen: Seen, newest: datetime | None, arrived: Seen) -> bool:
    return seen.order == arrived.order and newest is not None and seen.version < newest


def _moved_from(before: Seen | None, after: Seen) -> date | None:
    """The former date, when a booked visit is booked for another day."""
    if (
        before is None
        or before.visit_on is None
        or after.visit_on is None
        or after.outcome is not Outcome.BOOKED
    ):
        return None
    return before.visit_on if before.visit_on != after.visit_on else None
