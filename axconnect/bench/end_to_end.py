"""Bookings from our door to the last CRM write, on a stack of its own."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from axconnect.bench.load import bookings, percentile, post_all
from axconnect.bench.processes import MemoryPeak, cpu_seconds, family, free_port, manage, postgres, running
from integrations.emrs import emr_for

STAGES = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}
STANDARD = {
    "Next Visit Date": "DATE",
    "Next Visit Service": "TEXT",
    "Last Visit Date": "DATE",
    "Last Visit Service": "TEXT",
    "Invoice Paid Amount": "MONETORY",
    "Patient Lifetime Value": "MONETORY",
    "Contact Type": "TEXT",
}


@dataclass(frozen=True)
class Shape:
    """What is measured: events over practices, CRM latency in milliseconds, workers and lanes of each."""

    events: int = 1000
    practices: int = 4
    latency_ms: int = 0
    workers: int = 2
    lanes: int = 8
    database: str = "sqlite"


@dataclass(frozen=True)
class Result:
    """One measured round. Rates in events a second, times in seconds, CPU in milliseconds for each event."""

    accepted_per_second: float
    events_per_second: float
    p50: float
    p95: float
    calls_per_event: float
    cpu_ms: float
    cpu_by_part: dict[str, float]
    peak_mb: float


class Stack:
    """A pretend CRM and the whole service, started for one benchmark."""

    def __init__(
        self, shape: Shape, crm: str, key: str, url: str, roots: dict[str, int], env: dict[str, str]
    ) -> None:
        self.shape, self.crm, self.key, self.url, self.roots, self.env = shape, crm, key, url, roots, env
        self.webhooks: list[str] = []

    def door(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Key": self.key}
        answer = requests.request(
            method, f"{self.crm}/_sandbox{path}", json=body, headers=headers, timeout=60
        )
        answer.raise_for_status()
        return answer.json()

    def set_up(self) -> None:
        """Make the sub-accounts and import a practice for each."""
        fields = {
            field.name: field.data_type.value for field in emr_for("aestheticspro").manifest.fields
        } | STANDARD
        for number in range(self.shape.practices):
            self.door("POST", "/sub-accounts", _sub_account(number, fields))
            ran = subprocess.run(
                manage("import_practice", "-", "--provision"),
                input=json.dumps(practice_file(number)),
                env=self.env,
                capture_output=True,
                text=True,
            )
            if ran.returncode:
                raise RuntimeError(ran.stderr)
            self.webhooks.append(json.loads(ran.stdout)["webhooks"]["apro"])

    def round(self, number: int) -> Result:
        """Post one booking for every patient and wait until all are delivered."""
        each = self.shape.events // self.shape.practices
        targets = [
            (self.webhooks[practice], body)
            for bodies in zip(*(bookings(p, each, number) for p in range(self.shape.practices)), strict=True)
            for practice, body in enumerate(bodies)
        ]
        self.door("DELETE", "/requests")
        memory = MemoryPeak(list(self.roots.values()))
        before = {name: cpu_seconds(family(pid)) for name, pid in self.roots.items()}
        took, counts = post_all(targets)
        if counts != {202: len(targets)}:
            raise RuntimeError(f"not every event was accepted: {counts}")
        self._wait_until_done()
        after = {name: cpu_seconds(family(pid)) for name, pid in self.roots.items()}
        peak = memory.stop()
        cpu = {name: 1000 * (after[name] - before[name]) / len(targets) for name in before}
        times = self._times(len(targets))
        span = max(row[1] for row in times) - min(row[0] for row in times)
        waits = [row[1] - row[0] for row in times]
        calls = self.door("GET", "/requests")["total"]
        return Result(
            accepted_per_second=len(targets) / took,
            events_per_second=len(targets) / span,
            p50=percentile(waits, 0.5),
            p95=percentile(waits, 0.95),
            calls_per_event=calls / len(targets),
            cpu_ms=sum(cpu.values()),
            cpu_by_part=cpu,
            peak_mb=peak / 1e6,
        )

    def _wait_until_done(self) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if requests.get(f"{self.url}/readyz", timeout=30).json()["waiting"] == 0:
                return
            time.sleep(0.25)
        raise RuntimeError("events were still waiting after five minutes")

    def _times(self, count: int) -> list[tuple[float, float]]:
        """(accepted, last write confirmed) of the newest ``count`` events, in unix seconds."""
        ran = subprocess.run(
            manage("bench", "--times", str(count)), env=self.env, capture_output=True, text=True, check=True
        )
        return [tuple(row) for row in json.loads(ran.stdout)]


@contextmanager
def stack(shape: Shape) -> Iterator[Stack]:
    """Start sandbox, database and service in a temporary folder; everything ends with the block."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="axbench-")))
        key, crm_port, port = secrets.token_hex(8), free_port(), free_port()
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        sandbox = parts.enter_context(
            running(
                [
                    *(sys.executable, "-m", "integrations.sandbox.server"),
                    *(
                        "--bind",
                        f"127.0.0.1:{crm_port}",
                        "--state",
                        str(folder / "crm.json"),
                        "--key",
                        key,
                        "--light",
                    ),
                ],
                environment,
            )
        )
        _wait_for(f"http://127.0.0.1:{crm_port}/_sandbox/summary", key)
        roots: dict[str, int] = {}
        environment |= {
            "DATA_DIR": str(folder / "data"),
            "CRM_API_BASE_URL": f"http://127.0.0.1:{crm_port}/crm",
            "ALLOW_PRIVATE_HOSTS": "true",
            "AX_ENV_FILE": "",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
        }
        if shape.database == "postgres":
            url, pid = parts.enter_context(postgres(folder))
            environment["DATABASE_URL"] = url
            roots["postgres"] = pid
        words = [
            "up",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            str(shape.workers),
            "--lanes",
            str(shape.lanes),
        ]
        log = folder / "up.log"
        up = parts.enter_context(running(manage(*words), environment, "is ready at", log))
        redis_url = (folder / "data" / "redis.url").read_text().strip()
        roots |= _parts_of(up.pid)
        made = Stack(
            shape,
            f"http://127.0.0.1:{crm_port}",
            key,
            f"http://127.0.0.1:{port}",
            roots,
            environment | {"REDIS_URL": redis_url},
        )
        made.door("POST", "/faults", {"latency_ms": shape.latency_ms})
        made.set_up()
        assert sandbox.poll() is None
        yield made


