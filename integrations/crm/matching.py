"""Whether a contact in the CRM is a given patient. Pure. A wrong yes would put one patient's data on
another, so doubt is for a person to settle; reasons never hold names, addresses or numbers."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from integrations.contract.records import Person
from integrations.crm.fields import field_value

Contact = Mapping[str, Any]

PATIENT_ID = "patient_id"
EMAIL = "email"
PHONE = "phone"
_SEARCH_ORDER = (PATIENT_ID, EMAIL, PHONE)
_BY = {PATIENT_ID: "the EMR's patient id", EMAIL: "e-mail", PHONE: "phone"}
_SHARED = {EMAIL: "e-mail", PHONE: "phone number"}

_WORD = re.compile(r"[a-z0-9]+")
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "md", "phd"})


class MatchKind(StrEnum):
    LINKED = "linked"  # this contact is the patient
    CLASH = "clash"  # linked too, but a value of the patient belongs to another contact
    NEW = "new"  # nobody has the id, e-mail or phone
    HELD = "held"  # somebody else has the e-mail or phone: a person must choose


@dataclass(frozen=True, slots=True)
class Match:
    """``contact_id`` is set for LINKED and CLASH. ``leave_out`` names the native fields (email, phone) that
    must not be written. ``clashes`` are (field, id of the other contact). ``reason`` is for the
    explanation."""

    kind: MatchKind
    reason: str
    contact_id: str = ""
    leave_out: tuple[str, ...] = ()
    clashes: tuple[tuple[str, str], ...] = ()

    @property
    def is_linked(self) -> bool:
        return self.kind in (MatchKind.LINKED, MatchKind.CLASH)


def judge(
    person: Person,
    candidates: Mapping[str, Sequence[Contact]],
    *,
    patient_id_field: str = "",
    birthday_field: str = "",
) -> Match:
    """Which contact is this person?

    ``candidates``: under "patient_id", "email" and "phone" the contacts found by that value (complete
    objects with ``customFields``). ``patient_id_field`` and ``birthday_field`` are the ids of the EMR's
    custom fields, "" where the sub-account lacks them.
    """
    chosen, found_by = _fitting(person, candidates, patient_id_field, birthday_field)
    if chosen is None:
        return _nobody(candidates)
    clashes = _clashes(chosen, candidates)
    shared = tuple(dict.fromkeys(name for name, _ in clashes))
    reason = f"Found by {_BY[found_by]}; name and birth date do not contradict."
    if shared:
        words = " and ".join(_SHARED[name] for name in shared)
        reason += f" The {words} belongs to another contact and is left out."
    kind = MatchKind.CLASH if shared else MatchKind.LINKED
    return Match(kind, reason, str(chosen["id"]), shared, clashes)


def _fitting(
    person: Person, candidates: Mapping[str, Sequence[Contact]], patient_id_field: str, birthday_field: str
) -> tuple[Contact | None, str]:
    for name in _SEARCH_ORDER:
        able = [
            contact
            for contact in candidates.get(name, ())
            if fits(person, contact, patient_id_field=patient_id_field, birthday_field=birthday_field)
        ]
        if able:
            return min(able, key=lambda contact: _preference(contact, candidates)), name
    return None, ""


def _preference(contact: Contact, candidates: Mapping[str, Sequence[Contact]]) -> tuple[int, str, str]:
    """Of several that fit: the one found by most values, then the oldest, so that the choice repeats."""
    found_by = sum(any(other["id"] == contact["id"] for other in group) for group in candidates.values())
    return -found_by, str(contact.get("dateAdded") or "~"), str(contact["id"])


def _clashes(chosen: Contact, candidates: Mapping[str, Sequence[Contact]]) -> tuple[tuple[str, str], ...]:
    """The other contacts with the person's e-mail or phone. A value that the chosen contact has as well
    (where duplicates are allowed) changes nothing when written, so it does not clash."""
    found: list[tuple[str, str]] = []
    for name in (EMAIL, PHONE):
        ids = [str(contact["id"]) for contact in candidates.get(name, ())]
        if str(chosen["id"]) not in ids:
            found += [(name, contact_id) for contact_id in ids]
    return tuple(found)


def _nobody(candidates: Mapping[str, Sequence[Contact]]) -> Match:
    clashes = tuple(
        (name, str(contact["id"])) for name in _SEARCH_ORDER for contact in candidates.get(name, ())
    )
    if not clashes:
        return Match(MatchKind.NEW, "Nobody in the CRM has this patient id, e-mail or phone.")
    names = tuple(dict.fromkeys(name for name, _ in clashes))
    words = " and ".join({**_SHARED, PATIENT_ID: "EMR patient id"}[name] for name in names)
    leave_out = tuple(name for name in names if name in _SHARED)
    return Match(
        MatchKind.HELD,
        f"Another person's contact has this {words}; neither name nor birth date agrees.",
        leave_out=leave_out,
        clashes=clashes,
    )


def fits(person: Person, contact: Contact, *, patient_id_field: str = "", birthday_field: str = "") -> bool:
    """Whether the contact can be this person.

    Yes when first and last name agree (case, accents, spaces, punctuation, a middle initial and Jr./Sr.
    aside) and no birth dates contradict; or when birth dates agree and last names do not contradict, unless
    the contact carries another patient's id (twins); or when the contact has neither name nor birth date.
    """
    born, also_born = person.birth_date, _birth_date(contact, birthday_field)
    if born and also_born and born != also_born:
        return False
    first, last = _contact_name(contact)
    if not first and not last:
        return not _is_other_patient(person, contact, patient_id_field)
    if _first(person.first_name) == _first(first) and _last(person.last_name) == _last(last):
        return True
    if born is None or born != also_born or _is_other_patient(person, contact, patient_id_field):
        return False
    return _last_names_agree(person.last_name, last)


def same_first(one: str, other: str) -> bool:
    """Whether two first names are one, by the rules of ``fits``. Empty ones are not."""
    return bool(_first(one)) and _first(one) == _first(other)


def same_last(one: str, other: str) -> bool:
    """Whether two last names are one, by the rules of ``fits``. Empty ones are not."""
    return bool(_last(one)) and _last(one) == _last(other)


def last_names_agree(one: str, other: str) -> bool:
    """Whether two last names do not contradict: equal, one missing, or sharing a part."""
    return _last_names_agree(one, other)


def _is_other_patient(person: Person, contact: Contact, patient_id_field: str) -> bool:
    stored = field_value(contact, patient_id_field) if patient_id_field else None
    return bool(stored) and bool(person.external_id) and str(stored).strip() != person.external_id


def _birth_date(contact: Contact, birthday_field: str) -> date | None:
    stored = contact.get("dateOfBirth") or (field_value(contact, birthday_field) if birthday_field else None)
    try:
        return date.fromisoformat(str(stored or "")[:10])
    except ValueError:
        return None


def _contact_name(contact: Contact) -> tuple[str, str]:
    first, last = str(contact.get("firstName") or ""), str(contact.get("lastName") or "")
    if first.strip() or last.strip():
        return first, last
    first, _, last = str(contact.get("name") or contact.get("contactName") or "").strip().partition(" ")
    return first, last


def _words(name: str) -> list[str]:
    """Plain lower-case words: accents, apostrophes and full stops gone, hyphens counting as spaces."""
    plain = unicodedata.normalize(
        "NFKD", name.casefold().replace("ß", "ss").replace("ø", "o").replace("ł", "l")
    )
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign) and sign not in "'’`.")
    latin = _WORD.findall(plain)
    return latin or plain.split()


def _first(name: str) -> str:
    words = _words(name)
    while len(words) > 1 and len(words[-1]) == 1:
        words.pop()
    return "".join(words)


def _last(name: str) -> str:
    return "".join(_last_words(name))


def _last_words(name: str) -> list[str]:
    words = _words(name)
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    return words


def _last_names_agree(ours: str, theirs: str) -> bool:
    """Not contradicting: equal, one missing, or sharing a part (Smith and Smith-Jones)."""
    mine, other = _last_words(ours), _last_words(theirs)
    return not mine or not other or "".join(mine) == "".join(other) or bool(set(mine) & set(other))
