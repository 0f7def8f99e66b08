"""Small bodies and a fixed context for this folder's tests."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.protocols import Context

NEW_YORK = ZoneInfo("America/New_York")
RECEIVED_AT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def context(**given: Any) -> Context:
    """A practice in New York that received the event on 3/15/2026."""
    return Context(received_at=RECEIVED_AT, zone_of=lambda _location_id: NEW_YORK, **given)


def appointment(
    event: str = "appointment.created", client: dict[str, Any] | None = None, **data: Any
) -> dict[str, Any]:
    """A readable appointment event; ``data`` replaces values, None values are left out."""
    usual = {
        "appointment_id": 7,
        "date_time": "2026-03-18T20:00:00",
        "client": {"client_id": 5} | (client or {}),
    }
    return {"event": event, "timestamp": "2026-03-10T15:00:00Z", "data": _set({**usual, **data})}


def invoice(**data: Any) -> dict[str, Any]:
    """A readable paid invoice without an appointment."""
    usual = {"invoice_id": 9, "paid_amount": "10.00", "paid_date": "2026-03-13", "client": {"client_id": 5}}
    return {"event": "invoice.paid", "timestamp": "2026-03-13T15:00:00Z", "data": _set({**usual, **data})}


def _set(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
