"""What every stored thing is made of: plain dictionaries, ids that look like the CRM's, and times."""

import os
import random
import string
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits
_random = random.Random()

# A worker started again after a crash must not repeat the ids its forerunner gave out.
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """Make an id of 20 letters and digits."""
    return "".join(_random.choices(_ALPHABET, k=20))


def now_iso() -> str:
    """Return the present as UTC text with milliseconds, `2026-03-12T14:00:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def epoch_ms(moment: str) -> int:
    """Turn a time made by `now_iso` into milliseconds since 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def words(text: str) -> tuple[str, ...]:
    """Split a list that is written as one text."""
    return tuple(text.split())


def full_name(contact: Record) -> str:
    """Return first and last name with one space, or an empty text."""
    return f"{contact.get('firstName') or ''} {contact.get('lastName') or ''}".strip()
