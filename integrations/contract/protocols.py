"""What the engine calls on an EMR folder.

A folder offers ``MANIFEST`` (manifest.py), and for webhook EMRs ``receive`` (webhook.py) and ``understand``
(mapping.py). Both are pure: dictionaries in, dataclasses out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Protocol

from integrations.contract.manifest import Manifest
from integrations.contract.records import LocationRef, Record

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


def _now() -> datetime:
    return datetime.now(UTC)


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
    """A folder whose events arrive at our door.

    Where its notices do not say enough, it also has ``CAPABILITIES``, ``CALLS_PER_SECOND`` and ``make_client``
    in client.py, as a polled one, and ``enrich(kind, body, client, cache, field_paths)`` in enrich.py: the notice
    with what has to be fetched for it, which ``understand`` then reads.
    """

    MANIFEST: Manifest

    def receive(self, body: Mapping[str, Any], field_paths: Paths) -> Receipt:
        """Read just enough to store. Never raises for an odd body: it is stored, and parked later."""
        ...

    def understand(self, kind: str, body: Mapping[str, Any], context: Context) -> Sequence[Record]:
        """The records in one stored body. Raises MalformedPayload naming the field, or IgnoredEvent."""
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """Whom a resource that is read patient by patient is asked for: the patients of whom a row of another
    resource changed within ``changed_within``, each once per ``every`` (None: in every poll)."""

    changed_within: timedelta
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that a polled EMR is asked for, again and again.

    ``event_kind`` is the kind of the events that its rows make (declared in the manifest). ``overlap`` is how
    far behind the watermark every poll reads again; ``by_day`` says that the EMR filters by whole days only.
    ``every`` is how often it is read, None for the usual interval. ``needs_switch`` names a switch that must
    be on for it to be polled at all. ``has_dates``: it can also be read by the rows' own day
    (``page(…, dated_from=…)``), for the first poll, back-fills and the nightly comparison. ``rounds``, where
    there are any: the EMR cannot say what changed, so it is read patient by patient (``page(…, patient_id=…)``);
    a patient whom several rounds want is asked for as the most frequent one says. ``volatile`` are the parts
    of a row that may change without that the row does; they do not count when it is compared.
    ``remember_for``: how long after its last change a row is known again (None: for ever, as money must be).
    """

    name: str
    label: str
    event_kind: str
    overlap: timedelta = timedelta(minutes=10)
    by_day: bool = False
    every: timedelta | None = None
    needs_switch: str = ""
    has_dates: bool = False
    rounds: tuple[Round, ...] = ()
    volatile: tuple[str, ...] = ("meta",)
    remember_for: timedelta | None = None

    @property
    def is_by_patient(self) -> bool:
        """Whether ``page`` wants a patient and knows no ``since``."""
        return bool(self.rounds)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a poll. ``patient_id`` decides the lane; ``updated_at`` is the EMR's own version time."""

    external_id: str
    payload: Mapping[str, Any]
    patient_id: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll. ``server_time`` is the EMR's clock, never ours; ``next`` a token for the next page.

    ``ignored_filter``: most of what the EMR sent was not asked for, so it did not heed the filter. ``rows`` are
    what is left of the page then; going on would read all the practice ever had.
    """

    rows: tuple[Row, ...]
    server_time: datetime | None = None
    next: str = ""
    ignored_filter: bool = False


@dataclass(frozen=True, slots=True)
class TypeOption:
    """An appointment type (or type and purpose) that the EMR offers, to be categorized. ``type_class`` is the EMR's
    own class of it, where it has one."""

    external_id: str
    name: str
    purpose: str = ""
    type_class: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that a connection must be able to do, to be tried on its page by ``client.test(name)``.
    ``needs_switch`` names a switch that must be on for it to be needed at all."""

    name: str
    label: str
    needs_switch: str = ""


class TokenStore(Protocol):
    """Where an EMR client keeps tokens between calls and processes: stored before they are used."""

    def read(self) -> Mapping[str, Any]:
        """What was stored last, {} for nothing."""
        ...

    def renew(self, make: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Replace what is stored by ``make(stored)`` under a lock: only one renews at a time, and one that
        waited gets to see what the other stored (``make`` decides whether that is still good)."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """All that a client needs to call one practice's EMR.

    ``wait_turn`` blocks or raises RateLimited according to the connection's speed limit, shared by all
    workers; a client calls it before every request.
    """

    base_url: str
    credentials: Mapping[str, Any]
    tokens: TokenStore
    wait_turn: Callable[[], None]
    allow_private: bool = False
    now: Callable[[], datetime] = _now


class Pages(Protocol):
    """Whatever lists can be read from, page by page. Raises the contract's errors."""

    def page(
        self,
        resource: Resource,
        since: datetime | None,
        token: str,
        *,
        patient_id: str = "",
        dated_from: date | None = None,
    ) -> Page:
        """One page of what changed at or after ``since`` (None: no filter); ``token`` is the page before's
        next, "" for the first. ``patient_id`` asks for one patient's rows (of resources with ``rounds``),
        ``dated_from`` for rows whose own day is that one or later (of resources with ``has_dates``)."""
        ...


class PollClient(Pages, Protocol):
    """What ``client.py`` of a polled EMR makes with ``make_client(access)``. Raises the contract's errors; an
    AuthError with ``status`` 403 is about the one resource that was asked for, any other about the sign-in."""

    def locations(self) -> Sequence[LocationRef]:
        """The practice's clinic sites."""
        ...

    def appointment_types(self) -> Sequence[TypeOption]:
        """What a person categorizes."""
        ...

    def test(self, capability: str) -> str:
        """Try one of the folder's CAPABILITIES and say in a sentence what was seen. Raises when it fails."""
        ...


class PolledEmr(Protocol):
    """A folder that is asked on a schedule: ``RESOURCES``, ``CAPABILITIES``, ``CALLS_PER_SECOND`` (what one
    connection may do) and ``make_client`` in client.py, ``enrich`` in enrich.py (rows → bodies with what
    ``understand`` needs, such as the patient), ``understand`` in mapping.py."""

    MANIFEST: Manifest
    RESOURCES: Sequence[Resource]
    CAPABILITIES: Sequence[Capability]
    CALLS_PER_SECOND: float

    def make_client(self, access: Access) -> PollClient:
        """A client for one connection. Cheap; makes no call."""
        ...

    def enrich(
        self,
        kind: str,
        body: Mapping[str, Any],
        client: Any,
        cache: "Cache",
        *,
        with_patient: bool = True,
    ) -> Mapping[str, Any]:
        """The body with what has to be fetched for it. Reads only what the event needs. ``with_patient`` False:
        it is only recorded, so the patient stands there by id alone, and nobody is asked for them."""
        ...

    def understand(self, kind: str, body: Mapping[str, Any], context: Context) -> Sequence[Record]:
        """The records in one enriched body. Pure."""
        ...


class Cache(Protocol):
    """Things that hardly change (practitioners, locations), kept per connection."""

    def get(self, kind: str, external_id: str, fetch: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The cached object, fetched once a day at most."""
        ...
