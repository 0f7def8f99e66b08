"""The tick: every few seconds it rings for anything due. One scheduler at a time, however many are started."""

import logging
import os
import secrets
import time
from collections.abc import Callable

import django_rq
import redis
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from integrations.sync import bell, bulk, lanes, provision
from integrations.sync.categories import moving, pulling
from integrations.sync.polling import backfill, cursors

logger = logging.getLogger(__name__)

TICK_SECONDS = 2.0
UPKEEP_SECONDS = 60.0
# New connections are polled within this time.
SET_UP_SECONDS = 10.0
BEAT_KEY, LEADER_KEY = "ax:scheduler:beat", "ax:scheduler:leader"
LEADER_SECONDS = 10


class Scheduler:
    """Ticks while it is the leader; another one takes over within ``LEADER_SECONDS`` when it dies."""

    def __init__(self) -> None:
        self._me = f"{os.getpid()}:{secrets.token_hex(8)}"
        self._next_upkeep = time.monotonic() + TICK_SECONDS
        self._next_set_up = 0.0

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """Tick until told to stop. Redis or the database being away is waited out."""
        while not is_stopping():
            try:
                if self._is_leader():
                    self.tick()
            except (redis.RedisError, DatabaseError, OSError) as error:
                logger.warning("tick failed: %s", type(error).__name__)
            finally:
                close_old_connections()
            _sleep(TICK_SECONDS, is_stopping)
        self._step_down()

    def tick(self) -> None:
        """Ring for whatever is due; now and then, ask for upkeep."""
        now = timezone.now()
        if lanes.anything_due(now):
            bell.ring()
        if time.monotonic() >= self._next_set_up:
            self._next_set_up = time.monotonic() + SET_UP_SECONDS
            cursors.set_up_cursors()
            pulling.set_up()
        if cursors.anything_due(now) or backfill.anything_due(now) or pulling.anything_due(now):
            bell.ring(bell.POLLS, waiting_jobs=1)
        if time.monotonic() >= self._next_upkeep or _upkeep_is_due():
            self._next_upkeep = time.monotonic() + UPKEEP_SECONDS
            bell.ring(bell.UPKEEP, waiting_jobs=1)

    def _is_leader(self) -> bool:
        store = django_rq.get_connection(bell.UPKEEP)
        if not store.set(LEADER_KEY, self._me, nx=True, ex=LEADER_SECONDS):
            holder = store.get(LEADER_KEY)
            if holder != self._me.encode():
                return False
            store.expire(LEADER_KEY, LEADER_SECONDS)
        store.set(BEAT_KEY, f"{time.time():.0f}", ex=3600)
        return True

    def _step_down(self) -> None:
        try:
            store = django_rq.get_connection(bell.UPKEEP)
            if store.get(LEADER_KEY) == self._me.encode():
                store.delete(LEADER_KEY)
        except (redis.RedisError, OSError):
            return


def _upkeep_is_due() -> bool:
    """Whether something that a person asked for waits for upkeep."""
    return moving.anything_due() or bulk.anything_due() or provision.anything_due()


def _sleep(seconds: float, is_stopping: Callable[[], bool]) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not is_stopping():
        time.sleep(0.1)
