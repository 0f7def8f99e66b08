"""What `manage.py up` starts, and in which order."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from axconnect.embedded_redis import EmbeddedRedis, write_private
from axconnect.launch_plan import EMBEDDED_REDIS, Launch, NotPossible, listens
from axconnect.readiness import ask_readyz
from axconnect.supervisor import Part, Stopping, Supervisor

WEB_THREADS = 8
# How long to wait in silence before saying what is missing.
PATIENCE_SECONDS = 20.0


def run(launch: Launch) -> None:
    """Start everything, say when it is ready, keep it running until asked to stop. Raises NotPossible."""
    launch.refuse_nonsense()
    with only_one_at_a_time(settings.DATA_DIR), Supervisor() as supervisor:
        try:
            Start(launch, supervisor).everything()
            supervisor.run()
        except Stopping:
            pass
        finally:
            say("AX Connect is stopping")
            settings.REDIS_URL_FILE.unlink(missing_ok=True)


@dataclass
class Start:
    """One start, step by step; a step raises NotPossible when the rest makes no sense without it."""

    launch: Launch
    supervisor: Supervisor

    def everything(self) -> None:
        """All steps. Raises NotPossible, or Stopping when asked to end meanwhile."""
        self.redis()
        self.database()
        if self.launch.demo:
            self.sandbox()
            self.practices()
        self.service()
        self.ready()
        if self.launch.demo:
            self.supervisor.start(manage("day", "sandbox_day"))

    def redis(self) -> None:
        """The private Redis, where REDIS_URL was not set."""
        if os.environ.get(EMBEDDED_REDIS) != "1":
            return
        server = EmbeddedRedis.at(settings.REDIS_URL, settings.DATA_DIR)
        self.supervisor.start(Part("redis", server.command(), stops_last=True))
        if not self.supervisor.wait_until(server.answers, 15):
            raise NotPossible(f"The private Redis does not answer. Its own words: {server.log}")
        write_private(settings.REDIS_URL_FILE, server.url + "\n")

    def database(self) -> None:
        """Tables as this version needs them."""
        say("Preparing the database")
        # In a process of its own: a stop in the middle must not wait for it.
        if self.supervisor.run_once(manage("migrate", "migrate", "--noinput", "--verbosity", "0")):
            raise NotPossible("The database could not be prepared; what it said stands above.")

    def sandbox(self) -> None:
        """The pretend CRM."""
        say("Starting the sandbox CRM")
        address = urlsplit(settings.SANDBOX_URL)
        host, port = address.hostname or "", address.port or 0
        words = ["--bind", f"{host}:{port}", "--state", str(settings.DATA_DIR / "sandbox.json")]
        command = [sys.executable, "-m", "integrations.sandbox.server", *words, "--key", settings.SANDBOX_KEY]
        self.supervisor.start(Part("sandbox", command, stops_last=True))
        if not self.supervisor.wait_until(lambda: listens(host, port), 30):
            raise NotPossible("The sandbox CRM does not answer; its own message stands above.")

    def practices(self) -> None:
        """The demo's practices, once."""
        say("Setting up four sandbox practices")
        if self.supervisor.run_once(manage("seed", "seed_demo")):
            raise NotPossible("The sandbox practices could not be set up; the reason stands above.")

    def service(self) -> None:
        """What a real installation runs."""
        say("Starting web server, scheduler and workers")
        self.supervisor.start(Part("web", web_command(self.launch.bind)))
        self.supervisor.start(manage("scheduler", "scheduler"))
        self.supervisor.start(
            manage("polls", "worker", "--queues", "polls", "upkeep", on_death=release_polls)
        )
        words = ("worker", "--queues", "events", "--lanes", str(self.launch.lanes))
        for number in range(1, self.launch.workers + 1):
            self.supervisor.start(manage(f"worker-{number}", *words, on_death=release_what_it_held))

    def ready(self) -> None:
        """Wait until /readyz is green, saying what is missing when that takes long."""
        address = self.launch.local_address
        while not self.supervisor.wait_until(lambda: ask_readyz(*address).is_ready, PATIENCE_SECONDS):
            say(f"Not ready yet: {ask_readyz(*address).missing}")
        say(f"AX Connect is ready at {self.launch.url}/")
        if self.launch.demo:
            say_sign_in(settings.DATA_DIR / "demo.json")
            say(f"The sandbox CRM, where cards move by themselves: {self.launch.url}/sandbox/")


def manage(name: str, *words: str, **options: Any) -> Part:
    """A part that runs a management command."""
    return Part(name, [sys.executable, str(settings.BASE_DIR / "manage.py"), *words], **options)


def web_command(bind: str) -> list[str]:
    """gunicorn with threads: requests wait for the database more than they compute."""
    options: dict[str, object] = {
        "bind": bind,
        "workers": min(2, os.cpu_count() or 1),
        "worker-class": "gthread",
        "threads": WEB_THREADS,
        "keep-alive": 30,
        "timeout": 60,
        "graceful-timeout": 5,
        "log-level": "warning",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", *words, "axconnect.wsgi:application"]


def release_what_it_held(launch_name: str) -> None:
    """Free the lanes of a worker that died, so that they need not wait for their leases to end."""
    from integrations.sync.lanes import release_dead

    try:
        release_dead(launch_name)
    finally:
        connections.close_all()


def release_polls(launch_name: str) -> None:
    """Free what the polling worker was reading when it died: it is read again at once."""
    from integrations.sync.polling.cursors import release_dead

    try:
        release_dead(launch_name)
    finally:
        connections.close_all()


@contextmanager
def only_one_at_a_time(data_dir: Path) -> Iterator[None]:
    """Hold ``data_dir`` for this process. Raises NotPossible when another `up` holds it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NotPossible(
                f"AX Connect already runs with the data in {data_dir}. Stop it first, "
                "or set DATA_DIR to another folder."
            ) from None
        yield


def say_sign_in(path: Path) -> None:
    """Print how to sign in to the demo, from the file that `seed_demo` wrote."""
    person = json.loads(path.read_text())
    say(f"Sign in as {person['email']} with the password {person['password']}")


def say(text: str) -> None:
    """One line to whoever started us, at once."""
    print(text, flush=True)
