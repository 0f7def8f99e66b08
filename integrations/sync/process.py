"""One lane's events, in order: gate, plan, deliver, record the outcome. The one place that turns errors into
states; a bad event is parked and the lane goes on, trouble with the other side makes the lane wait."""

import json
import logging
import traceback
from collections.abc import Callable

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    IgnoredEvent,
    MalformedPayload,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.records import Person, Record
from integrations.models import (
    Connection,
    Effect,
    EventState,
    HeldFor,
    InboundEvent,
    IncidentKind,
    ParkedAs,
    SubAccount,
)
from integrations.sync import circuit, hot, lanes
from integrations.sync.categories.again import plan_again
from integrations.sync.categories.sighting import sight
from integrations.sync.contact_moves import plan_move
from integrations.sync.create_back.in_flight import WAIT_SECONDS as BEING_CREATED_SECONDS
from integrations.sync.create_back.in_flight import BeingCreated
from integrations.sync.create_back.run import work_tag_event
from integrations.sync.deliver import ContactGone, Delivery, HeldForIdentity, InDoubt
from integrations.sync.emr_access import enriched, enriches
from integrations.sync.incidents import open_incident
from integrations.sync.lanes import Claimed, LeaseLost
from integrations.sync.ledger import Unsettled
from integrations.sync.own_kinds import DECIDE_AGAIN, JOIN_CONTACT, LEAVE_CONTACT
from integrations.sync.people import person_of
from integrations.sync.plan import BUSY_CONTACT_SECONDS, ContactBusy, Work, lease_contact, plan, understand
from integrations.sync.profile import PracticeProfile, SubAccountProfile
from integrations.sync.release import go_on_if_changed, identity_key

logger = logging.getLogger(__name__)

EVENTS_PER_CLAIM = 50
PAUSED_SECONDS = 300.0


class _Wait(Exception):
    """The lane waits without that anything failed."""

    def __init__(self, seconds: float, because: str) -> None:
        super().__init__(because)
        self.seconds = seconds


def work_lane(lane: Claimed, profile: PracticeProfile, is_stopping: Callable[[], bool]) -> int:
    """Work on a claimed lane until it is empty, has to wait, or the worker stops. Number of events finished."""
    finished = 0
    try:
        for event in _waiting(lane):
            if is_stopping():
                lanes.postpone(lane, 0, "", is_failure=False)
                return finished
            if not _work_event(event, lane, profile):
                return finished
            go_on_if_changed(event, profile)
            finished += 1
        lanes.release(lane)
    except LeaseLost:
        logger.warning("lane %s went to another worker", lane.id)
    finally:
        hot.release_contacts(sorted(lane.contacts), lane.contact_token)
    return finished


def _waiting(lane: Claimed) -> list[InboundEvent]:
    rows = InboundEvent.objects.for_practice(lane.practice_id).filter(
        lane_id=lane.id, state=EventState.WAITING
    )
    found = list(rows.order_by("id")[:EVENTS_PER_CLAIM])
    if len(found) == EVENTS_PER_CLAIM:
        lane.arrivals = -1  # more may wait: the lane stays due
    return found


