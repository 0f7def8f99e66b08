"""kill -9 in the middle of a poll, at each step: the next one completes it, nothing lost, nothing doubled."""

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
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from tests.faults.conftest import database_for_processes
from tests.faults.programs import ROOT, manage, plain_environment
from tests.polling.offices import KEY, Crm, crm_setup, practice_file

pytestmark = pytest.mark.faults

# More than a page holds, all within the window of a day that each poll reads again.
STANDING = 55
CHANGED = ("9003", "9030", "9053")
TOLD = [f"appointment {number} booked" for number in CHANGED]
CHARGES = [f"charge CHG|{number} billable" for number in (901, 902, 903)]


class Poller:
    """A process that polls, see tests/faults/poller.py."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.poller", name],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            text=True,
        )

    def send(self, *words: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text(errors="replace")[-3000:]
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, *words: Any) -> Any:
        self.send(*words)
        said = self.hear()
        assert "answer" in said, said
        return said["answer"]

    def reach(self, moment: str, skip: int, *words: Any, how: str = "sleep") -> None:
        """Do something as far as a moment of it."""
        self.ask("hang_at", moment, skip, how)
        self.send(*words)
        assert self.hear() == {"there": moment}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Scene:
    """A database, a pretend EMR and CRM, and processes that poll."""

    def __init__(self, folder: Path, database_url: str, sandbox: str) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.environment = plain_environment() | {
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": "unix:///nobody-listens-here",
            "CRM_API_BASE_URL": f"{sandbox}/crm",
            "ALLOW_PRIVATE_HOSTS": "true",
            "AX_ENV_FILE": "",
        }
        subprocess.run(
            manage("migrate", "--verbosity", "0"), cwd=ROOT, env=self.environment, check=True, timeout=300
        )
        self.victims: list[Poller] = []
        self.survivor = self._start("survivor")
        self.crm = Crm(sandbox)
        self.number = 0

    def fresh(self) -> None:
        """An empty CRM, a new firm with a full book, and a practice that was never polled."""
        self.number += 1
        self.crm.door("POST", "/reset")
        self.crm.door("POST", "/sub-accounts", crm_setup())
        self.firm = Firm(f"{self.sandbox}/emr/modmed", KEY, f"firm{self.number}")
        credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
        self.firm.set_up(credentials, with_cast=True)
        long_ago = datetime.now(UTC) - timedelta(days=50)
        self.firm.save(*(shapes.patient(cast.patient(number), long_ago) for number in range(STANDING)))
        self.firm.save(*(_visit(number, "pending", timedelta(hours=3)) for number in range(STANDING)))
        connection = {"base_url": self.firm.base_url, "credentials": credentials}
        self.survivor.ask("set_up", practice_file("modmed", connection))

    def polled_once(self) -> None:
        for resource in ("appointments", "patients", "charges"):
            assert self.survivor.ask("poll", resource) == "done"

    def change(self) -> None:
        """Three visits are confirmed; they lie on different pages."""
        self.firm.save(*(_visit(int(row) - 9000, "booked", timedelta()) for row in CHANGED))

    def victim(self) -> Poller:
        made = self._start(f"victim-{len(self.victims)}")
        self.victims.append(made)
        return made

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.survivor.ask("state")
        return found

    def notes(self) -> int:
        return int(self.crm.door("GET", "/summary")["notes"])

    def close(self) -> None:
        for one in (self.survivor, *self.victims):
            one.kill()

    def _start(self, name: str) -> Poller:
        return Poller(name, self.environment, self.folder / f"{name}.log")


def _visit(number: int, status: str, changed_ago: timedelta) -> dict[str, Any]:
    now = datetime.now(UTC)
    return shapes.appointment(
        str(9000 + number),
        cast.patient(number).id,
        now.replace(hour=15, minute=0) + timedelta(days=5),
        now - changed_ago,
        status=status,
        type=cast.TYPES[3],
        practitioner_id="375397",
        location_id="826",
        booked_at=now - timedelta(days=5),
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    url, stop = serve_in_thread(State(key=KEY))
    try:
        with database_for_processes() as database:
            made = Scene(tmp_path_factory.mktemp("polls"), database, url)
            try:
                yield made
            finally:
                made.close()
    finally:
        stop()


@pytest.fixture
def scene(stage: Scene) -> Scene:
    stage.fresh()
    return stage


MOMENTS = {
    "before the first page": ("asking", 0, False),
    "between two pages": ("asking", 1, False),
    "before the last page": ("asking", 2, False),
    "after reading": ("read", 0, False),
    "inside the transaction": ("stored", 0, False),
    "after the commit": ("committed", 0, True),
    "before the bell": ("ringing", 0, True),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_poll_killed_at_any_step_is_completed_by_the_next(scene: Scene, name: str) -> None:
    moment, skip, is_stored = MOMENTS[name]
    scene.polled_once()
    scene.change()
    victim = scene.victim()
    victim.reach(moment, skip, "poll", "appointments")
    victim.kill()

    left = scene.state()
    assert left["events"] == (TOLD if is_stored else []), "all of it or nothing"
    assert left["leased"] == ([] if is_stored else ["appointments"])
    assert scene.survivor.ask("release_dead", victim.name) == (0 if is_stored else 1)
    for _ in range(2):
        assert scene.survivor.ask("poll", "appointments") == "done"
    found = scene.state()
    assert found["events"] == TOLD
    assert found["known"] == STANDING
    scene.survivor.ask("work")
    assert scene.notes() == len(CHANGED)


@pytest.mark.parametrize(
    "name", [name for name in MOMENTS if name not in ("before the bell", "before the last page")]
)
def test_a_first_poll_killed_at_any_step_begins_again_and_still_writes_nothing(
    scene: Scene, name: str
) -> None:
    moment, skip, is_stored = MOMENTS[name]
    victim = scene.victim()
    victim.reach(moment, skip, "poll", "appointments")
    victim.kill()
    left = scene.state()
    assert (left["known"], left["visits"]) == ((STANDING, STANDING) if is_stored else (0, 0))
    assert left["primed"] == (["appointments"] if is_stored else [])
    assert left["events"] == []

    scene.survivor.ask("release_dead", victim.name)
    assert scene.survivor.ask("poll", "appointments") == "done"
    found = scene.state()
    assert (found["known"], found["visits"], found["events"]) == (STANDING, STANDING, [])
    scene.change()
    assert scene.survivor.ask("poll", "appointments") == "done"
    assert scene.state()["events"] == TOLD


@pytest.mark.parametrize(
    ("moment", "skip", "told"),
    [("asking", 0, 0), ("asking", 3, 1), ("round stored", 1, 1), ("committed", 0, 3), ("ringing", 0, 3)],
)
def test_rounds_killed_at_any_step_are_completed_by_the_next(
    scene: Scene, moment: str, skip: int, told: int
) -> None:
    scene.polled_once()
    now = datetime.now(UTC)
    # The patients are read in the order of their last turn, and of their ids: these are the first ones.
    for number in range(3):
        person = cast.patient(number)
        scene.firm.save(shapes.charge(901 + number, person.id, now, lines=["Botox"], amount="420.00"))
    victim = scene.victim()
    victim.reach(moment, skip, "poll", "charges")
    victim.kill()
    assert len(scene.state()["events"]) == told

    scene.survivor.ask("release_dead", victim.name)
    for _ in range(2):
        assert scene.survivor.ask("poll", "charges") == "done"
    found = scene.state()
    assert found["events"] == CHARGES
    assert found["patients_read"] == STANDING


@pytest.mark.parametrize("moment", ["asking", "round stored", "committed"])
def test_a_first_pass_killed_in_the_middle_goes_on_and_writes_nothing(scene: Scene, moment: str) -> None:
    for resource in ("appointments", "patients"):
        assert scene.survivor.ask("poll", resource) == "done"
    scene.firm.save(
        shapes.charge(901, cast.patient(0).id, datetime.now(UTC), lines=["Botox"], amount="420.00")
    )
    victim = scene.victim()
    victim.reach(moment, 7 if moment != "committed" else 0, "poll", "charges")
    victim.kill()
    assert 0 < scene.state()["patients_read"] <= STANDING
    scene.survivor.ask("release_dead", victim.name)
    assert scene.survivor.ask("poll", "charges") == "done"
    found = scene.state()
    assert (found["events"], found["patients_read"], "charges" in found["primed"]) == ([], STANDING, True)


@pytest.mark.parametrize(
    ("moment", "skip", "told"),
    [
        ("asking", 0, 0),
        ("asking", 1, 0),
        ("read for a back-fill", 0, 0),
        ("stored for a back-fill", 0, 0),
        ("ringing", 0, STANDING),
    ],
)
def test_a_back_fill_killed_at_any_step_is_completed_by_the_next(
    scene: Scene, moment: str, skip: int, told: int
) -> None:
    assert scene.survivor.ask("poll", "appointments") == "done"
    scene.survivor.ask("ask_backfill", "appointments", 30)
    victim = scene.victim()
    victim.reach(moment, skip, "run_backfill")
    victim.kill()
    left = scene.state()
    assert len(left["events"]) == told
    assert left["backfills"] == ["done" if told else "reading"]
    assert scene.survivor.ask("run_backfill") == 0, "its lease is not over"

    scene.survivor.ask("end_leases")
    assert scene.survivor.ask("run_backfill") == (0 if told else 1)
    found = scene.state()
    assert found["backfills"] == ["done"]
    assert len(found["events"]) == len(set(found["events"])) == STANDING


@pytest.mark.parametrize(("moment", "skip"), [("asking", 1), ("read", 0)])
def test_a_worker_that_slept_past_its_lease_stores_nothing(scene: Scene, moment: str, skip: int) -> None:
    scene.polled_once()
    scene.change()
    sleeper = scene.victim()
    sleeper.reach(moment, skip, "poll", "appointments", how="stop")
    assert scene.survivor.ask("poll", "appointments") == "taken"
    scene.survivor.ask("end_leases")
    assert scene.survivor.ask("poll", "appointments") == "done"
    before = scene.state()
    assert before["events"] == TOLD
    sleeper.process.send_signal(signal.SIGCONT)
    assert sleeper.hear() == {"answer": "lost"}
    assert scene.state() == before
    sleeper.kill()


@pytest.mark.parametrize("moment", ["signing in", "signed in"])
def test_a_worker_that_dies_while_it_signs_in_lets_the_next_in(scene: Scene, moment: str) -> None:
    scene.polled_once()
    # A refresh token serves once: the one that the dead worker got was not stored.
    scene.firm.set_up(rotates_refresh=True)
    scene.firm.forget_tokens()
    scene.change()
    victim = scene.victim()
    victim.reach(moment, 0, "poll", "appointments")
    victim.kill()
    scene.survivor.ask("end_leases")
    assert scene.survivor.ask("poll", "appointments") == "done"
    found = scene.state()
    assert (found["events"], found["needs_reauth"]) == (TOLD, False)
