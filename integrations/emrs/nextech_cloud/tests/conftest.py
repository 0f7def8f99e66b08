"""A sandbox over HTTP for this folder's tests, and what a client needs to call it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.contract.protocols import Access
from integrations.emrs.nextech_cloud.client import RESOURCES, NextechClient, make_client
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

KEY = "sandbox-key"
PRACTICE = "northshore"
APPOINTMENTS, PATIENTS, PAYMENTS = RESOURCES


class Tokens:
    """A token store in memory, with the lock that the real one has in the database. ``history`` is what was
    stored, in order."""

    def __init__(self) -> None:
        self.stored: Mapping[str, Any] = {}
        self.history: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, Any]:
        return self.stored

    def renew(self, make: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        with self._lock:
            self.stored = make(self.stored)
            self.history.append(self.stored)
            return self.stored


@dataclass
class Practice:
    """A pretend practice, and a client of it."""

    office: Office
    state: State
    tokens: Tokens = field(default_factory=Tokens)
    ahead: timedelta = timedelta()
    turns: int = 0

    def access(self, tokens: Tokens | None = None, **changed: Any) -> Access:
        """What the engine would hand over. ``ahead`` sets our clock forward."""

        def take_turn() -> None:
            self.turns += 1

        usual = {
            "base_url": self.office.base_url,
            "credentials": self.office.credentials(),
            "tokens": tokens or self.tokens,
            "wait_turn": take_turn,
            "allow_private": True,
            "now": lambda: datetime.now(UTC) + self.ahead,
        }
        return Access(**(usual | changed))

    def client(self, **changed: Any) -> NextechClient:
        return make_client(self.access(**changed))

    def fault(self, **rule: Any) -> None:
        """Script an answer of the sandbox; see its README."""
        self.state.change_faults({"scope": "emr/nextech_cloud", "rules": [rule]}, [])

    def paths(self) -> list[str]:
        """What was asked of the API since it was forgotten, without the sign-ins."""
        return [
            f"{row['path']}?{row['query']}" for row in self.office.requests() if "oauth2" not in row["path"]
        ]

    def sign_ins(self) -> int:
        return sum("oauth2" in row["path"] for row in self.office.requests())


@pytest.fixture
def practice() -> Iterator[Practice]:
    """A practice with its locations and menu on file, and nobody in it."""
    state = State(key=KEY)
    url, stop = serve_in_thread(state)
    office = Office(url, KEY, PRACTICE)
    office.open()
    yield Practice(office, state)
    stop()


def read_all(client: NextechClient, resource: Any, since: datetime | None = None, **more: Any) -> list[Any]:
    """Every row of one reading, as the engine reads: page after page until there is no next."""
    rows, token = [], ""
    while True:
        page = client.page(resource, since, token, **more)
        rows += page.rows
        if not page.next:
            return rows
        token = page.next
