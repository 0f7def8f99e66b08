"""The whole installation as processes of its own: pretend CRM, Redis, database, web, scheduler, workers."""

import itertools
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests

from axconnect.embedded_redis import EmbeddedRedis, free_port
from integrations.emrs.aestheticspro import sandbox as apro
from tests.engine.world import STAGES, TOKEN, WORKFLOWS, practice_file
from tests.faults.programs import Program, eventually, manage, plain_environment
from tests.faults.stories import Body, client, picture, story

LOCATION = "LOC1"
# A short window, so that a 429 without Retry-After is sat out quickly.
LIMITS = {"max": 100_000, "interval_ms": 1_000, "daily": 10_000_000}
CONNECTIONS = {"apro": {}, "apro-acting": {"act_on_reschedules": True}}


class Stack:
    """One installation in ``folder`` with the practice ``bluestone``; its parts are started one by one."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.key, self.crm_port, self.port = secrets.token_hex(8), free_port(), free_port()
        self.redis = EmbeddedRedis.plan(folder / "data")
        self.programs: dict[str, Program] = {}
        self.webhooks: dict[str, str] = {}
        self.environment = plain_environment() | {
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis.url,
            "CRM_API_BASE_URL": f"http://127.0.0.1:{self.crm_port}/crm",
            "ALLOW_PRIVATE_HOSTS": "true",
            "PUBLIC_URL": self.url,
            "AX_ENV_FILE": "",
        }
        self._numbers = itertools.count()
        self._inside: subprocess.Popen[str] | None = None
        self._clean: Body | None = None
        self.mark = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Starting and ending

    def build(self) -> None:
        """Pretend CRM, tables, practice: what every kind of start needs."""
        bind = f"127.0.0.1:{self.crm_port}"
        words = ["-m", "integrations.sandbox.server", "--light", "--bind", bind, "--key", self.key]
        self.start("sandbox", [sys.executable, *words])
        self.run(*manage("migrate", "--verbosity", "0"))
        self.until(self._sandbox_answers, "the pretend CRM answers")
        self.door("POST", "/sub-accounts", _sub_account())
        out = self.run(*manage("import_practice", "-", "--provision"), given=json.dumps(_practice()))
        self.webhooks = json.loads(out)["webhooks"]

    def serve(self) -> None:
        """Redis, web and scheduler, each on its own; workers are started by the tests."""
        self.start_redis()
        self.start_web()
        self.start("scheduler", manage("scheduler"))

    def start_redis(self) -> None:
        self.start("redis", self.redis.command())
        self.until(self.redis.answers, "Redis answers")

    def start_web(self) -> None:
        web = self.start("web", web_command(self.port))
        self.until(lambda: not web.is_running or _answers(f"{self.url}/healthz"), "the web server answers")
        assert web.is_running, web.output()

    def start_up(self, workers: int = 2) -> Program:
        """`manage.py up` instead of single parts; waits until it is ready."""
        environment = {name: value for name, value in self.environment.items() if name != "REDIS_URL"}
        words = manage("up", "--bind", f"127.0.0.1:{self.port}", "--workers", str(workers))
        up = self.start("up", words, environment=environment)
        before = up.output(1_000_000).count("is ready at")
        self.until(lambda: self._is_up(up, before), "`up` is ready")
        return up

    def _is_up(self, up: Program, before: int) -> bool:
        assert up.is_running, up.output()
        return up.output(1_000_000).count("is ready at") > before

    def start_worker(self, name: str = "") -> Program:
        """One more worker, known under a name of its own."""
        name = name or f"worker-{secrets.token_hex(4)}"
        return self.start(name, manage("worker", "--lanes", "8"), AX_WORKER_NAME=name)

    def only_worker(self) -> Program:
        """The one worker that runs: started unless it does."""
        running = self.workers()
        return running[0] if running else self.start_worker()

    def workers(self) -> list[Program]:
        return [one for name, one in self.programs.items() if name.startswith("worker-") and one.is_running]

    def start(
        self, name: str, words: Sequence[str], environment: dict[str, str] | None = None, **more: str
    ) -> Program:
        environment = (self.environment if environment is None else environment) | more
        program = Program(name, words, environment, self.folder / f"{name}.log")
        self.programs[name] = program
        return program

    def run(self, *words: str, given: str = "") -> str:
        """Run a program to its end; what it printed."""
        done = subprocess.run(
            words, env=self.environment, input=given, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        """End everything that was started."""
        if self._inside is not None:
            self._inside.kill()
            self._inside.wait()
        for program in reversed(self.programs.values()):
            program.kill()

    # The CRM

    def door(self, method: str, path: str, body: Any = None) -> Any:
        """Call the pretend CRM's control door."""
        answer = requests.request(
            method,
            f"http://127.0.0.1:{self.crm_port}/_sandbox{path}",
            json=body,
            headers={"X-Sandbox-Key": self.key},
            timeout=60,
        )
        assert answer.ok, answer.text
        return answer.json()

    def faults(self, *rules: Body, **settings: Any) -> None:
        """Switch faults of the CRM on, see integrations/sandbox/faults.py."""
        self.door("POST", "/faults", {"rules": list(rules), **settings})

    def rules_left(self) -> list[Body]:
        """Faults that did not happen yet."""
        rules: list[Body] = self.door("GET", "/faults")["rules"]
        return rules

    def happened(self, kind: str) -> int:
        """How often this kind of change happened in the CRM, see integrations/sandbox/journal.py."""
        changes = self.door("GET", "/feed?since=0")["changes"]
        return sum(change["kind"] in kind.split() for change in changes)

    def totals(self) -> Body:
        """Contacts, notes, opportunities in the CRM."""
        found: Body = self.door("GET", "/summary")
        return found

    def shown(self, who: apro.Client) -> Body:
        """The only contact of this patient in the CRM, whole."""
        listed = self.door("GET", f"/contacts?limit=1000&q={who.email}")["contacts"]
        assert len(listed) == 1, f"{len(listed)} contacts of one patient"
        found: Body = self.door("GET", f"/contacts/{listed[0]['id']}")
        return found

    def picture(self, who: apro.Client) -> Body:
        """See ``stories.picture``."""
        return picture(self.shown(who), who)

    def clean_picture(self) -> Body:
        """What ``story`` ends in when nothing goes wrong: told once, to a patient of its own."""
        if self._clean is None:
            who = self.patient()
            self.only_worker()
            self.tell(*story(who))
            self.settle()
            self._clean = self.picture(who)
            self.fresh()
        return self._clean

    # What arrives

    def patient(self) -> apro.Client:
        """A patient that nobody has heard of."""
        return client(next(self._numbers))

    def post(self, body: Body, connection: str = "apro", url: str = "") -> requests.Response:
        """Send one webhook body."""
        address = self.webhooks[connection].replace(self.url, url or self.url)
        return requests.post(address, json=body, timeout=60)

    def tell(self, *bodies: Body, connection: str = "apro") -> None:
        """Send bodies in order; each is accepted."""
        for body in bodies:
            answer = self.post(body, connection)
            assert answer.status_code in (200, 202), answer.text

    def fresh(self) -> None:
        """An empty CRM without faults; from now on only what comes after counts."""
        self.door("DELETE", "/faults")
        self.until(lambda: self.ask("hurry") == 0, "what an earlier test left is finished")
        self.door("POST", "/reset")
        self.mark = self.ask("newest_event")

    # Looking inside

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a function of tests/faults/inside.py."""
        if self._inside is None or self._inside.poll() is not None:
            self._inside = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.inside"],
                cwd=Path(__file__).parents[2],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._inside.stdin is not None
        assert self._inside.stdout is not None
        self._inside.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._inside.stdin.flush()
        said = json.loads(self._inside.stdout.readline())
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["answer"]

    def events(self) -> list[Body]:
        """Events since the test began."""
        found: list[Body] = self.ask("events", self.mark)
        return found

    def effects(self, state: str) -> list[Body]:
        """Writes in this state since the test began."""
        return [effect for effect in self.ask("effects", self.mark) if effect["state"] == state]

    def until(self, is_so: Callable[[], object], what: str, seconds: float = 120.0) -> None:
        """Wait until it is so; fail with what the processes said otherwise."""
        if eventually(is_so, seconds):
            return
        logs = "\n".join(f"--- {name}\n{one.output(1500)}" for name, one in self.programs.items())
        raise AssertionError(f"waited {seconds:.0f} s, but not: {what}\n{logs}")

    def settle(self, *, hurry: bool = False, seconds: float = 120.0) -> None:
        """Wait until every event is finished. ``hurry`` cuts back-off short every half second."""
        last = 0.0

        def is_settled() -> bool:
            nonlocal last
            if hurry and time.monotonic() - last > 0.5:
                last = time.monotonic()
                return self.ask("hurry") == 0
            return self.ask("unfinished") == 0

        self.until(is_settled, "every event is finished", seconds)
        states = {event["state"] for event in self.events()}
        assert states <= {"done"}, self.events()

    def reaches(self, rule: Body, kind: str = "") -> None:
        """Switch one fault on; the result waits until a call ran into it (and, given a kind, was done)."""
        self.faults(rule)
        self._before = self.happened(kind) if kind else 0

    def reached(self, kind: str = "") -> None:
        """Wait until a call ran into the fault of ``reaches``."""
        self.until(lambda: not self.rules_left(), "a call runs into the fault")
        if kind:
            self.until(lambda: self.happened(kind) > self._before, "the CRM has done the call")

    def _sandbox_answers(self) -> bool:
        return _answers(f"http://127.0.0.1:{self.crm_port}/healthz")


def web_command(port: int) -> list[str]:
    """One gunicorn process with threads on this port."""
    words = ["-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    words += ["--worker-class", "gthread", "--threads", "8", "--log-level", "warning", "--timeout", "60"]
    return [sys.executable, *words, "axconnect.wsgi:application"]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _sub_account() -> Body:
    """A sub-account without custom fields: the import makes them."""
    stages = [{"id": pk, "name": name} for name, pk in STAGES.items()]
    return {
        "id": LOCATION,
        "name": "Bluestone",
        "token": TOKEN,
        "limits": LIMITS,
        # It would take every repetition: what is not doubled is our own doing.
        "settings": {"allowDuplicateContact": True, "allowDuplicateOpportunity": True},
        "pipelines": [{"id": "P2", "name": "Non-Surgical", "stages": stages}],
        "workflows": [{"id": pk, "name": name} for name, pk in WORKFLOWS.items()],
    }


def _practice() -> Body:
    document = practice_file()
    account = document["sub_accounts"][0] | {"workflows": WORKFLOWS}
    apro_connection = document["connections"][0]
    return document | {
        "sub_accounts": [account],
        "connections": [
            apro_connection | {"key": key, "switches": switches} for key, switches in CONNECTIONS.items()
        ],
    }


def postgres_url_for_processes() -> str:
    """DATABASE_URL where it names a PostgreSQL server, else ""."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith(("postgres://", "postgresql://")) else ""
