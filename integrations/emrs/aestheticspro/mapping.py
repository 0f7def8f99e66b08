"""AestheticsPro's bodies as records. Pure: a dictionary in, frozen records out."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.contract.dates import as_people_write
from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import distinct, dollars, joined, money, names_in, plain_key
from integrations.contract.records import (
    AmountKind,
    AppointmentRecord,
    FieldValue,
    LocationRef,
    NoteLines,
    Outcome,
    PatientRecord,
    PaymentRecord,
    Person,
    Record,
)
from integrations.emrs.aestheticspro.delivery import Delivery
from integrations.emrs.aestheticspro.fields import FIELDS
from integrations.emrs.aestheticspro.kinds import declared_kind, kind_of, why_ignored
from integrations.emrs.aestheticspro.people import person_in

STATUS_WORDS = {
    Outcome.BOOKED: "Booked",
    Outcome.CANCELLED: "Cancelled",
    Outcome.NO_SHOW: "NoShow",
    Outcome.COMPLETED: "Completed",
}
# The statuses that say more than "still booked". A check-in is not one: a paid invoice completes a visit.
_STATUSES = {
    "cancelled": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "cancel": Outcome.CANCELLED,
    "noshow": Outcome.NO_SHOW,
    "didnotshow": Outcome.NO_SHOW,
}


def understand(kind: str, body: Mapping[str, Any], context: Context) -> list[Record]:
    """The records in one stored body (one, here).

    Raises MalformedPayload naming the path of what is missing or unreadable, and IgnoredEvent for a test ping
    and for events that we do not use. Dates of birth, genders and times that cannot be read lose no event:
    they are left out, and the record's ``warnings`` say so.
    """
    delivery = Delivery(body, context)
    name = declared_kind(kind) or kind_of(delivery.body)
    if not name:
        raise _missing(delivery, "event", "event type")
    reader = _READERS.get(name)
    if reader is None:
        raise IgnoredEvent(why_ignored(name))
    return [reader(delivery)]


def _client_saved(delivery: Delivery) -> PatientRecord:
    person = person_in(delivery, expected_id="data.client_id")
    return PatientRecord(
        person=person,
        version=delivery.version,
        location=delivery.location,
        fields=_identity_fields(person),
        warnings=tuple(delivery.warnings),
    )


def _booked(delivery: Delivery) -> AppointmentRecord:
    return _appointment(delivery, Outcome.BOOKED, needs_date=True)


def _updated(delivery: Delivery) -> AppointmentRecord:
    outcome = _STATUSES.get(plain_key(delivery.text("status")), Outcome.BOOKED)
    return _appointment(delivery, outcome, needs_date=outcome is Outcome.BOOKED, is_reschedule=True)


def _cancelled(delivery: Delivery) -> AppointmentRecord:
    return _appointment(delivery, Outcome.CANCELLED)


def _no_show(delivery: Delivery) -> AppointmentRecord:
    return _appointment(delivery, Outcome.NO_SHOW)


def _deleted(delivery: Delivery) -> AppointmentRecord:
    return _appointment(delivery, Outcome.CANCELLED, is_deletion=True)


def _appointment(
    delivery: Delivery,
    outcome: Outcome,
    *,
    needs_date: bool = False,
    is_reschedule: bool = False,
    is_deletion: bool = False,
) -> AppointmentRecord:
    person = person_in(delivery)
    external_id = delivery.identifier("appointment_id", "appointment id")
    visit_on = _visit_day(delivery, needs_date)
    services = delivery.value("services")
    service = joined(names_in(services, "name", "service_name"))
    status, practitioner = STATUS_WORDS[outcome], delivery.name("provider_name")
    fields: dict[str, FieldValue] = {
        "APro Appt Status": status,
        "APro Appt Date": visit_on,
        "APro Appt ID": external_id,
        "APro Appt Services": service,
        "APro Appt Service Type": _service_types(services),
        "APro Provider": practitioner,
        "APro Location": _place(delivery.location),
    }
    return AppointmentRecord(
        person=person,
        external_id=external_id,
        outcome=outcome,
        status=status,
        version=delivery.version,
        visit_on=visit_on,
        type=service,
        service=service,
        practitioner=practitioner,
        location=delivery.location,
        fields=_filled(fields) | _identity_fields(person),
        note=_lines(
            ("Status", status),
            ("Service", service),
            ("Date", as_people_write(visit_on) if visit_on else ""),
            ("Location", _place(delivery.location)),
        ),
        is_reschedule=is_reschedule,
        is_deletion=is_deletion,
        warnings=tuple(delivery.warnings),
    )


def _invoice_paid(delivery: Delivery) -> PaymentRecord:
    person = person_in(delivery)
    external_id = delivery.identifier("invoice_id", "invoice id")
    amount = _paid_amount(delivery)
    is_refund = amount < 0
    paid_on = delivery.day("paid_date") or _paid_when_told(delivery)
    service = _service_on_invoice(delivery)
    fields: dict[str, FieldValue] = {
        "APro Appt Status": "" if is_refund else STATUS_WORDS[Outcome.COMPLETED],
        "APro Invoice ID": external_id,
        "APro Location": _place(delivery.location),
    }
    return PaymentRecord(
        person=person,
        external_id=external_id,
        amount=abs(amount),
        kind=AmountKind.REVERSAL if is_refund else AmountKind.PAYMENT,
        status="Refunded" if is_refund else STATUS_WORDS[Outcome.COMPLETED],
        paid_on=paid_on,
        version=delivery.version,
        proves_visit=not is_refund,
        visit_external_id=_appointment_on_invoice(delivery),
        visit_on=delivery.day("visit_date") or paid_on,
        service=service,
        practitioner=delivery.name("provider_name"),
        location=delivery.location,
        fields=_filled(fields) | _identity_fields(person),
        note=_lines(
            ("Amount", dollars(amount)),
            ("Service", service),
            ("Invoice number", delivery.text("invoice_number") or external_id),
            ("Location", _place(delivery.location)),
        ),
        warnings=tuple(delivery.warnings),
    )


def _visit_day(delivery: Delivery, needs_date: bool) -> date | None:
    """The appointment's day. A cancellation without one still counts; a booking without one says nothing."""
    day = delivery.day("date_time")
    if day is None and needs_date:
        raise _missing(delivery, "date_time", "appointment date")
    if day is None:
        delivery.warnings.append("The appointment has no date.")
    return day


