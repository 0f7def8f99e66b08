"""The way in: verify, store, commit, answer. No outside call, no look at what it means."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from integrations.contract.protocols import Receipt
from integrations.models import EventState, InboundEvent, Priority, Source
from integrations.sync import bell, hot

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
MAX_DEPTH = 40
# Without an event id of its own, the same body counts as the same event for this long.
SAME_BODY = timedelta(minutes=10)


class BadBody(Exception):
    """The body is not a JSON object that can be stored. ``str`` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to a delivery: ``result`` is "stored", "duplicate" or "ignored"."""

    event_id: int
    result: str


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request body.

    Raises BadBody when it is not UTF-8, not JSON, not an object, or nested deeper than MAX_DEPTH.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadBody(f"The body is not UTF-8 text (byte {error.start}).") from None
    if "\x00" in text or "\\u0000" in text:
        raise BadBody("The body contains a NUL character.")
    _check_depth(text)
    try:
        body = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        where = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise BadBody(f"The body is not JSON{where}.") from None
    if not isinstance(body, dict):
        raise BadBody("The body is JSON but not an object: send one event as {…}.")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser walks into it. Brackets inside strings do not count."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadBody(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif char in "}]":
            depth -= 1


@dataclass(frozen=True, slots=True)
class Door:
    """Where a delivery came in: exactly one of connection and sub-account, by id."""

    practice_id: int
    connection_id: int | None = None
    sub_account_id: int | None = None
    source: str = Source.WEBHOOK
    priority: int = Priority.LIVE


def store(door: Door, raw: bytes, receipt: Receipt, now: datetime | None = None) -> Stored:
    """Keep one delivery and ring the bell. Committed when it returns.

    A delivery with an event id that is known, or with a body that came within the last ten minutes without
    an id, is counted on the event that is there and makes no second one. A body of the CRM counts as the same
    only until its event is finished: a tag that is added again comes in the very same words.
    """
    now = now or timezone.now()
    if receipt.event_id:
        dedupe_key = f"id:{_short(receipt.event_id)}"
    else:
        dedupe_key = f"body:{hashlib.sha256(raw).hexdigest()}"
    event = _event(door, raw, receipt, dedupe_key, now)
    while not hot.insert_event(event):
        # Known already, which is rare: told by the constraint rather than asked for every time. Of two deliveries that
        # find the key given up, the slower one finds the faster one's event.
        known = _known(door, dedupe_key, now, by_body=not receipt.event_id)
        if known is not None:
            return _again(known)
    if event.state == EventState.IGNORED:
        return Stored(event.pk, "ignored")
    bell.ring()
    return Stored(event.pk, "stored")


def _short(event_id: str) -> str:
    return event_id if len(event_id) <= 70 else hashlib.sha256(event_id.encode()).hexdigest()


def _at_door(door: Door) -> dict[str, Any]:
    if door.connection_id is not None:
        return {"connection_id": door.connection_id}
    return {"connection__isnull": True, "sub_account_id": door.sub_account_id}


def _known(door: Door, dedupe_key: str, now: datetime, *, by_body: bool) -> tuple[int, str] | None:
    """Id and state of the event that a delivery repeats."""
    rows = InboundEvent.objects.for_practice(door.practice_id).filter(dedupe_key=dedupe_key, **_at_door(door))
    row = rows.values_list("pk", "state", "received_at").first()
    if row is None:
        return None
    is_over = door.connection_id is None and row[1] not in (EventState.WAITING, EventState.HELD)
    if by_body and (is_over or now - row[2] > SAME_BODY):
        # The same body long after is a new event; so is, at once, a tag that was answered and is added again,
        # whose body says nothing new. The old row gives up the key.
        rows.filter(pk=row[0]).update(dedupe_key=f"{dedupe_key[:60]}:{row[0]}")
        return None
    return row[0], row[1]


def _again(known: tuple[int, str]) -> Stored:
    event_id, state = known
    InboundEvent.objects.across_practices().filter(pk=event_id).update(deliveries=F("deliveries") + 1)
    return Stored(event_id, "ignored" if state == EventState.IGNORED else "duplicate")


def _event(door: Door, raw: bytes, receipt: Receipt, dedupe_key: str, now: datetime) -> InboundEvent:
    ignored = receipt.ignored_because
    return InboundEvent(
        practice_id=door.practice_id,
        connection_id=door.connection_id,
        sub_account_id=door.sub_account_id,
        source=door.source,
        kind=receipt.kind[:100],
        dedupe_key=dedupe_key,
        lane_key="" if ignored else lane_key(door, receipt.patient_id, dedupe_key),
        payload=raw.decode(),
        occurred_at=receipt.occurred_at,
        received_at=now,
        priority=door.priority,
        state=EventState.IGNORED if ignored else EventState.WAITING,
        reason=ignored[:500],
        story=[{"step": "ignored", "text": ignored}] if ignored else [],
        finished_at=now if ignored else None,
    )


def lane_key(door: Door, patient_id: str, dedupe_key: str) -> str:
    """Lane = (connection, patient) or (sub-account, contact); an event of nobody known has its own."""
    scope = f"c{door.connection_id}" if door.connection_id is not None else f"s{door.sub_account_id}"
    who = f"p:{patient_id.strip().casefold()}" if patient_id else f"e:{dedupe_key}"
    return f"{scope}:{hashlib.sha256(who.encode()).hexdigest()[:40]}"


def receipt_of(emr: Any, body: Mapping[str, Any], field_paths: Mapping[str, Any]) -> Receipt:
    """What the EMR's folder reads of a body. A reader that fails must not lose the event: it is stored unread."""
    try:
        result: Receipt = emr.receive(body, field_paths)
    except Exception:  # a bug in one folder must not cost an event: it is parked when it is worked on
        logger.error("the reader of %s failed on a body", emr.slug)
        return Receipt()
    return result
