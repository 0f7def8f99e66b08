"""What the door must know of a notice. Runs inside the web request: a few look-ups, no validation, no call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Receipt
from integrations.contract.reading import LONGEST_ID, Body
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.kinds import kind_of, why_ignored


def receive(body: Mapping[str, Any], field_paths: Mapping[str, Sequence[str]]) -> Receipt:
    """Read just enough to store. Odd bodies give an emptier Receipt, never an exception.

    A notice without a readable event type is not ignored: it is stored, and parked when it is read in full.
    """
    notice = Body(body, field_paths)
    kind = kind_of(notice)
    return Receipt(
        kind=kind,
        event_id=_id(notice, "event_id"),
        patient_id=_id(notice, "patient_id"),
        occurred_at=_occurred_at(notice),
        ignored_because=why_ignored(kind) if kind else "",
    )


def _id(notice: Body, field: str) -> str:
    """An id, or "" for what is too long to be one: cut ids would make two events one."""
    found = notice.text(field, *FIELDS[field])
    return found if len(found) <= LONGEST_ID else ""


def _occurred_at(notice: Body) -> datetime | None:
    try:
        return moment(notice.value("occurred_at", *FIELDS["occurred_at"]), "occurredAt")
    except MalformedPayload:
        return None
