"""What Nextech's appointment statuses mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from integrations.contract.reading import plain_key, text
from integrations.contract.records import Outcome
from integrations.emrs.nextech_cloud.fhir import Json, extension_reference, extensions

# FHIR status → what became of the visit, and the word for the CRM.
STATUSES: dict[str, tuple[Outcome, str]] = {
    "pending": (Outcome.BOOKED, "Pending"),
    "booked": (Outcome.BOOKED, "Confirmed"),  # Nextech's screens say Confirmed
    "fulfilled": (Outcome.COMPLETED, "Fulfilled"),  # "Out" on Nextech's screens
    "cancelled": (Outcome.CANCELLED, "Cancelled"),
    "canceled": (Outcome.CANCELLED, "Cancelled"),
    "noshow": (Outcome.NO_SHOW, "No-Show"),
    "arrived": (Outcome.OTHER, "Arrived"),  # "In" on Nextech's screens
    "proposed": (Outcome.OTHER, "Proposed"),  # a held slot
    "enteredinerror": (Outcome.OTHER, "Entered in error"),
}
# What a connection may say that a custom status means, in words of the form above and of people.
MEANINGS: dict[str, tuple[Outcome, str]] = {
    **STATUSES,
    "booked": STATUSES["pending"],  # a booking that nobody has confirmed
    "confirmed": STATUSES["booked"],
    "completed": STATUSES["fulfilled"],
    "recorded": (Outcome.OTHER, ""),
}


@dataclass(frozen=True, slots=True)
class Status:
    """``word`` goes to the CRM's status field, ``shown`` to the note, ``warnings`` to the event's story."""

    outcome: Outcome
    word: str
    shown: str
    warnings: tuple[str, ...] = ()


def status_of(appointment: Json, status_map: Any) -> Status:
    """The FHIR status decides. Where it is missing the appointment has a custom status, and the connection's
    ``status_map`` (texts such as "Online Book = booked") may say what that means."""
    code, name = text(appointment.get("status")), status_name(appointment)
    if code:
        return _known(code)
    meaning, warnings = _meaning(name, status_map)
    if meaning is None:
        return Status(Outcome.OTHER, name or "No status", name or "No status", warnings)
    outcome, word = meaning
    if not word:
        return Status(outcome, name, name, warnings)
    return Status(outcome, word, f"{word} ({name})", warnings)


def is_only_recorded(appointment: Json) -> bool:
    """Whether the FHIR status alone says that nothing is written. A custom status can mean anything."""
    code = text(appointment.get("status"))
    return bool(code) and _known(code).outcome is Outcome.OTHER


def status_name(appointment: Json) -> str:
    """The name of the practice's own status."""
    rows = extensions(appointment, "appointment-status")
    return next((name for row in rows if (name := extension_reference(row).display)), "")


def _known(code: str) -> Status:
    found = STATUSES.get(plain_key(code))
    if found is None:
        word = code[:1].upper() + code[1:40]
        return Status(Outcome.OTHER, word, word, ("This appointment status is not one that we know.",))
    return Status(found[0], found[1], found[1])


def _meaning(name: str, status_map: Any) -> tuple[tuple[Outcome, str] | None, tuple[str, ...]]:
    warnings: list[str] = []
    meaning = None
    for number, entry in enumerate(_entries(status_map), 1):
        key, sign, word = entry.rpartition("=")
        known = MEANINGS.get(plain_key(word.strip()))
        if not sign or not key.strip() or known is None:
            warnings.append(f'Custom statuses, entry {number}: write it as "name = meaning".')
        elif name and _folded(key) == _folded(name):
            meaning = known
    return meaning, tuple(warnings)


def _entries(status_map: Any) -> Iterable[str]:
    rows = status_map if isinstance(status_map, list | tuple) else []
    return [row for row in rows if isinstance(row, str) and row.strip()]


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
