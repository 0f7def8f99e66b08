"""One connection's speed limit at its EMR, shared by all our processes: whoever calls takes the next free slot."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import django_rq
import redis
from django.conf import settings

from integrations.contract.errors import RateLimited
from integrations.sync import bell

logger = logging.getLogger(__name__)

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
_KEY = "ax:emr:{}"
LONGEST_WAIT_SECONDS = 5.0
# A second's worth of calls may go at once, so that a short poll need not walk.
BURST_SECONDS = 1.0
_REDIS_PAUSE_SECONDS = 5.0
_redis_away_until = 0.0
_own_slots: dict[int, float] = {}
_lock = threading.Lock()


def wait_turn(connection_id: int, calls_per_second: float, *, patience: float = LONGEST_WAIT_SECONDS) -> None:
    """Wait for this connection's next slot, ``patience`` seconds at most.

    Raises RateLimited when the slot is further away: the caller gives its place to others meanwhile. Without
    Redis each process keeps to its share.
    """
    wait = _slot(connection_id, calls_per_second, patience)
    if wait > patience:
        raise RateLimited("Waiting for the EMR's speed limit.", retry_after=wait)
    if wait > 0:
        time.sleep(wait)


def _slot(connection_id: int, calls_per_second: float, patience: float) -> float:
    global _redis_away_until
    if time.monotonic() >= _redis_away_until:
        gap_ms = 1000.0 / calls_per_second
        burst = max(1, int(calls_per_second * BURST_SECONDS))
        try:
            wait_ms = _script()(keys=[_KEY.format(connection_id)], args=[gap_ms, burst, int(patience * 1000)])
            return float(wait_ms) / 1000
        except (redis.RedisError, OSError) as error:
            _redis_away_until = time.monotonic() + _REDIS_PAUSE_SECONDS
            logger.warning("the EMRs' speed limits are kept per process: %s", type(error).__name__)
    return _own_slot(connection_id, calls_per_second / max(1, settings.WORKERS + 1), patience)


def _own_slot(connection_id: int, calls_per_second: float, patience: float) -> float:
    now = time.monotonic()
    with _lock:
        slot = max(_own_slots.get(connection_id, 0.0), now)
        if slot - now <= patience:
            _own_slots[connection_id] = slot + 1 / calls_per_second
    return slot - now


_scripts: dict[str, Any] = {}


def _script() -> Any:
    url = settings.REDIS_URL
    if url not in _scripts:
        _scripts[url] = django_rq.get_connection(bell.POLLS).register_script(_SCRIPT)
    return _scripts[url]
