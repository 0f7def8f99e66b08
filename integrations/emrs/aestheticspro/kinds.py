"""The names of AestheticsPro's events, however they are spelled."""

import re

from integrations.contract.reading import Body, plain_key
from integrations.emrs.aestheticspro.fields import FIELDS
from integrations.emrs.aestheticspro.manifest import MANIFEST

# Anything else in that place is no event type but somebody's text, which does not belong in a plain column.
_NAME = re.compile(r"[\w.:/ -]{1,60}", re.ASCII)
_KINDS = {plain_key(kind.name): kind.name for kind in MANIFEST.events} | {
    "appointmentcanceled": "appointment.cancelled",
    "appointmentbooked": "appointment.created",
    "appointmentrescheduled": "appointment.updated",
    "clientcreated": "client.saved",
    "clientupdated": "client.saved",
    "webhookping": "webhook.test",
    "ping": "webhook.test",
    "test": "webhook.test",
}
UNUSED = {kind.name: f"{kind.label} from AestheticsPro" for kind in MANIFEST.events if not kind.used}


def declared_kind(name: str) -> str:
    """The declared event that ``name`` means (``AppointmentCreated``, ``appointment.canceled``), else ""."""
    return _KINDS.get(plain_key(name), "")


def kind_of(body: Body) -> str:
    """The declared event type of a body, the sender's own word for one that we do not know, "" for none."""
    name = body.text("event", *FIELDS["event"])
    return declared_kind(name) or (name if _NAME.fullmatch(name) else "")


def why_ignored(kind: str) -> str:
    """A sentence for a test ping and for events that we do not know; "" for the ones that we use."""
    if kind in UNUSED:
        return UNUSED[kind]
    return "" if declared_kind(kind) else f'AestheticsPro event "{kind}" is not one we use'
