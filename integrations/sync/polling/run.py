"""The polling worker's loop: claims due polls and back-fills and runs several at once.

The threads go on when the job that fed them is over; a worker that stops gives back what they hold.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.db import DatabaseError

from integrations.sync import bell
from integrations.sync.categories import pulling
from integrations.sync.drain import worker_name
from integrations.sync.polling import backfill, cursors
from integrations.sync.polling.poll import poll
from integrations.sync.profile import profiles
from integrations.sync.threads import WorkThreads

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20.0
LINGER_SECONDS = 0.5
LOOK_SECONDS = 0.1
STOP_SECONDS = 3.0


class Polls:
    """The polls of one worker process."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._threads = WorkThreads(at_once, "poll")
        self._running = 0
        self._lock = threading.Lock()
        self._freed = threading.Event()

    def feed(self, is_stopping: Callable[[], bool], seconds: float = SLICE_SECONDS) -> int:
        """Start what is due until nothing has been for a moment or ``seconds`` are over. How many were started."""
        ends, last_work, started = time.monotonic() + seconds, time.monotonic(), 0
        while not is_stopping() and time.monotonic() < ends:
            self._freed.clear()
            try:
                found = self._start_due(is_stopping)
            except DatabaseError as error:
                logger.error("polls could not be claimed: %s", type(error).__name__)
                return started
            started += found
            if found or self._running >= self.at_once:
                last_work = time.monotonic()
            elif time.monotonic() - last_work > LINGER_SECONDS:
                return started
            self._freed.wait(LOOK_SECONDS)
        if not is_stopping():
            bell.ring(bell.POLLS, waiting_jobs=1)
        return started

    def wait(self, seconds: float) -> bool:
        """Wait for what runs. False when something still does."""
        ends = time.monotonic() + seconds
        while self._running and time.monotonic() < ends:
            self._freed.clear()
            self._freed.wait(LOOK_SECONDS)
        return not self._running

    def _start_due(self, is_stopping: Callable[[], bool]) -> int:
        bell.answer(bell.POLLS)
        if (room := self.at_once - self._running) < 1:
            return 0
        claimed = cursors.claim(worker_name(), room)
        fills = backfill.claim(worker_name(), room - len(claimed)) if room > len(claimed) else []
        room -= len(claimed) + len(fills)
        lists = pulling.claim(room) if room else []
        practices = {one.practice_id for one in claimed} | {fill.practice_id for fill in fills}
        practices |= {one.practice_id for one in lists}
        found = profiles(practices)
        for one in claimed:
            if profile := found.get(one.practice_id):  # none: deleted this very moment
                self._start(partial(poll, one, profile, is_stopping=is_stopping))
        for fill in fills:
            if profile := found.get(fill.practice_id):
                self._start(partial(backfill.run, fill, profile, is_stopping))
        for one_list in lists:
            if profile := found.get(one_list.practice_id):
                self._start(partial(pulling.pull, one_list, profile))
        return len(claimed) + len(fills) + len(lists)

    def _start(self, work: Callable[[], object]) -> None:
        with self._lock:
            self._running += 1

        def run() -> None:
            try:
                work()
            except DatabaseError as error:
                # The lease runs out, and the next poll reads the same rows again.
                logger.error("a poll could not use the database: %s", type(error).__name__)
            finally:
                with self._lock:
                    self._running -= 1
                self._freed.set()

        self._threads.submit(run)


_polls: Polls | None = None


def polls() -> Polls:
    """The polls of this process."""
    global _polls
    if _polls is None or _polls.at_once != settings.POLLS_AT_ONCE:
        _polls = Polls(settings.POLLS_AT_ONCE)
    return _polls


def finish() -> None:
    """The worker stops: let running polls notice, then give back what is still held."""
    if _polls is None or _polls.wait(STOP_SECONDS):
        return
    try:
        cursors.release_dead(worker_name())
    except DatabaseError as error:
        logger.error("polls could not be given back: %s", type(error).__name__)
