"""PatientNow Pro's enriched notices as records. Pure: a dictionary in, frozen records out."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import money, plain_key
from integrations.contract.records import FieldValue, MembershipRecord, PatientRecord, Record
from integrations.emrs.patientnow_pro import kinds
from integrations.emrs.patientnow_pro.appointments import appointments_in
from integrations.emrs.patientnow_pro.bills import bill_in
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.people import person_in, unsubscribed
from integrations.emrs.patientnow_pro.reading import Reading, filled

ENDED = ("cancelled", "canceled", "voided", "void", "refunded", "terminated", "expired")


def understand(kind: str, body: Mapping[str, Any], context: Context) -> list[Record]:
    """The records in one enriched notice: one, or two where an appointment moved on before its notice was worked
    on (the one that counts first, then the notice's own state for its note).

    Raises MalformedPayload naming the path of what is missing or unreadable, and IgnoredEvent for a test notice
    and for events that we do not use. Dates of birth, genders and times that cannot be read lose no event: they
    are left out, and the record's ``warnings`` say so.
    """
    reading = Reading(body, context)
    name = kinds.declared_kind(kind) or kinds.kind_of(reading.body)
    if not name:
        expected = reading.body.expected("event", *FIELDS["event"])
        raise MalformedPayload(f'The event type is missing: it is expected at "{expected}".', field=expected)
    reader = _READERS.get(name)
    if reader is None:
        raise IgnoredEvent(kinds.why_ignored(name))
    return reader(reading, name)


def _patient(reading: Reading, kind: str) -> list[Record]:
    person = person_in(reading)
    is_new = kind == kinds.PATIENT_CREATED
    record = PatientRecord(
        person=person,
        version=reading.occurred_at,
        is_new=is_new,
        referral_source=reading.name("referral_source") if is_new else "",
        location=reading.location,
        fields=filled({"PNOW ID": person.external_id, "PNOW Unsubscribed": unsubscribed(reading)}),
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )
    return [record]


def _bill(reading: Reading, _kind: str) -> list[Record]:
    return [bill_in(reading)]


def _membership(reading: Reading, _kind: str) -> list[Record]:
    external_id = reading.identifier("membership_id", "membership id")
    reading.fetched("membership")
    if plain_key(reading.text("membership_status")) in ENDED:
        raise IgnoredEvent("The membership has ended already: nothing is written for it.")
    person = person_in(reading)
    program = reading.name("program")
    fields: dict[str, FieldValue] = {
        "PNOW ID": person.external_id,
        "PNOW Membership ID": external_id,
        "PNOW Membership Program Name": program,
        "PNOW Membership Sold Date": _sold_on(reading),
        "PNOW Membership Amount": _membership_amount(reading),
    }
    record = MembershipRecord(
        person=person,
        external_id=external_id,
        program=program,
        version=reading.occurred_at,
        location=reading.location,
        fields=filled(fields),
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )
    return [record]


def _sold_on(reading: Reading) -> date | None:
    """When it began: told only, so an unreadable date loses no membership."""
    try:
        return reading.day("sold_on")
    except MalformedPayload as unreadable:
        reading.warnings.append(f"Membership sold date left out: {unreadable}")
        return None


def _membership_amount(reading: Reading) -> Decimal | None:
    """What it costs: told only, so an unreadable amount loses no membership."""
    path, raw = reading.located("membership_amount")
    try:
        return money(raw, path)
    except MalformedPayload as unreadable:
        reading.warnings.append(f"Membership amount left out: {unreadable}")
        return None


_READERS: dict[str, Callable[[Reading, str], list[Record]]] = {
    kinds.PATIENT_CREATED: _patient,
    kinds.PATIENT_UPDATED: _patient,
    kinds.APPOINTMENT_CREATED: appointments_in,
    kinds.STATUS_CHANGED: appointments_in,
    kinds.BILL_COMPLETED: _bill,
    kinds.MEMBERSHIP_CREATED: _membership,
}
