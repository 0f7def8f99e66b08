"""The few statements that every event runs, in SQL.

Building a query costs the ORM many times what running it costs the database; these ones are run several
times an event. They are the same on SQLite and PostgreSQL. Everything else goes through the ORM.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from integrations.models import Connection, Contact, Effect, EffectState, InboundEvent, Lane
from tenants.encryption import encrypt

_CONTACT, _EFFECT = Contact._meta.db_table, Effect._meta.db_table
_EVENT, _LANE = InboundEvent._meta.db_table, Lane._meta.db_table
_CONNECTION = Connection._meta.db_table


def _time(at: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(at) if at else None


def _run(sql: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        count: int = cursor.rowcount
    return count


def insert_event(event: InboundEvent) -> bool:
    """Insert an event and set its id. False when one with its key is there already: nothing is written then."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                event.practice_id,
                event.connection_id,
                event.sub_account_id,
                event.source,
                event.kind,
                event.dedupe_key,
                event.lane_key,
                encrypt(event.payload) if event.payload else "",
                _time(event.occurred_at),
                _time(event.received_at),
                int(event.priority),
                event.state,
                event.reason,
                json.dumps(event.story),
                _time(event.finished_at),
            ],
        )
        row = cursor.fetchone()
    if row is None:
        return False
    event.pk = row[0]
    return True


_INSERT = f"""
INSERT INTO {_EVENT}
    (practice_id, connection_id, sub_account_id, source, kind, dedupe_key, lane_key, payload, occurred_at,
     received_at, priority, state, reason, story, finished_at,
     deliveries, held_for, held_key, parked_as, outcome, attempts, runs)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, '', '', '', '', 0, 0)
ON CONFLICT DO NOTHING RETURNING id
"""


def put_into_lanes(events: Sequence[tuple[int, int, str, int]], now: datetime) -> None:
    """Put stored events into their lanes, made where they are new; call inside a transaction.

    ``events``: (id, practice id, lane key, priority). A lane's ``arrivals`` rises and it is due, unless it
    backs off.
    """
    rows: dict[str, list[Any]] = {}
    for _, practice_id, key, priority in events:
        row = rows.setdefault(key, [practice_id, key, priority, _time(now), 0])
        row[2], row[4] = min(row[2], priority), row[4] + 1
    # In the order of their keys, so that two workers cannot wait for each other.
    values = [value for key in sorted(rows) for value in rows[key]]
    _run(_TOUCH.format(", ".join(["(%s, %s, %s, %s, %s, 0, '', '')"] * len(rows))), values)
    ids = [event[0] for event in events]
    _run(_INTO_LANE.format(", ".join(["%s"] * len(ids))), ids)


_TOUCH = f"""
INSERT INTO {_LANE} (practice_id, key, priority, next_at, arrivals, attempts, lease_owner, waits_because)
VALUES {{}}
ON CONFLICT (key) DO UPDATE SET
    arrivals = {_LANE}.arrivals + excluded.arrivals,
    priority = CASE WHEN {_LANE}.next_at IS NULL OR {_LANE}.priority > excluded.priority
               THEN excluded.priority ELSE {_LANE}.priority END,
    next_at = COALESCE({_LANE}.next_at, excluded.next_at)
"""
_INTO_LANE = (
    f"UPDATE {_EVENT} SET lane_id = (SELECT lane.id FROM {_LANE} AS lane WHERE lane.key = {_EVENT}.lane_key)"
    " WHERE id IN ({}) AND lane_id IS NULL"
)


def webhook_door(key: str) -> tuple[int, int, str, str, str] | None:
    """(connection id, practice id, EMR, encrypted credentials, field paths as JSON) of a webhook address."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, practice_id, emr, credentials, field_paths FROM {_CONNECTION} WHERE webhook_key = %s",
            [key],
        )
        row: tuple[int, int, str, str, str] | None = cursor.fetchone()
    return row


def lease_contact(contact: Contact, token: str, now: datetime, until: datetime) -> bool:
    """Take a contact's lease if it is free or ours, and read what we know of the contact again under it."""
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, [token, _time(until), contact.pk, _time(now), token])
        row = cursor.fetchone()
    if row is None:
        return False
    contact.contact_type, value, contact.birthday_enrolled_for = row
    contact.lifetime_value = None if value is None else Decimal(str(value)).quantize(Decimal("0.01"))
    return True


_LEASE = f"""
UPDATE {_CONTACT} SET lease_owner = %s, lease_until = %s
WHERE id = %s AND (lease_until IS NULL OR lease_until <= %s OR lease_owner = %s)
RETURNING contact_type, lifetime_value, birthday_enrolled_for
"""


def release_contacts(ids: Sequence[int], token: str) -> None:
    """Give back the leases of these contacts."""
    for contact_id in ids:
        _run(
            f"UPDATE {_CONTACT} SET lease_owner = '', lease_until = NULL WHERE id = %s AND lease_owner = %s",
            [contact_id, token],
        )


