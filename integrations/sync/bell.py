"""The bell: tells the workers that there is work. The database is the truth; losing a ring loses nothing.

A ring puts one ``drain`` job on the queue unless one already waits there. ``answer`` takes the mark off again
before the worker looks for work, so a ring during a drain is never lost.
"""

import logging
import time
from functools import lru_cache
from typing import Any

import django_rq
import redis
from django.conf import settings

logger = logging.getLogger(__name__)

EVENTS, POLLS, UPKEEP = "events", "polls", "upkeep"
_MARK = "ax:bell:{}"
# A mark outlives a lost job by this much; the tick rings again anyway.
MARK_SECONDS = 10
_silent_until = 0.0
# A ring this fresh still stands or was answered by a drain that goes on looking for longer than this.
FRESH_SECONDS = 0.01
_rung_at: dict[str, float] = {}


def ring(queue: str = EVENTS, *, waiting_jobs: int = 2) -> bool:
    """Ask for a drain of ``queue``. False when a ring already stands, or Redis cannot be reached.

    At most ``waiting_jobs`` jobs wait on the queue at a time: each works until nothing is due.
    """
    global _silent_until
    now = time.monotonic()
    if now < _silent_until or now - _rung_at.get(queue, 0.0) < FRESH_SECONDS:
        return False
    try:
        rq_queue = rq_queue_named(queue)
        pipe = rq_queue.connection.pipeline(transaction=False)
        pipe.set(_MARK.format(queue), 1, nx=True, ex=MARK_SECONDS)
        pipe.llen(rq_queue.key)
        is_first, length = pipe.execute()
        _rung_at[queue] = now
        if not is_first or length >= waiting_jobs:
            return False
        enqueue(rq_queue, f"integrations.sync.jobs.{_JOBS[queue]}")
    except (redis.RedisError, OSError) as error:
        # The tick rings again once Redis answers; do not make every request wait for it meanwhile.
        _silent_until = time.monotonic() + 1.0
        logger.warning("the bell could not be rung: %s", type(error).__name__)
        return False
    return True


def rq_queue_named(queue: str) -> Any:
    """The RQ queue, over a connection that stays open: making one costs more than ringing."""
    return _queue(queue, settings.RQ_QUEUES[queue]["URL"])


@lru_cache(maxsize=8)
def _queue(queue: str, _url: str) -> Any:
    return django_rq.get_queue(queue)


_JOBS = {EVENTS: "drain", POLLS: "poll_due", UPKEEP: "upkeep"}


def enqueue(rq_queue: Any, function: str, *ids: int) -> None:
    """Put a job on a queue: ids only as arguments, no result kept, failures briefly."""
    rq_queue.enqueue(function, *ids, result_ttl=0, failure_ttl=3600, job_timeout=180)


def answer(queue: str = EVENTS) -> None:
    """Take the mark off: whoever rings from now on is heard anew. Call before looking for work."""
    try:
        rq_queue_named(queue).connection.delete(_MARK.format(queue))
    except (redis.RedisError, OSError):
        return
