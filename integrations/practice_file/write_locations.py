"""Writes the locations of a practice file and the sub-accounts that they go to."""

from integrations.models import LocationRoute
from integrations.practice_file.changes import Changes
from integrations.practice_file.parts import LocationPart, PracticeFile
from integrations.practice_file.stored import Stored
from tenants.models import Location


def write_locations(stored: Stored, file: PracticeFile, changes: Changes) -> None:
    """Make, update and remove locations, where the file speaks of them. One with patients stays."""
    if file.locations is None:
        return
    for part in file.locations:
        row = stored.locations.get(part.external_id)
        row = row or Location(practice=stored.practice, external_id=part.external_id)
        changes.save(row, f"location {part.external_id}", part.values)
        if part.says_route:
            _write_route(stored, row, part, changes)
    named = {part.external_id for part in file.locations}
    for external_id, row in stored.locations.items():
        if external_id in named:
            continue
        if getattr(row, "has_patients", False):
            changes.notes.append(f"location {external_id}: kept, patients were seen there")
        else:
            changes.delete(row, f"location {external_id}")


def _write_route(stored: Stored, location: Location, part: LocationPart, changes: Changes) -> None:
    route, label = getattr(location, "route", None), f"location {part.external_id}, sub-account"
    if part.sub_account:
        target = stored.sub_accounts[part.sub_account]
        changes.save(route or LocationRoute(location=location), label, {"sub_account_id": target.pk})
    elif route:
        changes.delete(route, label)
