"""`manage.py up` as people start it: real processes, on embedded parts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from axconnect.embedded_redis import free_port

ROOT = Path(__file__).resolve().parents[2]


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

    def says(self, words: str, seconds: float = 60) -> bool:
        return eventually(lambda: words in self.output or self.process.poll() is not None, seconds) and (
            words in self.output
        )

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

    def pid_of(self, words: str) -> int:
        return next((pid for pid, command in self.children().items() if words in command), 0)

    def readyz(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as response:
                return dict(json.load(response))
        except (OSError, urllib.error.URLError):
            return {}

    def end(self) -> float:
        """Ask for the end; the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self._reader.join(5)
        return time.monotonic() - started


def eventually(is_so: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.1)
    return bool(is_so())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.end()


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_starts_comes_back_when_killed_and_ends_in_ten_seconds(run: Run, tmp_path: Path) -> None:
    assert run.says(f"AX Connect is ready at http://127.0.0.1:{run.port}/"), run.output
    assert run.readyz()["workers"] == 2
    assert (tmp_path / "data" / "redis.url").stat().st_mode & 0o777 == 0o600

    for words in ("manage.py worker", "manage.py scheduler", "gunicorn", "redis-server"):
        victim = run.pid_of(words)
        assert victim, run.children()
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: run.pid_of(words) not in (0, victim), 20), f"{words}: {run.output}"  # noqa: B023
    assert eventually(lambda: run.readyz().get("redis") == "ok", 20), run.output

    children = run.children()
    assert run.end() < 10
    assert run.process.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not (tmp_path / "data" / "redis.url").exists()


@pytest.mark.faults
def test_ctrl_c_while_it_starts_ends_it_in_order(run: Run) -> None:
    assert run.says("Preparing the database"), run.output
    assert run.end() < 10
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
