"""Nextech's PaymentReconciliation as a record: which money counts.

An active payment adds once. A void turns the original to ``cancelled`` and makes an opposite entry that is
cancelled from the start; a correction makes a new active entry besides. So a cancelled payment takes back what
it added, and the opposite entry means nothing. A refund is an active payment of less than nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from decimal import Decimal
from typing import Any

from integrations.contract.dates import calendar_date
from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.reading import dollars, money, text
from integrations.contract.records import AmountKind, FieldValue, LocationRef, PaymentRecord
from integrations.emrs.nextech_cloud.fhir import Json, extension_reference, extensions, objects, value_in
from integrations.emrs.nextech_cloud.reading import GONE, Reading, place

ACTIVE = "active"
# Voided, and deleted: both take back what the payment added.
TAKEN_BACK = {"cancelled": "Cancelled", "canceled": "Cancelled", "entered-in-error": "Deleted"}
ADJUSTMENT = "adjustment"
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Money:
    """What a payment does to the lifetime value. ``amount`` is never negative; ``why_not`` is set when it does
    not count."""

    kind: AmountKind
    amount: Decimal
    status: str
    why_not: str = ""


def payment_in(reading: Reading) -> PaymentRecord:
    """The record of a PaymentReconciliation. Raises IgnoredEvent without a patient, MalformedPayload without an
    id or an amount."""
    resource = reading.resource
    external_id = reading.identifier()
    if not reading.patient_ref.id:
        raise IgnoredEvent("Not a patient's money: the payment names no patient.")
    counted = _money(resource, reading.context.switches)
    rows = extensions(resource, "Location")
    location = next((place(extension_reference(row)) for row in rows), LocationRef())
    paid_on = _paid_on(resource, reading.zone(location))
    if reading.patient_is_gone:
        reading.warnings.append(GONE)
    person = reading.person
    is_reversal = counted.kind is AmountKind.REVERSAL
    fields: dict[str, FieldValue] = {
        "NXT Patient ID": person.external_id,
        "NXT Payment Status": counted.status,
        "NXT Last Payment Date": None if _is_taken_back(counted) else paid_on,
        "NXT Last Payment ID": _written_id(external_id, counted),
    }
    return PaymentRecord(
        person=person,
        external_id=external_id,
        amount=counted.amount,
        kind=counted.kind,
        status=counted.status,
        paid_on=paid_on,
        version=reading.version,
        location=location,
        fields={name: value for name, value in fields.items() if value not in ("", None)},
        note=(
            ("Status", counted.status),
            ("Amount", dollars(-counted.amount if is_reversal else counted.amount)),
        ),
        ignored_because=counted.why_not,
        undoes=external_id if _is_taken_back(counted) else "",
        warnings=tuple(reading.warnings),
    )


def _written_id(external_id: str, counted: Money) -> str:
    """A payment and its taking back are told apart in the CRM too: each has to be found there after a crash."""
    return f"{external_id} {counted.status.lower()}" if _is_taken_back(counted) else external_id


def _is_taken_back(counted: Money) -> bool:
    """Voided or deleted, which ends the payment itself; a refund is a payment of its own."""
    return counted.kind is AmountKind.REVERSAL and counted.status in TAKEN_BACK.values()


def _money(resource: Json, switches: Mapping[str, Any]) -> Money:
    code = text(resource.get("status")).casefold()
    status = TAKEN_BACK.get(code) or (code[:1].upper() + code[1:40] if code else "No status")
    total, counted = _total(resource), _counted(resource, switches)
    if why := _why_not(resource, code, counted, switches):
        return Money(AmountKind.IGNORED, abs(total), status, why)
    if code in TAKEN_BACK:
        if counted < 0:
            why = "The opposite entry of a voided payment: the payment itself takes the money back."
            return Money(AmountKind.IGNORED, -counted, status, why)
        return Money(AmountKind.REVERSAL, counted, status)
    if counted < 0:
        return Money(AmountKind.REVERSAL, -counted, "Refunded")
    return Money(AmountKind.PAYMENT, counted, status)


def _why_not(resource: Json, code: str, counted: Decimal, switches: Mapping[str, Any]) -> str:
    """Why an amount changes nothing, or ""."""
    if switches.get("payments") is False:
        return "Payments are switched off for this connection."
    if code != ACTIVE and code not in TAKEN_BACK:
        return "Neither an active payment nor one that was taken back."
    if _is_insurance(resource) and not switches.get("count_insurance"):
        return "Insurance money: by the connection's setting it does not count."
    if counted == 0 and _adjusted(resource) and not switches.get("count_adjustments"):
        return "An adjustment: by the connection's setting it does not count."
    return "" if counted else "Nothing was paid."


def _is_insurance(resource: Json) -> bool:
    """A payer is named only where it is not the patient."""
    return bool(resource.get("organization"))


def _total(resource: Json) -> Decimal:
    total = resource.get("total")
    value = total.get("value") if isinstance(total, Mapping) else total
    amount = money(value, "total.value")
    if amount is None:
        raise MalformedPayload('The amount is missing: it is expected at "total.value".', field="total.value")
    return amount


def _counted(resource: Json, switches: Mapping[str, Any]) -> Decimal:
    """The total without what is adjusted, unless adjustments count."""
    total, adjusted = _total(resource), _adjusted(resource)
    if switches.get("count_adjustments") or not adjusted:
        return total
    if len(adjusted) == len(objects(resource.get("detail"))):
        return NOTHING
    return total - sum((_detail_amount(row) for row in adjusted), NOTHING)


def _adjusted(resource: Json) -> list[Json]:
    """The details that are adjustments and no payments."""
    return [row for row in objects(resource.get("detail")) if ADJUSTMENT in _codes(row)]


def _codes(detail: Json) -> list[str]:
    kinds = objects(detail.get("type"))
    return [text(coding.get("code")).casefold() for kind in kinds for coding in objects(kind.get("coding"))]


def _detail_amount(detail: Json) -> Decimal:
    amount = detail.get("amount")
    value = amount.get("value") if isinstance(amount, Mapping) else amount
    return money(value, "detail.amount.value") or NOTHING


def _paid_on(resource: Json, zone: tzinfo) -> date | None:
    """The payment date, a day or a time, else the day on which it was entered."""
    for row in extensions(resource, "payment-date"):
        if (day := calendar_date(value_in(row), "payment-date", zone)) is not None:
            return day
    return calendar_date(resource.get("created"), "created", zone)
