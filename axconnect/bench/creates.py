"""From a create tag in the CRM to the patient in the EMR, and to the answer on the contact."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from axconnect.bench.load import percentile
from axconnect.bench.processes import free_port, manage, postgres, running
from integrations.emrs.modmed.sandbox import Door

PREFIX, LOCATION, TOKEN, TAG = "bench", "BENCH1", "pit-bench", "modmed-create"
CREDENTIALS = {"username": "fhir_bench", "password": "bench", "api_key": "bench"}
STAGES = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}
CRM_MS = 50
LOOK_SECONDS, PATIENCE_SECONDS = 0.05, 300.0
_OURS = ("DATA_DIR", "DATABASE_URL", "REDIS_URL", "FIELD_KEYS", "SECRET_KEY", "PUBLIC_URL", "DEMO")
Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """Seconds from the tag: to the patient in the EMR, and to the tag taken off again (the answer is written)."""

    tags: int
    patient_p50: float
    patient_p95: float
    answer_p95: float


def measure(tags: int, *, every: float, emr_ms: int, workers: int, lanes: int, database: str) -> Result:
    """Add a tag every ``every`` seconds to contacts of one practice, on a stack of its own."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="axbench-")))
        desk = _Desk(secrets.token_hex(8), free_port())
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        words = ["-m", "integrations.sandbox.server", "--bind", desk.bind, "--key", desk.key, "--light"]
        parts.enter_context(running([sys.executable, *words], environment))
        desk.wait()
        environment |= {
            "DATA_DIR": str(folder / "data"),
            "ALLOW_PRIVATE_HOSTS": "true",
            "AX_ENV_FILE": "",
            "CRM_API_BASE_URL": f"{desk.url}/crm",
            "POLL_SECONDS": "7200",
        }
        if database == "postgres":
            environment["DATABASE_URL"], _ = parts.enter_context(postgres(folder))
        web = f"127.0.0.1:{free_port()}"
        environment["PUBLIC_URL"] = f"http://{web}"
        options = ["--bind", web, "--workers", str(workers), "--lanes", str(lanes)]
        parts.enter_context(running(manage("up", *options), environment, "is ready at", folder / "up.log"))
        desk.set_up(environment)
        desk.door("POST", "/faults", {"scope": "emr/modmed", "latency_ms": emr_ms})
        desk.door("POST", "/faults", {"latency_ms": CRM_MS})
        return desk.run(tags, every)


class _Desk:
    """The front desk of one practice at the pretend CRM."""

    def __init__(self, key: str, port: int) -> None:
        self.key, self.bind, self.url = key, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"

    def door(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers={"X-Sandbox-Key": self.key}, timeout=30
        )
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.door("GET", "/summary")
                return
            except requests.RequestException:
                time.sleep(0.1)
        raise RuntimeError("the pretend CRM did not start")

    def set_up(self, environment: dict[str, str]) -> None:
        """The sub-account, the firm, the practice, and the workflow that tells of the tag."""
        stages = [{"id": crm_id, "name": name} for name, crm_id in STAGES.items()]
        self.door(
            "POST",
            "/sub-accounts",
            {
                "id": LOCATION,
                "name": "Bench",
                "token": TOKEN,
                "pipelines": [{"id": "P2", "name": "Non-Surgical", "stages": stages}],
            },
        )
        firm = Door(f"{self.url}/emr/modmed", self.key, PREFIX)
        firm.set_up(CREDENTIALS, with_cast=True)
        ran = subprocess.run(
            manage("import_practice", "-", "--provision"),
            env=environment,
            input=json.dumps(_practice(firm.base_url)),
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(ran.stderr[-3000:])
        door = json.loads(ran.stdout)["crm_webhooks"]["main"]
        workflow = {"url": door["url"], "secret": door["secret"], "tags": [TAG]}
        self.door("POST", "/webhooks", {"location_id": LOCATION, "workflow": workflow})

    def run(self, tags: int, every: float) -> Result:
        contacts = {self._contact(number): f"bench.{number}@example.com" for number in range(tags)}
        asked: dict[str, float] = {}
        made: dict[str, float] = {}
        told: dict[str, float] = {}
        left, due = list(contacts), time.monotonic()
        ends = time.monotonic() + PATIENCE_SECONDS + tags * every
        while len(told) < tags and time.monotonic() < ends:
            if left and time.monotonic() >= due:
                contact_id, due = left.pop(), due + every
                asked[contact_id] = time.monotonic()
                self.door("POST", f"/contacts/{contact_id}", {"add_tags": [TAG]})
            self._look(contacts, asked, made, told)
            time.sleep(LOOK_SECONDS)
        if len(told) < tags:
            raise RuntimeError(f"{tags - len(told)} of {tags} tags were not answered")
        to_patient = [made[one] - asked[one] for one in contacts]
        return Result(
            tags,
            percentile(to_patient, 0.5),
            percentile(to_patient, 0.95),
            percentile([told[one] - asked[one] for one in contacts], 0.95),
        )

    def _look(
        self,
        contacts: dict[str, str],
        asked: dict[str, float],
        made: dict[str, float],
        told: dict[str, float],
    ) -> None:
        """Note down since when each patient is in the EMR, and each contact without its tag."""
        patients = self.door("GET", "/emrs/modmed")["firms"][PREFIX]["resources"]["Patient"].values()
        there = {point["value"] for one in patients for point in one["telecom"] if point["system"] == "email"}
        shown = self.door("GET", f"/contacts?location_id={LOCATION}&limit=10000")["contacts"]
        tagged = {row["id"] for row in shown if TAG in row["tags"]}
        now = time.monotonic()
        for contact_id in asked:
            if contacts[contact_id] in there:
                made.setdefault(contact_id, now)
            if contact_id in made and contact_id not in tagged:
                told.setdefault(contact_id, now)

    def _contact(self, number: int) -> str:
        letters = "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}")
        answer = requests.post(
            f"{self.url}/crm/contacts/",
            json={
                "locationId": LOCATION,
                "firstName": "Bench",
                "lastName": f"Probe{letters}",
                "email": f"bench.{number}@example.com",
                "phone": f"+1{212 + number // 10_000}555{number % 10_000:04}",
                "gender": "female",
                "dateOfBirth": "1988-04-09",
            },
            headers={"Authorization": f"Bearer {TOKEN}", "Version": "2021-07-28"},
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["contact"]["id"])


def _practice(base_url: str) -> Json:
    return {
        "format": 1,
        "practice": {
            "slug": "bench-creates",
            "name": "Bench",
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
                "crm_location_id": LOCATION,
                "token": TOKEN,
                "pipelines": {"non_surgical": {"id": "P2", "stages": STAGES}},
                "workflows": {},
            }
        ],
        "locations": [],
        "connections": [{"key": "modmed", "emr": "modmed", "base_url": base_url, "credentials": CREDENTIALS}],
        "categories": [],
    }
