"""A fetched patient as a Person. What cannot be read is left out with a warning; only the id must be there."""

from datetime import date

from integrations.contract.dates import birth_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import LONGEST_ID, Body, plain_key, text
from integrations.contract.records import Person
from integrations.emrs.patientnow_pro.fields import FIELDS, PERSON_ID, RECORD_PATIENT_ID
from integrations.emrs.patientnow_pro.reading import Reading

GENDERS = {
    "f": "female",
    "female": "female",
    "woman": "female",
    "m": "male",
    "male": "male",
    "man": "male",
    "o": "other",
    "other": "other",
    "x": "other",  # the mark for neither on identity papers
    "nonbinary": "other",
    "nb": "other",
    "u": "",
    "unknown": "",
    "notspecified": "",
    "prefernottosay": "",
}
FEWEST_PHONE_DIGITS = 7
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0")


def person_in(reading: Reading) -> Person:
    """The patient that was fetched for this event. Raises MalformedPayload when none was, or it has no id."""
    reading.fetched("patient")
    return Person(
        external_id=patient_id(reading, *PERSON_ID),
        first_name=reading.name("first_name"),
        last_name=reading.name("last_name"),
        email=reading.name("email"),
        phone=_phone(reading.name("mobile_phone"), reading.name("home_phone")),
        birth_date=_born(reading),
        gender=_gender(reading),
        address1=reading.name("address1"),
        city=reading.name("city"),
        state=reading.name("state"),
        postal_code=reading.name("postal_code"),
    )


def known_patient(body: Body) -> str:
    """Whose the fetched record is; the notice's word where the record does not say it, "" where neither does.
    After a merge they differ, and the record is right."""
    return body.text("record_patient_id", *RECORD_PATIENT_ID) or body.text(
        "patient_id", *FIELDS["patient_id"]
    )


def patient_id(reading: Reading, *before: str) -> str:
    """The patient's id: at the paths ``before``, else in the record, else in the notice. Raises MalformedPayload
    naming where it is expected."""
    for path in (*before, *RECORD_PATIENT_ID):
        found = text(reading.body.at(path))
        if found and len(found) <= LONGEST_ID:
            return found
    return reading.identifier("patient_id", "patient id")


def unsubscribed(reading: Reading) -> str:
    """Whether the patient wants no mail: Yes or No; "" where the record does not say it."""
    raw = reading.value("unsubscribed")
    word = str(raw).lower() if isinstance(raw, bool) else text(raw).lower()
    return "Yes" if word in _YES else "No" if word in _NO else ""


def _phone(mobile: str, home: str) -> str:
    """The mobile number, or the home number where the mobile one is empty or a filler such as "none"."""
    dialable = (number for number in (mobile, home) if sum(map(str.isdigit, number)) >= FEWEST_PHONE_DIGITS)
    return next(dialable, mobile or home)


def _born(reading: Reading) -> date | None:
    path, raw = reading.located("birthdate")
    try:
        return birth_date(raw, path, reading.today)
    except MalformedPayload as unreadable:
        reading.warnings.append(f"Date of birth left out: {unreadable}")
        return None


def _gender(reading: Reading) -> str:
    code = reading.text("gender")
    if not code:
        return ""
    gender = GENDERS.get(plain_key(code))
    if gender is None:
        reading.warnings.append("Gender left out: its code is not one that we know.")
    return gender or ""
