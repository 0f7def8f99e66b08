"""The RQ worker that runs our jobs in its own process: no fork per job, several lanes at once."""

import logging
import threading
import time
from types import FrameType
from typing import Any

import django_rq
import redis
from rq import SimpleWorker
from rq.worker import DequeueStrategy

from integrations.sync import bell
from integrations.sync.drain import worker_name
from integrations.sync.jobs import stopping
from integrations.sync.polling.run import finish

logger = logging.getLogger(__name__)

WORKERS_KEY, POLLERS_KEY = "ax:workers", "ax:pollers"
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
    keys = [key for queue, key in ((bell.EVENTS, WORKERS_KEY), (bell.POLLS, POLLERS_KEY)) if queue in queues]
    threading.Thread(target=_beat, args=(name, keys), daemon=True, name="heartbeat").start()
    worker = LaneWorker(
        [django_rq.get_queue(queue) for queue in queues],
        connection=django_rq.get_connection(bell.EVENTS),
        name=name,
        maintenance_interval=3600,
    )
    # Redis may be flushed or restarted under us: the worker announces itself again and goes on.
    # In turn, so that a worker with several queues polls even while events never end.
    worker.work(logging_level="WARNING", with_scheduler=False, dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    finish()


def _beat(name: str, keys: list[str]) -> None:
    """Tell ``/readyz`` that this worker lives, among those that work on events, on polls, or on both."""
    while not stopping.is_set():
        try:
            store = django_rq.get_connection(bell.EVENTS)
            for key in keys:
                store.zadd(key, {name: time.time()})
                store.zremrangebyscore(key, 0, time.time() - 3600)
        except (redis.RedisError, OSError):
            pass
        stopping.wait(BEAT_SECONDS)
