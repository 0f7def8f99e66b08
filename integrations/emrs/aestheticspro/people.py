"""The client in a body as a Person."""

from collections.abc import Mapping
from datetime import date

from integrations.contract.dates import birth_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import plain_key
from integrations.contract.records import Person
from integrations.emrs.aestheticspro.delivery import LONGEST_NAME, Delivery
from integrations.emrs.aestheticspro.fields import CLIENT_FLAT, CLIENT_NESTED

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


def person_in(delivery: Delivery, *, expected_id: str = "data.client.client_id") -> Person:
    """The client of this delivery. What cannot be read is left out with a warning; only the client id must be
    there: raises MalformedPayload naming ``expected_id`` without it."""
    is_nested = isinstance(delivery.body.value("client", "data.client", "client"), Mapping)
    usual = CLIENT_NESTED if is_nested else CLIENT_FLAT

    def read(field: str) -> str:
        return delivery.body.text(field, *usual[field])[:LONGEST_NAME]

    return Person(
        external_id=delivery.identifier("client_id", "client id", expected=expected_id),
        first_name=read("first_name"),
        last_name=read("last_name"),
        email=read("email"),
        phone=_phone(read("mobile_phone"), read("home_phone")),
        birth_date=_born(delivery, *delivery.body.located("birthdate", *usual["birthdate"])),
        gender=_gender(delivery, read("gender")),
        address1=read("address1"),
        city=read("city"),
        state=read("state"),
        postal_code=read("postal_code"),
    )


def _phone(mobile: str, home: str) -> str:
    """The mobile number, or the home number where the mobile one is empty or a filler such as "none"."""
    dialable = (number for number in (mobile, home) if sum(map(str.isdigit, number)) >= FEWEST_PHONE_DIGITS)
    return next(dialable, mobile or home)


def _born(delivery: Delivery, path: str, raw: str) -> date | None:
    try:
        return birth_date(raw, path, delivery.today)
    except MalformedPayload as unreadable:
        delivery.warnings.append(f"Date of birth left out: {unreadable}")
        return None


def _gender(delivery: Delivery, code: str) -> str:
    if not code:
        return ""
    gender = GENDERS.get(plain_key(code))
    if gender is None:
        delivery.warnings.append("Gender left out: its code is not one that we know.")
    return gender or ""
