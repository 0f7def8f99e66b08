"""What the engine calls on an EMR folder.

A folder offers ``MANIFEST`` (manifest.py), and for webhook EMRs ``receive`` (webhook.py) and ``understand``
(mapping.py). Both are pure: dictionaries in, dataclasses out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Protocol

from integrations.contract.manifest import Manifest
from integrations.contract.records import Record

Paths = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the door must know of a body before anything is stored.

    ``kind`` is the EMR's event type ("" when unreadable), ``event_id`` its own id ("" for none),
    ``patient_id`` decides the lane ("" when only a look-up can tell), ``ignored_because`` is set for test
    pings and events that we do not use.
    """

    kind: str = ""
    event_id: str = ""
    patient_id: str = ""
    occurred_at: datetime | None = None
    ignored_because: str = ""


def _utc(_location_id: str) -> tzinfo:
    return UTC


@dataclass(frozen=True, slots=True)
class Context:
    """What a mapping may know beside the payload.

    ``zone_of(location external id)`` gives the time zone in which a visit's date is meant, ``switches`` the
    connection's settings with defaults filled in, ``field_paths`` the overrides (field → dotted paths),
    ``received_at`` when the event was stored.
    """

    received_at: datetime
    switches: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    field_paths: Paths = field(default_factory=lambda: MappingProxyType({}))
    zone_of: Callable[[str], tzinfo] = _utc


class WebhookEmr(Protocol):
    """A folder whose events arrive at our door."""

    MANIFEST: Manifest

    def receive(self, body: Mapping[str, Any], field_paths: Paths) -> Receipt:
        """Read just enough to store. Never raises for an odd body: it is stored, and parked later."""
        ...

    def understand(self, kind: str, body: Mapping[str, Any], context: Context) -> Sequence[Record]:
        """The records in one stored body. Raises MalformedPayload naming the field, or IgnoredEvent."""
        ...
