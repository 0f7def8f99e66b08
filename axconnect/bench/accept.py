"""How many webhooks a second are accepted (stored and answered), beside a bare view that inserts one row."""

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from axconnect.bench.end_to_end import OURS, practice_file
from axconnect.bench.load import bookings, post_all
from axconnect.bench.processes import free_port, manage, postgres, running
from axconnect.embedded_redis import EmbeddedRedis
from axconnect.launch import web_command


@dataclass(frozen=True)
class Accepts:
    """Accepts a second of the bare view and of the webhook, in turns on one server."""

    bare: float
    webhook: float

    @property
    def share(self) -> float:
        """The webhook's rate as a share of the bare view's."""
        return self.webhook / self.bare


def measure(database: str, events: int, rounds: int = 3) -> Accepts:
    """Post ``events`` bodies to each in turn, ``rounds`` times; the best round of each counts."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="axbench-")))
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        redis = EmbeddedRedis.plan(folder / "data")
        parts.enter_context(running(redis.command(), environment))
        environment |= {
            "DATA_DIR": str(folder / "data"),
            "REDIS_URL": redis.url,
            "AX_ENV_FILE": "",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
        }
        if database == "postgres":
            environment["DATABASE_URL"], _ = parts.enter_context(postgres(folder))
        subprocess.run(manage("migrate", "--verbosity", "0"), env=environment, check=True)
        made = subprocess.run(
            manage("import_practice", "-"),
            input=json.dumps(practice_file(0)),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        webhook = json.loads(made.stdout)["webhooks"]["apro"]
        web = environment | {"DJANGO_SETTINGS_MODULE": "axconnect.bench.settings"}
        parts.enter_context(running(web_command(f"127.0.0.1:{port}"), web))
        bare = f"http://127.0.0.1:{port}/bare/"
        _wait_for(bare)
        best = {bare: 0.0, webhook: 0.0}
        for number in range(rounds + 1):
            for url in (bare, webhook):
                took, counts = post_all([(url, body) for body in bookings(0, events, number)])
                if counts != {202: events}:
                    raise RuntimeError(f"not every body was accepted: {counts}")
                if number:  # the first round warms up
                    best[url] = max(best[url], events / took)
        return Accepts(best[bare], best[webhook])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=2)
            return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the web server did not start")
