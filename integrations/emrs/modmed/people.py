"""A ModMed patient as a Person. What cannot be read is left out with a warning; only the id must be there."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from integrations.contract.dates import birth_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import LONGEST_ID, joined, text
from integrations.contract.records import Person
from integrations.emrs.modmed.fhir import child, contact_points, human_name, objects

LONGEST_NAME = 200
FEWEST_PHONE_DIGITS = 7
GENDERS = {"female": "female", "male": "male", "other": "other", "unknown": ""}
# Of numbers of one rank: the one that a text message reaches comes first.
_PHONE_USES = ("mobile", "home", "work")


def person_in(patient: Any, today: date, warnings: list[str]) -> Person:
    """The person that a Patient resource describes. ``warnings`` gets a sentence for each thing left out.

    Raises MalformedPayload when the resource has no id.
    """
    external_id = text(child(patient, "id"))
    if not external_id or len(external_id) > LONGEST_ID:
        raise MalformedPayload(
            'The patient id is missing: it is expected at "patient.id".', field="patient.id"
        )
    first_name, last_name = human_name(patient)
    return Person(
        external_id=external_id,
        first_name=first_name[:LONGEST_NAME],
        last_name=last_name[:LONGEST_NAME],
        email=_email(patient),
        phone=_phone(patient),
        birth_date=_born(patient, today, warnings),
        gender=_gender(patient, warnings),
        **_address(patient),
    )


def _email(patient: Any) -> str:
    values = (text(child(point, "value")) for point in contact_points(patient, "email"))
    return next((value[:LONGEST_NAME] for value in values if value), "")


def _phone(patient: Any) -> str:
    """The preferred number that can be dialled: by rank, then mobile before home before work."""
    points = list(contact_points(patient, "phone"))
    ranked = any(text(child(point, "rank")) for point in points)
    if not ranked:
        points.sort(key=lambda point: _place(text(child(point, "use")), _PHONE_USES))
    numbers = [text(child(point, "value"))[:LONGEST_NAME] for point in points]
    dialable = (number for number in numbers if sum(map(str.isdigit, number)) >= FEWEST_PHONE_DIGITS)
    return next(dialable, next((number for number in numbers if number), ""))


def _place(word: str, order: Sequence[str]) -> int:
    return order.index(word) if word in order else len(order)


def _born(patient: Any, today: date, warnings: list[str]) -> date | None:
    try:
        return birth_date(child(patient, "birthDate"), "patient.birthDate", today)
    except MalformedPayload as unreadable:
        warnings.append(f"Date of birth left out: {unreadable}")
        return None


def _gender(patient: Any, warnings: list[str]) -> str:
    code = text(child(patient, "gender")).lower()
    if code and code not in GENDERS:
        warnings.append("Gender left out: its code is not one that we know.")
    return GENDERS.get(code, "")


def _address(patient: Any) -> dict[str, str]:
    """The home address, else the first that is no former one."""
    places = [one for one in objects(child(patient, "address")) if text(child(one, "use")) != "old"]
    places.sort(key=lambda one: text(child(one, "use")) != "home")
    if not places:
        return {}
    lines = child(places[0], "line")
    parts = {
        "address1": joined(
            found for one in (lines if isinstance(lines, list) else [lines]) if (found := text(one))
        ),
        "city": text(child(places[0], "city")),
        "state": text(child(places[0], "state")),
        "postal_code": text(child(places[0], "postalCode")),
    }
    return {name: value[:LONGEST_NAME] for name, value in parts.items()}
