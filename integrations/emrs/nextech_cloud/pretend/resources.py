"""Resources as Nextech writes them. Pure builders: who, what and when come in, a dictionary comes out.

``at`` is when the resource changed last; without it the sandbox sets the time when it stores the resource.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from integrations.emrs.nextech_cloud.pretend.cast import (
    CLINICIANS,
    CUSTOM_STATUSES,
    SITES,
    TYPES,
    AppointmentType,
    Clinician,
    PatientEntry,
    Purpose,
    Site,
)

Json = dict[str, Any]
DEFINITIONS = "https://select.nextech-api.com/api/structuredefinition/"
# Nextech's own name beside each FHIR status. Confirmed appointments can still be called Pending.
_STATUS_NAMES = {"booked": "Pending", "fulfilled": "Out", "arrived": "In", "noshow": "No Show"}
_PRIVATE = {"url": f"{DEFINITIONS}method-privacy", "valueBoolean": True}


@dataclass(frozen=True, slots=True)
class Visit:
    """One appointment. ``starts_at`` is aware, in the location's own offset. Without a patient it is time that
    is blocked."""

    id: str
    patient: PatientEntry | None
    starts_at: datetime
    type: AppointmentType = TYPES[5]
    purposes: tuple[Purpose, ...] = TYPES[5].purposes[:1]
    site: Site | None = SITES[0]
    clinician: Clinician | None = CLINICIANS[0]
    minutes: int = 30
    created_at: datetime | None = None

    @property
    def price(self) -> Decimal:
        """What all its purposes cost together."""
        return sum((purpose.price for purpose in self.purposes), Decimal("0.00"))


@dataclass(frozen=True, slots=True)
class Payment:
    """One entry of money. ``paid_on`` a day, or a time; ``insurer`` is set when the patient does not pay."""

    id: str
    patient: PatientEntry
    amount: Decimal
    paid_on: date | datetime
    site: Site | None = SITES[0]
    method: str = "Credit Card"
    insurer: str = ""
    kind: str = "payment"


# Appointments


def pending(visit: Visit, at: datetime | None = None) -> Json:
    """Booked, and nobody has confirmed it."""
    return appointment(visit, "pending", at=at)


def confirmed(visit: Visit, at: datetime | None = None) -> Json:
    """FHIR says booked, and Nextech's own status still says Pending."""
    return appointment(visit, "booked", at=at)


def arrived(visit: Visit, at: datetime | None = None) -> Json:
    """The patient is in the waiting room."""
    return appointment(visit, "arrived", at=at)


def fulfilled(visit: Visit, at: datetime | None = None) -> Json:
    """The visit is over."""
    return appointment(visit, "fulfilled", at=at)


def cancelled(visit: Visit, at: datetime | None = None) -> Json:
    """Called off."""
    return appointment(visit, "cancelled", at=at)


def no_show(visit: Visit, at: datetime | None = None) -> Json:
    """Nobody came."""
    return appointment(visit, "noshow", at=at)


def moved(visit: Visit, starts_at: datetime, at: datetime | None = None) -> Json:
    """Booked for another time."""
    return pending(replace(visit, starts_at=starts_at), at)


def custom(visit: Visit, name: str = "Online Book", at: datetime | None = None) -> Json:
    """In a status of the practice's own: the FHIR status is missing."""
    return appointment(visit, "", name=name, at=at)


def appointment(visit: Visit, status: str, *, name: str = "", at: datetime | None = None) -> Json:
    """An appointment in a FHIR status ("" for none) and a Nextech status."""
    shown = name or status_name(status)
    ids = {custom_name: number for number, custom_name in CUSTOM_STATUSES.items()}
    found: Json = {
        "resourceType": "Appointment",
        "id": visit.id,
        "contained": _inside(visit),
        "extension": [
            _link("appointment-status", f"appointment-status/{ids.get(shown, '0')}", shown),
            _link("appointment-type", f"appointment-type/{visit.type.id}", visit.type.name),
            *(
                _link("appointment-purpose", f"appointment-purpose/{one.id}", one.name)
                for one in visit.purposes
            ),
        ],
        "identifier": [{"use": "official", "value": visit.id}],
        "status": status,
        "description": f"{visit.type.name} - {', '.join(one.name for one in visit.purposes)}",
        "start": visit.starts_at.isoformat(timespec="seconds"),
        "end": (visit.starts_at + timedelta(minutes=visit.minutes)).isoformat(timespec="seconds"),
        "created": _utc(visit.created_at or visit.starts_at - timedelta(days=7)),
        "participant": _taking_part(visit),
    }
    if not status:
        del found["status"]
    return _stamped(found, at)


