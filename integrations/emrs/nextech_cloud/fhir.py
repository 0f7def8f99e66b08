"""Reading Nextech's FHIR (STU3, with liberties): extensions, references, ids. Tolerant: what is not there is ""."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import text

Json = Mapping[str, Any]
CONTAINED = "#"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference points to: the resource type in lower case ("#" for a contained one), id, name."""

    kind: str = ""
    id: str = ""
    display: str = ""


def objects(value: Any) -> list[Json]:
    """The objects in a list, or in one object where a list was due."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, Mapping)]


def extensions(resource: Json, name: str) -> list[Json]:
    """The extensions whose address ends in ``name``, whatever its letter case and whatever stands before."""
    return [
        row for row in objects(resource.get("extension")) if _last(text(row.get("url"))) == name.casefold()
    ]


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2].casefold()


def value_in(extension: Json) -> Any:
    """The one value of an extension (``valueString``, ``valueDate`` …), whatever its type."""
    found = (value for key, value in extension.items() if key.startswith("value") and value not in (None, ""))
    return next(found, None)


def extension_reference(extension: Json) -> Reference:
    """The reference that an extension holds; a plain text counts as its name."""
    value = value_in(extension)
    return reference(value) if isinstance(value, Mapping) else Reference(display=text(value))


def reference(node: Any) -> Reference:
    """A reference object: ``Patient/4AAE…``, ``patient/4aae…``, a whole address, ``#5``, or a name alone."""
    if not isinstance(node, Mapping):
        return Reference()
    display, raw = text(node.get("display")), text(node.get("reference"))
    raw = raw.partition("/_history/")[0].rstrip("/")
    if raw.startswith(CONTAINED):
        return Reference(CONTAINED, raw[1:], display)
    start, _, external_id = raw.rpartition("/")
    return Reference(start.rpartition("/")[2].casefold(), external_id, display)


def contained(resource: Json, kind: str, external_id: str) -> Json:
    """The resource of that type (lower case, "" for any) and id carried inside another; {} for none."""
    wanted = external_id.casefold()
    for row in objects(resource.get("contained")):
        is_kind = not kind or resource_type(row) == kind
        if is_kind and text(row.get("id")).lstrip(CONTAINED).casefold() == wanted:
            return row
    return {}


def resource_type(resource: Json) -> str:
    """The resource's type in lower case."""
    return text(resource.get("resourceType")).casefold()


def resource_id(resource: Json) -> str:
    """The resource's id, else its official identifier."""
    if found := text(resource.get("id")):
        return found
    rows = objects(resource.get("identifier"))
    return next((text(row.get("value")) for row in rows if text(row.get("use")) == "official"), "")


def plain_id(raw: str) -> str:
    """A patient's id in the one form that we use. Nextech writes the same GUID in upper and lower case."""
    return raw.strip().casefold()


def updated_at(resource: Json) -> datetime | None:
    """When the resource changed last; None when it does not say, or not readably."""
    meta = resource.get("meta")
    try:
        return moment(meta.get("lastUpdated") if isinstance(meta, Mapping) else None, "meta.lastUpdated")
    except MalformedPayload:
        return None


def human_name(resource: Json) -> str:
    """The written-out name of a person resource, or the plain name of any other."""
    name = resource.get("name")
    if isinstance(name, str):
        return text(name)
    return next((found for row in objects(name) if (found := text(row.get("text")))), "")


def participants(appointment: Json, kind: str) -> list[Reference]:
    """Who or what takes part, of one type (lower case), with names from contained resources where needed."""
    found = []
    for row in objects(appointment.get("participant")):
        actor = reference(row.get("actor"))
        inside = (
            contained(appointment, "" if actor.kind == CONTAINED else actor.kind, actor.id)
            if actor.id
            else {}
        )
        actual = resource_type(inside) if actor.kind == CONTAINED else actor.kind
        if actual == kind:
            found.append(Reference(actual, actor.id, actor.display or human_name(inside)))
    return found


def patient_of(resource: Json) -> Reference:
    """The patient of an appointment or a payment, the patient itself for a Patient; an empty one for none."""
    kind = resource_type(resource)
    if kind == "patient":
        return Reference("patient", plain_id(resource_id(resource)))
    if kind == "appointment":
        found = participants(resource, "patient")
    else:
        found = [extension_reference(row) for row in extensions(resource, "Patient")]
    first = next((row for row in found if row.id), Reference())
    return Reference(first.kind, plain_id(first.id), first.display)
