"""Moments and days as people at a practice write them; the exact time shows on hover."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

MONTH_FIRST = frozenset({"US", "CA"})
NOTHING = format_html('<span class="ax-none">{}</span>', "–")


def zone_of(practice: Any) -> tzinfo:
    """A practice's time zone; UTC without one."""
    return zoneinfo.ZoneInfo(practice.time_zone) if practice is not None else UTC


def in_words(at: datetime, practice: Any, now: datetime | None = None) -> str:
    """``Today, 2:03 PM``: a moment in the practice's zone, as short as it can be said."""
    zone = zone_of(practice)
    local, today = at.astimezone(zone), (now or timezone.now()).astimezone(zone).date()
    if local.date() == today:
        return f"Today, {_clock(local)}"
    if local.date() == today - timedelta(days=1):
        return f"Yesterday, {_clock(local)}"
    if local.year == today.year:
        return f"{_day(local.date(), practice)}, {_clock(local)}"
    return day_in_words(local.date(), practice)


def exactly(at: datetime, practice: Any) -> str:
    """``Thursday, Mar 12, 2026, 2:03:07 PM EDT``."""
    local = at.astimezone(zone_of(practice))
    day = day_in_words(local.date(), practice)
    return f"{local:%A}, {day}, {_clock(local, ':%S')} {local.tzname()}"


def day_in_words(on: date, practice: Any = None) -> str:
    """``Mar 12, 2026``, or ``12 Mar 2026`` where the day comes first."""
    return f"{_day(on, practice)}{', ' if _is_month_first(practice) else ' '}{on.year}"


def moment(at: datetime | None, practice: Any = None) -> SafeString:
    """A point in time as people write it, the exact one on hover."""
    if not at:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(timespec="seconds"),
        exactly(at, practice),
        in_words(at, practice),
    )


def _day(on: date, practice: Any) -> str:
    return f"{on:%b} {on.day}" if _is_month_first(practice) else f"{on.day} {on:%b}"


def _clock(at: datetime, seconds: str = "") -> str:
    return f"{at.hour % 12 or 12}{at.strftime(':%M' + seconds)} {'AM' if at.hour < 12 else 'PM'}"


def _is_month_first(practice: Any) -> bool:
    return practice is None or practice.country in MONTH_FIRST
