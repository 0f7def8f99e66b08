"""kill -9 in the middle of a poll, at each step: the next poll completes it, nothing lost, nothing doubled."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from tests.faults.conftest import database_for_processes
from tests.faults.programs import manage, plain_environment
from tests.polling.offices import KEY, Crm, practice_file

pytestmark = pytest.mark.faults

CREDENTIALS = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
NOW = datetime.now(UTC).replace(microsecond=0)
# More than one page of fifty, so that there is something between two pages.
VISITS = 60
LISTED = [
    "before the first page",
    "between two pages",
    "when all is read",
    "with the mark moved, before the commit",
    "with the events inserted, before the commit",
    "with the hashes kept, before the commit",
    "after the commit, before the bell",
]


class Office:
    """A practice in a database of its own, polled by processes."""

    def __init__(self, folder: Path, sandbox: str, database_url: str) -> None:
        self.firm = Door(f"{sandbox}/emr/modmed", KEY, "bluestone")
        self.environment = plain_environment() | {
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": "redis://127.0.0.1:9/0",
            "CRM_API_BASE_URL": f"{sandbox}/crm",
            "ALLOW_PRIVATE_HOSTS": "true",
            "AX_ENV_FILE": "",
        }

    def build(self, sandbox: str) -> None:
        Crm(sandbox).reset()
        self.firm.set_up(CREDENTIALS, with_cast=True)
        self.run(manage("migrate", "--verbosity", "0"))
        document = practice_file("modmed", {"base_url": self.firm.base_url, "credentials": CREDENTIALS})
        self.run(manage("import_practice", "-", "--provision"), given=json.dumps(document))

    def run(self, words: list[str], given: str = "") -> str:
        done = subprocess.run(
            words, env=self.environment, input=given, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def victim(self, word: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "tests.faults.polling_victim", word]
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=120)

    def kill_at(self, step: str) -> None:
        """Poll, and be killed on the way; then the lease runs out."""
        done = self.victim(step)
        assert done.returncode == -signal.SIGKILL, done.stderr or done.stdout
        assert self.victim("free").returncode == 0

    def poll(self) -> None:
        done = self.victim("poll")
        assert done.returncode == 0, done.stderr

    def ask(self) -> dict[str, Any]:
        done = self.victim("ask")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def book(self, first: int, count: int, at: datetime) -> list[str]:
        """So many visits of one patient, and the patient."""
        person = cast.patient(first % 7)
        ids = [str(10_000 + first + number) for number in range(count)]
        self.firm.save(
            shapes.patient(person, at),
            *(
                shapes.appointment(
                    external_id,
                    person.id,
                    NOW + timedelta(days=3),
                    at,
                    type=cast.TYPES[5],
                    location_id="826",
                    practitioner_id="375399",
                )
                for external_id in ids
            ),
        )
        return ids


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    sandbox, stop = serve_in_thread(State(key=KEY))
    with database_for_processes() as url:
        made = Office(tmp_path, sandbox, url)
        made.build(sandbox)
        yield made
    stop()


def test_polls_killed_at_each_step_lose_and_double_nothing(office: Office) -> None:
    office.poll()
    assert office.ask()["primed"] == 3
    expected: list[str] = []
    for number, step in enumerate(LISTED):
        at = NOW + timedelta(minutes=number)
        expected += office.book(100 * number, VISITS, at)
        office.kill_at(step)
        office.poll()
        found = [external_id for kind, external_id in office.ask()["events"] if kind == "appointment"]
        assert found == expected, step
    assert office.ask()["leases"] == 0


def test_a_first_poll_killed_at_each_step_writes_nothing_and_is_completed(office: Office) -> None:
    ids = office.book(0, VISITS, NOW)
    for step in LISTED[:4]:
        office.kill_at(step)
        assert office.ask()["primed"] == 0, step
    office.poll()
    said = office.ask()
    assert (said["events"], said["visits"], said["primed"]) == ([], len(ids), 3)


def test_a_round_of_patients_that_is_killed_goes_on_where_it_was(office: Office) -> None:
    for number in range(4):
        office.book(number, 1, NOW)
    office.poll()
    tomorrow = NOW + timedelta(days=1)
    office.firm.save(
        *(shapes.charge(number, cast.patient(number).id, tomorrow, lines=["Botox"]) for number in range(4))
    )
    office.kill_at("in the middle of the patients")
    office.poll()
    charges = [external_id for kind, external_id in office.ask()["events"] if kind == "charge"]
    assert sorted(charges) == [f"CHG|{number}" for number in range(4)]