def _work_event(event: InboundEvent, lane: Claimed, profile: PracticeProfile) -> bool:
    """Work on one event. False when the lane has to wait; it is given back then."""
    side: tuple[type[Connection] | type[SubAccount], int] | None = None

    def facing(kind: type[Connection] | type[SubAccount], pk: int) -> None:
        nonlocal side
        side = (kind, pk)

    try:
        try:
            if event.connection_id is None:
                if _gate_practice(event, profile):
                    work_tag_event(event, lane, profile, facing)
                    _finish(event)
                    lane.attempts = 0
                return True
            connection = profile.connections[event.connection_id or 0]
            work = Work(event, lane, profile, connection)
            if not _gate(work):
                return True
            if _is_to_be_planned(work) and enriches(connection.emr) and event.payload:
                side = (Connection, connection.id)
                _enrich(work)
                side = None
            effects, account, person = _effects(work)
            if effects and account is not None:
                side = (SubAccount, account.id)
                circuit.gate(SubAccount, account.id)
                Delivery(work, account, person).run(effects)
                circuit.succeeded(SubAccount, account.id, profile.id)
            _finish(event)
            lane.attempts = 0
            return True
        except TransientError as error:
            side = side or _side_of(event)
            # A refused create that is looked up says something of one record, not of the CRM's health.
            if side is not None and error.status != 422:
                circuit.failed(*side, profile.id, str(error))
            return _retry_later(event, lane, error)
        except AuthError as error:
            side = side or _side_of(event)
            if side is not None and side[0] is Connection and error.status == 403:
                _tell_refused(side[1], profile.id, str(error))
            elif side is not None and not circuit.refused(
                *side, profile.id, str(error), profile.credentials_of(*side)
            ):
                raise _Wait(0, "New credentials were entered meanwhile: tried again with them.") from None
            seconds = circuit.NO_CREDENTIALS_SECONDS
            raise _Wait(seconds, f"{error} Waiting for new credentials or access.") from None
    except (_Wait, circuit.ClosedOff) as wait:
        _save_story(event)
        lanes.postpone(lane, wait.seconds, str(wait), is_failure=False)
    except RateLimited as limited:
        _save_story(event)
        is_emr = side is not None and side[0] is Connection
        words = str(limited) if is_emr else "Waiting for the CRM's request limit."
        lanes.postpone(lane, max(0.05, limited.retry_after), words, is_failure=False)
    except ContactGone:
        _plan_again(event)
        lanes.postpone(lane, 0, "The contact is gone in the CRM: matched again.", is_failure=False)
    except InDoubt as doubt:
        lanes.postpone(lane, doubt.seconds, str(doubt), is_failure=False)
    except BeingCreated as being:
        lanes.postpone(lane, BEING_CREATED_SECONDS, str(being), is_failure=False)
    except ContactBusy:
        lanes.postpone(
            lane, BUSY_CONTACT_SECONDS, "The contact is being written by another lane.", is_failure=False
        )
    except HeldForIdentity as held:
        key = identity_key(event.patient_id or 0, event.sub_account_id or 0)
        _close(event, EventState.HELD, reason=str(held), held_for=HeldFor.IDENTITY, held_key=key)
        return True
    except IgnoredEvent as ignored:
        _close(event, EventState.IGNORED, reason=str(ignored))
        return True
    except MalformedPayload as error:
        _park(event, ParkedAs.MALFORMED, error)
        return True
    except ConfigError as error:
        _park(event, ParkedAs.CONFIG, error)
        return True
    except Unsettled as error:
        _park(event, ParkedAs.UNSURE, error)
        return True
    except RejectedError as error:
        _park(event, ParkedAs.REJECTED, error)
        return True
    except (LeaseLost, DatabaseError):
        raise
    except Exception as error:  # our bug: this event is put aside with a reference, the lane goes on
        reference = f"internal error {type(error).__name__}, reference {event.pk}-{event.attempts + 1}"
        # The traceback names lines of code only: the error's own text could hold a patient's data.
        logger.error("%s\n%s", reference, "".join(traceback.format_tb(error.__traceback__)))
        _park(event, ParkedAs.INTERNAL, ContractError(f"Something went wrong on our side ({reference})."))
        return True
    return False


def _side_of(event: InboundEvent) -> tuple[type[SubAccount], int] | None:
    """Whom trouble before delivery is about: matching asks the event's sub-account."""
    return (SubAccount, event.sub_account_id) if event.sub_account_id else None


def _gate(work: Work) -> bool:
    """Whether the event may be worked on now. Held while the practice is not live; waits while paused."""
    if not _gate_practice(work.event, work.profile):
        return False
    if work.connection.is_paused:
        raise _Wait(PAUSED_SECONDS, "The connection is paused; its events go on in order when it is resumed.")
    return True


def _gate_practice(event: InboundEvent, profile: PracticeProfile) -> bool:
    if not profile.is_live:
        reason = "The practice is not live yet: recorded, nothing is written until it goes live."
        event.story.append({"step": "held", "text": reason})
        _close(event, EventState.HELD, reason=reason, held_for=HeldFor.LIVE)
        return False
    if profile.is_paused:
        raise _Wait(PAUSED_SECONDS, "The practice is paused; its events go on in order when it is resumed.")
    return True


def _effects(work: Work) -> tuple[list[Effect], SubAccountProfile | None, Person]:
    """The event's effects: planned now, or those that an earlier try left."""
    event = work.event
    if event.planned_at is None:
        effects, person = _plan(work)
    else:
        rows = Effect.objects.for_practice(event.practice_id).filter(event=event)
        effects = list(rows.order_by("position"))
        person = person_of(event.patient) if event.patient else Person("")
    account = work.profile.sub_accounts.get(event.sub_account_id or 0)
    return effects, account, person


def _is_to_be_planned(work: Work) -> bool:
    """Whether the event has to be understood (again), rather than that its effects are delivered; the contact is
    leased before that is asked, so that nobody overtakes it from then on. Raises ContactBusy."""
    event = work.event
    if event.planned_at is not None:
        if event.contact is not None:
            lease_contact(event.contact, work)
        if _is_overtaken(event):
            _plan_again(event)
    return event.planned_at is None


