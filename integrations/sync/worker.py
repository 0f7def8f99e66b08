"""The RQ worker that runs our jobs in its own process: no fork per job, several lanes at once."""

import logging
import threading
import time
from types import FrameType
from typing import Any

import django_rq
import redis
from rq import SimpleWorker

from integrations.sync import bell
from integrations.sync.drain import worker_name
from integrations.sync.jobs import stopping

logger = logging.getLogger(__name__)

WORKERS_KEY = "ax:workers"
BEAT_SECONDS = 4.0


class LaneWorker(SimpleWorker):
    """Tells the running drain to finish when the process is asked to stop."""

    def request_stop(self, signum: Any, frame: FrameType | None) -> None:
        stopping.set()
        super().request_stop(signum, frame)

    def request_force_stop(self, signum: Any, frame: FrameType | None) -> None:
        stopping.set()
        super().request_force_stop(signum, frame)


def run_worker(queues: list[str]) -> None:
    """Work until told to stop. Raises redis.ConnectionError when Redis is not there at the start."""
    name = worker_name()
    threading.Thread(target=_beat, args=(name,), daemon=True, name="heartbeat").start()
    worker = LaneWorker(
        [django_rq.get_queue(queue) for queue in queues],
        connection=django_rq.get_connection(bell.EVENTS),
        name=name,
        maintenance_interval=3600,
    )
    # Redis may be flushed or restarted under us: the worker announces itself again and goes on.
    worker.work(logging_level="WARNING", with_scheduler=False)


def _beat(name: str) -> None:
    """Tell ``/readyz`` that this worker lives."""
    while not stopping.is_set():
        try:
            store = django_rq.get_connection(bell.EVENTS)
            store.zadd(WORKERS_KEY, {name: time.time()})
            store.zremrangebyscore(WORKERS_KEY, 0, time.time() - 3600)
        except (redis.RedisError, OSError):
            pass
        stopping.wait(BEAT_SECONDS)
