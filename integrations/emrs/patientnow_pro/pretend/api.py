"""What the pretend API answers to each call. Pure: an office and a call in, status and body out."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.emrs.patientnow_pro.pretend import cast
from integrations.emrs.patientnow_pro.pretend.cast import Json
from integrations.emrs.patientnow_pro.pretend.office import KINDS, Office, Refused

FIRST_CREATED_ID = 70_001
_GENDERS = ("female", "male", "other")
_SEARCHABLE = ("firstName", "lastName", "dateOfBirth", "email", "phone")
_NEEDED = ("firstName", "lastName", "gender")
_TEXTS = (*_NEEDED, "email", "cellPhone", "homePhone", "dateOfBirth", "referralSource")


def serve(
    office: Office, method: str, path: Sequence[str], query: Mapping[str, str], body: Json, key: str
) -> tuple[int, Any]:
    """Status and body. Raises Refused for everything that is no success."""
    office.count(f"{method} /{path[0] if path else ''}{'/{id}' if len(path) > 1 else ''}")
    office.admit(key)
    if path and path[0] in office.trap("forbidden"):
        raise Refused(403, {"error": "Your plan does not include this resource"})
    if method == "POST" and list(path) == ["patients"]:
        created = office.styled({"patientId": _create(office, body)})
        if office.spring("lost_creates"):
            raise Refused(500, "<html><body><h1>Internal Server Error</h1></body></html>")
        return 201, "" if office.trap("silent_creates") else created
    if method != "GET":
        raise Refused(405, {"error": "Method not allowed"})
    if len(path) == 2 and path[0] in KINDS:
        return 200, office.styled(office.read(path[0], path[1]))
    lists = {
        "patients": lambda: {"patients": _search(office, query)},
        "facilities": lambda: {"facilities": office.facilities()},
        "appointment-types": lambda: {"appointmentTypes": office.types()},
    }
    if len(path) != 1 or path[0] not in lists:
        raise Refused(404, {"error": "Not found"})
    return 200, office.styled(lists[path[0]]())


def _search(office: Office, query: Mapping[str, str]) -> list[Json]:
    wanted = {name: value for name, value in query.items() if name in _SEARCHABLE and value}
    if not wanted:
        raise Refused(422, {"errors": dict.fromkeys(_SEARCHABLE, "one of these is needed")})
    return list(office.matching(wanted))


def _create(office: Office, body: Json) -> str:
    """A new patient's id. Raises Refused 422 naming what is missing or wrong, 409 for one who is there."""
    errors = {name: "is required" for name in _NEEDED if not _text(body, name)}
    if "gender" not in errors and _text(body, "gender").lower() not in _GENDERS:
        errors["gender"] = "is not a known gender"
    if errors:
        raise Refused(422, {"errors": errors})
    for name in ("email", "dateOfBirth"):
        same = {
            "firstName": _text(body, "firstName"),
            "lastName": _text(body, "lastName"),
            name: _text(body, name),
        }
        if same[name] and (known := next(office.matching(same), None)):
            conflict = {"error": "The patient exists already", "patientId": known["patientId"]}
            raise Refused(409, office.styled(conflict))
    external_id = str(office.number("created", FIRST_CREATED_ID))
    address = body.get("address")
    record = {name: _text(body, name) or None for name in _TEXTS}
    given = {name: _text(address, name) for name in cast.patient(0)["address"]} if address else {}
    office.save("patients", {"patientId": external_id, **record, "address": given, "unsubscribed": False})
    return external_id


def _text(node: Any, name: str) -> str:
    found = node.get(name) if isinstance(node, Mapping) else ""
    return found.strip() if isinstance(found, str) else ""
