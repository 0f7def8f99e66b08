"""The CRM's rate limit of one sub-account: so many requests per interval and per day."""

from dataclasses import dataclass

from .wire import Headers

DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class RateLimit:
    """Counts requests in windows that open with the first request. Call under the state's lock."""

    max: int = 100
    interval_ms: int = 10_000
    daily: int = 200_000
    used: int = 0
    used_today: int = 0
    window_end: float = 0.0
    day_end: float = 0.0

    def take(self, now: float) -> bool:
        """Count one request at `now` (monotonic seconds); False when it is one too many."""
        if now >= self.window_end:
            self.used, self.window_end = 0, now + self.interval_ms / 1000
        if now >= self.day_end:
            self.used_today, self.day_end = 0, now + DAY_SECONDS
        if self.used >= self.max or self.used_today >= self.daily:
            return False
        self.used += 1
        self.used_today += 1
        return True

    def seconds_left(self, now: float) -> float:
        """Say how long until requests are taken again."""
        end = self.day_end if self.used_today >= self.daily else self.window_end
        return max(0.0, end - now)

    def headers(self) -> Headers:
        """Return the X-RateLimit headers that go with an answer."""
        return [
            ("X-RateLimit-Max", str(self.max)),
            ("X-RateLimit-Remaining", str(self.max - self.used)),
            ("X-RateLimit-Interval-Milliseconds", str(self.interval_ms)),
            ("X-RateLimit-Limit-Daily", str(self.daily)),
            ("X-RateLimit-Daily-Remaining", str(self.daily - self.used_today)),
        ]
