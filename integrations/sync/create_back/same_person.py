"""Is one of these patients the contact? Pure. A wrong yes puts one person's visits on another, a wrong no makes
a second patient: so only what is sure is linked, and what is neither is for a person to decide."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from integrations.contract.records import Person
from integrations.crm.matching import last_names_agree, same_first, same_last

_NOT_DIGITS = re.compile(r"\D")


class Likeness(StrEnum):
    SURE = "sure"
    UNSURE = "unsure"
    OTHER = "other"


class Verdict(StrEnum):
    NOBODY = "nobody"
    ONE = "one"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search at the EMR came to: for ONE the patient, for ASK everybody who could be the person."""

    verdict: Verdict
    patient: Person | None = None
    candidates: tuple[Person, ...] = ()
    words: str = ""


def likeness(person: Person, patient: Person, known_id: str = "") -> Likeness:
    """How like a contact a patient of the EMR is. ``known_id``: the patient id that the contact carries already.

    Sure: same first and last name, and the same day of birth, or, where one has none, the same e-mail or phone;
    unless the genders contradict. Unsure: some of it agrees and nothing settles it.
    """
    first = same_first(person.first_name, patient.first_name)
    name = first and same_last(person.last_name, patient.last_name)
    if name and known_id and known_id.casefold() == patient.external_id.casefold():
        return Likeness.SURE
    reached = _same_reach(person, patient)
    if person.birth_date and patient.birth_date:
        if person.birth_date == patient.birth_date:
            return _with_birthday(person, patient, name, first or _last(person, patient) or reached)
        return Likeness.UNSURE if name and reached else Likeness.OTHER
    if name:
        is_sure = reached and not _other_gender(person, patient)
        return Likeness.SURE if is_sure else Likeness.UNSURE
    return Likeness.UNSURE if reached and (first or _last(person, patient)) else Likeness.OTHER


def _with_birthday(person: Person, patient: Person, name: bool, something: bool) -> Likeness:
    if name and not _other_gender(person, patient):
        return Likeness.SURE
    return Likeness.UNSURE if name or something else Likeness.OTHER


def _last(person: Person, patient: Person) -> bool:
    return bool(patient.last_name) and last_names_agree(person.last_name, patient.last_name)


def _other_gender(person: Person, patient: Person) -> bool:
    told = {"male", "female"}
    return person.gender in told and patient.gender in told and person.gender != patient.gender


def _same_reach(person: Person, patient: Person) -> bool:
    email = person.email.strip().casefold()
    phone, other = _digits(person.phone), _digits(patient.phone)
    return bool(email and email == patient.email.strip().casefold()) or bool(phone and phone == other)


def _digits(phone: str) -> str:
    digits = _NOT_DIGITS.sub("", phone)
    return digits[-10:] if len(digits) >= 7 else ""


def judge(person: Person, patients: Sequence[Person], known_id: str = "") -> Found:
    """Who of these patients the contact is: nobody, one surely, or a question."""
    rated = [(likeness(person, patient, known_id), patient) for patient in patients]
    sure = [patient for how, patient in rated if how is Likeness.SURE]
    if len(sure) == 1:
        return Found(Verdict.ONE, sure[0], words="Name and date of birth, e-mail or phone agree.")
    unsure = [patient for how, patient in rated if how is Likeness.UNSURE]
    if not sure and not unsure:
        return Found(Verdict.NOBODY)
    possible = (*sure, *unsure)
    if len(possible) == 1:
        return Found(Verdict.ASK, None, possible, "One patient could be this person, which is not sure.")
    return Found(Verdict.ASK, None, possible, f"{len(possible)} patients could be this person.")


def just_made(person: Person, patients: Sequence[Person], seen: Collection[str]) -> Found:
    """Whether a patient whose making is in doubt is among these: somebody of that name who was not there before."""
    new = [patient for patient in patients if patient.external_id not in set(seen)]
    found = judge(person, new)
    if found.verdict is Verdict.ASK and len(found.candidates) == 1:
        only = found.candidates[0]
        if same_first(person.first_name, only.first_name) and same_last(person.last_name, only.last_name):
            return Found(Verdict.ONE, only)
    return found
