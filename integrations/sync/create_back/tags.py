"""Which tags mean "make a patient", and what a delivery of the CRM says of them. Pure.

A delivery is only a hint: the contact is read again before anything is sent to an EMR.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.contract.creating import words_in
from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import text
from integrations.models import InboundEvent
from integrations.sync.profile import ConnectionProfile, PracticeProfile

# Kinds of events that come from the CRM, and those that we put into the same lane ourselves.
WORKFLOW, APP = "crm.workflow", "crm.app"
SWEEP = "create.sweep"
RETRY, CHECK, ANYWAY, LINK = "create.retry", "create.check", "create.anyway", "create.link"
OWN_KINDS = (RETRY, CHECK, ANYWAY, LINK)
# What happened, in the words of the staff's pages.
LABELS = {
    WORKFLOW: "Create tag, by a workflow",
    APP: "Tags of a contact, by the app",
    SWEEP: "Create tag, found by the hourly search",
    RETRY: "Create: retry",
    CHECK: "Create: retry if fixed",
    ANYWAY: "Create: none of the candidates",
    LINK: "Create: link to a patient",
}
# Of the app's events, those that can bring a tag.
TAG_EVENTS = ("ContactTagUpdate", "ContactCreate")

_LOOSE = str.maketrans("", "", " -_")
_PART = "create"


@dataclass(frozen=True, slots=True)
class Hint:
    """What a delivery says: whose tags, which ones (None: it does not say), and for our own kinds what to do.

    ``request`` is the row that a person acted on, ``external_id`` the patient to link it to.
    """

    contact_id: str
    tags: tuple[str, ...] | None = None
    request: int = 0
    external_id: str = ""


def plain_tag(tag: str) -> str:
    """A tag as tags compare: without case, spaces, hyphens and underscores."""
    return tag.casefold().translate(_LOOSE)


def creates_patients(connection: ConnectionProfile) -> bool:
    """Whether patients can be created in this connection's EMR at all."""
    return connection.emr.has_part(_PART)


def tags_of(connection: ConnectionProfile) -> tuple[str, ...]:
    """The tags that create a patient in this connection: the EMR's own, then the connection's aliases."""
    if not creates_patients(connection):
        return ()
    return (*connection.manifest.create_tags, *words_in(connection.switches.get("create_tag_aliases")))


def matching(connection: ConnectionProfile, tags: Iterable[str]) -> list[str]:
    """Those of ``tags``, as they are spelled, that create a patient in this connection."""
    wanted = {plain_tag(tag) for tag in tags_of(connection)} - {""}
    return [tag for tag in dict.fromkeys(tags) if plain_tag(tag) in wanted]


def is_create_tag(profile: PracticeProfile, tag: str) -> bool:
    """Whether a tag creates a patient in any of the practice's connections."""
    return any(matching(connection, [tag]) for connection in profile.connections.values())


def hint_in(event: InboundEvent) -> Hint:
    """What a stored delivery says. Raises MalformedPayload when it does not say whose tags."""
    if not event.payload:
        raise MalformedPayload("The payload was deleted by retention: there is nothing left to read.")
    body = json.loads(event.payload)
    found = _of_app(body) if event.kind == APP else _of_workflow(body)
    if not found.contact_id:
        raise MalformedPayload(
            'The id of the contact is missing: it is expected at "contact_id".', field="contact_id"
        )
    return found


def contact_id_in(kind: str, body: Mapping[str, Any]) -> str:
    """The CRM id of the contact that a body is about, "" when it does not say."""
    return (_of_app(body) if kind == APP else _of_workflow(body)).contact_id


def app_event(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event itself: most come flat, the vendor's own sample reads them from ``data``."""
    inside = body.get("data")
    return {**body, **inside} if isinstance(inside, Mapping) else body


def _of_app(body: Mapping[str, Any]) -> Hint:
    event = app_event(body)
    tags = event.get("tags")
    listed = tuple(text(tag) for tag in tags) if isinstance(tags, list) else None
    return Hint(text(event.get("id"))[:64], listed)


def _of_workflow(body: Mapping[str, Any]) -> Hint:
    """A workflow's webhook action: flat, its tags one text with commas, and what its author typed in as
    ``customData``."""
    custom = body.get("customData")
    typed = custom if isinstance(custom, Mapping) else {}
    contact_id = next(
        (
            found
            for place in (body, typed)
            for key in ("contact_id", "contactId", "id")
            if (found := text(place.get(key)))
        ),
        "",
    )
    says_tags = "tags" in body or bool(typed)
    tags = (
        *words_in(body.get("tags")),
        *(word for value in typed.values() for word in words_in(text(value))),
    )
    request = body.get("request")
    return Hint(
        contact_id[:64],
        tags if says_tags else None,
        request if isinstance(request, int) else 0,
        text(body.get("external_id"))[:100],
    )
