"""The load: bookings of AestheticsPro over several practices, posted over a few open connections."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from integrations.emrs.aestheticspro import sandbox as apro

SENDERS = 4


def bookings(practice: int, patients: int, round_number: int) -> list[bytes]:
    """One booking body for each of a practice's patients; another round books another visit."""
    now = datetime.now(UTC)
    return [
        json.dumps(
            apro.booked(_visit(practice, number, round_number), now + timedelta(milliseconds=number))
        ).encode()
        for number in range(patients)
    ]


def _visit(practice: int, number: int, round_number: int) -> apro.Visit:
    person = apro.CLIENTS[number % len(apro.CLIENTS)]
    client = replace(
        person,
        client_id=100_000 * (practice + 1) + number,
        last_name=f"{person.last_name}{_letters(number)}",
        email=f"bench{practice}.{number}@example.com",
        mobile_phone=f"(212) {200 + practice:03}-{number:04}",
    )
    starts = datetime.fromisoformat("2026-03-12T10:00") + timedelta(days=round_number, minutes=number)
    service = apro.SERVICES[number % len(apro.SERVICES)]
    return apro.Visit(1_000_000 * (practice + 1) + 10_000 * round_number + number, client, starts, (service,))


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def post_all(targets: Sequence[tuple[str, bytes]], senders: int = SENDERS) -> tuple[float, dict[int, int]]:
    """Post every (url, body) as fast as the server takes them: seconds taken, and answers by status."""
    counts: dict[int, int] = {}
    lock = threading.Lock()

    def send(part: Sequence[tuple[str, bytes]]) -> None:
        address = urlsplit(part[0][0])
        link = http.client.HTTPConnection(address.hostname or "", address.port)
        seen: dict[int, int] = {}
        for url, body in part:
            link.request("POST", urlsplit(url).path, body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            answer.read()
            seen[answer.status] = seen.get(answer.status, 0) + 1
        link.close()
        with lock:
            for status, number in seen.items():
                counts[status] = counts.get(status, 0) + number

    parts = [targets[start::senders] for start in range(senders)]
    threads = [threading.Thread(target=send, args=(part,)) for part in parts if part]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started, counts


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values are at or below."""
    ordered: list[Any] = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0
