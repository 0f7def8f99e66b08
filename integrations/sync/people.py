"""Patients as rows: kept at their newest, found again through keyed hashes only."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

import phonenumbers

from integrations.contract.records import Person
from integrations.models import Patient, SearchKey
from tenants.encryption import search_digests

_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\D")


def demographics_of(person: Person) -> dict[str, Any]:
    """What is kept of a person: only what the EMR filled in."""
    kept = {name: value for name, value in asdict(person).items() if value and name != "external_id"}
    if isinstance(kept.get("birth_date"), date):
        kept["birth_date"] = kept["birth_date"].isoformat()
    return kept


def person_of(patient: Patient) -> Person:
    """The person behind a patient row."""
    return person_from(patient.demographics, patient.external_id)


def person_from(demographics: dict[str, Any] | None, external_id: str = "") -> Person:
    """The person behind what ``demographics_of`` kept."""
    values = dict(demographics or {})
    if values.get("birth_date"):
        values["birth_date"] = date.fromisoformat(values["birth_date"])
    return Person(external_id=external_id, **values)


def plain_words(text: str) -> list[str]:
    """The words of a name without case and accents."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text
    return [word.casefold() for word in _WORD.findall(folded)]


def plain_phone(text: str, country: str = "US") -> str:
    """E.164 where the number can be read, else its digits."""
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return _DIGITS.sub("", text)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def search_terms(
    demographics: dict[str, Any], external_id: str, country: str = "US"
) -> list[tuple[str, str]]:
    """What a patient is found by: (kind, normalized value) pairs for e-mail, phone, its end, id, name words."""
    kinds = SearchKey.Kind
    terms = [(kinds.ID.value, external_id.strip().casefold())]
    if demographics.get("email"):
        terms.append((kinds.EMAIL.value, demographics["email"].strip().casefold()))
    if demographics.get("phone"):
        phone = plain_phone(demographics["phone"], country)
        terms += [(kinds.PHONE.value, phone), (kinds.PHONE_END.value, phone[-4:])]
    names = f"{demographics.get('first_name', '')} {demographics.get('last_name', '')}"
    terms += [(kinds.NAME.value, word) for word in plain_words(names)]
    return list(dict.fromkeys(terms))


def digests_for(terms: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """(kind, digest under the first key) for each term."""
    return {(kind, search_digests(f"{kind}:{value}")[0]) for kind, value in terms}


def birthday_marks(contact_id: int, born: str) -> list[str]:
    """What a contact keeps of the birth date (ISO) that it was enrolled for: the date itself stands nowhere in
    clear. One mark under each key, newest first: store the first, compare with all."""
    return search_digests(f"birthday:{contact_id}:{born}")


def remember_person(patient: Patient, person: Person, country: str) -> bool:
    """Keep what this message says of a person; fields it leaves empty stay. True when something changed."""
    known = dict(patient.demographics or {})
    merged = known | demographics_of(person)
    if patient.pk is not None and merged == known:
        return False
    patient.demographics = merged
    patient.save()
    wanted = digests_for(search_terms(merged, patient.external_id, country))
    have = set(
        SearchKey.objects.for_practice(patient.practice_id)
        .filter(patient=patient)
        .values_list("kind", "digest")
    )
    for kind, digest in have - wanted:
        SearchKey.objects.for_practice(patient.practice_id).filter(
            patient=patient, kind=kind, digest=digest
        ).delete()
    SearchKey.objects.bulk_create(
        [
            SearchKey(patient=patient, practice_id=patient.practice_id, kind=kind, digest=digest)
            for kind, digest in sorted(wanted - have)
        ],
        ignore_conflicts=True,
    )
    return True
