"""Creating a patient in ModMed: what it takes, who is there already, and the one POST."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from integrations.contract.creating import (
    Prepared,
    Problem,
    each_once,
    gender_code,
    gender_problem,
    new_id,
    phone_problem,
    ten_digits,
)
from integrations.contract.errors import MalformedPayload, TransientError
from integrations.contract.reading import text
from integrations.contract.records import LocationRef, Person
from integrations.emrs.modmed.fhir import child, resources_in
from integrations.emrs.modmed.people import person_in

# The codes that ModMed documents; it has none for "other".
GENDERS = {"male": "male", "female": "female", "other": "unknown", "unknown": "unknown", "": ""}


def prepare(person: Person, switches: Mapping[str, Any]) -> Prepared:
    """Phone as ten digits, gender as one of ModMed's codes. Pure."""
    phone, gender = ten_digits(person.phone), gender_code(person.gender)
    problems: list[Problem] = []
    if phone is None:
        problems.append(phone_problem("ModMed"))
    if gender is None:
        problems.append(gender_problem())
    return Prepared(replace(person, phone=phone or "", gender=GENDERS[gender or ""]), tuple(problems))


def search(person: Person, client: Any) -> Sequence[Person]:
    """Who has this name and day of birth, this e-mail, or this phone. ModMed itself accepts duplicates."""
    found: list[Person] = []
    for query in _queries(person):
        rows = resources_in(client.find("Patient", query), "Patient")
        found += [_person(one, client.day()) for one in rows]
    return each_once(found)


def _queries(person: Person) -> Iterator[dict[str, str]]:
    if person.birth_date:
        yield {"family": person.last_name, "birthdate": person.birth_date.isoformat()}
    else:
        yield {"family": person.last_name, "given": person.first_name}
    if person.email:
        yield {"email": person.email}
    if person.phone:
        yield {"phone": person.phone}


def _id(patient: Any) -> str:
    return text(child(patient, "id"))


def _person(patient: Any, today: date) -> Person:
    try:
        return person_in(patient, today, [])
    except MalformedPayload:
        return Person("")


def read(external_id: str, client: Any) -> Person:
    """One patient. Raises NotFoundError when ModMed has none of that id."""
    return person_in(client.read("Patient", external_id), client.day(), [])


def create(person: Person, location: LocationRef | None, client: Any) -> str:
    """Make the patient. ModMed promises no body, so the id may come from ``Location``."""
    answer = client.post("Patient", resource(person))
    found = new_id(_id(answer.json), text(answer.headers.get("Location") or ""))
    if not found:
        found = new_id("", text(answer.headers.get("Content-Location") or ""))
    if not found:
        raise TransientError(
            "ModMed does not tell the id of the patient that it made.", may_have_happened=True
        )
    return found


def resource(person: Person) -> dict[str, Any]:
    """The Patient as ModMed wants it posted."""
    body: dict[str, Any] = {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": person.last_name, "given": [person.first_name]}],
        "telecom": list(_telecom(person)),
    }
    if person.gender:
        body["gender"] = person.gender
    if person.birth_date:
        body["birthDate"] = person.birth_date.isoformat()
    if address := _address(person):
        body["address"] = [address]
    return body


def _telecom(person: Person) -> Iterator[dict[str, Any]]:
    if person.phone:
        phone = f"{person.phone[:3]}-{person.phone[3:6]}-{person.phone[6:]}"
        yield {"system": "phone", "value": phone, "use": "mobile", "rank": 1}
    if person.email:
        yield {"system": "email", "value": person.email}


def _address(person: Person) -> dict[str, Any]:
    """The home address where there is a street: half an address is of no use to a front desk."""
    if not person.address1:
        return {}
    parts = {
        "use": "home",
        "line": [person.address1],
        "city": person.city,
        "state": person.state,
        "postalCode": person.postal_code,
    }
    return {name: value for name, value in parts.items() if value}
