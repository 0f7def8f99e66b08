"""The names of PatientNow Pro's events, however they are spelled."""

import re

from integrations.contract.reading import Body, plain_key
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.manifest import MANIFEST

PATIENT_CREATED, PATIENT_UPDATED = "patient.created", "patient.updated"
APPOINTMENT_CREATED, STATUS_CHANGED = "appointment.created", "appointment.status_changed"
BILL_COMPLETED, MEMBERSHIP_CREATED = "bill.completed", "membership.created"

# Anything else in that place is no event type but somebody's text, which does not belong in a plain column.
_NAME = re.compile(r"[\w.:/ -]{1,60}", re.ASCII)
_KINDS = {plain_key(kind.name): kind.name for kind in MANIFEST.events} | {
    "appointmentbooked": APPOINTMENT_CREATED,
    "appointmentstatuschange": STATUS_CHANGED,
    "appointmentstatusupdated": STATUS_CHANGED,
    # Whatever is told of a bill: it is read again, and what it says then counts.
    "patientbillcompleted": BILL_COMPLETED,
    "billupdated": BILL_COMPLETED,
    "billvoided": BILL_COMPLETED,
    "billrefunded": BILL_COMPLETED,
    "billstatuschanged": BILL_COMPLETED,
    "testnotice": "test",
    "webhooktest": "test",
    "ping": "test",
}
UNUSED = {kind.name: f"{kind.label} from PatientNow Pro" for kind in MANIFEST.events if not kind.used}


def declared_kind(name: str) -> str:
    """The declared event that ``name`` means (``AppointmentCreated``, ``appointment_created``), else ""."""
    return _KINDS.get(plain_key(name), "")


def kind_of(body: Body) -> str:
    """The declared event type of a body, the sender's own word for one that we do not know, "" for none."""
    name = body.text("event", *FIELDS["event"])
    return declared_kind(name) or (name if _NAME.fullmatch(name) else "")


def why_ignored(kind: str) -> str:
    """A sentence for a test notice and for events that we do not know; "" for the ones that we use."""
    if kind in UNUSED:
        return UNUSED[kind]
    return "" if declared_kind(kind) else f'PatientNow Pro event "{kind}" is not one we use'
