"""A pretend PatientNow Pro over HTTP with one practice, and clients of it, for this folder's tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.protocols import Access, Context
from integrations.emrs.patientnow_pro.client import PatientNowClient, make_client
from integrations.emrs.patientnow_pro.enrich import enrich
from integrations.emrs.patientnow_pro.mapping import understand
from integrations.emrs.patientnow_pro.sandbox import Practice
from integrations.emrs.patientnow_pro.webhook import receive

NOW = datetime(2026, 3, 12, 14, 0, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
API_KEY = "key-1"


class NoTokens:
    """PatientNow has no tokens."""

    def read(self) -> Mapping[str, Any]:
        return {}

    def renew(self, make: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        return make({})


class Memory:
    """A cache in memory that keeps what was fetched."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    def get(self, kind: str, external_id: str, fetch: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        key = (kind, external_id)
        if key not in self.kept:
            self.kept[key] = fetch()
        return self.kept[key]


def context(received_at: datetime = NOW, **given: Any) -> Context:
    """A practice in New York."""
    return Context(received_at=received_at, zone_of=lambda _location_id: NEW_YORK, **given)


class World:
    """One practice, one clock (ours and the server's)."""

    def __init__(self, practice: Practice) -> None:
        self.practice, self.now, self.turns, self.cache = practice, NOW, 0, Memory()
        self.practice.set_up(API_KEY, now=NOW.isoformat())

    def tick(self, **by: float) -> None:
        """Let time pass, there and here."""
        self.now += timedelta(**by)
        self.practice.set_up(now=self.now.isoformat())

    def client(self, base_url: str | None = None, **credentials: Any) -> PatientNowClient:
        def wait_turn() -> None:
            self.turns += 1

        known = {"api_key": API_KEY, "practice_id": self.practice.practice_id}
        return make_client(
            Access(
                base_url=self.practice.base_url if base_url is None else base_url,
                credentials=known | credentials,
                tokens=NoTokens(),
                wait_turn=wait_turn,
                allow_private=True,
                now=lambda: self.now,
            )
        )

    def enriched(
        self, notice: Mapping[str, Any], field_paths: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """What the engine makes of a notice before it is understood."""
        paths = field_paths or {}
        kind = receive(notice, paths).kind
        return enrich(kind, notice, self.client(), self.cache, paths)

    def records(self, notice: Mapping[str, Any], **given: Any) -> list[Any]:
        """A notice all the way: door, calls, records."""
        paths = given.get("field_paths", {})
        kind = receive(notice, paths).kind
        return list(understand(kind, self.enriched(notice, paths), context(self.now, **given)))

    def one(self, notice: Mapping[str, Any], **given: Any) -> Any:
        """The only record of a notice."""
        (record,) = self.records(notice, **given)
        return record

    def calls_for(self, notice: Mapping[str, Any]) -> dict[str, int]:
        """The calls that enriching a notice takes."""
        self.practice.forget_calls()
        self.enriched(notice)
        return self.practice.calls()
