"""Carries what happens at the demo's desks to us: posted to our own addresses where the EMR posts, polled at once
where it is polled."""

import time
from dataclasses import dataclass
from datetime import datetime

import requests
from django.conf import settings
from django.db.models import Max, QuerySet

from integrations.contract.demo import DemoDesk, Happening
from integrations.models import Connection, InboundEvent, PollCursor, SubAccount
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.desks import desk_of
from integrations.sandbox.demo.door import Door
from integrations.sandbox.demo.practices import DemoPractice
from integrations.sync import bell, lanes
from integrations.sync.polling import cursors

OUTAGE_SECONDS = 30.0


def door() -> Door:
    """The control door of this demo's sandbox."""
    return Door(settings.SANDBOX_URL, settings.SANDBOX_KEY)


def desk(practice: DemoPractice) -> DemoDesk:
    """The practice's desk."""
    return desk_of(practice, settings.SANDBOX_URL, settings.SANDBOX_KEY, settings.DATA_DIR)


def demo_connection(practice: DemoPractice) -> Connection:
    """The practice's connection to its EMR. Raises Connection.DoesNotExist while there is none."""
    found = _connections(practice).order_by("pk").first()
    if found is None:
        raise Connection.DoesNotExist
    return found


def _connections(practice: DemoPractice) -> QuerySet[Connection]:
    """By the sub-account: whoever sets a practice up may give it any name."""
    accounts = SubAccount.objects.across_practices().filter(crm_subaccount_id__in=practice.crm_ids)
    rows: QuerySet[Connection] = Connection.objects.across_practices().filter(
        practice__in=accounts.values("practice"), emr=practice.emr.slug
    )
    return rows


# --- what happened -----------------------------------------------------------------------------------------


def deliver(practice: DemoPractice, happening: Happening) -> requests.Response:
    """Post one webhook as its EMR would. Raises requests' own errors when nobody answers."""
    connection = demo_connection(practice)
    send = practice.emr.part("sandbox").send
    answer: requests.Response = send(
        connection.webhook_url, happening.body, connection.credential("header_secret") or None
    )
    return answer


def poll_at_once(practice: DemoPractice) -> int:
    """Let the practice's lists be read now; how many. What is read patient by patient keeps its turn."""
    by_patient = [name for name, one in cursors.resources_of(practice.emr).items() if one.is_by_patient]
    rows = _cursors(practice).exclude(resource__in=by_patient)
    due = cursors.poll_now(rows.values_list("pk", flat=True))
    bell.ring(bell.POLLS, waiting_jobs=1)
    return due


def is_awake(practice: DemoPractice) -> bool:
    """Whether something that happens there now would be noticed: the first poll of an EMR that is polled records
    what it finds and writes nothing."""
    if not practice.is_polled:
        return True
    primed = list(_cursors(practice).values_list("primed_at", flat=True))
    return bool(primed) and all(primed)


def send_opening(practice: DemoPractice) -> int:
    """Let the first handful of things happen at a practice with an empty board; says how many.

    Not twice: what was sent may not be on the board yet, but it is in the book. Raises DoorError and requests'
    own errors.
    """
    if not is_awake(practice):
        return 0
    if not practice.is_polled and any(door().summary(one)["contacts"] for one in practice.crm_ids):
        return 0
    happened = desk(practice).opening()
    for one in happened:
        if one.body is not None:
            deliver(practice, one)
    if happened and practice.is_polled:
        poll_at_once(practice)
    return len(happened)


@dataclass(frozen=True, slots=True)
class News:
    """How a practice's EMR reaches us: ``poll_seconds`` between two polls (0: it posts), ``last_at`` when the
    last poll was complete, or the last webhook came."""

    emr_name: str
    poll_seconds: int
    last_at: datetime | None


def news_of(practice: DemoPractice) -> News:
    """How the practice's EMR reaches us, and when it did last."""
    name = practice.emr.manifest.name
    if practice.is_polled:
        last = _cursors(practice).aggregate(last=Max("last_read_at"))["last"]
        return News(name, settings.POLL_SECONDS, last)
    events = InboundEvent.objects.across_practices().filter(connection__in=_connections(practice))
    return News(name, 0, events.order_by("-pk").values_list("received_at", flat=True).first())


def _cursors(practice: DemoPractice) -> QuerySet[PollCursor]:
    rows: QuerySet[PollCursor] = PollCursor.objects.across_practices().filter(
        connection__in=_connections(practice)
    )
    return rows


def web_server_answers() -> bool:
    """Whether webhooks can be posted now."""
    try:
        return requests.get(f"{settings.PUBLIC_URL}/healthz", timeout=3).ok
    except requests.RequestException:
        return False


# --- outages -----------------------------------------------------------------------------------------------


def set_emr_outage(practice: DemoPractice, is_on: bool) -> None:
    """Let the practice's EMR pretend to be down until it is switched on again. Raises requests' own errors."""
    desk(practice).set_outage(is_on)
    if is_on:
        return
    # Nobody who presses a button wants to wait for the back-off.
    connection = demo_connection(practice)
    Connection.objects.across_practices().filter(pk=connection.pk).update(circuit_open_until=None)
    lanes.wake(connection.practice_id)
    bell.ring()
    if practice.is_polled:
        poll_at_once(practice)


def begin_outage() -> None:
    """Let the CRM pretend to be down for half a minute. Raises DoorError."""
    door().set_outage(True)
    with open_books(settings.DATA_DIR) as books:
        books.outage_until = time.time() + OUTAGE_SECONDS


def end_outage() -> None:
    """Let the CRM answer again. Raises DoorError."""
    door().set_outage(False)
    with open_books(settings.DATA_DIR) as books:
        books.outage_until = 0.0


def outage_seconds_left() -> float:
    """How long the CRM still pretends to be down; 0 when it does not. Ends an outage that is over.

    Asked by every open board and by the quiet day, so that no outage outlives its time by much.
    """
    with open_books(settings.DATA_DIR) as books:
        until = books.outage_until
    left = until - time.time()
    if until and left <= 0:
        end_outage()
    return max(0.0, left)
