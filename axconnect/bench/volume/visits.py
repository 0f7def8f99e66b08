"""The visits of the patients, over the last three months and the coming one."""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from axconnect.bench.volume.copying import Table, Token, go_on_after, token, write_all
from axconnect.bench.volume.practices import Made
from integrations.contract.records import Outcome
from integrations.models import Visit
from integrations.sync.visits import Seen

CHUNK = 10_000
PAST_DAYS, COMING_DAYS = 90, 30
COLUMNS = (
    "practice_id",
    "connection_id",
    "patient_id",
    "sub_account_id",
    "external_id",
    "version",
    "outcome",
    "status",
    "visit_on",
    "type",
    "purposes",
    "practitioner",
    "location_name",
    "ever_completed",
)
OVER = (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.COMPLETED, Outcome.CANCELLED, Outcome.NO_SHOW)


def make_visits(practices: list[Made], visits: int, now: datetime, rng: random.Random) -> Iterator[int]:
    """About ``visits`` visits, each practice its share. Yields rows written, by the chunk."""
    state = Seen(now, Outcome.BOOKED, "booked", now.date(), "Appointment booked", is_noted=True).as_json()
    table = Table(Visit, COLUMNS, states=Token(token(json.dumps([state]))))
    for practice in practices:
        for number in range(round(visits * practice.share)):
            table.add(*_visit(table.new_id(), practice, now, rng))
            if number % CHUNK == CHUNK - 1:
                yield write_all(table)
    yield write_all(table)
    go_on_after(table)


def _visit(visit_id: int, practice: Made, now: datetime, rng: random.Random) -> tuple[object, ...]:
    # The first patients of a practice come more often than the last ones.
    someone = practice.people[int(len(practice.people) * rng.random() ** 2)]
    days = rng.randrange(-PAST_DAYS, COMING_DAYS)
    outcome = rng.choice(OVER) if days < 0 else Outcome.BOOKED
    name, purposes = rng.choice(practice.types)
    return (
        visit_id,
        practice.id,
        practice.side.id,
        someone.id,
        someone.account_id if someone.contact_id else None,
        f"A{visit_id}",
        now + timedelta(days=min(days, -1), minutes=rng.randrange(600)),
        outcome.value,
        outcome.value,
        (now + timedelta(days=days)).date(),
        name,
        json.dumps(purposes),
        f"Dr. Example {rng.randrange(6)}",
        rng.choice(practice.location_names),
        outcome == Outcome.COMPLETED,
    )
