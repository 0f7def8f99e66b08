"""A pretend ModMed over HTTP with one firm, and clients of it, for this folder's tests."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.contract.protocols import Access, Resource
from integrations.emrs.modmed.client import RESOURCES, ModMedClient, make_client
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
CREDENTIALS = {
    "firm_url_prefix": "bluestone",
    "username": "fhir_aesthetix",
    "password": "correct horse",
    "api_key": "key-1",
}
NEWER = {"client_id": "client-7", "client_secret": "s3cret", "api_key": "key-1"}
BY_NAME: dict[str, Resource] = {one.name: one for one in RESOURCES}
APPOINTMENTS, PATIENTS, CHARGES = BY_NAME["appointments"], BY_NAME["patients"], BY_NAME["charges"]
TYPES = {one.name: one for one in cast.TYPES}


class Tokens:
    """A token store in memory."""

    def __init__(self) -> None:
        self.stored: Mapping[str, Any] = {}
        self.renewals = 0
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, Any]:
        return dict(self.stored)

    def renew(self, make: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        with self._lock:
            made = make(dict(self.stored))
            self.renewals += made != self.stored
            self.stored = dict(made)
            return self.stored


class Memory:
    """A cache in memory that counts what was fetched."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    def get(self, kind: str, external_id: str, fetch: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        key = (kind, external_id)
        if key not in self.kept:
            self.kept[key] = fetch()
        return self.kept[key]


class World:
    """One firm, one token store, one clock (ours and the server's)."""

    def __init__(self, door: Door) -> None:
        self.door, self.tokens, self.now, self.turns = door, Tokens(), NOW, 0
        self.door.set_up(_known(), with_cast=True)
        self.tick(timedelta())

    def tick(self, by: timedelta) -> None:
        """Let time pass, there and here."""
        self.now += by
        self.door.set_up(now=self.now.isoformat())

    def client(self, credentials: Mapping[str, Any] = CREDENTIALS, base_url: str = "") -> ModMedClient:
        def wait_turn() -> None:
            self.turns += 1

        access = Access(
            base_url=base_url or self.door.base_url,
            credentials=credentials,
            tokens=self.tokens,
            wait_turn=wait_turn,
            allow_private=True,
            now=lambda: self.now,
        )
        return make_client(access)

    def appointments(self, count: int, *, changed_at: datetime | None = None, first_id: int = 1) -> None:
        """Put that many appointments on file, all changed at one time."""
        self.door.save(
            *(
                shapes.appointment(
                    f"A{first_id + number:04d}",
                    cast.patient(number).id,
                    self.now + timedelta(days=1),
                    changed_at or self.now,
                    type=TYPES["Botox"],
                    practitioner_id=cast.PRACTITIONERS[number % 2].id,
                    location_id=cast.SITES[number % 2].id,
                )
                for number in range(count)
            )
        )

    def patients(self, *numbers: int, changed_at: datetime | None = None) -> None:
        """Put patients on file."""
        self.door.save(*(shapes.patient(cast.patient(number), changed_at or self.now) for number in numbers))


def _known() -> dict[str, str]:
    known = {**CREDENTIALS, **NEWER}
    del known["firm_url_prefix"]
    return known


def all_ids(
    client: ModMedClient, resource: Resource, since: datetime | None = None, **wanted: Any
) -> list[str]:
    """The ids on every page, as the engine reads them: until there is no next, or nothing new."""
    ids: list[str] = []
    token = ""
    while True:
        page = client.page(resource, since, token, **wanted)
        fresh = [row.external_id for row in page.rows if row.external_id not in ids]
        ids += fresh
        token = page.next
        if not token or (page.rows and not fresh):
            return ids
