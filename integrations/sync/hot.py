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

from integrations.models import Contact, Effect, EffectState, InboundEvent, Lane

_CONTACT, _EFFECT = Contact._meta.db_table, Effect._meta.db_table
_EVENT, _LANE = InboundEvent._meta.db_table, Lane._meta.db_table


def _time(at: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(at) if at else None


def _run(sql: str, values: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        count: int = cursor.rowcount
    return count


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


def plan_event(event: InboundEvent) -> None:
    """Write down that an event is planned: when, about whom, and why."""
    _run(
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
        ],
    )


_PLANNED = (
    f"UPDATE {_EVENT} SET planned_at = %s, patient_id = %s, contact_id = %s, sub_account_id = %s, story = %s,"
    " held_for = %s, held_key = %s WHERE id = %s"
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
