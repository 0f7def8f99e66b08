"""What a pretend practice has on file, as one JSON object, and how Nextech's searches read it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from integrations.emrs.nextech_cloud.fhir import participants, patient_of, plain_id, resource_type
from integrations.emrs.nextech_cloud.pretend.cast import guid
from integrations.emrs.nextech_cloud.pretend.resources import DEFINITIONS, stamp

Json = dict[str, Any]
USUAL_COUNT, MOST_COUNT = 10, 50
LISTS = (
    "Appointment",
    "Patient",
    "PaymentReconciliation",
    "Location",
    "Practitioner",
    "appointment-type",
    "appointment-purpose",
    "appointment-status",
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda one, other: bool(one >= other),
    "gt": lambda one, other: bool(one > other),
    "le": lambda one, other: bool(one <= other),
    "lt": lambda one, other: bool(one < other),
    "eq": lambda one, other: bool(one == other),
    "ne": lambda one, other: bool(one != other),
}


class Refused(Exception):
    """What Nextech does not do: the HTTP status, and its words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def put(file: Json, resource: Mapping[str, Any], now: datetime) -> None:
    """Store a resource, new or changed. One without a time of its own gets ``now`` as its ``meta.lastUpdated``."""
    kind = _list_named(str(resource.get("resourceType")))
    rows = file.setdefault(kind, {})
    kept = dict(resource)
    kept.setdefault("meta", {"lastUpdated": stamp(now)})
    known = rows.get(_key(kind, kept["id"]))
    file["entered"] = file.get("entered", 0) + (known is None)
    # The place in the list is given once: by the day of entry.
    rows[_key(kind, kept["id"])] = {"place": known["place"] if known else file["entered"], "resource": kept}


def remove(file: Json, kind: str, external_id: str) -> None:
    """Delete a resource for good: it leaves every list."""
    file.setdefault(_list_named(kind), {}).pop(_key(kind, external_id), None)


def read(file: Json, kind: str, external_id: str) -> Json:
    """One resource; patients also by chart number. Raises Refused 404."""
    rows = file.get(_list_named(kind), {})
    found = rows.get(_key(kind, external_id))
    if found is None and kind == "Patient":
        found = next((row for row in rows.values() if external_id in _identifiers(row["resource"])), None)
    if found is None:
        raise Refused(404, "The requested resource was not found.")
    return dict(found["resource"])


def search(
    file: Json, kind: str, query: Sequence[tuple[str, str]], *, newest_first: bool = False
) -> list[Json]:
    """The resources of a list that fit a query, by the day of entry. Raises Refused 400 for an unreadable one."""
    rows = sorted(file.get(kind, {}).values(), key=lambda row: row["place"], reverse=newest_first)
    tests = [
        _test(name, value) for name, value in query if not name.startswith("_") or name == "_lastUpdated"
    ]
    return [row["resource"] for row in rows if all(test(row["resource"]) for test in tests)]


def _list_named(kind: str) -> str:
    if kind not in LISTS:
        raise Refused(404, f"There is no list of {kind[:40]}.")
    return kind


def _key(kind: str, external_id: str) -> str:
    return plain_id(external_id) if kind == "Patient" else external_id


def _identifiers(resource: Json) -> list[str]:
    return [row.get("value", "") for row in resource.get("identifier", ())]


def _test(name: str, value: str) -> Callable[[Json], bool]:
    """What one parameter asks of a resource. Parameters that Nextech does not know are ignored."""
    if name == "_lastUpdated":
        compare, bound = _time_bound(value)
        return lambda resource: compare(datetime.fromisoformat(resource["meta"]["lastUpdated"]), bound)
    if name == "date":
        compare_day, day = _day_bound(value)
        return lambda resource: compare_day(date.fromisoformat(resource.get("start", "")[:10]), day)
    wanted = [one.casefold() for one in value.split(",")]
    reader = _TEXTS.get(name)
    if reader is None:
        return lambda resource: True
    return lambda resource: any(found.casefold() in wanted for found in reader(resource))


def _prefixed(value: str) -> tuple[Callable[[Any, Any], bool], str]:
    if value[:2] in _COMPARISONS:
        return _COMPARISONS[value[:2]], value[2:]
    return _COMPARISONS["eq"], value


