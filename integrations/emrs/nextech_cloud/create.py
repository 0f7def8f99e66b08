"""Creating a patient in Nextech: what it takes, who is there already, and the one POST."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrations.contract.creating import (
    Prepared,
    Problem,
    each_once,
    gender_code,
    gender_problem,
    missing,
    new_id,
    phone_problem,
    postal_code,
    ten_digits,
)
from integrations.contract.errors import TransientError
from integrations.contract.reading import text
from integrations.contract.records import LocationRef, Person
from integrations.emrs.nextech_cloud.fhir import patient_of, plain_id, resource_id
from integrations.emrs.nextech_cloud.people import person_in

DEFINITIONS = "https://select.nextech-api.com/api/structuredefinition/"
# Without these its API makes nobody, whatever the connection asks for.
API_NEEDS = ("first_name", "last_name", "email", "phone", "birth_date")


def prepare(person: Person, switches: Mapping[str, Any]) -> Prepared:
    """Phone as ten digits, a gender code, and a postal code: the contact's, else the connection's default. Pure."""
    phone, gender = ten_digits(person.phone), gender_code(person.gender)
    code = postal_code(person.postal_code or str(switches.get("default_postal_code") or ""))
    problems = missing(person, API_NEEDS)
    if phone is None:
        problems.append(phone_problem("Nextech"))
    if gender is None:
        problems.append(gender_problem())
    if code is None:
        problems.append(Problem("postal_code", "Postal code: write one such as 33609 or 33609-1234."))
    elif not code:
        problems.append(
            Problem("postal_code", "Postal code is missing: Nextech makes no patient without one.")
        )
    filled = replace(person, phone=phone or "", gender=gender or "", postal_code=code or "")
    return Prepared(filled, tuple(problems))


def search(person: Person, client: Any) -> Sequence[Person]:
    """Who has this name and day of birth, this e-mail, or this phone."""
    found: list[Person] = []
    for query in _queries(person):
        for patient in client.find_patients(query):
            found.append(person_in(patient, patient_of(patient), client.day(), []))
    return each_once(found)


def _queries(person: Person) -> Iterator[dict[str, str]]:
    if person.birth_date:
        yield {"family": person.last_name, "birthdate": person.birth_date.isoformat()}
    else:
        yield {"family": person.last_name, "given": person.first_name}
    if person.email:
        yield {"email": person.email}
    if digits := person.phone:
        # A text search, and nobody says how a front desk typed it; commas mean "or".
        forms = (digits, _written(digits), f"({digits[:3]}) {digits[3:6]}-{digits[6:]}")
        yield {"phone": ",".join((*forms, f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"))}


def read(external_id: str, client: Any) -> Person:
    """One patient. Raises NotFoundError when Nextech has none of that id."""
    patient = client.patient(external_id)
    return person_in(patient, patient_of(patient), client.day(), [])


def create(person: Person, location: LocationRef | None, client: Any) -> str:
    """Make the patient; Nextech documents neither status nor body of a success."""
    answer = client.post_patient(resource(person, location))
    body_id = resource_id(answer.json) if isinstance(answer.json, Mapping) else ""
    found = plain_id(new_id(body_id, text(answer.headers.get("Location") or "")))
    if not found:
        raise TransientError(
            "Nextech does not tell the id of the patient that it made.", may_have_happened=True
        )
    return found


def resource(person: Person, location: LocationRef | None) -> dict[str, Any]:
    """The Patient as Nextech wants it posted."""
    address = {
        "use": "home",
        "line": [person.address1] if person.address1 else [],
        "city": person.city,
        "state": person.state,
        "postalCode": person.postal_code,
    }
    body: dict[str, Any] = {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": person.last_name, "given": [person.first_name]}],
        "telecom": [
            {"system": "phone", "value": _written(person.phone), "use": "mobile"},
            {"system": "email", "value": person.email},
        ],
        "address": [{name: value for name, value in address.items() if value}],
    }
    if person.gender:
        body["gender"] = person.gender
    if person.birth_date:
        body["birthDate"] = person.birth_date.isoformat()
    if location is not None and location.external_id:
        reference = {"reference": f"location/{location.external_id}"}
        body["extension"] = [{"url": f"{DEFINITIONS}patient-location", "valueReference": reference}]
    return body


def _written(phone: str) -> str:
    """As Nextech writes numbers itself."""
    return f"({phone[:3]}){phone[3:6]}-{phone[6:]}"