def release_lane(lane_id: int, owner: str, arrivals: int) -> bool:
    """Give a lane back as empty; False when more arrived since ``arrivals`` was read, or it is not ours."""
    sql = (
        f"UPDATE {_LANE} SET lease_owner = '', lease_until = NULL, next_at = NULL, attempts = 0, waits_because = ''"
        " WHERE id = %s AND lease_owner = %s AND arrivals = %s"
    )
    return bool(_run(sql, [lane_id, owner, arrivals]))


def holds_lane(lane_id: int, owner: str) -> bool:
    """Whether the lane is still this owner's."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {_LANE} WHERE id = %s AND lease_owner = %s", [lane_id, owner])
        return cursor.fetchone() is not None


def mark_sending(effect: Effect, lane_id: int, owner: str, now: datetime) -> bool:
    """Write down that an effect is about to be sent. False when the lane is not ours any more."""
    effect.state, effect.sent_at = EffectState.SENDING, now
    sql = f"UPDATE {_EFFECT} SET state = %s, sent_at = %s WHERE id = %s AND {_IS_OURS}"
    return bool(_run(sql, [effect.state, _time(now), effect.pk, lane_id, owner]))


_IS_OURS = f"EXISTS (SELECT 1 FROM {_LANE} WHERE id = %s AND lease_owner = %s)"


def confirm(effect: Effect) -> None:
    """Write down what came of an effect."""
    _run(_CONFIRM + "id = %s", [*_confirmed(effect), effect.pk])


_CONFIRM = (
    f"UPDATE {_EFFECT} SET state = %s, answer = %s, attempts = %s, reason = %s, confirmed_at = %s,"
    " contact_id = %s WHERE "
)


def _confirmed(effect: Effect) -> list[Any]:
    return [
        effect.state,
        json.dumps(effect.answer),
        json.dumps(effect.attempts),
        effect.reason,
        _time(effect.confirmed_at),
        effect.contact_id,
    ]


def confirm_and_mark(done: Effect, following: Effect, lane_id: int, owner: str, now: datetime) -> bool:
    """Confirm one effect and mark the next as being sent, in one statement.

    False when the lane is not ours any more: then neither is written.
    """
    values: list[Any] = []
    for value in _confirmed(done):
        values += [done.pk, value]
    values += [following.pk, _time(now), done.pk, following.pk, lane_id, owner]
    if _run(_CONFIRM_AND_MARK, values) != 2:
        return False
    following.state, following.sent_at = EffectState.SENDING, now
    return True


_CONFIRM_AND_MARK = f"""
UPDATE {_EFFECT} SET
    state = CASE WHEN id = %s THEN %s ELSE 'sending' END,
    answer = CASE WHEN id = %s THEN %s ELSE answer END,
    attempts = CASE WHEN id = %s THEN %s ELSE attempts END,
    reason = CASE WHEN id = %s THEN %s ELSE reason END,
    confirmed_at = CASE WHEN id = %s THEN %s ELSE confirmed_at END,
    contact_id = CASE WHEN id = %s THEN %s ELSE contact_id END,
    sent_at = CASE WHEN id = %s THEN %s ELSE sent_at END
WHERE id IN (%s, %s) AND {_IS_OURS}
"""


def plan_event(event: InboundEvent, lane_id: int, owner: str) -> bool:
    """Write down that an event is planned: when, about whom, and why. False when the lane is not ours any more."""
    planned = _run(
        _PLANNED,
        [
            _time(event.planned_at),
            event.patient_id,
            event.contact_id,
            event.sub_account_id,
            json.dumps(event.story),
            event.held_for,
            event.held_key,
            event.pk,
            lane_id,
            owner,
        ],
    )
    return bool(planned)


_PLANNED = (
    f"UPDATE {_EVENT} SET planned_at = %s, patient_id = %s, contact_id = %s, sub_account_id = %s, story = %s,"
    f" held_for = %s, held_key = %s WHERE id = %s AND {_IS_OURS}"
)


def finish_event(event: InboundEvent) -> None:
    """Write down how an event ended: state, reason, story, whom it was about."""
    _run(
        _FINISH,
        [
            event.state,
            event.reason,
            event.parked_as,
            event.held_for,
            event.held_key,
            _time(event.finished_at),
            json.dumps(event.story),
            event.patient_id,
            event.contact_id,
            event.sub_account_id,
            event.attempts,
            event.pk,
        ],
    )


_FINISH = (
    f"UPDATE {_EVENT} SET state = %s, reason = %s, parked_as = %s, held_for = %s, held_key = %s, finished_at = %s,"
    " story = %s, patient_id = %s, contact_id = %s, sub_account_id = %s, attempts = %s WHERE id = %s"
)