def _time_bound(value: str) -> tuple[Callable[[Any, Any], bool], datetime]:
    """``ge2026-03-15T11:50:00Z``: no fraction, and a plus sign must be written %2B (else it is a space here)."""
    compare, raw = _prefixed(value)
    if " " in raw or "." in raw:
        raise Refused(400, "_lastUpdated must be yyyy-MM-dd or yyyy-MM-ddThh:mm:ss[Z|(+|-)hh:mm].")
    try:
        bound = datetime.fromisoformat(raw)
    except ValueError:
        raise Refused(400, "_lastUpdated is not a date.") from None
    return compare, bound if bound.tzinfo else bound.replace(tzinfo=UTC)


def _day_bound(value: str) -> tuple[Callable[[Any, Any], bool], date]:
    compare, raw = _prefixed(value)
    try:
        return compare, date.fromisoformat(raw[:10])
    except ValueError:
        raise Refused(400, "date is not a date.") from None


_TEXTS: dict[str, Callable[[Json], list[str]]] = {
    "status": lambda resource: [str(resource.get("status", ""))],
    "identifier": _identifiers,
    "patient": lambda resource: [patient_of(resource).id],
    "location.id": lambda resource: [row.id for row in participants(resource, "location")],
    "family": lambda resource: [row.get("family", "") for row in resource.get("name", ())],
    "given": lambda resource: [one for row in resource.get("name", ()) for one in row.get("given", ())],
    "birthdate": lambda resource: [resource.get("birthDate", "")],
    "email": lambda resource: _reached(resource, "email"),
    "phone": lambda resource: _reached(resource, "phone"),
    "address-postalcode": lambda resource: [row.get("postalCode", "") for row in resource.get("address", ())],
}


def _reached(resource: Json, system: str) -> list[str]:
    rows = resource.get("telecom", ())
    return [row.get("value", "") for row in rows if row.get("system") == system]


def create_patient(file: Json, body: Mapping[str, Any], now: datetime) -> Json:
    """A new patient. Raises Refused 400 for what Nextech needs, 409 when it knows the person."""
    wanted = dict(body)
    if resource_type(wanted) != "patient":
        raise Refused(400, "resourceType must be Patient.")
    _complete(wanted)
    _at_a_location(file, wanted)
    mine = _matching(wanted)
    for row in file.get("Patient", {}).values():
        if mine[0] == _matching(row["resource"])[0] and mine[1] & _matching(row["resource"])[1]:
            raise Refused(409, "The patient already exists.")
    number = len(file.get("Patient", {})) + 1
    made = wanted | {"id": guid("created", number, sorted(mine[1])), "meta": {"lastUpdated": stamp(now)}}
    made["identifier"] = [
        {"use": "official", "value": made["id"]},
        {"use": "usual", "value": str(90_000 + number)},
    ]
    put(file, made, now)
    return made


def _complete(patient: Json) -> None:
    name, address = _first_of(patient, "name"), _first_of(patient, "address")
    needed = {
        "name.family": name.get("family"),
        "name.given": any(name.get("given") or ()),
        "name.use": name.get("use"),
        "birthDate": patient.get("birthDate"),
        "telecom.email": any(_reached(patient, "email")),
        "telecom.phone": any(_reached(patient, "phone")),
        "address.postalCode": address.get("postalCode"),
    }
    missing = [what for what, value in needed.items() if not value]
    if missing:
        raise Refused(400, f"Missing: {', '.join(missing)}.")


def _at_a_location(file: Json, patient: Json) -> None:
    url = f"{DEFINITIONS}patient-location"
    for row in patient.get("extension", ()):
        location_id = str(row.get("valueReference", {}).get("reference", "")).rpartition("/")[2]
        if row.get("url") == url and location_id not in file.get("Location", {}):
            raise Refused(400, "patient-location is not an active, managed location.")


def _first_of(patient: Json, part: str) -> Json:
    rows = patient.get(part)
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}


def _matching(patient: Json) -> tuple[tuple[str, ...], set[str]]:
    """What must be the same for two to be one person: the first all together, of the second any."""
    name, address = _first_of(patient, "name"), _first_of(patient, "address")
    given = next((one for one in name.get("given", ()) if one), "")
    email = next(iter(_reached(patient, "email")), "")
    same = (given, name.get("family", ""), email, patient.get("birthDate", ""), address.get("postalCode", ""))
    phones = {"".join(filter(str.isdigit, one)) for one in _reached(patient, "phone") if one}
    return tuple(one.casefold() for one in same), phones
