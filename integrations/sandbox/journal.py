"""What happened: a feed of changes for the live board, and a log of requests without patient data."""

import threading
from collections import deque
from typing import Any

from .records import Record, now_iso

FEED_LENGTH = 5_000
LOG_LENGTH = 20_000
_Entry = tuple[int, str, str, str | None, str | None, int, float]


class Feed:
    """Numbered changes, the latest 5,000 of them. Call `add` under the state's lock."""

    def __init__(self) -> None:
        self.latest = 0
        self._changes: deque[Record] = deque(maxlen=FEED_LENGTH)

    def add(self, kind: str, location_id: str, **details: Any) -> None:
        """Note one change."""
        self.latest += 1
        self._changes.append(
            {"sequence": self.latest, "at": now_iso(), "kind": kind, "location_id": location_id, **details}
        )

    def since(self, sequence: int, location_id: str | None) -> Record:
        """Return the changes after a number. `missed`: older ones are gone, load the board again."""
        oldest = self._changes[0]["sequence"] if self._changes else self.latest + 1
        return {
            "latest": self.latest,
            "missed": not oldest - 1 <= sequence <= self.latest,
            "changes": [
                change
                for change in self._changes
                if change["sequence"] > sequence and location_id in (None, change["location_id"])
            ],
        }


class RequestLog:
    """Counts requests by sub-account, route and status, and keeps the latest 20,000."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin again at nothing."""
        with self._lock:
            self._counts: dict[tuple[str | None, str, int], int] = {}
            self._entries: deque[_Entry] = deque(maxlen=LOG_LENGTH)
            self._total = 0

    def add(
        self, route: str, location_id: str | None, contact_id: str | None, status: int, ms: float
    ) -> None:
        """Note one answer; status 0 is a connection closed without one."""
        key = (location_id, route, status)
        moment = now_iso()
        with self._lock:
            self._total += 1
            self._counts[key] = self._counts.get(key, 0) + 1
            self._entries.append((self._total, moment, route, location_id, contact_id, status, ms))

    def show(self, location_id: str | None = None, latest: int = 100) -> Record:
        """Return the total, the counters per route and status, and the latest entries, oldest first."""
        with self._lock:
            counts, entries, total = dict(self._counts), list(self._entries), self._total
        routes: dict[str, dict[str, int]] = {}
        for (place, route, status), count in counts.items():
            if location_id in (None, place):
                statuses = routes.setdefault(route, {})
                statuses[str(status)] = statuses.get(str(status), 0) + count
        chosen = [entry for entry in entries if location_id in (None, entry[3])]
        if location_id is not None:
            total = sum(sum(statuses.values()) for statuses in routes.values())
        names = ("number", "at", "route", "location_id", "contact_id", "status", "ms")
        recent = [dict(zip(names, entry, strict=True)) for entry in chosen[max(0, len(chosen) - latest) :]]
        return {"total": total, "routes": routes, "recent": recent}
