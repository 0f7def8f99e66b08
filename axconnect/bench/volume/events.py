"""The events of three months with their writes and payments, oldest first, as they would have come."""

import json
import random
from bisect import bisect
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from axconnect.bench.volume.copying import Table, go_on_after, token, write_all
from axconnect.bench.volume.practices import Made, Someone
from axconnect.bench.volume.words import HELD, PARKED, SENTENCES
from axconnect.bench.volume.writes import Writes
from categorization.categories import name_key
from integrations.models import EventState, HeldFor, InboundEvent, Source
from integrations.sync.categories.again import DECIDE_AGAIN
from integrations.sync.create_back.tags import WORKFLOW

CHUNK = 10_000
DAYS = 90
PAYLOAD_DAYS = 14
# How many of a hundred events come in each hour of the day (UTC): practices work from 13 to 1 o'clock.
BY_HOUR = (5, 2, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 2, 4, 6, 8, 9, 10, 9, 8, 8, 8, 7, 6, 4)
STATES = (
    (EventState.DONE, 0.85),
    (EventState.SKIPPED, 0.93),
    (EventState.IGNORED, 0.97),
    (EventState.HELD, 0.99),
    (EventState.PARKED, 1.0),
)
# Of the newest events, one in three still waits.
STILL_WAITING = 1 / 2000
COLUMNS = (
    "practice_id",
    "connection_id",
    "sub_account_id",
    "lane_id",
    "lane_key",
    "patient_id",
    "contact_id",
    "source",
    "kind",
    "dedupe_key",
    "payload",
    "occurred_at",
    "received_at",
    "state",
    "held_for",
    "held_key",
    "parked_as",
    "reason",
    "outcome",
    "story",
    "planned_at",
    "finished_at",
)


def make_events(practices: list[Made], events: int, now: datetime, rng: random.Random) -> Iterator[int]:
    """``events`` events and what came of each. Yields rows written, by the chunk."""
    made = _Events(practices, now, rng)
    for number, at in enumerate(_times(events, now)):
        made.add(at, is_newest=number >= events * (1 - STILL_WAITING))
        if number % CHUNK == CHUNK - 1:
            yield made.write()
    yield made.write()
    made.finish()


def _times(events: int, now: datetime) -> Iterator[datetime]:
    """When each came: as many every day, by the hours of work, the last one just now."""
    ends = list(accumulate(BY_HOUR))
    start = now - timedelta(days=DAYS)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = _share(start, ends), _share(now, ends) + DAYS
    for number in range(events):
        day, rest = divmod(first + (last - first) * (number + 1) / events, 1)
        hour = bisect(ends, rest * ends[-1])
        before = ends[hour - 1] if hour else 0.0
        within = (rest * ends[-1] - before) / BY_HOUR[min(hour, 23)]
        yield midnight + timedelta(days=day, hours=hour + within)


def _share(at: datetime, ends: list[float]) -> float:
    """Which part of a day's events has come at this time of day."""
    before = ends[at.hour - 1] if at.hour else 0.0
    return (before + BY_HOUR[at.hour] * at.minute / 60) / ends[-1]


