"""Writes the connections of a practice file."""

from typing import Any

from integrations.models import Connection
from integrations.practice_file.changes import Changes
from integrations.practice_file.parts import MASK, ConnectionPart, PracticeFile
from integrations.practice_file.stored import Stored
from integrations.sync.circuit import reauthenticated
from integrations.sync.polling.cursors import credentials_changed


def write_connections(stored: Stored, file: PracticeFile, changes: Changes) -> None:
    """Make or update every connection of the file; others stay as they are."""
    for part in file.connections:
        row = stored.connections.get(part.key) or Connection(
            practice=stored.practice, key=part.key, emr=part.emr
        )
        if "credentials" in changes.save(row, f"connection {part.key}", _values(row, part)):
            reauthenticated(Connection, row.pk, row.practice_id)
            credentials_changed(row.pk)
        stored.connections[part.key] = row
    for key in sorted(set(stored.connections) - {part.key for part in file.connections}):
        changes.notes.append(f"connection {key} is not in the file: left as it is")


def _values(row: Connection, part: ConnectionPart) -> dict[str, Any]:
    values = {**part.values, "emr": part.emr}
    if "credentials" in values:
        given = values["credentials"].items()
        values["credentials"] = {
            name: row.credential(name) if value == MASK else value for name, value in given
        }
    return values
