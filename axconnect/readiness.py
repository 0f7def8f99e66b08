"""Asks a running server's /readyz from outside, and puts its answer into words."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What /readyz said. ``status`` is 0 while nothing answers."""

    status: int = 0
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return self.status == http.HTTPStatus.OK

    @property
    def missing(self) -> str:
        """What is not green, for the person who waits."""
        if not self.status:
            return "the web server does not answer"
        parts = ("database", "redis", "scheduler")
        faults = [f"{part} {self.found[part]}" for part in parts if self.found.get(part, "ok") != "ok"]
        if not self.found.get("workers", 1):
            faults.append("no worker has reported yet")
        return "; ".join(faults) or f"/readyz answers {self.status}"


def ask_readyz(host: str, port: int) -> Answer:
    """One question, one answer, within five seconds; never an exception."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        # A name that is always allowed, whatever host names the outside world uses.
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    except (OSError, ValueError, http.client.HTTPException):
        return Answer()
    finally:
        connection.close()
