"""Times, dates and amounts as people write them at the practice; the exact time shows on hover."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

MONTH_FIRST = frozenset({"US", "CA"})
CURRENCY = {"GB": "£"}
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


@register.filter
def moment_words(at: datetime, practice: Any) -> str:
    """A moment in plain words, for titles."""
    return in_words(at, practice)


def _day(on: date, practice: Any) -> str:
    return f"{on:%b} {on.day}" if _is_month_first(practice) else f"{on.day} {on:%b}"


def _clock(at: datetime, seconds: str = "") -> str:
    return f"{at.hour % 12 or 12}{at.strftime(':%M' + seconds)} {'AM' if at.hour < 12 else 'PM'}"


def _is_month_first(practice: Any) -> bool:
    return practice is None or practice.country in MONTH_FIRST


@register.filter
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


@register.filter
def day(on: date | None, practice: Any = None) -> SafeString | str:
    """A calendar day."""
    return day_in_words(on, practice) if on else NOTHING


@register.filter
def money(amount: Decimal | None, practice: Any = None) -> SafeString | str:
    """``$1,250.00`` in the practice's currency."""
    if amount is None:
        return NOTHING
    sign = "−" if amount < 0 else ""
    return f"{sign}{CURRENCY.get(getattr(practice, 'country', ''), '$')}{abs(amount):,.2f}"


@register.filter
def change(amount: Decimal | None, practice: Any = None) -> SafeString | str:
    """``+$25.00``, ``−$25.00``: what something changed by."""
    return money(amount, practice) if amount is None or amount <= 0 else f"+{money(amount, practice)}"


@register.filter
def took(milliseconds: float | None) -> str:
    """``240 ms``, ``3.2 s``, ``4 min``, ``5 h`` or ``3 days``: how long something took."""
    if milliseconds is None:
        return ""
    milliseconds = max(0.0, milliseconds)
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 60 * 48 else f"{minutes / 60 / 24:.0f} days"


@register.filter
def between(start: datetime | None, end: datetime | None) -> str:
    """How long it was from one moment to another."""
    return took((end - start).total_seconds() * 1000) if start and end else ""


@register.filter
def words(name: str) -> str:
    """A technical name as words: ``needs_attention`` → ``Needs attention``."""
    return name.replace("_", " ").strip().capitalize()
