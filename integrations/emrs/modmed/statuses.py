"""ModMed's appointment statuses: what each means for us, and the word for it on ModMed's own screens."""

import re

from integrations.contract.reading import plain_key
from integrations.contract.records import Outcome

_STATUSES: dict[str, tuple[Outcome, str]] = {
    "pending": (Outcome.BOOKED, "Pending"),
    "booked": (Outcome.BOOKED, "Confirmed"),
    "fulfilled": (Outcome.COMPLETED, "Checked Out"),
    "cancelled": (Outcome.CANCELLED, "Cancelled"),
    "canceled": (Outcome.CANCELLED, "Cancelled"),
    "noshow": (Outcome.NO_SHOW, "No-Show"),
    # A patient in the building: recorded, nothing is written for it.
    "arrived": (Outcome.OTHER, "Arrived"),
    "checkedin": (Outcome.OTHER, "Checked In"),  # sent as checked-in and, by older releases, as checkedin
}
# Anything else in that place is no status but somebody's text, which is not repeated.
_CODE = re.compile(r"[A-Za-z][A-Za-z-]{1,39}", re.ASCII)


def status_of(code: str) -> tuple[Outcome, str]:
    """Outcome and word of a FHIR status. One that we do not know moves nothing, under its own code, or
    "Unknown" when it does not look like a code."""
    known = _STATUSES.get(plain_key(code))
    return known or (Outcome.OTHER, code if _CODE.fullmatch(code) else "Unknown")


def is_known(code: str) -> bool:
    """Whether ModMed documents this status for appointments."""
    return plain_key(code) in _STATUSES
