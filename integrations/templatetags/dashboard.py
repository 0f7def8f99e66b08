"""Numbers of the dashboard as people read them, and its small trend bars."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def thousands(number: int) -> str:
    """12,480."""
    return f"{number:,}"


@register.filter
def signed(number: int) -> str:
    """+12, −3 or 0."""
    return f"+{number:,}" if number > 0 else f"{number:,}".replace("-", "−")


@register.filter
def for_seconds(seconds: float) -> str:
    """How long something has lasted: 12 s, 4 min, 3 h, 2 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


@register.simple_tag
def spark(hours: Sequence[Any], figure: str) -> SafeString:
    """One small bar per hour for a figure of it; None draws no bar. The words beside it say the same."""
    values = [getattr(hour, figure) for hour in hours]
    most = max((value for value in values if value), default=1)
    heights = [0 if value is None else round(value * 100 / most) for value in values]
    bars = format_html_join("", '<i style="height: {}%"></i>', ((height,) for height in heights))
    return format_html('<span class="axd-spark" aria-hidden="true">{}</span>', bars)
