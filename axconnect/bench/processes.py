"""The programs that a benchmark starts, and what they use."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axconnect.embedded_redis import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MANAGE = str(Path(__file__).resolve().parents[2] / "manage.py")


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat:
                children.setdefault(int(stat[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        todo += children.get(current, [])
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat after the name, [] when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(pids: list[int]) -> float:
    """CPU time used so far by these processes, in seconds."""
    stats = [_stat(pid) for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats if stat) / _TICKS


def memory_bytes(pids: list[int]) -> int:
    """Resident memory of these processes, shared pages counted once for each."""
    stats = [_stat(pid) for pid in pids]
    return sum(int(stat[21]) * _PAGE for stat in stats if stat)


class MemoryPeak:
    """Samples the memory of process families until it is stopped."""

    def __init__(self, roots: list[int]) -> None:
        self.peak = 0
        self._roots = roots
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            pids = [pid for root in self._roots for pid in family(root)]
            self.peak = max(self.peak, memory_bytes(pids))
            self._ended.wait(0.5)

    def stop(self) -> int:
        """The peak in bytes."""
        self._ended.set()
        self._thread.join()
        return self.peak


@contextmanager
def running(
    command: list[str], environment: dict[str, str], ready: str = "", log: Path | None = None
) -> Iterator[Any]:
    """A program that ends with the block; waits until it printed ``ready``. Raises RuntimeError when it does not."""
    log = log or Path(tempfile.mkstemp(prefix="axbench-")[1])
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while ready and not re.search(ready, log.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[-1]} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def manage(*words: str) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, _MANAGE, *words]


def postgres_programs() -> Path | None:
    """The folder that holds initdb and postgres, or None where PostgreSQL is not installed."""
    for folder in [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]:
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


def as_postgres() -> list[str]:
    """What a command line begins with so that it does not run as root, which PostgreSQL refuses; [] for others."""
    if os.geteuid() != 0:
        return []
    # A short PATH lacks the folders of the system's programs.
    runuser = shutil.which("runuser") or shutil.which("runuser", path="/usr/sbin:/sbin")
    return [runuser or "runuser", "-u", "postgres", "--"]


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL server of its own with a fresh cluster: (DATABASE_URL, pid of the postmaster)."""
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed.")
    data, port = folder / "pg", free_port()
    prefix = as_postgres()
    data.mkdir()
    if prefix:
        shutil.chown(folder, "postgres")
        shutil.chown(data, "postgres")
        folder.chmod(0o755)
    init = [*prefix, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "ax", "-E", "UTF8"]
    subprocess.run(init, check=True, capture_output=True)
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c max_connections=200"
    start = [
        *prefix,
        str(programs / "pg_ctl"),
        "-D",
        str(data),
        "-o",
        options,
        "-l",
        str(data / "log"),
        "-w",
        "start",
    ]
    subprocess.run(start, check=True, capture_output=True)
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    try:
        subprocess.run(
            [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "ax", "ax"],
            check=True,
            capture_output=True,
        )
        yield f"postgres://ax@127.0.0.1:{port}/ax", pid
    finally:
        subprocess.run(
            [*prefix, str(programs / "pg_ctl"), "-D", str(data), "-m", "fast", "stop"], capture_output=True
        )