def _paid_amount(delivery: Delivery) -> Decimal:
    """What was paid, else the invoice's total."""
    for field in ("paid_amount", "total"):
        path, raw = delivery.located(field)
        amount = money(raw, path)
        if amount is not None:
            return amount
    raise _missing(delivery, "paid_amount", "paid amount")


def _paid_when_told(delivery: Delivery) -> date:
    """The event's day, for an invoice without a paid date."""
    if delivery.version is None:
        delivery.warnings.append("Neither the invoice nor the event has a date: the day of receipt counts.")
    return delivery.happened_on


def _service_on_invoice(delivery: Delivery) -> str:
    """The invoice's own word, else the appointment's services, else what was bought."""
    for field, keys in (("service", ("name",)), ("services", ("name", "service_name")), ("items", ("name",))):
        if named := joined(names_in(delivery.value(field), *keys)):
            return named
    return ""


def _appointment_on_invoice(delivery: Delivery) -> str:
    """The id of the visit that was paid for; "" for a retail sale."""
    return delivery.text("appointment_id") and delivery.identifier("appointment_id", "appointment id")


def _service_types(services: Any) -> str:
    rows = services if isinstance(services, list) else [services]
    described = [row for row in rows if isinstance(row, Mapping)]
    return joined(distinct(names_in(described, "type", "service_type")))


def _missing(delivery: Delivery, field: str, words: str) -> MalformedPayload:
    expected = delivery.body.expected(field, *FIELDS[field])
    return MalformedPayload(f'The {words} is missing: it is expected at "{expected}".', field=expected)


def _place(location: LocationRef) -> str:
    return location.name or location.external_id


def _identity_fields(person: Person) -> dict[str, FieldValue]:
    return _filled({"APro Client ID": person.external_id, "APro DOB": person.birth_date})


def _filled(fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _lines(*lines: tuple[str, str]) -> NoteLines:
    return tuple((label, value) for label, value in lines if value)


_READERS: dict[str, Callable[[Delivery], Record]] = {
    "client.saved": _client_saved,
    "appointment.created": _booked,
    "appointment.updated": _updated,
    "appointment.cancelled": _cancelled,
    "appointment.no_show": _no_show,
    "appointment.deleted": _deleted,
    "invoice.paid": _invoice_paid,
}
