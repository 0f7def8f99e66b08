"""Reading FHIR as vendors send it: every field optional, nothing trusted to be of its type. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.contract.reading import text

Json = Mapping[str, Any]
_REFERENCE = re.compile(r"(?:.*/)?(?P<kind>[A-Za-z]+)/(?P<id>[^/?#\s]{1,100})(?:/_history/[^/]*)?")


def objects(value: Any) -> list[Json]:
    """The objects in a list; a single one counts as a list of itself."""
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, Mapping)]


def child(node: Any, name: str) -> Any:
    """What an object holds under a name; None for anything that is no object."""
    return node.get(name) if isinstance(node, Mapping) else None


def reference_id(reference: Any, kind: str) -> str:
    """The id in a reference to a resource of this kind, absolute or relative; "" for none."""
    written = text(child(reference, "reference"))
    found = _REFERENCE.fullmatch(written)
    if not found or found["kind"] != kind:
        return ""
    return found["id"].replace("%7C", "|").replace("%7c", "|")


def participant_id(appointment: Json, kind: str) -> str:
    """The id of the first participant of this kind (Patient, Practitioner, Location); "" for none."""
    actors = (child(one, "actor") for one in objects(child(appointment, "participant")))
    return next((found for actor in actors if (found := reference_id(actor, kind))), "")


def human_name(resource: Any) -> tuple[str, str]:
    """First and family name: the official one, else the first that is no former one."""
    names = [one for one in objects(child(resource, "name")) if text(child(one, "use")) != "old"]
    names.sort(key=lambda one: text(child(one, "use")) != "official")
    for name in names:
        given = child(name, "given")
        firsts = [found for one in (given if isinstance(given, list) else [given]) if (found := text(one))]
        first, family = next(iter(firsts), ""), text(child(name, "family"))
        if first or family:
            return first, family
    return "", ""


def contact_points(resource: Any, system: str) -> Iterator[Json]:
    """Phones or e-mails in the order in which the person prefers them (rank 1 first), former ones left out."""
    points = [
        point
        for point in objects(child(resource, "telecom"))
        if text(child(point, "system")) == system and text(child(point, "use")) != "old"
    ]
    return iter(sorted(points, key=_rank))


def _rank(point: Json) -> int:
    rank = text(child(point, "rank"))
    return int(rank) if rank.isascii() and rank.isdecimal() and len(rank) < 6 else 10**6


def extension(resource: Any, name: str) -> Json | None:
    """The extension whose url is, or ends in, this name."""
    return next((one for one in objects(child(resource, "extension")) if _named(one) == name), None)


def flat_extension(node: Any) -> dict[str, Any]:
    """The simple values inside an extension by name; the first of each name counts."""
    values: dict[str, Any] = {}
    for one in objects(child(node, "extension")):
        value = next((found for key, found in one.items() if str(key).startswith("value")), None)
        if value is not None and (name := _named(one)):
            values.setdefault(name, value)
    return values


def _named(node: Json) -> str:
    return text(child(node, "url")).rpartition("/")[2]


def resources_in(bundle: Any, kind: str) -> list[Json]:
    """The resources of this kind that a search found; outcomes and included others are left out."""
    found = []
    for entry in objects(child(bundle, "entry")):
        resource = child(entry, "resource")
        mode = text(child(child(entry, "search"), "mode"))
        if text(child(resource, "resourceType")) == kind and mode in ("", "match"):
            found.append(resource)
    return found


def outcome_words(body: Any) -> str:
    """What an OperationOutcome says, or the usual error keys of a JSON body. Not redacted."""
    said = []
    for issue in objects(child(body, "issue")):
        words = text(child(issue, "diagnostics")) or text(child(child(issue, "details"), "text"))
        said.append(words or text(child(issue, "code")))
    if not said:
        said = [text(child(body, key)) for key in ("error_description", "message", "error")]
    return "; ".join(word for word in said if word)
