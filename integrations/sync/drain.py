"""The worker's loop: claims due lanes and works on several at once, until nothing is due or its time is over.

Waiting for the CRM is most of the work, so lanes run in threads; their HTTP sessions stay open between drains,
their database connections are closed when a thread has been idle for a while.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from django.db import DatabaseError, connections

from integrations.sync import bell, lanes
from integrations.sync.lanes import Claimed
from integrations.sync.process import work_lane
from integrations.sync.profile import PracticeProfile, profiles
from integrations.sync.threads import WorkThreads

logger = logging.getLogger(__name__)

SLICE_SECONDS = 30.0
# After the last lane the drain looks a little longer: work that comes in a stream needs no new job each time.
LINGER_SECONDS = 0.5
LOOK_SECONDS = 0.05
GIVE_BACK_PAUSE_SECONDS = 1.0


def worker_name() -> str:
    """The name under which this process holds leases; its supervisor gives it one."""
    return os.environ.get("AX_WORKER_NAME") or f"{socket.gethostname()}:{os.getpid()}"


def _give_back(lane: Claimed, is_stopping: Callable[[], bool]) -> None:
    """After database trouble: free the lane as soon as the database is back, or let its lease run out."""
    ends = time.monotonic() + lanes.LEASE.total_seconds()
    while time.monotonic() < ends:
        connections.close_all()
        try:
            lanes.postpone(lane, 2.0, "The database did not answer.", is_failure=False)
            return
        except DatabaseError:
            if is_stopping():
                return
            time.sleep(GIVE_BACK_PAUSE_SECONDS)


_threads: WorkThreads | None = None


def _lane_threads(count: int) -> WorkThreads:
    global _threads
    if _threads is None or _threads.count != count:
        _threads = WorkThreads(count, "lane")
    return _threads


class Drain:
    """One drain of everything due, over ``lanes_at_once`` threads."""

    def __init__(self, lanes_at_once: int, is_stopping: Callable[[], bool]) -> None:
        self.is_stopping = is_stopping
        self.finished = 0
        self._threads = _lane_threads(lanes_at_once)
        self._in_work: dict[int, Claimed] = {}
        self._lock = threading.Lock()
        self._freed = threading.Event()
        self._picker = lanes.Picker()
        self._worker = worker_name()

    def done(self, lane: Claimed) -> None:
        """A thread is through with a lane."""
        with self._lock:
            self._in_work.pop(lane.id, None)
        self._freed.set()

    def run(self, seconds: float = SLICE_SECONDS, linger: float = LINGER_SECONDS) -> int:
        """Work until nothing has been due for ``linger`` seconds or ``seconds`` are over; then finish what runs.

        Number of events finished.
        """
        ends = time.monotonic() + seconds
        last_work = time.monotonic()
        next_beat = time.monotonic() + lanes.HEARTBEAT_SECONDS
        while not self.is_stopping() and time.monotonic() < ends:
            if time.monotonic() >= next_beat:
                self._unless_database_fails(self._beat)
                next_beat = time.monotonic() + lanes.HEARTBEAT_SECONDS
            self._freed.clear()
            if self._unless_database_fails(self._claim) or self._in_work:
                last_work = time.monotonic()
            elif time.monotonic() - last_work > linger:
                break
            self._freed.wait(LOOK_SECONDS)
        self._finish()
        if time.monotonic() >= ends:
            # The time was over, not the work: somebody may count on this drain having looked once more.
            bell.ring()
        return self.finished

    def _claim(self) -> int:
        """Take as many lanes as there is room for, and a few more so that no thread waits for the next look."""
        wanted = self._threads.count + self._threads.count // 2 - len(self._in_work)
        if wanted < max(1, self._threads.count // 2):
            return 0
        bell.answer()
        claimed = lanes.claim(self._picker, self._worker, wanted)
        found = profiles({lane.practice_id for lane in claimed}) if claimed else {}
        for lane in claimed:
            with self._lock:
                self._in_work[lane.id] = lane
            self._threads.submit(partial(self._work, lane, found[lane.practice_id]))
        return len(claimed)

    def _work(self, lane: Claimed, profile: PracticeProfile) -> None:
        try:
            self.finished += work_lane(lane, profile, self.is_stopping)
        except DatabaseError as error:
            logger.error("lane %s: the database failed: %s", lane.id, type(error).__name__)
            _give_back(lane, self.is_stopping)
        finally:
            self.done(lane)

    def _beat(self) -> int:
        with self._lock:
            running = list(self._in_work.values())
        if running:
            lanes.keep_alive(running)
        return len(running)

    def _unless_database_fails(self, do: Callable[[], int]) -> int:
        """``do``; 0 when the database failed. The next try gets a new connection, the lanes in work go on."""
        try:
            return do()
        except DatabaseError as error:
            logger.error("the drain could not use the database: %s", type(error).__name__)
            connections.close_all()
            return 0

    def _finish(self) -> None:
        """Wait for the lanes in work; their leases stay alive meanwhile."""
        next_beat = time.monotonic()
        while self._in_work:
            if time.monotonic() >= next_beat:
                self._unless_database_fails(self._beat)
                next_beat = time.monotonic() + lanes.HEARTBEAT_SECONDS
            self._freed.clear()
            self._freed.wait(LOOK_SECONDS)