def status_name(status: str) -> str:
    """Nextech's own name beside a FHIR status."""
    return _STATUS_NAMES.get(status, status.capitalize())


def _inside(visit: Visit) -> list[Json]:
    found = []
    if visit.site:
        identifier = [{"use": "official", "value": visit.site.id}]
        found.append(
            {
                "resourceType": "Location",
                "id": visit.site.id,
                "identifier": identifier,
                "name": visit.site.name,
            }
        )
    if visit.clinician:
        last, _, first = visit.clinician.name.partition(", ")
        name = {"text": visit.clinician.name, "family": last, "given": [first, ""]}
        identifier = [{"use": "official", "value": visit.clinician.id}]
        found.append(
            {
                "resourceType": "Practitioner",
                "id": visit.clinician.id,
                "identifier": identifier,
                "name": [name],
            }
        )
    return found


def _taking_part(visit: Visit) -> list[Json]:
    actors = []
    if visit.patient:
        # The same GUID stands in lower case on the patient.
        reference = f"Patient/{visit.patient.id.upper()}"
        actors.append(
            {"reference": reference, "display": f"{visit.patient.last_name}, {visit.patient.first_name}"}
        )
    if visit.site:
        actors.append({"reference": f"Location/{visit.site.id}", "display": visit.site.name})
    if visit.clinician:
        actors.append({"reference": f"Practitioner/{visit.clinician.id}", "display": visit.clinician.name})
    return [{"actor": actor} for actor in actors]


# Patients


def patient_saved(entry: PatientEntry, at: datetime | None = None) -> Json:
    """A patient as they are on file. What is private comes without its value."""
    extension: list[Json] = [{"url": f"{DEFINITIONS}patient-status", "valueString": "patient"}]
    if entry.site_id:
        extension.append(_link("patient-location", f"location/{entry.site_id}", _site_name(entry.site_id)))
    found: Json = {
        "resourceType": "Patient",
        "id": entry.id,
        "extension": extension,
        "identifier": [
            {"use": "official", "value": entry.id},
            {"use": "usual", "value": entry.chart_number},
        ],
        "name": [
            {
                "use": "official",
                "text": f"{entry.first_name} {entry.last_name}",
                "family": entry.last_name,
                "given": [entry.first_name, ""],
            }
        ],
        "telecom": [
            *_reached("email", {"system": "email"}, entry.email, entry),
            *_reached("home", {"system": "phone", "use": "home", "rank": 1}, entry.home, entry),
            *_reached("mobile", {"system": "phone", "use": "mobile"}, entry.mobile, entry),
            {"extension": [_PRIVATE], "system": "sms"},
        ],
        "gender": entry.gender,
        "birthDate": entry.born.isoformat(),
        "address": [
            {
                "use": "home",
                "type": "both",
                "line": [entry.street, ""],
                "city": entry.city,
                "state": entry.state,
                "postalCode": entry.postal_code,
                "country": "USA",
            }
        ],
    }
    return _stamped(found, at)


def _reached(way: str, start: Json, value: str, entry: PatientEntry) -> list[Json]:
    if way in entry.private:
        # Nextech leaves some out and sends others empty.
        return [] if way == "email" else [{"extension": [_PRIVATE], **start}]
    return [{**start, "value": value}] if value else []


def _site_name(site_id: str) -> str:
    return next((site.name for site in SITES if site.id == site_id), "")


# Money


def paid(payment: Payment, at: datetime | None = None) -> Json:
    """An active payment. One of less than nothing is a refund."""
    return money_entry(payment, "active", at=at)


def voided(payment: Payment, opposite_id: str, at: datetime | None = None) -> tuple[Json, Json]:
    """A payment taken back: the entry itself, and the opposite one that Nextech makes, both cancelled."""
    opposite = replace(payment, id=opposite_id, amount=-payment.amount)
    return money_entry(payment, "cancelled", at=at), money_entry(opposite, "cancelled", at=at)


def corrected(
    payment: Payment, amount: Decimal, opposite_id: str, new_id: str, at: datetime | None = None
) -> tuple[Json, Json, Json]:
    """A payment taken back and entered again with another amount, under a new id."""
    return (*voided(payment, opposite_id, at), paid(replace(payment, id=new_id, amount=amount), at))