def _enrich(work: Work) -> None:
    """Fetch what the event lacks from its EMR. Raises ClosedOff and the contract's errors."""
    connection, event = work.connection, work.event
    circuit.gate(Connection, connection.id)
    work.body = enriched(connection, event.kind, json.loads(event.payload))
    circuit.succeeded(Connection, connection.id, work.profile.id)


def _tell_refused(connection_id: int, practice_id: int, words: str) -> None:
    """The EMR knows us but does not show this kind of record: its people must allow it."""
    open_incident(practice_id, IncidentKind.ACCESS_REFUSED, words, connection_id=connection_id)


def _is_overtaken(event: InboundEvent) -> bool:
    """Whether a newer event of this patient or contact was planned while this one was put aside."""
    theirs = Q(lane_id=event.lane_id) | Q(contact_id=event.contact_id, contact__isnull=False)
    rows = InboundEvent.objects.for_practice(event.practice_id).filter(
        theirs, planned_at__gt=event.planned_at
    )
    return rows.exclude(pk=event.pk).exists()


def _plan_again(event: InboundEvent) -> None:
    """Decide the event anew, knowing what is known now; what was written of it stays written."""
    event.planned_at, event.runs = None, event.runs + 1
    event.save(update_fields=["planned_at", "runs"])


def _plan(work: Work) -> tuple[list[Effect], Person]:
    event = work.event
    if event.kind == DECIDE_AGAIN:
        if event.contact is not None:
            lease_contact(event.contact, work)
        return plan_again(work), person_of(event.patient) if event.patient else Person("")
    if event.kind in (LEAVE_CONTACT, JOIN_CONTACT):
        return plan_move(work), person_of(event.patient) if event.patient else Person("")
    event.story = [{"step": "received", "text": _received_words(work)}]
    records = understand(work)
    sight(work.profile, work.connection, records)
    for record in records:
        work.tell("understood", _understood_words(record))
    effects = plan(work, records)
    person = records[0].person if records else Person("")
    return effects, person


def _received_words(work: Work) -> str:
    event = work.event
    declared = work.connection.manifest.event(event.kind)
    what = declared.label if declared else event.kind or "unnamed event"
    return f"{work.connection.manifest.name}: {what}, by {event.get_source_display().lower()}."


def _understood_words(record: Record) -> str:
    warnings = "".join(f" {warning}" for warning in getattr(record, "warnings", ()))
    name = type(record).__name__.removesuffix("Record").lower()
    outcome = getattr(record, "outcome", "")
    return f"Read as {name}{f' ({outcome})' if outcome else ''}.{warnings}"


def _finish(event: InboundEvent) -> None:
    if event.state != EventState.WAITING:
        _close(event, event.state, reason=event.reason, held_for=event.held_for, held_key=event.held_key)
    elif event.held_for:
        words = next((row["text"] for row in reversed(event.story) if row["step"] == "pipeline"), "")
        _close(event, EventState.HELD, reason=words, held_for=event.held_for, held_key=event.held_key)
    else:
        _close(event, EventState.DONE)


def _close(
    event: InboundEvent,
    state: str,
    *,
    reason: str = "",
    held_for: str = "",
    held_key: str = "",
    parked_as: str = "",
) -> None:
    event.state, event.reason, event.parked_as = state, reason[:500], parked_as
    event.held_for, event.held_key, event.finished_at = held_for, held_key, timezone.now()
    hot.finish_event(event)


_STORY_FIELDS = ("story", "patient", "contact", "sub_account", "attempts")


def _save_story(event: InboundEvent) -> None:
    event.save(update_fields=list(_STORY_FIELDS))


def _park(event: InboundEvent, parked_as: ParkedAs, error: ContractError) -> None:
    words = f"{error} {error.vendor_words}".strip() if error.vendor_words else str(error)
    event.attempts += 1
    event.story.append({"step": "parked", "text": words})
    _close(event, EventState.PARKED, reason=words, parked_as=parked_as)


def _retry_later(event: InboundEvent, lane: Claimed, error: TransientError) -> bool:
    """Back off; after the last try the event is put aside and the lane goes on."""
    seconds = lanes.back_off_seconds(lane.attempts, error.retry_after)
    if seconds is None:
        _park(event, ParkedAs.EXHAUSTED, error)
        lane.attempts = 0
        return True
    event.attempts += 1
    _save_story(event)
    lanes.postpone(lane, seconds, str(error), is_failure=True)
    return False
