"""Programs that fault tests start, kill and start again: each with its output in a file, none outliving us."""

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from axconnect.bench.processes import as_postgres, postgres_programs

ROOT = Path(__file__).resolve().parents[2]
# Generous: the machines that run this have two cores and other things to do.
PATIENCE_SECONDS = 120.0
_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
_PR_SET_PDEATHSIG = 1


def plain_environment() -> dict[str, str]:
    """What a program needs of our own environment: none of our settings."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def manage(*words: str) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, str(ROOT / "manage.py"), *words]


def eventually(is_so: Callable[[], object], seconds: float = PATIENCE_SECONDS, every: float = 0.1) -> bool:
    """Ask again and again until it is so; False when the time ran out."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


class Program:
    """One process in a session of its own. ``log`` is where its output goes; a later start adds to it."""

    def __init__(self, name: str, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, if it is still there."""
        if self.is_running:
            self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, for it and for what it left in its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, seconds: float = 15.0) -> float:
        """Ask it to end and see to it that it does; the seconds it took."""
        started = time.monotonic()
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        took = time.monotonic() - started
        self.kill()
        return took

    def output(self, most: int = 4000) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-most:]

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")


def _die_with(parent: int) -> Callable[[], None]:
    """Where the test process itself is killed, nothing of ours stays behind."""
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with; {} when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in raw.split("\0") if "=" in item)


def children_of(pid: int) -> dict[int, str]:
    """Command lines of a process's children, by process id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            words = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if parent == pid and words:
            found[int(stat.parent.name)] = words
    return found


class PostgresServer:
    """Stops and starts a cluster that ``axconnect.bench.processes.postgres`` made in ``folder``."""

    def __init__(self, folder: Path) -> None:
        programs = postgres_programs()
        assert programs is not None
        self._data = folder / "pg"
        self._control = [*as_postgres(), str(programs / "pg_ctl"), "-D", str(self._data)]
        # Its own note of how it was started last: program, -D, folder, then the options.
        self._options = shlex.split((self._data / "postmaster.opts").read_text())[3:]

    def stop(self) -> None:
        """Cut every connection off in the middle of what it does, as a crash would."""
        self._run("-m", "immediate", "-w", "stop")

    def start(self) -> None:
        self._run("-o", shlex.join(self._options), "-l", str(self._data / "log"), "-w", "start")

    def _run(self, *words: str) -> None:
        subprocess.run(
            [*self._control, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
