"""Payments into the ledger: each counts once, and what takes one back counts only if that one did."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from integrations.contract.errors import ContractError
from integrations.contract.records import AmountKind, PaymentRecord
from integrations.models import (
    Contact,
    Effect,
    EffectKind,
    EffectState,
    InboundEvent,
    LedgerRow,
    LedgerState,
    Patient,
)

_NOTHING = Decimal("0.00")


class Unsettled(ContractError):
    """Nobody can tell yet whether an earlier write happened, and it matters here."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose payment it is, and which event brought it. ``is_ours``: we write the lifetime value, rather than
    the CRM's own workflow."""

    practice_id: int
    connection_id: int
    sub_account_id: int
    patient: Patient
    contact: Contact | None
    event: InboundEvent
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of entering a payment. ``record``: the payment as it counts, None when another event brought it
    before. ``is_written``: its money is in the CRM already. ``words``: what the event's story says of it."""

    record: PaymentRecord | None
    is_written: bool = False
    words: str = ""


def enter(record: PaymentRecord, place: Place) -> Entry:
    """A ledger row for a payment, once. Call inside a transaction.

    A payment that was taken back before it was ever counted does not count later either: messages may arrive in
    any order. Raises Unsettled for what takes back a payment of which nobody can tell yet whether it counted.
    """
    if record.kind is AmountKind.IGNORED:
        return Entry(record)
    if record.kind is AmountKind.REVERSAL and record.undoes:
        return _take_back(record, place)
    if record.kind is AmountKind.PAYMENT and _was_taken_back(record, place):
        _enter(record, place, record.external_id, record.amount, LedgerState.NOT_WRITTEN)
        words = f"Payment {record.external_id} was taken back before it came: it does not count."
        return Entry(_left_out(record, words))
    if record.kind is AmountKind.REVERSAL:
        return _once(record, place, _reversal_id(record), -record.amount)
    return _once(record, place, record.external_id, record.amount)


def sub_account_of(connection_id: int, record: PaymentRecord) -> int | None:
    """Where a payment (or the one that this takes back) counts, or is about to; None where it does not."""
    rows = LedgerRow.objects.across_practices().filter(
        connection_id=connection_id, external_id=(record.undoes or record.external_id)[:140]
    )
    found: int | None = (
        rows.exclude(state=LedgerState.NOT_WRITTEN).values_list("sub_account_id", flat=True).first()
    )
    return found


def leave_out(event: InboundEvent) -> None:
    """Nothing is written for this event: its payments have not counted."""
    rows = LedgerRow.objects.for_practice(event.practice_id).filter(event=event)
    rows.update(state=LedgerState.NOT_WRITTEN)


def _was_taken_back(record: PaymentRecord, place: Place) -> bool:
    """Whether the payment's end was seen first, and so took nothing back."""
    end = _row(place, _reversal_id(record))
    return end is not None and end.state == LedgerState.NOT_WRITTEN and end.amount == _NOTHING


def _take_back(record: PaymentRecord, place: Place) -> Entry:
    """By as much as the payment counted; by nothing where it never did."""
    counted = _row(place, record.undoes)
    known = _row(place, _reversal_id(record))
    if known is None and not _has_counted(counted, place):
        known, _ = _enter(record, place, _reversal_id(record), _NOTHING, LedgerState.NOT_WRITTEN)
        if counted is not None:
            _set_state(counted, LedgerState.NOT_WRITTEN)
    if known is not None and known.state == LedgerState.NOT_WRITTEN:
        words = f"Payment {record.undoes} was taken back before it was ever counted: nothing to take back."
        return Entry(_left_out(record, words))
    amount = counted.amount if counted else record.amount
    return _once(replace(record, amount=amount), place, _reversal_id(record), -amount)


def _has_counted(row: LedgerRow | None, place: Place) -> bool:
    """Whether a payment's amount is in the CRM, or this very event brings it there.

    Raises Unsettled where nobody can tell yet: its write broke off and was not looked up since, or what the CRM
    shows fits neither number.
    """
    if row is None or row.state == LedgerState.NOT_WRITTEN:
        return False
    if row.state == LedgerState.NEEDS_ATTENTION:
        raise Unsettled(
            f"It is not certain that payment {row.external_id} was written, so it cannot be taken back yet: say on "
            "its ledger row whether it is in the CRM. This event then goes on by itself."
        )
    if row.state != LedgerState.PLANNED or row.event_id == place.event.pk:
        return True
    sending = Effect.objects.for_practice(place.practice_id).filter(
        event=row.event_id, kind=EffectKind.CONTACT, state=EffectState.SENDING
    )
    if row.after is not None and sending.exists():
        raise Unsettled(
            f"It is not certain that payment {row.external_id} was written, so it cannot be taken back yet: "
            "retry its event first, then this one."
        )
    return False


def _once(record: PaymentRecord, place: Place, external_id: str, amount: Decimal) -> Entry:
    state = LedgerState.PLANNED if place.is_ours else LedgerState.LEFT_TO_CRM
    row, is_new = _enter(record, place, external_id, amount, state)
    is_written = row.state not in (LedgerState.PLANNED, LedgerState.NOT_WRITTEN)
    if not is_new and row.event_id != place.event.pk:
        words = f"Payment {record.external_id} is in the ledger already: it counts once."
        return Entry(None, is_written, words)
    if row.state == LedgerState.NOT_WRITTEN:  # left out by an earlier run, to be written now
        _set_state(row, state)
    return Entry(record, is_written)


def _set_state(row: LedgerRow, state: LedgerState) -> None:
    row.state = state
    row.save(update_fields=["state"])


def _enter(
    record: PaymentRecord, place: Place, external_id: str, amount: Decimal, state: LedgerState
) -> tuple[LedgerRow, bool]:
    defaults: dict[str, Any] = {
        "practice_id": place.practice_id,
        "patient": place.patient,
        "sub_account_id": place.sub_account_id,
        "contact": place.contact,
        "event": place.event,
        "state": state,
        "amount": amount,
        "paid_on": record.paid_on,
    }
    return LedgerRow.objects.get_or_create(
        connection_id=place.connection_id, external_id=external_id[:140], defaults=defaults
    )


def _row(place: Place, external_id: str) -> LedgerRow | None:
    rows = LedgerRow.objects.for_practice(place.practice_id).filter(connection_id=place.connection_id)
    found: LedgerRow | None = rows.filter(external_id=external_id[:140]).first()
    return found


def _reversal_id(record: PaymentRecord) -> str:
    return f"{record.undoes or record.external_id}:{AmountKind.REVERSAL}"


def _left_out(record: PaymentRecord, words: str) -> PaymentRecord:
    return replace(record, kind=AmountKind.IGNORED, ignored_because=words)
