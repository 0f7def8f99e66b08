"""A pretend EMR in memory: lists that change while they are read, in every way a poll may meet."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from django.utils import timezone

from integrations.contract.protocols import Page, Resource, Round, Row
from integrations.models import Connection, InboundEvent, KnownRow, PollCursor, PollRun
from integrations.sync import emr_access
from integrations.sync.polling import cursors
from integrations.sync.polling.poll import poll
from integrations.sync.profile import PracticeProfile, load_profile

START = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BY_TIME = Resource("things", "Things", "patient")
BY_DAY = replace(BY_TIME, overlap=DAY, by_day=True)
BOOK = replace(BY_TIME, has_dates=True)
BY_PATIENT = Resource(
    "lines", "Lines", "charge", rounds=(Round(DAY), Round(7 * DAY, every=timedelta(hours=1)))
)


@dataclass(frozen=True)
class Version:
    """A state of a row: its version time, from when on the list shows it, what it says, who it is about."""

    at: datetime | None
    shows_at: datetime
    says: str
    patient: str = ""
    day: date | None = None


@dataclass
class Lists:
    """What one EMR has. ``clock`` is the EMR's, ``skew`` what it tells instead of the true time.

    ``order``: "id", "newest" or "oldest" first. ``following``: "exact" (a next link where there is more), "always"
    (also on the last page, and an empty one ends it), "self" (the last page leads back to itself), "repeat" (pages
    behind the last repeat it). ``between`` is called after each page.
    """

    clock: datetime = START
    skew: timedelta = timedelta()
    tells_time: bool = True
    page_size: int = 3
    order: str = "id"
    following: str = "exact"
    heeds_filter: bool = True
    rows: dict[str, list[Version]] = field(default_factory=dict)
    between: Callable[[int], None] = lambda number: None
    requests: list[dict[str, Any]] = field(default_factory=list)
    fault: Callable[[int], Exception | None] = lambda number: None

    # What happens there

    def save(self, key: str, says: str, *, late: timedelta = timedelta(), **more: Any) -> None:
        """A row is new or changed now; it shows ``late``r."""
        at = more.pop("at", self.stamp)
        self.rows.setdefault(key, []).append(Version(at, self.clock + late, says, **more))

    def bump(self, key: str) -> None:
        """A row gets a newer version time and says the same."""
        if shown := self.shown(key):
            self.save(key, shown.says, patient=shown.patient, day=shown.day)

    def remove(self, key: str) -> None:
        self.rows.pop(key, None)

    @property
    def stamp(self) -> datetime:
        return (self.clock + self.skew).replace(microsecond=0)

    def shown(self, key: str) -> Version | None:
        """The state of a row that the list shows now."""
        visible = [one for one in self.rows.get(key, ()) if one.shows_at <= self.clock]
        # The last of those with the newest time.
        return max(reversed(visible), key=lambda one: one.at or START, default=None)

    # What the client asks

    def page(
        self,
        resource: Resource,
        since: datetime | None,
        token: str,
        *,
        patient_id: str = "",
        dated_from: date | None = None,
    ) -> Page:
        number = len(self.requests)
        asked = {"since": since, "token": token, "patient": patient_id, "dated_from": dated_from}
        self.requests.append(asked | {"resource": resource.name})
        if error := self.fault(number):
            raise error
        found = list(self._found(resource, since, patient_id, dated_from))
        offset = int(token or 0)
        shown = found[offset : offset + self.page_size]
        kept = tuple(row for row in shown if _is_wanted(row, since))
        answer = Page(
            rows=kept,
            server_time=self.clock + self.skew if self.tells_time else None,
            next=self._next(offset, found),
            ignored_filter=2 * len(kept) < len(shown),
        )
        self.clock += timedelta(seconds=1)
        self.between(number)
        return answer

    def _found(
        self, resource: Resource, since: datetime | None, patient_id: str, dated_from: date | None
    ) -> Iterator[Row]:
        if since and resource.by_day:
            since = since.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = []
        for key in self.rows:
            shown = self.shown(key)
            if shown is None or (patient_id and shown.patient != patient_id):
                continue
            if dated_from and shown.day and shown.day < dated_from:
                continue
            if since and self.heeds_filter and shown.at and shown.at < since.replace(microsecond=0):
                continue
            rows.append(_row(key, shown))
        yield from sorted(rows, key=self._place)

    def _place(self, row: Row) -> tuple[float, str]:
        at = row.updated_at.timestamp() if row.updated_at else 0.0
        return {"newest": -at, "oldest": at}.get(self.order, 0.0), row.external_id

    def _next(self, offset: int, found: list[Row]) -> str:
        following = offset + self.page_size
        if following < len(found):
            return str(following)
        if self.following == "always":
            return str(following) if found[offset:] else ""
        if self.following == "repeat":
            return f"{max(0, len(found) - self.page_size)}" if found else ""
        return str(offset) if self.following == "self" else ""


def _row(key: str, shown: Version) -> Row:
    at = shown.at.isoformat() if shown.at else None
    return Row(key, {"id": key, "says": shown.says, "meta": {"lastUpdated": at}}, shown.patient, shown.at)


def _is_wanted(row: Row, since: datetime | None) -> bool:
    return not since or row.updated_at is None or row.updated_at >= since.replace(microsecond=0)


class PretendEmr:
    """An EMR folder whose client reads ``lists``."""

    def __init__(self, lists: Lists, *resources: Resource) -> None:
        self.lists, self.resources = lists, resources
        self.slug = "modmed"
        self.manifest = SimpleNamespace(name="Pretend", way="poll")

    def part(self, name: str) -> Any:
        assert name == "client"
        return SimpleNamespace(
            RESOURCES=self.resources,
            CALLS_PER_SECOND=1000.0,
            make_client=lambda access: Counted(access, self.lists),
        )


class Counted:
    """Waits for its turn, as every client does, and asks the lists."""

    def __init__(self, access: Any, lists: Lists) -> None:
        self.access, self.lists = access, lists

    def page(self, *asked: Any, **more: Any) -> Page:
        self.access.wait_turn()
        return self.lists.page(*asked, **more)


@dataclass
class Polled:
    """One connection to a pretend EMR. ``ours`` is our own clock, which moves with the EMR's."""

    connection: Connection
    lists: Lists
    profile: PracticeProfile
    resources: tuple[Resource, ...]
    ours: timedelta = timedelta()

    @classmethod
    def of(cls, connection: Connection, lists: Lists, *resources: Resource) -> "Polled":
        """Replace a connection's cursors by those of these resources."""
        PollCursor.objects.across_practices().filter(connection=connection).delete()
        for resource in resources:
            PollCursor.objects.create(
                practice_id=connection.practice_id, connection=connection, resource=resource.name
            )
        profile = load_profile(connection.practice_id)
        known = replace(profile.connections[connection.pk], emr=PretendEmr(lists, *resources))
        return cls(connection, lists, replace(profile, connections={connection.pk: known}), resources)

    def cursor(self, resource: Resource | None = None) -> PollCursor:
        name = (resource or self.resources[0]).name
        return PollCursor.objects.across_practices().get(connection=self.connection, resource=name)

    def poll(self, resource: Resource | None = None) -> PollRun | None:
        """One poll at the present time."""
        with self.clocks():
            claimed = cursors.claim_one(self.cursor(resource).pk, "test")
            assert claimed is not None
            return poll(claimed, self.profile)

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Our clock shows the EMR's true time, plus ``ours``."""
        with (
            patch.object(timezone, "now", lambda: self.lists.clock + self.ours),
            patch.object(emr_access, "wait_turn", lambda *asked, **more: None),
        ):
            yield

    def told(self) -> list[tuple[str, str]]:
        """(row, what it says) of every event, oldest first."""
        rows = InboundEvent.objects.across_practices().filter(connection=self.connection).order_by("pk")
        return [(body["id"], body["says"]) for body in (json.loads(row.payload) for row in rows)]

    def known(self) -> dict[str, KnownRow]:
        rows = KnownRow.objects.across_practices().filter(cursor__connection=self.connection)
        return {row.external_id: row for row in rows}
