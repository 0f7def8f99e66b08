"""`manage.py up` as people start it: real processes, on embedded parts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from axconnect.embedded_redis import free_port

ROOT = Path(__file__).resolve().parents[2]
# Nothing here waits that long by itself: a condition that comes true ends the wait at once, and so does the end of
# what was started. A machine with many other things to do needs the rest.
PATIENCE_SECONDS = 240.0
# What is promised of an end, where the processor is ours.
ENDS_WITHIN_SECONDS = 10.0


class Run:
    """One `manage.py up` with a data folder of its own; its output is collected while it runs."""

    def __init__(self, data_dir: Path, *words: str) -> None:
        self.port = free_port()
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {**keep, "DATA_DIR": str(data_dir), "AX_ENV_FILE": ""}
        self.command = [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{self.port}", *words]
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or []:
            self.output += line

    def says(self, words: str) -> bool:
        return self.comes_to(lambda: words in self.output)

    def comes_to(self, is_so: Callable[[], object]) -> bool:
        """Wait until it is so; whether it is. What has ended comes to nothing more, once it was heard out."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if is_so():
                return True
            time.sleep(0.1)
        self._reader.join(0 if self.process.poll() is None else 5)
        return bool(is_so())

    def children(self) -> dict[int, str]:
        """Command lines of what this run started, by process id."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
                words = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and words:
                found[int(stat.parent.name)] = words
        return found

    def pids_of(self, words: str) -> set[int]:
        return {pid for pid, command in self.children().items() if words in command}

    def readyz(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as response:
                return dict(json.load(response))
        except (OSError, HTTPException, ValueError):
            return {}

    def end(self) -> float:
        """Ask for the end; the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join(5)
        return time.monotonic() - started


def end_limit() -> float:
    """Seconds that an end may take: as promised, and longer by as much as others want the processors too."""
    wanted = os.getloadavg()[0] / (os.cpu_count() or 1)
    return ENDS_WITHIN_SECONDS * max(1.0, wanted)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.end()


def is_replaced(run: Run, words: str, before: set[int], victim: int) -> bool:
    """Whether as many processes of a kind run as before, without the one that was killed."""
    now = run.pids_of(words)
    return victim not in now and len(now) == len(before)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_starts_comes_back_when_killed_and_ends_in_ten_seconds(run: Run, tmp_path: Path) -> None:
    assert run.says(f"AX Connect is ready at http://127.0.0.1:{run.port}/"), run.output
    assert run.comes_to(lambda: run.readyz().get("workers") == 2), run.output
    assert (tmp_path / "data" / "redis.url").stat().st_mode & 0o777 == 0o600

    for words in ("manage.py worker", "manage.py scheduler", "gunicorn", "redis-server"):
        before = run.pids_of(words)
        assert before, run.children()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        assert run.comes_to(partial(is_replaced, run, words, before, victim)), f"{words}: {run.output}"
    assert run.comes_to(lambda: run.readyz().get("redis") == "ok"), run.output

    children = run.children()
    assert run.end() < end_limit()
    assert run.process.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not (tmp_path / "data" / "redis.url").exists()


@pytest.mark.faults
def test_ctrl_c_while_it_starts_ends_it_in_order(run: Run) -> None:
    assert run.says("Preparing the database"), run.output
    assert run.end() < end_limit()
    assert run.process.returncode == 0
    assert "is ready" not in run.output


def test_a_taken_address_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{port}"],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path / "data"), "AX_ENV_FILE": "", "REDIS_URL": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "--bind" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data" / "redis").exists()
