"""Creating a patient in PatientNow Pro: what it takes, who is there already, and the one POST."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrations.contract.creating import (
    DuplicatePatient,
    Prepared,
    Problem,
    each_once,
    gender_code,
    gender_problem,
    missing,
    phone_problem,
    ten_digits,
)
from integrations.contract.errors import MalformedPayload, RejectedError
from integrations.contract.protocols import Context
from integrations.contract.reading import text
from integrations.contract.records import LocationRef, Person
from integrations.emrs.patientnow_pro.people import person_in
from integrations.emrs.patientnow_pro.reading import Reading

# Without these its API makes nobody, whatever the connection asks for.
API_NEEDS = ("first_name", "last_name", "gender")
GENDERS = {"female": "female", "male": "male", "other": "other", "unknown": "other", "": ""}


def prepare(person: Person, switches: Mapping[str, Any]) -> Prepared:
    """Phone as ten digits, gender as one that PatientNow has. Pure."""
    phone, gender = ten_digits(person.phone), gender_code(person.gender)
    problems: list[Problem] = missing(person, API_NEEDS)
    if phone is None:
        problems.append(phone_problem("PatientNow"))
    if gender is None:
        problems.append(gender_problem())
    return Prepared(replace(person, phone=phone or "", gender=GENDERS[gender or ""]), tuple(problems))


def search(person: Person, client: Any) -> Sequence[Person]:
    """Who has this name, this last name and day of birth, this e-mail, or this phone."""
    found = [_person(row, client) for asked in _asked(person) for row in client.search(asked)]
    return each_once(found)


def _asked(person: Person) -> Iterator[Person]:
    yield Person("", first_name=person.first_name, last_name=person.last_name)
    if person.birth_date:
        yield Person("", last_name=person.last_name, birth_date=person.birth_date)
    if person.email:
        yield Person("", email=person.email)
    if person.phone:
        yield Person("", phone=person.phone)


def read(external_id: str, client: Any) -> Person:
    """One patient. Raises NotFoundError when PatientNow has none of that id."""
    return _person(client.patient(external_id), client)


def _person(patient: Mapping[str, Any], client: Any) -> Person:
    try:
        return person_in(Reading({"patient": patient}, Context(received_at=client.clock())))
    except MalformedPayload:
        return Person("")


def create(person: Person, location: LocationRef | None, client: Any) -> str:
    """Make the patient. A 409 says whom PatientNow means."""
    try:
        return str(client.create(person))
    except RejectedError as error:
        if error.status != 409:
            raise
        raise DuplicatePatient(
            str(error), external_id=text(error.details.get("patientId")), vendor_words=error.vendor_words
        ) from None
