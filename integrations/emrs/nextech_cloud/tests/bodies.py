"""Small bodies and a fixed context for this folder's tests."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.protocols import Context
from integrations.contract.records import Record
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.mapping import understand

NEW_YORK = ZoneInfo("America/New_York")
RECEIVED_AT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
CHANGED_AT = datetime(2026, 3, 14, 13, 23, tzinfo=UTC)
ALBA = sandbox.patient(0)
VISIT = sandbox.Visit("12312", ALBA, datetime(2026, 3, 18, 20, 30, tzinfo=NEW_YORK))
PAYMENT = sandbox.Payment("126671", ALBA, Decimal("420.00"), date(2026, 3, 13))


def context(**switches: Any) -> Context:
    """A practice in New York that received the row on 3/15/2026, with these switches."""
    return Context(received_at=RECEIVED_AT, switches=switches, zone_of=lambda _location_id: NEW_YORK)


def enriched(resource: dict[str, Any], patient: dict[str, Any] | None = None) -> dict[str, Any]:
    """A body as it stands after enrichment."""
    return {"resource": resource, "patient": sandbox.patient_saved(ALBA) if patient is None else patient}


def read(resource: dict[str, Any], patient: dict[str, Any] | None = None, **switches: Any) -> Record:
    """The one record of a resource with its patient."""
    (record,) = understand("", enriched(resource, patient), context(**switches))
    return record
