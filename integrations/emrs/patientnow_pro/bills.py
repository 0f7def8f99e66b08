"""A patient bill as a record: a completed one adds its total, a voided or refunded one takes it back."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import dollars, joined, money, names_in, plain_key
from integrations.contract.records import AmountKind, FieldValue, PaymentRecord, Person
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.people import patient_id, person_in
from integrations.emrs.patientnow_pro.reading import Reading, filled, lines

# No status: the notice is one of a completed bill.
_COMPLETED = {"": "Completed", "completed": "Completed", "paid": "Completed"}
_TAKEN_BACK = {"voided": "Voided", "void": "Voided", "refunded": "Refunded", "refund": "Refunded"}


@dataclass(frozen=True, slots=True)
class Money:
    """What a bill does to the lifetime value. ``amount`` is never negative; ``why_not`` is set when it does not
    count. ``is_taken_back``: what this very bill added goes away again."""

    kind: AmountKind
    amount: Decimal
    status: str
    why_not: str = ""
    is_taken_back: bool = False


def needs_patient(status: str) -> bool:
    """Whether a bill of that status changes anything, so that its patient has to be known."""
    return plain_key(status) in _COMPLETED or plain_key(status) in _TAKEN_BACK


def bill_in(reading: Reading) -> PaymentRecord:
    """The record of a fetched bill. Raises MalformedPayload for what is missing or unreadable."""
    external_id = reading.identifier("bill_id", "bill id")
    reading.fetched("bill")
    counted = _money(reading)
    is_ignored = counted.kind is AmountKind.IGNORED
    person = Person(patient_id(reading)) if is_ignored else person_in(reading)
    bought = joined(names_in(reading.value("line_items"), "name", "description"))
    practitioner = reading.name("bill_provider")
    paid_at = reading.when("completed_at", "Time of payment")
    fields: dict[str, FieldValue] = {
        "PNOW ID": person.external_id,
        "PNOW Last Order ID": _written_id(external_id, counted),
        "PNOW DOB": person.birth_date,
        "PNOW Primary Employee": practitioner,
    }
    is_reversal = counted.kind is AmountKind.REVERSAL
    return PaymentRecord(
        person=person,
        external_id=external_id,
        amount=counted.amount,
        kind=counted.kind,
        status=counted.status,
        paid_on=_paid_on(reading, paid_at),
        version=reading.occurred_at or paid_at,
        service=bought,
        practitioner=practitioner,
        location=reading.location,
        fields={} if is_ignored else filled(fields),
        note=lines(
            ("Status", counted.status if is_reversal else ""),
            ("Total", dollars(-counted.amount if is_reversal else counted.amount)),
            ("Line items", bought),
            ("Order ID", external_id),
        ),
        ignored_because=counted.why_not,
        undoes=external_id if counted.is_taken_back else "",
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )


def _written_id(external_id: str, counted: Money) -> str:
    """A bill and its taking back are told apart in the CRM too: each has to be found there after a crash."""
    return f"{external_id} {counted.status.lower()}" if counted.is_taken_back else external_id


def _paid_on(reading: Reading, paid_at: datetime | None) -> date | None:
    """The day of payment at the facility; None where the bill does not say it in a form that can be read."""
    try:
        return reading.day("completed_at")
    except MalformedPayload:
        return paid_at.astimezone(reading.zone).date() if paid_at else None


def _money(reading: Reading) -> Money:
    total = _total(reading)
    word = plain_key(reading.text("bill_status"))
    if word in _COMPLETED:
        if total < 0:
            return Money(AmountKind.REVERSAL, -total, "Credit")
        return Money(AmountKind.PAYMENT, total, _COMPLETED[word])
    if word not in _TAKEN_BACK:
        why = "This bill is neither completed nor taken back: it changes nothing yet."
        return Money(AmountKind.IGNORED, abs(total), reading.text("bill_status")[:60], why)
    if total < 0:
        why = "A credit that was taken back: correct the lifetime value in the CRM by hand."
        return Money(AmountKind.IGNORED, -total, _TAKEN_BACK[word], why)
    return Money(AmountKind.REVERSAL, total, _TAKEN_BACK[word], is_taken_back=True)


def _total(reading: Reading) -> Decimal:
    path, raw = reading.located("total")
    total = money(raw, path)
    if total is None:
        expected = reading.body.expected("total", *FIELDS["total"])
        raise MalformedPayload(
            f'The bill\'s total is missing: it is expected at "{expected}".', field=expected
        )
    return total
