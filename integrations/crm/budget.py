"""The CRM's request limits, shared by all our processes: one budget per sub-account in Redis.

The CRM's response headers are the authority; the numbers here are what we believe between two answers.
Losing Redis loses nothing: without it each process keeps a share of its own, and after a flush the next
answer's headers tell how much is left.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from integrations.contract.errors import RateLimited

logger = logging.getLogger(__name__)

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
_STOP_BULK_BELOW = 0.05
_REDIS_PAUSE_SECONDS = 5.0


class Priority(StrEnum):
    """Who asks, most urgent first."""

    LIVE = "live"
    CREATE_BACK = "create_back"
    REPLAY = "replay"
    BACKFILL = "backfill"


# The share of the window that each kind leaves to the more urgent ones, and whether it is bulk work, which
# also stops when less than 5 % of the day is left.
_RESERVE = {
    Priority.LIVE: (0.0, False),
    Priority.CREATE_BACK: (0.1, False),
    Priority.REPLAY: (0.3, True),
    Priority.BACKFILL: (0.5, True),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A granted call, and what we believed at that moment: calls left in the window of ``interval_ms`` and in
    the day, after this one."""

    remaining: int
    window_max: int
    interval_ms: int
    day_remaining: int
    day_max: int
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Used:
    """Calls made in the present window and day, and how many are allowed."""

    window_used: int
    window_max: int
    day_used: int
    day_max: int


@dataclass(frozen=True, slots=True)
class Known(Used):
    """The same as Redis knows it, and how long the window is."""

    interval_ms: int


def redis_for_budget(url: str) -> Redis:
    """A client that gives up within a second and repeats nothing: a claim repeated would count twice."""
    return Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))


class Budget:
    """Claims, reports and blocks for any sub-account. Thread-safe; make one per process.

    ``redis`` comes from ``redis_for_budget``; None keeps everything in this process. ``processes`` is how
    many processes share the limits when Redis cannot be reached: each then takes its part of them.
    """

    def __init__(
        self,
        redis: Redis | None,
        *,
        window_max: int = 100,
        interval_ms: int = 10_000,
        day_max: int = 200_000,
        processes: int = 1,
    ) -> None:
        self._defaults = (window_max, interval_ms, day_max)
        self._script = redis.register_script(_SCRIPT) if redis is not None else None
        self._processes = max(1, processes)
        self._local: dict[str, _LocalBucket] = {}
        self._lock = threading.Lock()
        self._redis_again_at = 0.0
        self._is_down = False

    def claim(self, subaccount: str, priority: Priority = Priority.LIVE) -> Claim:
        """Take one call. Raises RateLimited with the seconds until it makes sense to ask again."""
        reserve, is_bulk = _RESERVE[priority]
        granted = self._run(subaccount, "claim", reserve, int(is_bulk), _STOP_BULK_BELOW)
        if granted is None:
            return self._bucket(subaccount).claim(reserve)
        if not granted[0]:
            raise _spent(granted[1] / 1000)
        _, remaining, window_max, interval_ms, day_remaining, day_max = granted
        return Claim(remaining, window_max, interval_ms, day_remaining, day_max)

    def report(self, subaccount: str, headers: Mapping[str, str], claim: Claim) -> None:
        """Adopt the limits that an answer's headers state. Costs nothing while they agree with ``claim``."""
        told = _Told.of(headers)
        if not told.differs_from(claim):
            return
        if claim.is_local or self._run(subaccount, "report", *told.arguments()) is None:
            self._bucket(subaccount).adopt(told)

    def blocked(self, subaccount: str, retry_after: float) -> None:
        """The CRM answered 429: nobody claims for ``retry_after`` seconds."""
        if self._run(subaccount, "block", max(1, int(retry_after * 1000))) is None:
            self._bucket(subaccount).block(retry_after)

    def used(self, subaccount: str) -> Used:
        """The present numbers, for a gauge."""
        numbers = self._run(subaccount, "used")
        return Used(*numbers) if numbers is not None else self._bucket(subaccount).used()

    def known(self, subaccount: str) -> Known | None:
        """What all processes together know in Redis; None where Redis knows nothing or cannot be reached."""
        numbers = self._run(subaccount, "known")
        return Known(*numbers) if numbers else None

    def _run(self, subaccount: str, operation: str, *arguments: float) -> list[int] | None:
        """One script call; None while Redis cannot be used (asked again every five seconds)."""
        if self._script is None or not self._may_ask_redis():
            return None
        try:
            numbers: Any = self._script(
                keys=[f"ax:crm:budget:{subaccount}"], args=[operation, *self._defaults, *arguments]
            )
        except RedisError as error:
            self._redis_lost(error)
            return None
        if self._is_down:
            self._is_down = False
            logger.info("The CRM budget is shared through Redis again.")
        return [int(number) for number in numbers]

    def _may_ask_redis(self) -> bool:
        """Yes while Redis answers; while it does not, one thread in five seconds tries."""
        if not self._is_down:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._redis_again_at:
                return False
            self._redis_again_at = now + _REDIS_PAUSE_SECONDS
            return True

    def _redis_lost(self, error: RedisError) -> None:
        with self._lock:
            self._redis_again_at = time.monotonic() + _REDIS_PAUSE_SECONDS
            first, self._is_down = not self._is_down, True
        if first:
            logger.warning(
                "Redis cannot be used (%s): each process keeps its own share of the CRM budget.",
                type(error).__name__,
            )

    def _bucket(self, subaccount: str) -> "_LocalBucket":
        with self._lock:
            if subaccount not in self._local:
                self._local[subaccount] = _LocalBucket(*self._defaults, processes=self._processes)
            return self._local[subaccount]


