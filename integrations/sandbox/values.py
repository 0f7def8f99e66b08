"""How the CRM reads single values: e-mail, phone, birth date, tags, custom field values."""

import math
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from .records import Record

_PLAIN_TEXT = frozenset(("TEXT", "LARGE_TEXT", "PHONE", "EMAIL", "TIME"))
_NUMBERS = frozenset(("NUMERICAL", "MONETORY", "FLOAT"))
_ONE_OF = frozenset(("SINGLE_OPTIONS", "RADIO"))
_SEVERAL_OF = frozenset(("MULTIPLE_OPTIONS", "CHECKBOX"))


class _Unstored:
    """Marks a custom field value that the CRM takes without complaint and forgets."""


UNSTORED: Final = _Unstored()


def email_of(text: str) -> str | None:
    """Return an e-mail address in lower case, or None when it is none."""
    name, at, domain = text.strip().lower().partition("@")
    dotted = "." in domain and all(domain.split("."))
    if not (name and at and dotted) or "@" in domain or " " in name or " " in domain:
        return None
    return f"{name}@{domain}"


def phone_of(text: str) -> str | None:
    """Return an E.164 number, or None when it is none."""
    digits = text[1:]
    fits = text[:1] == "+" and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15
    return text if fits and digits[0] != "0" else None


def birth_date_of(text: str) -> str | None:
    """Read year-month-day or month-day-year, parted by `- / . _`; return `YYYY-MM-DD`, or None."""
    for separator in "/._":
        text = text.replace(separator, "-")
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    year, month, day = parts if len(parts[0]) == 4 else (parts[2], parts[0], parts[1])
    try:
        return date(int(year), int(month), int(day)).isoformat() if len(year) == 4 else None
    except ValueError:
        return None


def is_moment(text: str) -> bool:
    """Tell whether a text is a time with its offset, `2021-06-23T03:30:00+01:00`."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Return tags trimmed and in lower case, each once, empty ones left out."""
    return list(dict.fromkeys(name for tag in tags if (name := tag.strip().lower())))


def stored_value(field: Record, raw: Any) -> Any:
    """Return what the CRM keeps of a custom field value: the value, None to clear it, or UNSTORED."""
    if raw is None or raw == "" or raw == []:
        return None
    kind = field["dataType"]
    if kind in _PLAIN_TEXT:
        return _text(raw)
    if kind in _NUMBERS:
        return _number(raw)
    if kind == "DATE":
        return raw if isinstance(raw, str) else UNSTORED
    if kind in _ONE_OF:
        return raw if isinstance(raw, str) and _is_option(field, raw) else UNSTORED
    if kind in _SEVERAL_OF:
        return _options(field, raw)
    return raw


def _text(raw: Any) -> Any:
    if isinstance(raw, str):
        return raw
    return str(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) else UNSTORED


def _number(raw: Any) -> Any:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return UNSTORED
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        return UNSTORED
    if not math.isfinite(number):
        return UNSTORED
    return int(number) if number.is_integer() else number


def _is_option(field: Record, value: str) -> bool:
    return bool(field["isAllowedCustomOption"]) or value in field["picklistOptions"]


def _options(field: Record, raw: Any) -> Any:
    values = [raw] if isinstance(raw, str) else raw
    if not isinstance(values, list):
        return UNSTORED
    return [value for value in values if isinstance(value, str) and _is_option(field, value)] or UNSTORED
