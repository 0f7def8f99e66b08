"""How a pretend practice lives: each appointment goes through its day by the clock, and money comes in. Pure:
the same visit at the same time is always in the same state."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from integrations.emrs.nextech_cloud.pretend.resources import (
    Json,
    Payment,
    Visit,
    appointment,
    paid,
)

CONFIRMED_BEFORE = timedelta(days=1)
CALLED_OFF_BEFORE = timedelta(hours=6)
ARRIVES_BEFORE = timedelta(minutes=10)
MISSED_AFTER = timedelta(minutes=20)
FULFILLED, CANCELLED, NO_SHOW = "fulfilled", "cancelled", "noshow"


def ending(visit: Visit) -> str:
    """How this visit will end: mostly well. It follows from its id."""
    number = sum(map(ord, visit.id)) * 7 % 20
    return {0: NO_SHOW, 1: CANCELLED, 2: CANCELLED}.get(number, FULFILLED)


def status_at(visit: Visit, now: datetime, end: str = "") -> str:
    """The FHIR status of a visit at a time. ``end`` is how it ends, where its id is not to decide."""
    end = end or ending(visit)
    if end == CANCELLED and now >= visit.starts_at - CALLED_OFF_BEFORE:
        return CANCELLED
    if end == NO_SHOW and now >= visit.starts_at + MISSED_AFTER:
        return NO_SHOW
    if end == FULFILLED and now >= visit.starts_at + timedelta(minutes=visit.minutes):
        return FULFILLED
    if end == FULFILLED and now >= visit.starts_at - ARRIVES_BEFORE:
        return "arrived"
    return "booked" if now >= visit.starts_at - CONFIRMED_BEFORE else "pending"


def changes(visits: Iterable[Visit], before: datetime, now: datetime) -> list[Json]:
    """The appointments whose status changed since ``before``, as they are now, and the payments for those that
    were fulfilled."""
    found = []
    for visit in visits:
        status = status_at(visit, now)
        if status != status_at(visit, before):
            found.append(appointment(visit, status))
            if status == FULFILLED and visit.patient and visit.price:
                found.append(paid(payment_for(visit)))
    return found


def payment_for(visit: Visit) -> Payment:
    """What the patient of a visit pays at its end. Its id follows from the visit's."""
    assert visit.patient is not None
    ends_at = visit.starts_at + timedelta(minutes=visit.minutes)
    site = {"site": visit.site} if visit.site else {"site": None}
    return Payment(f"9{visit.id}", visit.patient, visit.price, ends_at, **site)