class _Events:
    """The table of events and those of what follows from them."""

    def __init__(self, practices: list[Made], now: datetime, rng: random.Random) -> None:
        self._practices, self._now, self._rng = practices, now, rng
        self._ends = list(accumulate(practice.share for practice in practices))
        self._table = Table(InboundEvent, COLUMNS)
        self._writes = Writes(now, rng)

    def write(self) -> int:
        return write_all(self._table, *self._writes.tables)

    def finish(self) -> None:
        go_on_after(self._table, *self._writes.tables)

    def add(self, at: datetime, *, is_newest: bool) -> None:
        """An event that came at this time to some practice, with its writes."""
        rng = self._rng
        practice = self._practices[min(bisect(self._ends, rng.random()), len(self._practices) - 1)]
        # The first patients of a practice come more often than the last ones.
        someone = practice.people[int(len(practice.people) * rng.random() ** 2)]
        state = EventState.WAITING if is_newest and rng.random() < 0.3 else _drawn(STATES, rng.random())
        event_id = self._table.new_id()
        source, kind = self._kind(practice)
        type_name, held_for, held_key, parked_as, reason = self._why(practice, state, someone)
        finished = None if state == EventState.WAITING else at + timedelta(seconds=rng.expovariate(1 / 8))
        is_crm = source == Source.CRM
        self._table.add(
            event_id,
            practice.id,
            None if is_crm else practice.side.id,
            someone.account_id if is_crm else None,
            None if state == EventState.IGNORED else someone.lane_id,
            "" if state == EventState.IGNORED else someone.lane_key,
            None if state == EventState.IGNORED else someone.id,
            someone.contact_id or None if state == EventState.DONE else None,
            source,
            kind,
            f"volume-{event_id}",
            self._payload(at, kind, type_name),
            at - timedelta(seconds=rng.randrange(60)),
            at,
            state.value,
            held_for,
            held_key,
            parked_as,
            reason,
            "booked" if state == EventState.DONE else "",
            _story(state, type_name),
            finished,
            finished,
        )
        self._writes.of(event_id, practice, someone, state, kind, at)

    def _kind(self, practice: Made) -> tuple[str, str]:
        """Where an event came from and what it says."""
        drawn, side = self._rng.random(), practice.side
        if drawn < 0.02:
            return Source.CRM.value, WORKFLOW
        if drawn < 0.03:
            return Source.SETTINGS.value, DECIDE_AGAIN
        kinds = side.visit_kinds if drawn < 0.75 else side.money_kinds if drawn < 0.87 else side.person_kinds
        source = side.source if drawn > 0.06 else Source.BACKFILL.value
        return source, self._rng.choice(kinds or side.visit_kinds)

    def _why(self, practice: Made, state: EventState, someone: Someone) -> tuple[str, str, str, str, str]:
        """Type, what a held event waits for and under which key, why a parked one stopped, and the reason in words."""
        rng = self._rng
        name, purposes = rng.choice(practice.types)
        if state == EventState.HELD:
            held_for = _drawn(HELD, rng.random())
            if held_for == HeldFor.CATEGORY and practice.open_types:
                name, purposes = rng.choice(practice.open_types)
            key = self._held_key(practice, held_for, someone, name, purposes)
            return name, held_for.value, key, "", f"Nobody has confirmed what “{name}” counts as."
        if state == EventState.PARKED:
            parked_as, words = rng.choice(PARKED)
            return name, "", "", parked_as.value, words
        words = SENTENCES[state][0] if state in (EventState.SKIPPED, EventState.IGNORED) else ""
        return name, "", "", "", words

    def _held_key(
        self, practice: Made, held_for: HeldFor, someone: Someone, name: str, purposes: list[str]
    ) -> str:
        if held_for == HeldFor.CATEGORY:
            return "|".join([practice.side.key, name_key(name), *map(name_key, purposes)])
        if held_for == HeldFor.LOCATION:
            return f"location:{practice.locations[-1]}"
        if held_for == HeldFor.IDENTITY:
            return f"patient:{someone.id}:{someone.account_id}"
        return ""

    def _payload(self, at: datetime, kind: str, type_name: str) -> str:
        """The body, as long as retention keeps it: who it is about is the same fields of nobody each time."""
        if at < self._now - timedelta(days=PAYLOAD_DAYS):
            return ""
        return token(json.dumps({"event": kind, "type": type_name, "notes": "Made up. " * 40}))


def _drawn(among: tuple[tuple[Any, float], ...], number: float) -> Any:
    return next(value for value, end in among if number < end)


_stories: dict[tuple[str, str], str] = {}


def _story(state: EventState, type_name: str) -> str:
    key = (state.value, type_name)
    if key not in _stories:
        steps = ("decided", "matched", "category", "pipeline", "note")
        pairs = zip(steps, SENTENCES[state], strict=False)
        _stories[key] = json.dumps(
            [{"step": step, "text": text.format(type=type_name)} for step, text in pairs]
        )
    return _stories[key]