OURS = (
    "DATA_DIR",
    "DATABASE_URL",
    "REDIS_URL",
    "CRM_API_BASE_URL",
    "FIELD_KEYS",
    "SECRET_KEY",
    "PUBLIC_URL",
    "DEMO",
)


def _parts_of(up_pid: int) -> dict[str, int]:
    """Our processes by what they do: the supervisor's children, by their command lines."""
    found: dict[str, int] = {}
    for pid in family(up_pid)[1:]:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent != up_pid:
            continue
        name = next(
            (name for name in ("gunicorn", "scheduler", "redis", "worker") if re.search(rf"\b{name}", words)),
            "other",
        )
        found[f"{name} {pid}" if name in found else name] = pid
    return found


def _wait_for(url: str, key: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(url, headers={"X-Sandbox-Key": key}, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the pretend CRM did not start")


def _sub_account(number: int, fields: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"BENCH{number}",
        "name": f"Practice {number}",
        "token": f"pit-bench-{number}",
        "limits": {"max": 1_000_000, "interval_ms": 10_000, "daily": 100_000_000},
        "custom_fields": [
            {"id": f"CF{at:02}", "name": name, "dataType": kind}
            for at, (name, kind) in enumerate(fields.items())
        ],
        "pipelines": [
            {
                "id": "P2",
                "name": "Non-Surgical",
                "stages": [{"id": pk, "name": name} for name, pk in STAGES.items()],
            }
        ],
    }


def practice_file(number: int) -> dict[str, Any]:
    """The practice file of the benchmark's practice of that number."""
    return {
        "format": 1,
        "practice": {
            "slug": f"bench-{number}",
            "name": f"Practice {number}",
            "kind": "med_spa",
            "country": "US",
            "time_zone": "America/New_York",
            "live": True,
            "live_reason": "benchmark",
        },
        "sub_accounts": [
            {
                "key": "main",
                "default": True,
                "crm_location_id": f"BENCH{number}",
                "token": f"pit-bench-{number}",
                "pipeline_logic": "ax_connect",
                "pipelines": {"non_surgical": {"id": "P2", "stages": STAGES}},
                "workflows": {},
            }
        ],
        "locations": [],
        "connections": [
            {
                "key": "apro",
                "emr": "aestheticspro",
                "base_url": None,
                "credentials": {},
                "switches": {},
                "workflow_names": {},
            }
        ],
        "categories": [],
    }
