"""Rounds of polls: many connections, three resources each, against a pretend EMR that takes its time."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from django.utils import timezone

from axconnect.bench.processes import MemoryPeak, cpu_seconds, family, free_port, manage, postgres, running
from integrations.emrs.modmed.pretend import shapes
from integrations.emrs.modmed.sandbox import Door
from integrations.models import Connection, PollCursor, PollRun
from integrations.sync.polling import cursors
from tenants.models import Practice, PracticeKind, PracticeState

CREDENTIALS = {"username": "fhir_bench", "password": "bench", "api_key": "bench"}
VISITS, PATIENTS = 8, 4
# Long enough that no poll comes due by itself while a round is measured.
INTERVAL_SECONDS = 7200
DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Round:
    """One measured round over all connections: seconds, requests, new events, CPU seconds of the workers (and
    of the database), peak memory of the workers in MB."""

    what: str
    connections: int
    seconds: float
    calls: int
    events: int
    cpu_seconds: float
    peak_mb: float


def rounds(
    sizes: Sequence[int], *, latency_ms: int, workers: int, at_once: int, database: str
) -> Iterator[Round]:
    """For each number of connections: the first polls, a round in which nothing changed, and one in which a
    visit of each practice did."""
    for connections in sizes:
        with _stack(connections, latency_ms, workers, at_once, database) as made:
            yield made.round("first polls")
            yield made.round("nothing changed")
            made.change()
            yield made.round("one visit changed")


@dataclass
class _Stack:
    connections: int
    emr: str
    key: str
    env: dict[str, str]
    workers: list[int]

    def change(self) -> None:
        """Change one visit of each practice."""
        for number in range(self.connections):
            self._door(number).save(*_visits(number, 1, status="booked"))

    def fill(self) -> None:
        """Patients and visits of each practice, and their practices here."""
        for number in range(self.connections):
            door = self._door(number)
            door.set_up(CREDENTIALS)
            door.save(*_people(number), *_visits(number, VISITS))
        self._manage("--seed-polls", str(self.connections), "--emr", self.emr)

    def round(self, what: str) -> Round:
        """Make everything due and wait until each cursor was read."""
        memory, before = MemoryPeak(self.workers), self._cpu()
        began = time.time()
        self._manage("--poll-all")
        started = datetime.now(UTC)
        self._wait(what)
        took = (datetime.now(UTC) - started).total_seconds()
        after, peak = self._cpu(), memory.stop()
        calls, events = json.loads(self._manage("--polled-since", str(began)))
        return Round(what, self.connections, took, calls, events, after - before, peak / 1e6)

    def _wait(self, what: str) -> None:
        deadline = time.monotonic() + 1800
        while self._left():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: {self._left()} cursors were not read in half an hour")
            time.sleep(0.25)

    def _left(self) -> int:
        """Cursors that are due, or being read."""
        now = timezone.now()
        sql = "SELECT count(*) FROM integrations_pollcursor WHERE next_at <= {} OR lease_owner <> ''"
        if "DATABASE_URL" in self.env:
            with psycopg.connect(self.env["DATABASE_URL"]) as link:
                row = link.execute(sql.format("%s"), [now]).fetchone()
        else:
            with sqlite3.connect(Path(self.env["DATA_DIR"]) / "axconnect.sqlite3", timeout=30) as file:
                row = file.execute(sql.format("?"), [now.strftime("%Y-%m-%d %H:%M:%S.%f")]).fetchone()
        return int(row[0]) if row else 0

    def _cpu(self) -> float:
        return cpu_seconds([pid for root in self.workers for pid in family(root)])

    def _door(self, number: int) -> Door:
        return Door(self.emr, self.key, f"bench{number}")

    def _manage(self, *words: str) -> str:
        ran = subprocess.run(manage("bench", *words), env=self.env, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(ran.stderr[-3000:])
        return ran.stdout


@contextmanager
def _stack(connections: int, latency_ms: int, workers: int, at_once: int, database: str) -> Iterator[_Stack]:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="axbench-")))
        key, port = secrets.token_hex(8), free_port()
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        words = ["-m", "integrations.sandbox.server", "--bind", f"127.0.0.1:{port}", "--key", key, "--light"]
        parts.enter_context(running([sys.executable, *words], environment))
        _wait_for(f"http://127.0.0.1:{port}/_sandbox/summary", key)
        environment |= {
            "DATA_DIR": str(folder / "data"),
            "ALLOW_PRIVATE_HOSTS": "true",
            "AX_ENV_FILE": "",
            "POLL_SECONDS": str(INTERVAL_SECONDS),
            "POLLS_AT_ONCE": str(at_once),
        }
        pids = []
        if database == "postgres":
            environment["DATABASE_URL"], pid = parts.enter_context(postgres(folder))
            pids.append(pid)
        log = folder / "up.log"
        web = f"127.0.0.1:{free_port()}"
        up = parts.enter_context(
            running(manage("up", "--bind", web, "--workers", "1"), environment, "is ready at", log)
        )
        environment["REDIS_URL"] = (folder / "data" / "redis.url").read_text().strip()
        pids.append(_polling_worker(up.pid))
        for _ in range(workers - 1):
            more = parts.enter_context(running(manage("worker", "--queues", "polls"), environment))
            pids.append(more.pid)
        made = _Stack(connections, f"http://127.0.0.1:{port}/emr/modmed", key, environment, pids)
        made.fill()
        _slow(port, key, latency_ms)
        yield made


_OURS = ("DATA_DIR", "DATABASE_URL", "REDIS_URL", "FIELD_KEYS", "SECRET_KEY", "PUBLIC_URL", "DEMO")


def _polling_worker(up_pid: int) -> int:
    for pid in family(up_pid)[1:]:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if "worker --queues polls" in words:
            return pid
    raise RuntimeError("no polling worker was started")


def _slow(port: int, key: str, latency_ms: int) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{port}/_sandbox/faults",
        json={"scope": "emr/modmed", "latency_ms": latency_ms},
        headers={"X-Sandbox-Key": key},
        timeout=10,
    )
    answer.raise_for_status()


def _wait_for(url: str, key: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(url, headers={"X-Sandbox-Key": key}, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the pretend EMR did not start")


def _people(number: int) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Patient",
            "id": str(1000 * (number + 1) + at),
            "name": [{"family": "Benchmark", "given": [f"Patient {at}"]}],
            "telecom": [{"system": "email", "value": f"bench{number}.{at}@example.com"}],
        }
        for at in range(PATIENTS)
    ]


def _visits(number: int, count: int, status: str = "pending") -> list[dict[str, Any]]:
    base = 1000 * (number + 1)
    start = (datetime.now(UTC) + timedelta(days=3)).replace(hour=15, minute=0, second=0, microsecond=0)
    return [
        {
            "resourceType": "Appointment",
            "id": str(base + at),
            "status": status,
            "appointmentType": {"coding": [{"code": "1", "display": "Consult"}], "text": "Consult"},
            "start": start.isoformat(),
            "participant": [
                {"actor": {"reference": f"{shapes.ELSEWHERE}/Patient/{base + at % PATIENTS}"}},
            ],
        }
        for at in range(count)
    ]


# --- run inside the stack's own environment, as `manage.py bench …` ---------------------------------------------


def seed(connections: int, emr: str) -> None:
    """Make practices with one connection each to the pretend EMR at ``emr``; no CRM, not live."""
    for number in range(connections):
        practice = Practice(
            slug=f"bench-{number}",
            name=f"Practice {number}",
            kind=PracticeKind.PLASTIC_SURGERY,
            time_zone="America/New_York",
            state=PracticeState.ONBOARDING,
        )
        practice.save()
        Connection.objects.create(
            practice=practice,
            key="modmed",
            emr="modmed",
            base_url=f"{emr}/firm/bench{number}/ema",
            credentials=CREDENTIALS,
        )


def poll_all() -> None:
    """Make every cursor due."""
    cursors.set_up_cursors()
    every = PollCursor.objects.across_practices()
    cursors.poll_now(every.values_list("pk", flat=True))


def polled_since(began: float) -> tuple[int, int]:
    """Requests and new events of the polls since that unix time."""
    since = datetime.fromtimestamp(began, UTC)
    runs = PollRun.objects.across_practices().filter(started_at__gte=since)
    counts = list(runs.values_list("calls", "events", "error"))
    if wrong := {error for _, _, error in counts if error}:
        raise RuntimeError(f"polls failed: {sorted(wrong)[:3]}")
    return sum(row[0] for row in counts), sum(row[1] for row in counts)
