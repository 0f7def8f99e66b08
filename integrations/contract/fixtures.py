"""Fixtures of an EMR folder: bodies with what must become of them, and how a record is written down."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.records import (
    AppointmentRecord,
    ChargeRecord,
    MembershipRecord,
    PatientRecord,
    PaymentRecord,
    Record,
)

EXPECTED = ".expected.json"
RECEIVED_AT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
FIXTURE_ZONE = ZoneInfo("America/New_York")
RECORD_NAMES: dict[type, str] = {
    AppointmentRecord: "appointment",
    PaymentRecord: "payment",
    PatientRecord: "patient",
    MembershipRecord: "membership",
    ChargeRecord: "charge",
}


@dataclass(frozen=True, slots=True)
class Fixture:
    """One recorded (or made-up) body and what must become of it.

    ``expected`` holds ``receipt`` (of webhook EMRs), then ``records``, ``ignored`` or ``malformed`` (the path
    of the field), and optionally ``given`` with the connection's ``field_paths``.
    """

    event: str
    path: Path
    body: Any
    expected: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def context(self) -> Context:
        """Received on 3/15/2026 at noon UTC, New York days: the same for every fixture."""
        paths = self.expected.get("given", {}).get("field_paths", {})
        return Context(received_at=RECEIVED_AT, field_paths=paths, zone_of=_fixture_zone)


def _fixture_zone(_location_id: str) -> tzinfo:
    return FIXTURE_ZONE


def fixtures(folder: Path) -> list[Fixture]:
    """Every ``fixtures/<event>__<case>.json`` of an EMR folder with its ``.expected.json``.

    Raises FileNotFoundError when an expectation is missing.
    """
    bodies = [path for path in (folder / "fixtures").glob("*.json") if not path.name.endswith(EXPECTED)]
    return [
        Fixture(path.stem.split("__")[0], path, _json(path), _json(path.with_suffix(EXPECTED)))
        for path in sorted(bodies)
    ]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def as_plain(value: Any) -> Any:
    """A record (or any part of one) as JSON values. Defaults are left out: expectations stay short."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {
            part.name: as_plain(getattr(value, part.name))
            for part in dataclasses.fields(value)
            if not _is_default(part, getattr(value, part.name))
        }
        return {"record": RECORD_NAMES[type(value)], **plain} if type(value) in RECORD_NAMES else plain
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | str) else value


def _is_default(part: "dataclasses.Field[Any]", value: Any) -> bool:
    if part.default_factory is not dataclasses.MISSING:
        return bool(value == part.default_factory())
    return bool(part.default is not dataclasses.MISSING and value == part.default)


def outcome_of(
    fixture: Fixture, receive: Callable[..., Any] | None, understand: Callable[..., Any]
) -> dict[str, Any]:
    """What the folder makes of a fixture, in the form of its expectation. Bugs are not caught."""
    context = fixture.context()
    found: dict[str, Any] = {}
    kind = fixture.event
    if receive:
        receipt = receive(fixture.body, context.field_paths)
        kind = receipt.kind
        found["receipt"] = as_plain(receipt)
    try:
        records: list[Record] = list(understand(kind, fixture.body, context))
    except MalformedPayload as fault:
        return found | {"malformed": fault.field}
    except IgnoredEvent as reason:
        return found | {"ignored": str(reason)}
    return found | {"records": as_plain(records)}
