"""What the door must know of a delivery. Runs inside the web request: a few look-ups, no validation."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Receipt
from integrations.contract.reading import LONGEST_ID, Body
from integrations.emrs.aestheticspro.fields import FIELDS
from integrations.emrs.aestheticspro.kinds import kind_of, why_ignored


def receive(body: Mapping[str, Any], field_paths: Mapping[str, Sequence[str]]) -> Receipt:
    """Read just enough to store. Odd bodies give an emptier Receipt, never an exception.

    A body without a readable event type is not ignored: it is stored, and parked when it is read in full.
    """
    payload = Body(body, field_paths)
    kind = kind_of(payload)
    return Receipt(
        kind=kind,
        event_id=_id(payload, "event_id"),
        patient_id=_id(payload, "client_id"),
        occurred_at=_occurred_at(payload),
        ignored_because=why_ignored(kind) if kind else "",
    )


def _id(payload: Body, field: str) -> str:
    """An id, or "" for what is too long to be one: cut ids would make two events one."""
    found = payload.text(field, *FIELDS[field])
    return found if len(found) <= LONGEST_ID else ""


def _occurred_at(payload: Body) -> datetime | None:
    try:
        return moment(payload.value("timestamp", *FIELDS["timestamp"]), "timestamp")
    except MalformedPayload:
        return None