@dataclass(frozen=True, slots=True)
class _Told:
    """The numbers in an answer's headers; -1 where absent or senseless."""

    window_max: int
    interval_ms: int
    remaining: int
    day_max: int
    day_remaining: int

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "_Told":
        return cls(
            _number(headers, "X-RateLimit-Max", least=1),
            _number(headers, "X-RateLimit-Interval-Milliseconds", least=20),
            _number(headers, "X-RateLimit-Remaining"),
            _number(headers, "X-RateLimit-Limit-Daily", least=1),
            _number(headers, "X-RateLimit-Daily-Remaining"),
        )

    def arguments(self) -> tuple[int, ...]:
        return self.window_max, self.interval_ms, self.remaining, self.day_max, self.day_remaining

    def differs_from(self, claim: Claim) -> bool:
        limits = (
            (self.window_max, claim.window_max),
            (self.interval_ms, claim.interval_ms),
            (self.day_max, claim.day_max),
        )
        if any(told not in (-1, believed) for told, believed in limits):
            return True
        # Answers to parallel calls overtake each other, so a few calls of difference say nothing, unless few
        # are left. More left than believed is not adopted for the window: ours slides, theirs may jump.
        slack = min(claim.window_max // 10, self.remaining)
        if 0 <= self.remaining < claim.remaining - slack:
            return True
        return self.day_remaining >= 0 and abs(self.day_remaining - claim.day_remaining) > max(
            20, claim.day_max // 1000
        )


def _number(headers: Mapping[str, str], name: str, least: int = 0) -> int:
    raw = (headers.get(name) or "").strip()
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 12 and int(raw) >= least else -1


def _spent(seconds: float) -> RateLimited:
    return RateLimited(
        "The CRM's request budget of this sub-account is used up for now.", retry_after=seconds
    )


class _LocalBucket:
    """What one process allows itself without Redis: its part of the window. The day is left to the CRM's
    429."""

    def __init__(self, window_max: int, interval_ms: int, day_max: int, *, processes: int) -> None:
        self._lock = threading.Lock()
        self._calls: deque[float] = deque()
        self._processes = processes
        self._window_max, self._interval_ms, self._day_max = window_max, interval_ms, day_max
        self._day_used = 0
        self._blocked_until = 0.0

    def claim(self, reserve: float) -> Claim:
        now = time.monotonic()
        with self._lock:
            self._forget_before(now - self._interval_ms / 1000)
            if self._blocked_until > now:
                raise _spent(self._blocked_until - now)
            share = max(1, self._window_max // self._processes)
            limit = share - math.floor(share * reserve)
            if len(self._calls) >= limit:
                raise _spent(self._calls[len(self._calls) - limit] + self._interval_ms / 1000 - now)
            self._calls.append(now)
            self._day_used += 1
            left = (share - len(self._calls), self._day_max - self._day_used)
            return Claim(
                left[0], self._window_max, self._interval_ms, max(0, left[1]), self._day_max, is_local=True
            )

    def adopt(self, told: _Told) -> None:
        with self._lock:
            self._window_max = told.window_max if told.window_max > 0 else self._window_max
            self._interval_ms = told.interval_ms if told.interval_ms > 0 else self._interval_ms
            self._day_max = told.day_max if told.day_max > 0 else self._day_max
            if told.day_remaining >= 0:
                self._day_used = max(0, self._day_max - told.day_remaining)
            if told.remaining == 0:
                self._blocked_until = max(self._blocked_until, time.monotonic() + self._interval_ms / 4000)

    def block(self, seconds: float) -> None:
        with self._lock:
            self._blocked_until = max(self._blocked_until, time.monotonic() + seconds)

    def used(self) -> Used:
        with self._lock:
            self._forget_before(time.monotonic() - self._interval_ms / 1000)
            return Used(len(self._calls), self._window_max, self._day_used, self._day_max)

    def _forget_before(self, moment: float) -> None:
        while self._calls and self._calls[0] <= moment:
            self._calls.popleft()
