"""What an EMR folder offers where patients can be created in it: ``create.py`` with ``prepare`` (pure), and
``search``, ``read`` and ``create``, which ask the folder's own client.

Words about a problem name the field and say what to write, never what stands there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from integrations.contract.errors import RejectedError
from integrations.contract.records import LocationRef, Person

# The fields of a Person that can be required of a contact, as people call them.
FIELD_NAMES = {
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail",
    "phone": "Phone",
    "gender": "Gender",
    "birth_date": "Date of birth",
    "address1": "Street",
    "city": "City",
    "state": "State",
    "postal_code": "Postal code",
}
UNKNOWN = "unknown"
_NOT_DIGITS = re.compile(r"\D")
_PHONE_SIGNS = re.compile(r"[\d\s().+-]+")
_NORTH_AMERICAN = re.compile(r"[2-9]\d{2}[2-9]\d{6}")
_POSTAL_CODE = re.compile(
    r"\d{5}(?:-?\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z0-9][A-Z0-9 -]{1,8}[A-Z0-9]", re.ASCII
)
_GENDERS = {
    "f": "female",
    "female": "female",
    "woman": "female",
    "m": "male",
    "male": "male",
    "man": "male",
    "o": "other",
    "x": "other",
    "other": "other",
    "nonbinary": "other",
    "nb": "other",
    "u": UNKNOWN,
    "unknown": UNKNOWN,
    "notspecified": UNKNOWN,
    "prefernottosay": UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a contact from being created: the field of a Person ("" for none), and what to do."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A person in the forms that the EMR takes, and everything that is wrong with them, all at once."""

    person: Person
    problems: tuple[Problem, ...] = ()


class DuplicatePatient(RejectedError):
    """The EMR knows this person already. ``external_id`` is their id there, "" when it does not say."""

    external_id: str

    def __init__(self, message: str, *, external_id: str = "", vendor_words: str = "") -> None:
        super().__init__(message, vendor_words=vendor_words, status=409)
        self.external_id = external_id


class CreatingEmr(Protocol):
    """The functions of a folder's ``create.py``. ``client`` is what the folder's ``make_client`` made."""

    def prepare(self, person: Person, switches: Mapping[str, Any]) -> Prepared:
        """The person in the EMR's forms. What is missing or cannot be sent is a problem; ``switches`` are the
        connection's. That a field is required at all is the engine's to say, except where the EMR's API itself
        needs more than the connection does."""
        ...

    def search(self, person: Person, client: Any) -> Sequence[Person]:
        """Everybody at the EMR who could be this person: by name and date of birth, by e-mail, by phone. Too many
        rather than too few; each once. Raises the contract's errors."""
        ...

    def read(self, external_id: str, client: Any) -> Person:
        """One patient by id. Raises NotFoundError when the EMR has none, and the contract's errors."""
        ...

    def create(self, person: Person, location: LocationRef | None, client: Any) -> str:
        """Make the patient (``person`` as ``prepare`` left it) and return the id, from the answer's body or its
        ``Location``. Raises DuplicatePatient, and the contract's errors; a TransientError with
        ``may_have_happened`` where nobody can tell whether the patient was made."""
        ...


def missing(person: Person, required: Iterable[str]) -> list[Problem]:
    """A problem for each required field that is empty. Names that are no fields are left out."""
    return [
        Problem(name, f"{FIELD_NAMES[name]} is missing.")
        for name in required
        if name in FIELD_NAMES and not getattr(person, name)
    ]


def required_fields(switches: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in the switch ``create_required_fields``: a list, or words separated by commas or spaces."""
    return tuple(name.lower() for name in words_in(switches.get("create_required_fields")))


def words_in(value: Any) -> list[str]:
    """A list of words from a list, or from one text with commas."""
    rows = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    return [word for row in rows if (word := str(row).strip())]


def gender_code(raw: str) -> str | None:
    """``male``, ``female``, ``other`` or ``unknown`` for what people write; "" for nothing, None when unclear."""
    word = "".join(letter for letter in raw.casefold() if letter.isalnum())
    return _GENDERS.get(word) if word else ""


def ten_digits(raw: str) -> str | None:
    """A North American number as its ten digits; "" for none, None when it is not one."""
    if not raw.strip():
        return ""
    if not _PHONE_SIGNS.fullmatch(raw.strip()):
        return None
    digits = _NOT_DIGITS.sub("", raw)
    digits = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    return digits if _NORTH_AMERICAN.fullmatch(digits) else None


def postal_code(raw: str) -> str | None:
    """A postal code in capitals; "" for none, None when it cannot be one."""
    code = " ".join(raw.upper().split())
    if not code:
        return ""
    return code if _POSTAL_CODE.fullmatch(code) else None


def phone_problem(emr: str) -> Problem:
    """Words for a number that ``ten_digits`` does not take."""
    return Problem("phone", f"Phone: {emr} takes ten digits with the area code, such as 212-555-0100.")


def gender_problem() -> Problem:
    """Words for a gender that ``gender_code`` does not know."""
    return Problem("gender", "Gender: write Female, Male or Other.")


def new_id(answer_id: str, location: str) -> str:
    """The id of what was made: from the body, else the last part of the address in ``Location``."""
    path = location.partition("?")[0].partition("/_history")[0].rstrip("/")
    return answer_id or path.rpartition("/")[2]


def each_once(people: Iterable[Person]) -> list[Person]:
    """The people without repetitions, by their ids."""
    return list({person.external_id: person for person in people if person.external_id}.values())