def refund(payment: Payment, new_id: str, amount: Decimal | None = None, at: datetime | None = None) -> Json:
    """Money given back, all of it unless ``amount`` says less: an active payment of less than nothing."""
    given_back = payment.amount if amount is None else amount
    return paid(replace(payment, id=new_id, amount=-given_back), at)


def adjustment(payment: Payment, at: datetime | None = None) -> Json:
    """A write-off or credit: no money."""
    return money_entry(replace(payment, kind="adjustment"), "active", at=at)


def insurance_payment(payment: Payment, insurer: str, at: datetime | None = None) -> Json:
    """Money that an insurer paid."""
    return money_entry(replace(payment, insurer=insurer, method="Check"), "active", at=at)


def money_entry(payment: Payment, status: str, *, at: datetime | None = None) -> Json:
    """A PaymentReconciliation in a status: active, cancelled, entered-in-error."""
    amount = float(payment.amount)
    name = f"{payment.patient.last_name}, {payment.patient.first_name}"
    patient = {"reference": f"Patient/{payment.patient.id}", "display": name}
    found: Json = {
        "resourceType": "PaymentReconciliation",
        "id": payment.id,
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/Patient", "valueResourceReference": patient},
            *_paid_at(payment.site),
            {"url": f"{DEFINITIONS}payment-date", **_day(payment.paid_on)},
            {"url": f"{DEFINITIONS}payment-method", "valueString": payment.method},
        ],
        "identifier": [{"use": "official", "value": payment.id}],
        "status": status,
        "created": _utc(_moment(payment.paid_on)),
        "detail": [
            {
                "type": {"coding": [{"system": "http://hl7.org/fhir/payment-type", "code": payment.kind}]},
                "amount": {"value": amount},
            }
        ],
        "total": {"value": amount},
    }
    if payment.insurer:
        found["organization"] = {"reference": "#14", "display": payment.insurer}
        found["contained"] = [{"resourceType": "Organization", "id": "14", "name": payment.insurer}]
    return _stamped(found, at)


def _paid_at(site: Site | None) -> list[Json]:
    if not site:
        return []
    reference = {"reference": f"Location/{site.id}", "display": site.name}
    return [{"url": "http://hl7.org/fhir/StructureDefinition/Location", "valueResourceReference": reference}]


def _day(paid_on: date | datetime) -> Json:
    if isinstance(paid_on, datetime):
        return {"valueDateTime": _utc(paid_on)}
    return {"valueDate": paid_on.isoformat()}


def _moment(day: date | datetime) -> datetime:
    return day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


# What hardly changes


def locations(sites: Sequence[Site] = SITES) -> list[Json]:
    """The practice's locations."""
    managed = {"url": f"{DEFINITIONS}managed", "valueBoolean": True}
    return [
        {
            "resourceType": "Location",
            "id": site.id,
            "extension": [managed],
            "status": "active",
            "name": site.name,
        }
        for site in sites
    ]


def menu(types: Sequence[AppointmentType] = TYPES) -> list[Json]:
    """Types and purposes, in Nextech's own lower-case resource types, and the custom statuses."""
    return [
        *(_named("appointment-type", kind.id, "#name", kind.name) for kind in types),
        *(_purpose(one, kind) for kind in types for one in kind.purposes),
        *(_named("appointment-status", number, "#name", name) for number, name in CUSTOM_STATUSES.items()),
    ]


def _purpose(purpose: Purpose, kind: AppointmentType) -> Json:
    found = _named("appointment-purpose", purpose.id, "", purpose.name)
    found["extension"].append(_link("appointment-type", f"appointment-type/{kind.id}", kind.name))
    return found


def _named(kind: str, external_id: str, mark: str, name: str) -> Json:
    extension = [{"url": f"{DEFINITIONS}{kind}{mark}", "valueString": name}]
    return {"resourceType": kind, "id": external_id, "extension": extension}


def _link(name: str, reference: str, display: str) -> Json:
    return {"url": f"{DEFINITIONS}{name}", "valueReference": {"reference": reference, "display": display}}


def _stamped(resource: Json, at: datetime | None) -> Json:
    return resource if at is None else resource | {"meta": {"lastUpdated": stamp(at)}}


def stamp(at: datetime) -> str:
    """A time as it stands in ``meta``: ``2018-01-25T13:23:00.550+00:00``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _utc(at: datetime) -> str:
    return stamp(at).replace("+00:00", "Z")
