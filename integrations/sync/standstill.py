"""A patient stands still: no worker writes for them while a person changes to whom their events are written.

The lanes of the patient's events and the contact are leased as a worker would lease them. So an event goes wholly by
what counted before, or wholly by what counts after.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.models import Contact, EventState, InboundEvent, Lane, Patient
from integrations.sync import bell, hot
from integrations.sync.intake import Door, lane_key
from integrations.sync.lanes import LEASE

WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.1
_OPEN = (EventState.WAITING, EventState.HELD, EventState.PARKED)


class Busy(ValueError):
    """A worker writes for this patient right now."""

    def __init__(self) -> None:
        super().__init__(
            "An event of this patient is being written at this moment. Try again in a few seconds."
        )


@contextmanager
def standing_still(patient: Patient, contact: Contact | None) -> Iterator[None]:
    """Nothing of the patient is in work inside. Raises Busy when that takes longer than WAIT_SECONDS.

    Keep it short, and make no call outside in it: a lease runs out after a minute.
    """
    token = f"person/{uuid.uuid4().hex}"
    ends = time.monotonic() + WAIT_SECONDS
    while not _take(patient, contact, token):
        _give_back(contact, token)
        if time.monotonic() >= ends:
            raise Busy
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        _give_back(contact, token)
        transaction.on_commit(bell.ring)


def _take(patient: Patient, contact: Contact | None, token: str) -> bool:
    now = timezone.now()
    ids = _lanes(patient)
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    rows = Lane.objects.for_practice(patient.practice_id).filter(is_free, pk__in=ids)
    if rows.update(lease_owner=token, lease_until=now + LEASE) < len(ids):
        return False
    return contact is None or hot.lease_contact(contact, token, now, now + LEASE)


def _lanes(patient: Patient) -> set[int]:
    """The patient's own lane, made where no event came yet, and those of events that are not finished."""
    key = lane_key(Door(patient.practice_id, connection_id=patient.connection_id), patient.external_id, "")
    own, _ = Lane.objects.for_practice(patient.practice_id).get_or_create(
        key=key, defaults={"practice_id": patient.practice_id}
    )
    events = InboundEvent.objects.for_practice(patient.practice_id).filter(
        patient=patient, state__in=_OPEN, lane__isnull=False
    )
    return {own.pk, *events.values_list("lane_id", flat=True)}


def _give_back(contact: Contact | None, token: str) -> None:
    Lane.objects.across_practices().filter(lease_owner=token).update(lease_owner="", lease_until=None)
    if contact is not None:
        hot.release_contacts([contact.pk], token)
