"""Searches as ModMed does them: whole days only, unknown parameters not heeded, a next link on every page."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.contract.dates import moment
from integrations.emrs.modmed.fhir import Json as Resource
from integrations.emrs.modmed.fhir import contact_points, human_name, participant_id, reference_id
from integrations.emrs.modmed.pretend import shapes
from integrations.emrs.modmed.pretend.firm import Firm, Refused
from integrations.emrs.modmed.pretend.shapes import Json

MOST = {"Practitioner": 100, "Location": 100}
MOST_USUAL, PAGE_USUAL = 50, 10
_PREFIXED = re.compile(r"(?P<prefix>gt|ge|lt|le|eq)?(?P<value>\d{4}-\d{2}-\d{2}.*)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Predicate = Callable[[Resource, str], bool]


def search(firm: Firm, kind: str, query: Mapping[str, str]) -> Json:
    """One page. Raises Refused for a value that cannot be read."""
    if kind in firm.trap("forbidden"):
        raise Refused(403, shapes.outcome("FORBIDDEN", "forbidden"))
    found = [one for one in firm.all(kind) if _fits(firm, kind, one, query)]
    if firm.trap("newest_first"):
        found.sort(key=lambda one: str(one.get("meta", {}).get("lastUpdated", "")), reverse=True)
    size = min(_number(query.get("_count"), PAGE_USUAL), MOST.get(kind, MOST_USUAL))
    page = _number(query.get("page"), 1)
    start = 0 if firm.trap("repeats_pages") else (page - 1) * size
    shown = found[start : start + size]
    links = {"self": _link(kind, query)}
    if shown or firm.trap("endless_next"):
        further = page if firm.trap("next_to_itself") else page + 1
        links["next"] = _link(kind, {**query, "page": str(further)})
    return shapes.bundle(shown, firm.now, links, firm.trap("remark"))


def _number(raw: str | None, usual: int) -> int:
    return int(raw) if raw and raw.isascii() and raw.isdecimal() and int(raw) else usual


def _link(kind: str, query: Mapping[str, str]) -> str:
    written = "&".join(f"{name}={value.replace('|', '%7C')}" for name, value in query.items())
    return f"{shapes.ELSEWHERE}/{kind}?{written}"


def _fits(firm: Firm, kind: str, resource: Resource, query: Mapping[str, str]) -> bool:
    for name, value in query.items():
        if name in firm.trap("ignores") or name not in _PARAMETERS[kind]:
            continue
        if name == "_lastUpdated" and not _understood(firm, value):
            continue
        if not _PARAMETERS[kind][name](resource, value):
            return False
    return True


def _understood(firm: Firm, value: str) -> bool:
    """False when a time, of which ModMed documents the day only, is not heeded."""
    match = _PREFIXED.fullmatch(value)
    if match is None or (not _DAY.fullmatch(match["value"]) and firm.trap("date_times") == "refuse"):
        raise Refused(400, shapes.outcome("Invalid date format, expected yyyy-mm-dd", "value"))
    return bool(_DAY.fullmatch(match["value"])) or firm.trap("date_times") == "honour"


def _changed(resource: Resource, value: str) -> bool:
    return _when(resource.get("meta", {}).get("lastUpdated"), value)


def _starts(resource: Resource, value: str) -> bool:
    return _when(resource.get("start"), value)


def _when(written: Any, value: str) -> bool:
    """Compare by the rules of FHIR: ``gt`` a day begins when that day is over."""
    at, match = moment(written, "time"), _PREFIXED.fullmatch(value)
    if at is None or match is None:
        return False
    first, after = _span(match["value"])
    return {
        "gt": at >= after,
        "ge": at >= first,
        "lt": at < first,
        "le": at < after,
        "eq": first <= at < after,
    }[match["prefix"] or "eq"]


def _span(value: str) -> tuple[datetime, datetime]:
    if _DAY.fullmatch(value):
        day = date.fromisoformat(value)
        first = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return first, first + timedelta(days=1)
    at = moment(value, "time")
    if at is None:
        raise Refused(400, shapes.outcome("Invalid date format", "value"))
    return at, at + timedelta(seconds=1)


def _status(resource: Resource, value: str) -> bool:
    return bool(resource.get("status") == value)


def _of_patient(resource: Resource, value: str) -> bool:
    found = reference_id(resource.get("subject"), "Patient") or participant_id(resource, "Patient")
    return found == value.rpartition("/")[2]


def _at_location(resource: Resource, value: str) -> bool:
    return participant_id(resource, "Location") == value.rpartition("/")[2]


def _with_practitioner(resource: Resource, value: str) -> bool:
    return participant_id(resource, "Practitioner") == value.rpartition("/")[2]


def _family(resource: Resource, value: str) -> bool:
    return human_name(resource)[1].lower() == value.lower()


def _given(resource: Resource, value: str) -> bool:
    return value.lower() in human_name(resource)[0].lower()


def _same(name: str) -> Predicate:
    return lambda resource, value: bool(resource.get(name) == value)


def _reached_by(system: str) -> Predicate:
    def reached(resource: Resource, value: str) -> bool:
        values = [str(point.get("value", "")).lower() for point in contact_points(resource, system)]
        return value.lower().replace("-", "") in [one.replace("-", "") for one in values]

    return reached


_PEOPLE: dict[str, Predicate] = {
    "_lastUpdated": _changed,
    "family": _family,
    "given": _given,
    "email": _reached_by("email"),
    "phone": _reached_by("phone"),
}
# What ModMed documents for each. Anything else is not heeded: ChargeItem knows no time at all.
_PARAMETERS: dict[str, dict[str, Predicate]] = {
    "Appointment": {
        "_lastUpdated": _changed,
        "date": _starts,
        "status": _status,
        "patient": _of_patient,
        "location": _at_location,
        "practitioner": _with_practitioner,
    },
    "Patient": {**_PEOPLE, "birthdate": _same("birthDate"), "gender": _same("gender")},
    "Practitioner": _PEOPLE,
    "Location": {"_lastUpdated": _changed, "name": _same("name"), "status": _status},
    "ChargeItem": {"patient": _of_patient},
}
