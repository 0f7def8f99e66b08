"""Where PatientNow Pro's notices and records hold each value. The vendor publishes no payload, so every value has
several usual places, and a connection may add its own.

The paths are those of the enriched body: the notice as it came, with what was fetched for it under ``patient``,
``appointment``, ``bill``, ``membership`` and ``facility``. The CRM's custom fields are no matter of this file:
they are shared with PatientNow Essentials and stand in ``integrations/contract/shared_folders.py``.
"""

from itertools import product

from integrations.contract.manifest import PayloadField

_NOTICE_ROOTS = ("", "data.")


def _under(roots: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(root + name for root, name in product(roots, names))


def _of_notice(*names: str) -> tuple[str, ...]:
    return _under(_NOTICE_ROOTS, *names)


# What the notice says. These are read at the door, and decide what is fetched.
_NOTICE: dict[str, tuple[str, ...]] = {
    "event": (*_of_notice("eventType", "eventName"), "event.type", "event.name", "event"),
    "event_id": (*_of_notice("eventId"), "event.id"),
    "occurred_at": (*_of_notice("occurredAt", "timestamp"), "event.occurredAt"),
    "patient_id": (*_of_notice("patientId"), "patient.patientId", "patient.id"),
    "appointment_id": (*_of_notice("appointmentId"), "appointment.appointmentId", "appointment.id"),
    "bill_id": (*_of_notice("billId"), "bill.billId", "bill.id"),
    "membership_id": (*_of_notice("membershipId"), "membership.membershipId", "membership.id"),
    "notice_status": _of_notice("status", "appointmentStatus", "newStatus"),
}
_PATIENT: dict[str, tuple[str, ...]] = {
    "first_name": ("patient.firstName",),
    "last_name": ("patient.lastName",),
    "email": ("patient.email", "patient.emailAddress"),
    "mobile_phone": ("patient.cellPhone", "patient.mobilePhone", "patient.phone"),
    "home_phone": ("patient.homePhone",),
    "birthdate": ("patient.dateOfBirth", "patient.birthDate", "patient.dob"),
    "gender": ("patient.gender", "patient.sex"),
    "address1": (
        "patient.address.line1",
        "patient.address.street",
        "patient.address1",
        "patient.address",
    ),
    "city": ("patient.address.city", "patient.city"),
    "state": ("patient.address.state", "patient.state"),
    "postal_code": (
        "patient.address.zip",
        "patient.address.postalCode",
        "patient.zip",
        "patient.postalCode",
    ),
    "referral_source": ("patient.referralSource", "patient.referralSource.name"),
    "unsubscribed": ("patient.unsubscribed",),
}
_APPOINTMENT: dict[str, tuple[str, ...]] = {
    "status": ("appointment.status", "appointment.appointmentStatus"),
    "event_type": ("appointment.eventType", "appointment.eventType.name"),
    "type": (
        "appointment.appointmentType",
        "appointment.appointmentType.name",
        "appointment.type",
        "appointment.type.name",
    ),
    "type_code": ("appointment.appointmentTypeCode", "appointment.appointmentType.code"),
    "reason": ("appointment.reason",),
    "comments": ("appointment.comments", "appointment.comment"),
    "start": ("appointment.start", "appointment.startTime", "appointment.appointmentDate"),
    "modified_at": ("appointment.modifiedAt", "appointment.updatedAt"),
    "provider": ("appointment.provider.name", "appointment.providerName", "appointment.provider"),
}
_BILL: dict[str, tuple[str, ...]] = {
    "bill_status": ("bill.status",),
    "total": ("bill.total", "bill.totalAmount", "bill.amount"),
    "completed_at": ("bill.completedAt", "bill.paidAt", "bill.billDate"),
    "bill_provider": ("bill.provider.name", "bill.providerName", "bill.provider"),
    "line_items": ("bill.lineItems", "bill.items"),
}
_MEMBERSHIP: dict[str, tuple[str, ...]] = {
    "membership_status": ("membership.status",),
    "program": ("membership.programName", "membership.program.name", "membership.program"),
    "membership_amount": ("membership.amount", "membership.price"),
    "sold_on": ("membership.startDate", "membership.soldDate"),
}
_PLACES = ("appointment", "bill", "membership")

FIELDS: dict[str, tuple[str, ...]] = {
    **_NOTICE,
    **_PATIENT,
    **_APPOINTMENT,
    **_BILL,
    **_MEMBERSHIP,
    "facility_id": (
        *(f"{record}.{name}" for record in _PLACES for name in ("facility.id", "facilityId")),
        *_of_notice("facilityId"),
    ),
    "facility_name": (
        *(f"{record}.{name}" for record in _PLACES for name in ("facility.name", "facilityName", "facility")),
        "facility.name",
    ),
}
# The patient whose record was fetched: after a merge it is not the one of the notice.
PERSON_ID = ("patient.patientId", "patient.id")
# The patient of a record, asked for where the notice names none, or names a merged one.
RECORD_PATIENT_ID = tuple(f"{record}.patientId" for record in _PLACES)

_LABELS = {
    "event": "Event type",
    "event_id": "Event id",
    "occurred_at": "Time of the event",
    "patient_id": "Patient id",
    "appointment_id": "Appointment id",
    "bill_id": "Bill id",
    "membership_id": "Membership id",
    "notice_status": "Status that the notice tells",
    "email": "E-mail address",
    "birthdate": "Date of birth",
    "address1": "Street address",
    "status": "Appointment status",
    "event_type": "Event type of the appointment",
    "type": "Appointment type",
    "start": "Appointment date and time",
    "modified_at": "Time of the appointment's last change",
    "provider": "Provider of the appointment",
    "bill_provider": "Provider on the bill",
    "completed_at": "Time of payment",
    "program": "Membership program",
    "sold_on": "Membership sold date",
}

PAYLOAD_FIELDS = tuple(
    PayloadField(name, _LABELS.get(name, name.replace("_", " ").capitalize()), paths)
    for name, paths in FIELDS.items()
)
