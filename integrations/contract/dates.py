"""Days and times in the forms in which EMRs send them: ISO, month first, compact, written out."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import text

LONGEST_DATE = 64
FIRST_YEAR, LAST_YEAR = 1900, 2199
OLDEST_AGE_YEARS = 120

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY = r"(?:[A-Za-z]{3,9},?\s+)?"
_MONTH_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_DAY_FORMS = (
    r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})",
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    r"(?P<month>\d{1,2})[-/](?P<day>\d{1,2})[-/](?P<year>\d{4}|\d{2})",
    rf"{_WEEKDAY}{_MONTH_NAME}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    rf"{_WEEKDAY}(?P<day>\d{{1,2}})[\s-]{_MONTH_NAME}[\s,-]+(?P<year>\d{{4}})",
)
_FORMS = tuple(re.compile(form + r"(?:[T\s,]+(?P<rest>.*))?", re.ASCII) for form in _DAY_FORMS)
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?::?(?P<minute>\d{2}))?(?::?(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp])?(?(half)\.?[Mm]\.?)"
    r"\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"\d{10}(?:\.\d+)?|\d{13}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one text says: the day as written (its year maybe two digits), the time of day and the zone.
    ``is_whole`` is false where something stands behind the day that is no time."""

    year: int
    month: int
    day: int
    short_year: bool = False
    clock: time | None = None
    zone: tzinfo | None = None
    is_whole: bool = True

    def on(self, year: int | None = None) -> date | None:
        """The day, in another year where one is given; None when there is no such day."""
        try:
            return date(self.year if year is None else year, self.month, self.day)
        except ValueError:
            return None


def calendar_date(value: Any, field: str, zone: tzinfo | None = None) -> date | None:
    """The day of ``value``: ISO, M/D/YYYY, M/D/YY, YYYYMMDD or written out, with or without a time; None when
    empty. A time that says its own offset is moved to ``zone`` first, where one is given.

    Raises MalformedPayload naming ``field`` when it is no date between 1900 and 2199.
    """
    raw = text(value)
    if not raw:
        return None
    read = _read(raw)
    day = read and read.on(_full_year(read))
    if not read or not day or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise MalformedPayload(f'"{field}" is not a date that we can read.', field=field)
    if read.clock is None or read.zone is None or zone is None:
        return day
    return datetime.combine(day, read.clock, read.zone).astimezone(zone).date()


def birth_date(value: Any, field: str, today: date) -> date | None:
    """A day of birth in the same forms; None when empty. Two-digit years mean the latest year that is not in
    the future.

    Raises MalformedPayload naming ``field`` when it is no date, in the future, or more than 120 years ago.
    """
    raw = text(value)
    if not raw:
        return None
    read = _read(raw)
    day = read and _born(read, today)
    if not day or not today.year - OLDEST_AGE_YEARS <= day.year or day > today:
        raise MalformedPayload(f'"{field}" is not a date of birth that we can read.', field=field)
    return day


def _born(read: _Read, today: date) -> date | None:
    if not read.short_year:
        return read.on()
    centuries = (today.year - today.year % 100, today.year - today.year % 100 - 100)
    days = (read.on(century + read.year) for century in centuries)
    return next((day for day in days if day and day <= today), None)


def moment(value: Any, field: str) -> datetime | None:
    """A time in UTC: ISO, seconds or milliseconds since 1970, or a date with a time in the forms above; None
    when empty. A time without a zone counts as UTC.

    Raises MalformedPayload naming ``field`` when it is no time between 1970 and 2199.
    """
    raw = text(value)
    if not raw:
        return None
    found = _since_1970(raw) if _EPOCH.fullmatch(raw) else _iso(raw) or _loose(raw)
    if found is None or not 1970 <= found.year <= LAST_YEAR:
        raise MalformedPayload(f'"{field}" is not a time that we can read.', field=field)
    return found.astimezone(UTC)


def as_people_write(day: date) -> str:
    """``3/9/2026``: month first, no leading zeros."""
    return f"{day.month}/{day.day}/{day.year}"


def _since_1970(raw: str) -> datetime:
    seconds = float(raw)
    return datetime.fromtimestamp(seconds / 1000 if len(raw) == 13 and "." not in raw else seconds, UTC)


def _iso(raw: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _loose(raw: str) -> datetime | None:
    read = _read(raw)
    day = read and read.is_whole and read.on(_full_year(read))
    return datetime.combine(day, read.clock or time(), read.zone or UTC) if read and day else None


def _full_year(read: _Read) -> int:
    """Two-digit years of visits and payments: 26 is 2026, 98 is 1998."""
    if not read.short_year:
        return read.year
    return read.year + (2000 if read.year < 70 else 1900)


def _read(raw: str) -> _Read | None:
    if len(raw) > LONGEST_DATE:
        return None
    found = next((match for form in _FORMS if (match := form.fullmatch(raw))), None)
    if not found:
        return None
    parts = found.groupdict()
    month = _month_named(parts["name"]) if parts.get("name") else int(parts["month"])
    rest = parts["rest"] or ""
    clock, zone = _clock(rest)
    return _Read(
        year=int(parts["year"]),
        month=month,
        day=int(parts["day"]),
        short_year=len(parts["year"]) == 2,
        clock=clock,
        zone=zone,
        is_whole=clock is not None or not rest,
    )


def _month_named(name: str) -> int:
    """1 to 12, or 0 (which makes no date) for a word that is no month."""
    start = name[:3].lower()
    return _MONTHS.index(start) + 1 if start in _MONTHS else 0


def _clock(rest: str) -> tuple[time | None, tzinfo | None]:
    """Time of day and zone; (None, None) for words that are neither: the day still counts."""
    found = _CLOCK.fullmatch(rest.strip())
    if not found:
        return None, None
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(found["minute"] or 0), int(found["second"] or 0)), _zone(found["zone"] or "")
    except ValueError:
        return None, None


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    if name[0] not in "+-":
        return UTC
    digits = name[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if name[0] == "-" else offset)
