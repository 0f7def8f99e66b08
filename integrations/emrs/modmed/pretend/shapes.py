"""FHIR resources in the shapes that ModMed's portal shows, with their oddities: participants without a status,
addresses where names should be, "|" in ids, money as a number. Pure builders."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.emrs.modmed.pretend.cast import Patient, Practitioner, Site, Type

Json = dict[str, Any]
# What stands in references and links. Nobody answers there: whoever follows one instead of the configured
# address is found out.
ELSEWHERE = "https://modmed.example.com/ema-dev/firm/apiportal/ema/fhir/v2"
US = "United States of America"


def stamp(at: datetime) -> str:
    """A time as ``meta.lastUpdated`` of a resource has it: UTC, whole seconds, written with milliseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+00:00"


def precise_stamp(at: datetime) -> str:
    """A time as a Bundle has it: to the millisecond."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+00:00"


def reference(kind: str, external_id: str) -> Json:
    """A reference whose display is its own address."""
    address = f"{ELSEWHERE}/{kind}/{external_id}"
    return {"reference": address, "display": address}


def patient(person: Patient, changed_at: datetime) -> Json:
    """A Patient. Only the phone has a use and a rank."""
    return {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {"lastUpdated": stamp(changed_at)},
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
                "extension": [{"url": "text", "valueString": "Unspecified"}],
            }
        ],
        "identifier": [
            {
                "system": "http://www.hl7.org/fhir/v2/0203/index.html#v2-0203-MR",
                "value": f"MM{person.id:0>10}",
            },
            {"system": "PMS", "value": f"112416PAT{person.id:0>9}"},
        ],
        "active": True,
        "name": [{"family": person.last_name, "given": [person.first_name]}],
        "telecom": [
            {"system": "email", "value": person.email},
            {"system": "phone", "value": person.phone, "use": "mobile", "rank": 1},
        ],
        "gender": person.gender,
        "birthDate": person.born.isoformat(),
        "deceasedBoolean": False,
        "address": [
            {
                "use": "home",
                "type": "both",
                "line": [person.line.upper()],
                "city": person.city.upper(),
                "state": person.state,
                "postalCode": person.postal_code,
                "country": US,
            }
        ],
    }


def practitioner(who: Practitioner, changed_at: datetime) -> Json:
    """A Practitioner."""
    return {
        "resourceType": "Practitioner",
        "id": who.id,
        "meta": {"lastUpdated": stamp(changed_at)},
        "active": True,
        "name": [{"family": who.last_name, "given": [who.first_name]}],
    }


def location(site: Site, changed_at: datetime) -> Json:
    """A Location. It says nothing about its time zone."""
    return {
        "resourceType": "Location",
        "id": site.id,
        "meta": {"lastUpdated": stamp(changed_at)},
        "identifier": [{"system": "BusinessUnitId", "value": "722"}],
        "status": "active",
        "name": site.name,
        "address": {
            "line": [site.line],
            "city": site.city,
            "state": site.state,
            "postalCode": site.postal_code,
            "country": US,
        },
    }


def appointment(
    external_id: str,
    patient_id: str,
    starts_at: datetime,
    changed_at: datetime,
    *,
    status: str = "pending",
    type: Type,
    practitioner_id: str = "",
    location_id: str = "",
    booked_at: datetime | None = None,
) -> Json:
    """An Appointment. ``starts_at`` is aware and written in UTC; without a ``patient_id`` it blocks time."""
    people = (("Location", location_id), ("Patient", patient_id), ("Practitioner", practitioner_id))
    written = {
        "resourceType": "Appointment",
        "id": external_id,
        "meta": {"lastUpdated": stamp(changed_at)},
        "status": status,
        "appointmentType": {
            "coding": [
                {"system": f"{ELSEWHERE}/ValueSet/appointment-type", "code": type.code, "display": type.name}
            ],
            "text": type.name,
        },
        "reasonCode": [
            {
                "coding": [
                    {"system": f"{ELSEWHERE}/ValueSet/reportable-reason", "code": "Other", "display": "OTHER"}
                ],
                "text": "OTHER",
            }
        ],
        "supportingInformation": [
            {"identifier": {"system": "NEW_PATIENT", "value": "false"}, "display": "New Patient: false"}
        ],
        "start": stamp(starts_at),
        "minutesDuration": type.minutes,
        "created": f"{(booked_at or changed_at).astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00",
        "participant": [{"actor": reference(kind, one)} for kind, one in people if one],
    }
    return written | ({"description": type.reason} if type.reason else {})


def charge(
    number: int,
    patient_id: str,
    posted_at: datetime,
    *,
    lines: Sequence[str],
    amount: str = "0.00",
    location_id: str = "",
    status: str = "Charged",
) -> Json:
    """A ChargeItem: neither ``code`` nor ``meta``, and everything of interest in one extension."""
    external_id, posted = f"CHG|{number}", f"{posted_at.astimezone(UTC):%Y-%m-%dT00:00:00}+00:00"
    inside: list[Json] = [
        {"url": "financialTransactionId", "valueString": external_id},
        {"url": "transactionStatus", "valueString": status},
        {"url": "totalCost", "valueMoney": {"value": float(amount), "currency": "USD"}},
    ]
    if location_id:
        inside.append({"url": "locationId", "valueString": location_id})
    for line in lines:
        details = [
            {"url": "quantity", "valueDecimal": 1},
            {"url": "description", "valueString": line},
            {"url": "postingDate", "valueDateTime": posted},
        ]
        inside.append({"url": "financialTransactionDetail", "extension": details})
    return {
        "resourceType": "ChargeItem",
        "id": external_id,
        "extension": [{"url": "financialTransaction", "extension": inside}],
        "status": "billable",
        "subject": reference("Patient", patient_id),
        "occurrenceDateTime": posted,
    }


def value_set(types: Iterable[tuple[str, str]], shape: str) -> Json:
    """The appointment types in one of the two shapes that are seen: "compose" or "expansion"."""
    concepts = [{"code": code, "display": name} for code, name in types]
    found: Json = {"resourceType": "ValueSet", "id": "appointment-type", "status": "active"}
    if shape == "expansion":
        return found | {"expansion": {"contains": concepts}}
    system = f"{ELSEWHERE}/ValueSet/appointment-type"
    return found | {"compose": {"include": [{"system": system, "concept": concepts}]}}


def outcome(words: str, code: str = "processing") -> Json:
    """An OperationOutcome."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": words}],
    }


def bundle(
    found: Sequence[Mapping[str, Any]], searched_at: datetime, links: Mapping[str, str], remark: str = ""
) -> Json:
    """A search's answer. ``total`` counts this page only; a ``remark`` comes along as an outcome."""
    entries = [
        {"fullUrl": f"{ELSEWHERE}/{one['resourceType']}/{one['id']}", "resource": one} for one in found
    ]
    if remark:
        entries.append({"resource": outcome(remark), "search": {"mode": "outcome"}})
    return {
        "resourceType": "Bundle",
        "id": f"search-{searched_at.timestamp():.0f}",
        "meta": {"lastUpdated": precise_stamp(searched_at)},
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
        **({"entry": entries} if entries else {}),
    }
