"""Writes the appointment types of a practice file and the categories that were confirmed for them."""

from typing import Any

from django.utils import timezone

from categorization.categories import name_key
from categorization.models import AppointmentType, ConfirmedVia
from integrations.practice_file.changes import Changes
from integrations.practice_file.parts import CategoryPart, PracticeFile
from integrations.practice_file.stored import Stored


def write_categories(stored: Stored, file: PracticeFile, changes: Changes) -> None:
    """Make or update every type of the file; types that it does not name stay as they are."""
    for part in file.categories:
        key = (part.connection, name_key(part.type), name_key(part.purpose))
        row = stored.types.get(key) or AppointmentType(
            practice=stored.practice, connection_key=part.connection, name=part.type, purpose=part.purpose
        )
        label = f'appointment type "{part.type}"' + (f' / "{part.purpose}"' if part.purpose else "")
        changes.save(row, label, _values(row, part))
        stored.types[key] = row


def _values(row: AppointmentType, part: CategoryPart) -> dict[str, Any]:
    """Who confirmed it, and when, stays where category and confirmation are as the file says."""
    same = row.category == part.category
    confirmed = row.is_confirmed and same if part.confirmed is None else part.confirmed
    if row.pk and same and confirmed == row.is_confirmed:
        return {}
    return {
        "category": part.category,
        "confirmed_at": timezone.now() if confirmed else None,
        "confirmed_by": None,
        "confirmed_via": ConfirmedVia.FILE if confirmed else "",
    }
