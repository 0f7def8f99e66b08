"""Where a person goes to help an event on."""

from dataclasses import dataclass

from django.urls import reverse

from categorization.models import AppointmentType
from integrations.models import (
    Connection,
    EventState,
    HeldFor,
    IdentityQuestion,
    InboundEvent,
    LedgerRow,
    LedgerState,
    ParkedAs,
    SubAccount,
)
from integrations.views.links import list_of, page_of
from tenants.models import Location, Practice


@dataclass(frozen=True, slots=True)
class WayOn:
    """A link and what it is for."""

    label: str
    link: str


def ways_on(event: InboundEvent) -> list[WayOn]:
    """Pages on which what the event waits for can be settled; empty when it waits for nobody."""
    found: list[WayOn] = []
    if event.held_for:
        found = _for_held(event)
    elif event.state == EventState.PARKED:
        found = _for_parked(event)
    elif event.state == EventState.SKIPPED and event.held_key and event.patient_id:
        found = _for_left_out(event)
    return [way for way in found if way.link]


def _for_held(event: InboundEvent) -> list[WayOn]:
    if event.held_for == HeldFor.CATEGORY:
        return [
            WayOn("Confirm the type", list_of(AppointmentType, practice=event.practice_id, confirmed="no"))
        ]
    if event.held_for == HeldFor.LOCATION:
        return [WayOn("Map the location", list_of(Location, practice=event.practice_id))]
    if event.held_for == HeldFor.IDENTITY:
        return [WayOn("Decide", list_of(IdentityQuestion, practice=event.practice_id, open="yes"))]
    return [WayOn("Open the practice", page_of(Practice, event.practice_id))]


def _for_left_out(event: InboundEvent) -> list[WayOn]:
    """A person left the patient out: another answer brings the event back."""
    rows = IdentityQuestion.objects.for_practice(event.practice_id).filter(
        patient_id=event.patient_id, sub_account_id=event.sub_account_id
    )
    decided = rows.exclude(answer="").order_by("-answered_at").first()
    return [WayOn("Change the answer", page_of(IdentityQuestion, decided.pk))] if decided else []


def _for_parked(event: InboundEvent) -> list[WayOn]:
    connection = WayOn("Open the connection", page_of(Connection, event.connection_id))
    sub_account = WayOn("Open the sub-account", page_of(SubAccount, event.sub_account_id))
    if event.parked_as == ParkedAs.MALFORMED and event.connection_id:
        return [
            WayOn("Where fields are read", reverse("admin:connection-fields", args=[event.connection_id]))
        ]
    if event.parked_as == ParkedAs.UNSURE:
        unsure = {"practice": event.practice_id, "state": LedgerState.NEEDS_ATTENTION}
        return [WayOn("Settle it", list_of(LedgerRow, **unsure))]
    return [sub_account, connection] if event.parked_as == ParkedAs.CONFIG else []
