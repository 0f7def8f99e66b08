"""Creating a patient as ModMed does: 201 with the new id in a header and mostly no body, duplicates accepted."""

from collections.abc import Mapping
from typing import Any

from integrations.emrs.modmed.fhir import contact_points, human_name
from integrations.emrs.modmed.pretend import shapes
from integrations.emrs.modmed.pretend.firm import Firm, Refused
from integrations.emrs.modmed.pretend.shapes import Json

FIRST_CREATED_ID = 900_000


def create_patient(firm: Firm, body: Mapping[str, Any]) -> Json:
    """Put a new patient on file and return it. Raises Refused 422 naming what is missing."""
    if "Patient" in firm.trap("forbidden"):
        raise Refused(403, shapes.outcome("FORBIDDEN", "forbidden"))
    given, family = human_name(body)
    has = {
        "given": given,
        "family": family,
        "birthdate": body.get("birthDate"),
        "email": any(contact_points(body, "email")),
        "phone": any(contact_points(body, "phone")),
    }
    missing = [name for name, value in has.items() if not value]
    if body.get("resourceType") != "Patient" or missing:
        raise Refused(422, shapes.outcome(f"Missing required attributes: {', '.join(missing)}", "required"))
    new = {key: value for key, value in body.items() if key not in ("id", "meta")}
    return firm.save({**new, "id": str(FIRST_CREATED_ID + firm.number()), "active": True})
