"""What came of the events: effects with their notes, and the rows of the ledger."""

import json
import random
from datetime import datetime, timedelta
from typing import Any

from axconnect.bench.volume.copying import Table, token
from axconnect.bench.volume.practices import Made, Someone
from integrations.models import Effect, EffectKind, EffectState, EventState, LedgerRow, LedgerState

BODY_DAYS = 14
DOUBTFUL = 0.001
NOTE = {"text": "Appointment booked\nType: Consult\nWith: Dr. Example\nReference: AX-0"}
BODIES: dict[EffectKind, dict[str, Any]] = {
    EffectKind.CONTACT: {"native": {"firstName": "Nobody"}, "custom": {"Next Visit Service": "Consult"}},
    EffectKind.NOTE: NOTE,
    EffectKind.OPPORTUNITY: {"pipeline": "non_surgical", "stage": "Booked"},
    EffectKind.ENROL: {"workflow": "No-Show"},
}
EFFECT_COLUMNS = (
    "practice_id",
    "event_id",
    "contact_id",
    "kind",
    "target",
    "position",
    "state",
    "reference",
    "body",
    "answer",
    "attempts",
    "planned_at",
    "sent_at",
    "confirmed_at",
)
LEDGER_COLUMNS = (
    "practice_id",
    "connection_id",
    "external_id",
    "patient_id",
    "sub_account_id",
    "contact_id",
    "event_id",
    "amount",
    "paid_on",
    "before",
    "after",
    "state",
    "created_at",
    "written_at",
)


class Writes:
    """The tables of effects and of the ledger."""

    def __init__(self, now: datetime, rng: random.Random) -> None:
        self._rng = rng
        self._bodies_from = now - timedelta(days=BODY_DAYS)
        self._effects = Table(Effect, EFFECT_COLUMNS)
        self._ledger = Table(LedgerRow, LEDGER_COLUMNS)
        self.tables = (self._effects, self._ledger)

    def of(
        self, event_id: int, practice: Made, someone: Someone, state: EventState, kind: str, at: datetime
    ) -> None:
        """What an event wrote; nothing where it wrote nothing."""
        if state not in (EventState.DONE, EventState.HELD, EventState.PARKED) or not someone.contact_id:
            return
        is_money = kind in practice.side.money_kinds
        wanted = [EffectKind.CONTACT]
        if state != EventState.PARKED:
            wanted += [EffectKind.NOTE] if self._rng.random() < 0.7 or is_money else []
            wanted += [EffectKind.OPPORTUNITY] if state == EventState.DONE and not is_money else []
            wanted += [EffectKind.ENROL] if self._rng.random() < 0.1 else []
        for position, one in enumerate(wanted):
            self._effect(event_id, practice.id, someone, one, position, state, at)
        if is_money:
            self._payment(event_id, practice, someone, state, at)

    def _effect(
        self,
        event_id: int,
        practice_id: int,
        someone: Someone,
        kind: EffectKind,
        position: int,
        event_state: EventState,
        at: datetime,
    ) -> None:
        state = EffectState.FAILED if event_state == EventState.PARKED else EffectState.DONE
        if state == EffectState.DONE and self._rng.random() < DOUBTFUL:
            state = EffectState.IN_DOUBT
        is_kept = kind == EffectKind.NOTE or at > self._bodies_from
        sent = at + timedelta(seconds=self._rng.randrange(1, 20))
        self._effects.add(
            self._effects.new_id(),
            practice_id,
            event_id,
            someone.contact_id,
            kind.value,
            f"{someone.account_id}" if kind == EffectKind.CONTACT else kind.value,
            position,
            state.value,
            f"AX-{event_id:X}" if kind == EffectKind.NOTE else "",
            token(json.dumps(BODIES[kind])) if is_kept else "",
            json.dumps({"contact": someone.crm_id}),
            json.dumps([{"at": sent.isoformat(timespec="milliseconds"), "ms": 180, "status": "ok"}]),
            at,
            sent,
            sent if state == EffectState.DONE else None,
        )

    def _payment(
        self, event_id: int, practice: Made, someone: Someone, event_state: EventState, at: datetime
    ) -> None:
        amount, before = self._rng.randrange(50, 4000), self._rng.randrange(9000)
        state = LedgerState.NOT_WRITTEN if event_state == EventState.PARKED else LedgerState.WRITTEN
        if self._rng.random() < DOUBTFUL:
            state = LedgerState.NEEDS_ATTENTION
        self._ledger.add(
            self._ledger.new_id(),
            practice.id,
            practice.side.id,
            f"P{event_id}",
            someone.id,
            someone.account_id,
            someone.contact_id,
            event_id,
            f"{amount}.00",
            at.date(),
            f"{before}.00",
            f"{before + amount}.00",
            state.value,
            at,
            at + timedelta(seconds=10) if state == LedgerState.WRITTEN else None,
        )
