"""Keeps child processes running until told to stop. Knows nothing of Django or of what the children do."""

import ctypes
import logging
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 8.0
# Parts that the others still need while they finish get this much of the grace to themselves.
LAST_PARTS_SECONDS = 1.0
# A child that lived shorter than this died "at once"; each time in a row doubles the wait, up to the longest.
AT_ONCE_SECONDS = 5.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Stopping(Exception):
    """Somebody asked for the end while something was awaited."""


@dataclass(frozen=True)
class Part:
    """A process to keep running.

    ``name`` stands in messages. ``stops_last``: others need it to finish, so it ends after them.
    ``on_death`` is called with the launch name (AX_WORKER_NAME) of a process that died unasked.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stops_last: bool = False
    on_death: Callable[[str], object] | None = None


@dataclass
class Child:
    """One part and its present process."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    launch_name: str = ""
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float = 0.0

    def launch(self) -> None:
        """Start the process in a group of its own, under a launch name that is never used again."""
        self.launch_name = f"{self.part.name}-{secrets.token_hex(4)}"
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            list(self.part.command),
            env={**os.environ, **self.part.environment, "AX_WORKER_NAME": self.launch_name},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and whatever it started in its group."""
        if self.process is not None:
            _signal_group(self.process.pid, number)


class Supervisor:
    """Starts parts, starts them again when they die, ends them all.

    Use as a context manager in the main thread: leaving it ends every child within GRACE_SECONDS. The first
    SIGINT, SIGTERM or SIGHUP asks for that; a second one kills at once.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.grace_seconds = grace_seconds
        self.children: list[Child] = []
        self._stop_requests = 0
        self._first_request_at: float | None = None
        self._previous: dict[signal.Signals, object] = {}
        self._wake_read, self._wake_write = os.pipe()

    def __enter__(self) -> Self:
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        # The signal's number lands in the pipe, which ends the wait in `_sleep` at once.
        self._previous_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._asked_to_stop)
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def start(self, part: Part) -> Child:
        """Start a part and keep it running."""
        child = Child(part)
        self.children.append(child)
        child.launch()
        return child

    def run_once(self, part: Part) -> int:
        """Run a part to its end; returns its exit code (negative: killed by that signal). Raises Stopping."""
        child = Child(part)
        child.launch()
        try:
            while child.is_running:
                self._pause(1.0)
        finally:
            self._end([child], self._deadline() - LAST_PARTS_SECONDS)
        return child.process.returncode if child.process else 1

    def wait_until(self, is_so: Callable[[], bool], seconds: float, every: float = 0.2) -> bool:
        """Ask again and again, keeping children running. False when the time ran out. Raises Stopping."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() >= deadline:
                return False
            self._pause(every)
        return True

    def run(self) -> None:
        """Keep all parts running until asked to stop."""
        try:
            while True:
                self._pause(self._seconds_to_next_restart())
        except Stopping:
            return

    def stop(self) -> None:
        """End every child: SIGTERM, the parts others need last, SIGKILL for what is left after the grace."""
        deadline = self._deadline()
        self._end([c for c in self.children if not c.part.stops_last], deadline - LAST_PARTS_SECONDS)
        self._end([c for c in self.children if c.part.stops_last], deadline)

    def _end(self, children: list[Child], deadline: float) -> None:
        running = [child for child in children if child.is_running]
        for child in running:
            child.signal(signal.SIGTERM)
        while (
            any(child.is_running for child in running)
            and time.monotonic() < deadline
            and not self._in_a_hurry
        ):
            self._sleep(min(0.5, max(0.0, deadline - time.monotonic())))
        for child in children:
            # Also where the process ended by itself: it may have left some of its group behind.
            child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _deadline(self) -> float:
        """When the last child must have ended, counted from when that was first asked for."""
        return (self._first_request_at or time.monotonic()) + self.grace_seconds

    @property
    def _in_a_hurry(self) -> bool:
        return self._stop_requests > 1

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop_requests += 1
        self._first_request_at = self._first_request_at or time.monotonic()

    def _pause(self, seconds: float) -> None:
        """Wait for a signal or the time, then look after the children. Raises Stopping."""
        self._raise_if_asked_to_stop()
        self._sleep(seconds)
        self._raise_if_asked_to_stop()
        self._look_after_children()

    def _raise_if_asked_to_stop(self) -> None:
        if self._stop_requests:
            raise Stopping

    def _sleep(self, seconds: float) -> None:
        ready, _, _ = select.select([self._wake_read], [], [], seconds)
        if ready:
            os.read(self._wake_read, 4096)

    def _seconds_to_next_restart(self) -> float:
        waits = [child.restart_at - time.monotonic() for child in self.children if child.restart_at]
        return max(0.0, min(waits, default=60.0))

    def _look_after_children(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and not child.is_running:
                self._bury(child, now)
            if child.process is None and now >= child.restart_at:
                child.restart_at = 0.0
                child.launch()

    def _bury(self, child: Child, now: float) -> None:
        if child.process is None:
            return
        lived = now - child.started_at
        _signal_group(child.process.pid, signal.SIGKILL)
        child.quick_deaths = child.quick_deaths + 1 if lived < AT_ONCE_SECONDS else 0
        wait = restart_wait(child.quick_deaths)
        log.warning(
            "%s %s after %.1f s; starting it again%s",
            child.part.name,
            _how_it_ended(child.process.returncode),
            lived,
            f" in {wait:g} s" if wait else "",
        )
        child.process = None
        child.restart_at = now + wait
        _tell(child)


def restart_wait(quick_deaths: int) -> float:
    """Seconds to wait before a start, after so many deaths at once in a row."""
    if not quick_deaths:
        return 0.0
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(quick_deaths - 1, 16))


def _tell(child: Child) -> None:
    if child.part.on_death is None:
        return
    try:
        child.part.on_death(child.launch_name)
    except Exception:
        # Whatever went wrong there, the part must come back; what it held becomes free when its lease ends.
        log.exception("%s: what it held could not be released at once", child.launch_name)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child runs before its program, so that it cannot outlive ``parent``, however that ends."""
    libc = _libc
    if libc is None:
        return None

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
