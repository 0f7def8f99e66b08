"""From a CRM contact to the person whom an EMR is to get, with everything that is wrong, all at once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from integrations.contract.creating import FIELD_NAMES, Problem, missing, required_fields
from integrations.contract.dates import birth_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import text
from integrations.contract.records import LocationRef, Person
from integrations.crm.fields import field_key, field_value, normalized_email
from integrations.sync.profile import ConnectionProfile, LocationProfile, PracticeProfile, SubAccountProfile

GENDER = "Gender"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """The person in the EMR's forms, where they belong (None: the EMR's own default), and what is wrong."""

    person: Person
    location: LocationRef | None
    problems: tuple[Problem, ...]


def check(
    contact: Json,
    profile: PracticeProfile,
    account: SubAccountProfile,
    connection: ConnectionProfile,
    today: date,
) -> Checked:
    """Whether a contact can be created in a connection's EMR."""
    person, unreadable = _person(contact, account, connection, today)
    location, unknown = _location(contact, profile, account, connection)
    prepared = connection.emr.part("create").prepare(person, connection.switches)
    required = missing(prepared.person, required_fields(connection.switches))
    # What cannot be read is not missing: the first word about a field counts.
    named: dict[str, Problem] = {}
    for problem in (*unreadable, *prepared.problems, *required, *unknown):
        named.setdefault(problem.field, problem)
    order = [*FIELD_NAMES, *named]
    problems = sorted(named.values(), key=lambda problem: order.index(problem.field))
    return Checked(prepared.person, location, tuple(problems))


def patient_id_in(contact: Json, account: SubAccountProfile, connection: ConnectionProfile) -> str:
    """The EMR's patient id that the contact carries, "" for none."""
    return _custom(contact, account, connection.manifest.patient_id_field)


def _person(
    contact: Json, account: SubAccountProfile, connection: ConnectionProfile, today: date
) -> tuple[Person, list[Problem]]:
    problems: list[Problem] = []
    email, unusable = normalized_email(text(contact.get("email")))
    if unusable:
        problems.append(Problem("email", "E-mail: it is not a valid address."))
    person = Person(
        external_id="",
        first_name=text(contact.get("firstName")),
        last_name=text(contact.get("lastName")),
        email=email,
        phone=text(contact.get("phone")),
        birth_date=_born(contact, account, connection, today, problems),
        gender=text(contact.get("gender")) or _custom(contact, account, GENDER),
        address1=text(contact.get("address1")),
        city=text(contact.get("city")),
        state=text(contact.get("state")),
        postal_code=text(contact.get("postalCode")),
    )
    return person, problems


def _born(
    contact: Json,
    account: SubAccountProfile,
    connection: ConnectionProfile,
    today: date,
    problems: list[Problem],
) -> date | None:
    """The native date of birth, else the EMR's birthday field."""
    native = text(contact.get("dateOfBirth"))
    # The CRM shows the day as a time in UTC now and then.
    raw = native[:10] if "T" in native else native
    try:
        return birth_date(
            raw or _custom(contact, account, connection.manifest.birthday_field), "dateOfBirth", today
        )
    except MalformedPayload:
        words = "Date of birth: it cannot be read, or is not possible. Write it as month/day/year."
        problems.append(Problem("birth_date", words))
        return None


def _custom(contact: Json, account: SubAccountProfile, name: str) -> str:
    field_id = account.fields.get(field_key(name), ("", ""))[0] if name else ""
    return text(field_value(contact, field_id)) if field_id else ""


def _location(
    contact: Json, profile: PracticeProfile, account: SubAccountProfile, connection: ConnectionProfile
) -> tuple[LocationRef | None, list[Problem]]:
    """Where the patient belongs: what the contact says, else the only location that there can be."""
    name = connection.manifest.create_location_field
    if not name:
        return None, []
    if said := _custom(contact, account, name):
        found = profile.location(LocationRef(external_id=said, name=said))
        if found is None:
            return None, [Problem(name, f"{name}: the practice has no location of that name or id.")]
        return _ref(found), []
    return _usual(profile, account), []


def _usual(profile: PracticeProfile, account: SubAccountProfile) -> LocationRef | None:
    """The only location of the practice, or the only one that is mapped to this sub-account."""
    every = list(profile.locations.values())
    own = [row for row in every if row.sub_account_id == account.id]
    return next((_ref(rows[0]) for rows in (every, own) if len(rows) == 1), None)


def _ref(location: LocationProfile) -> LocationRef:
    return LocationRef(location.external_id, location.name)
