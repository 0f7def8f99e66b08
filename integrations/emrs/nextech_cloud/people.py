"""Nextech's Patient as a Person."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from integrations.contract.dates import birth_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import text
from integrations.contract.records import Person
from integrations.emrs.nextech_cloud.fhir import Json, Reference, objects

LONGEST_NAME = 200
FEWEST_PHONE_DIGITS = 7
GENDERS = {"male": "male", "female": "female", "other": "other", "unknown": ""}
# Which of several numbers counts: one that takes texts first. Faxes and old numbers never do.
_PHONE_USES = ("mobile", "home", "work")
_NOT_A_PHONE = {"email", "fax", "url", "pager"}


def person_in(patient: Json, known: Reference, today: date, warnings: list[str]) -> Person:
    """The patient. ``known`` is how the appointment or payment named them, for the id and where Nextech has no
    such patient any more ({}). What cannot be read is left out with a sentence in ``warnings``."""
    if not patient:
        first, last = _display_name(known.display)
        return Person(external_id=known.id, first_name=first, last_name=last)
    first, last = _name(patient)
    address = _home(objects(patient.get("address")))
    return Person(
        external_id=known.id,
        first_name=first,
        last_name=last,
        email=_email(patient),
        phone=_phone(patient),
        birth_date=_born(patient.get("birthDate"), today, warnings),
        gender=_gender(text(patient.get("gender")), warnings),
        address1=_street(address.get("line")),
        city=text(address.get("city"))[:LONGEST_NAME],
        state=text(address.get("state"))[:LONGEST_NAME],
        postal_code=text(address.get("postalCode"))[:LONGEST_NAME],
    )


def _name(patient: Json) -> tuple[str, str]:
    names = objects(patient.get("name"))
    official = [row for row in names if text(row.get("use")) == "official"]
    others = [row for row in names if text(row.get("use")) not in ("official", "nickname", "old")]
    for row in (*official, *others, *names):
        first, last = next(_texts(row.get("given")), ""), text(row.get("family"))[:LONGEST_NAME]
        if first or last:
            return first[:LONGEST_NAME], last
    return "", ""


def _texts(value: Any) -> Iterator[str]:
    """Nextech fills up lists with empty texts."""
    rows = value if isinstance(value, list) else [value]
    return (found for row in rows if (found := text(row)))


def _display_name(display: str) -> tuple[str, str]:
    """``Brimley, Henry`` as first and last name; without a comma the last word is the last name."""
    last, comma, first = display.partition(",")
    if not comma:
        first, _, last = display.rpartition(" ")
    return first.strip()[:LONGEST_NAME], last.strip()[:LONGEST_NAME]


def _email(patient: Json) -> str:
    rows = [row for row in _contacts(patient) if _system(row) == "email" and text(row.get("use")) != "old"]
    return text(min(rows, key=_rank)["value"]) if rows else ""


def _phone(patient: Json) -> str:
    rows = [
        row
        for row in _contacts(patient)
        if _system(row) not in _NOT_A_PHONE
        and text(row.get("use")) != "old"
        and sum(map(str.isdigit, text(row["value"]))) >= FEWEST_PHONE_DIGITS
    ]
    return text(min(rows, key=_phone_order)["value"]) if rows else ""


def _contacts(patient: Json) -> list[Json]:
    """The ways to reach the patient. One that is marked private comes without its value, or not at all."""
    return [row for row in objects(patient.get("telecom")) if text(row.get("value"))]


def _system(row: Json) -> str:
    return text(row.get("system")).casefold()


def _phone_order(row: Json) -> tuple[int, int]:
    use = "mobile" if _system(row) == "sms" else text(row.get("use")).casefold()
    return (_PHONE_USES.index(use) if use in _PHONE_USES else len(_PHONE_USES), _rank(row))


def _rank(row: Json) -> int:
    """1 is the preferred one; a number or a text, often missing."""
    raw = text(row.get("rank"))
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 4 else 1000


def _home(addresses: list[Json]) -> Json:
    current = [row for row in addresses if text(row.get("use")) != "old"]
    home = [row for row in current if text(row.get("use")) == "home"]
    return next(iter((*home, *current)), {})


def _street(line: Any) -> str:
    return ", ".join(_texts(line))[:LONGEST_NAME]


def _born(value: Any, today: date, warnings: list[str]) -> date | None:
    try:
        return birth_date(value, "birthDate", today)
    except MalformedPayload as unreadable:
        warnings.append(f"Date of birth left out: {unreadable}")
        return None


def _gender(code: str, warnings: list[str]) -> str:
    gender = GENDERS.get(code.casefold(), "") if code else ""
    if code and code.casefold() not in GENDERS:
        warnings.append("Gender left out: its code is not one that we know.")
    return gender
