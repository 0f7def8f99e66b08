"""Threads that live as long as the worker process. Work waits for other servers most of the time, so several
pieces run at once; a thread's database connection is closed when it has been idle for a while."""

import logging
import queue
import threading
from collections.abc import Callable

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 5.0


class WorkThreads:
    """``count`` threads that run what is submitted."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.count = count
        for number in range(count):
            threading.Thread(target=self._run, daemon=True, name=f"{name}-{number}").start()

    def submit(self, job: Callable[[], object]) -> None:
        """Run ``job`` in the next free thread. It has to catch what it raises; what it does not is logged by type."""
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_CONNECTION_SECONDS)
            except queue.Empty:
                connections.close_all()
                continue
            try:
                close_old_connections()
                job()
            except Exception as error:  # one piece of work must not cost the thread
                logger.error("a piece of work failed: %s", type(error).__name__)
