"""One delivery of the CRM about a contact with a create tag, from the stored event to the answer on the contact.

Driven inside the lane of (sub-account, contact), so nobody else is at this contact's requests. Each step is
written down before the next; a worker that dies leaves a row from which another goes on.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.contract.errors import IgnoredEvent, NotFoundError
from integrations.crm.client import Json
from integrations.models import Connection, CreateRequest, CreateState, InboundEvent, SubAccount
from integrations.models.creates import FAILED, SETTLED
from integrations.sync import circuit
from integrations.sync.create_back.attempt import Attempt
from integrations.sync.create_back.tags import (
    APP,
    OWN_KINDS,
    SWEEP,
    Hint,
    hint_in,
    matching,
    plain_tag,
    tags_of,
)
from integrations.sync.crm_access import client_for
from integrations.sync.lanes import Claimed
from integrations.sync.profile import ConnectionProfile, PracticeProfile, SubAccountProfile

logger = logging.getLogger(__name__)

# Tells the caller whom trouble from now on is about.
Facing = Callable[[type[Connection] | type[SubAccount], int], None]
PAUSED_SECONDS = 300.0
NO_TAG = "The contact carries no tag that creates a patient: nothing to do."


def work_tag_event(event: InboundEvent, lane: Claimed, profile: PracticeProfile, facing: Facing) -> None:
    """Bring every request that a delivery asks for to its answer.

    Raises what makes the lane wait or puts the event aside: the contract's errors, ClosedOff, InDoubt,
    ContactBusy, ContactGone, LeaseLost, IgnoredEvent.
    """
    account = profile.sub_accounts[event.sub_account_id or 0]
    hint = hint_in(event)
    event.story = [{"step": "received", "text": _received(event)}]
    requests = _Requests(event, profile, account, hint)
    if event.kind not in OWN_KINDS and not requests.could_be_meant():
        raise IgnoredEvent(NO_TAG)
    facing(SubAccount, account.id)
    contact = _read(event, account)
    rows = requests.to_work_on(contact)
    if not rows:
        raise IgnoredEvent(NO_TAG)
    for row in rows:
        connection = profile.connections[row.connection_id]
        if connection.is_paused:
            words = "The connection is paused; its requests go on in order when it is resumed."
            raise circuit.ClosedOff(PAUSED_SECONDS, words)
        Attempt(event, lane, profile, account, connection, row, contact, hint, facing).run()


def _received(event: InboundEvent) -> str:
    if event.kind in OWN_KINDS:
        return "Somebody acted on the page of a failed create."
    if event.kind == SWEEP:
        return "The hourly search found a create tag that nobody had acted on."
    return f"The CRM told of a tag, by {'its app webhook' if event.kind == APP else 'a workflow'}."


def _read(event: InboundEvent, account: SubAccountProfile) -> Json | None:
    """The contact as the CRM has it now, None when it is gone."""
    circuit.gate(SubAccount, account.id)
    try:
        return client_for(account, event.priority).get_contact(hint_in(event).contact_id)
    except NotFoundError:
        return None


class _Requests:
    """The rows that one delivery is about: those that it asks for, and those that it left half-way."""

    def __init__(
        self, event: InboundEvent, profile: PracticeProfile, account: SubAccountProfile, hint: Hint
    ) -> None:
        self.event, self.profile, self.account, self.hint = event, profile, account, hint

    def could_be_meant(self) -> bool:
        """Whether the contact is worth reading: the delivery does not rule a create tag out."""
        wanted = {plain_tag(tag) for one in self.profile.connections.values() for tag in tags_of(one)}
        if not wanted:
            return False
        said = self.hint.tags
        return said is None or bool({plain_tag(tag) for tag in said} & wanted) or self._own().exists()

    def to_work_on(self, contact: Json | None) -> list[CreateRequest]:
        """All of them, made where they are new, before any is worked on: the first answer takes the tag off."""
        if self.event.kind in OWN_KINDS:
            return self._asked_for_by_hand()
        tags = [str(tag) for tag in (contact or {}).get("tags") or ()]
        found = []
        for _, connection in sorted(self.profile.connections.items()):
            row = self._row_for(connection, matching(connection, tags), contact is None)
            if row is not None:
                found.append(row)
        return found

    def _own(self) -> Any:
        return CreateRequest.objects.for_practice(self.profile.id).filter(event=self.event)

    def _row_for(self, connection: ConnectionProfile, tags: list[str], is_gone: bool) -> CreateRequest | None:
        if not tags_of(connection):
            return None
        newest = self._newest(connection)
        if newest is not None and newest.is_open:
            return self._take_over(newest)
        said = matching(connection, self.hint.tags or ())
        if not tags and (newest is not None or not said):
            # Answered already (its tag is off), or never asked for.
            return None
        tag = (tags or said)[0]
        if newest is not None and newest.state in FAILED:
            again = self._again(newest, tag)
            if again is not None:
                return again
        return self._new(connection, tag)

    def _newest(self, connection: ConnectionProfile) -> CreateRequest | None:
        rows = CreateRequest.objects.for_practice(self.profile.id).filter(
            sub_account_id=self.account.id,
            contact_crm_id=self.hint.contact_id,
            connection_id=connection.id,
        )
        found: CreateRequest | None = rows.order_by(F("answered_at").asc(nulls_first=True), "-id").first()
        return found

    def _take_over(self, row: CreateRequest) -> CreateRequest:
        if row.event_id != self.event.pk:
            row.event = self.event
            row.save(update_fields=["event"])
        return row

    def _again(self, row: CreateRequest, tag: str = "") -> CreateRequest | None:
        """One more try of a request that failed; None when a person dismissed it this very moment."""
        rows = CreateRequest.objects.for_practice(self.profile.id).filter(pk=row.pk, state__in=FAILED)
        with transaction.atomic():
            if not rows.update(state=CreateState.WAITING):
                return None
            row.state, row.event, row.answered_at = CreateState.WAITING, self.event, None
            row.attempts, row.tried_at, row.tag = row.attempts + 1, timezone.now(), tag[:120] or row.tag
            row.sends = 0
            row.save()
        return row

    def _new(self, connection: ConnectionProfile, tag: str) -> CreateRequest:
        now: datetime = timezone.now()
        row: CreateRequest = CreateRequest.objects.create(
            practice_id=self.profile.id,
            sub_account_id=self.account.id,
            connection_id=connection.id,
            contact_crm_id=self.hint.contact_id,
            event=self.event,
            tag=tag[:120],
            asked_at=now,
            tried_at=now,
        )
        return row

    def _asked_for_by_hand(self) -> list[CreateRequest]:
        rows = CreateRequest.objects.for_practice(self.profile.id)
        row = rows.filter(pk=self.hint.request, sub_account_id=self.account.id).first()
        if row is None or row.connection_id not in self.profile.connections:
            return []
        if row.event_id == self.event.pk and row.is_open:
            return [row]
        if row.state in SETTLED or row.is_open:
            # Answered, or at work, in the meantime.
            return []
        again = self._again(row)
        return [again] if again is not None else []
