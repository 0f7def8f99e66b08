"""Times, dates and amounts as people write them at the practice; the exact time shows on hover."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import phonenumbers
from django import template
from django.utils.safestring import SafeString, mark_safe

from tenants.moments import NOTHING, day_in_words, exactly, in_words, moment, zone_of

__all__ = ["day_in_words", "exactly", "in_words", "moment", "zone_of"]
register = template.Library()
register.filter(moment)

CURRENCY = {"GB": "£"}


@register.filter
def moment_words(at: datetime, practice: Any) -> str:
    """A moment in plain words, for titles."""
    return in_words(at, practice)


@register.filter
def moment_within(at: datetime | None, practice: Any = None) -> SafeString:
    """The same in the middle of a sentence: ``done, today, 2:03 PM``."""
    shown = moment(at, practice)
    return mark_safe(shown.replace(">Today, ", ">today, ").replace(">Yesterday, ", ">yesterday, "))  # noqa: S308


@register.filter
def day(on: date | None, practice: Any = None) -> SafeString | str:
    """A calendar day."""
    return day_in_words(on, practice) if on else NOTHING


@register.filter
def telephone(raw: str, practice: Any = None) -> str:
    """A phone number as people of the practice's country write it, so that two can be compared by eye; what cannot be
    read as one stays as it is."""
    country = str(getattr(practice, "country", "") or "US")
    try:
        number = phonenumbers.parse(raw or "", country)
    except phonenumbers.NumberParseException:
        return raw or NOTHING
    is_own = number.country_code == phonenumbers.country_code_for_region(country)
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, form.NATIONAL if is_own else form.INTERNATIONAL)


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
def number(count: int) -> str:
    """``5,000``."""
    return f"{count:,}"


@register.filter
def seconds_each(seconds: float) -> str:
    """How long a thing of that many seconds takes: ``40 ms``, ``1.2 s``."""
    return took(seconds * 1000)


@register.filter
def between(start: datetime | None, end: datetime | None) -> str:
    """How long it was from one moment to another."""
    return took((end - start).total_seconds() * 1000) if start and end else ""


@register.filter
def words(name: str) -> str:
    """A technical name as words: ``needs_attention`` → ``Needs attention``."""
    return name.replace("_", " ").strip().capitalize()
