"""Sends the demo's webhooks: over HTTP, to our own addresses, as AestheticsPro would."""

import random
import time
from collections.abc import Callable
from datetime import timedelta

import requests
from django.conf import settings
from django.utils import timezone

from integrations.emrs.aestheticspro.sandbox import send
from integrations.models import Connection
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.desk import Desk, Message
from integrations.sandbox.demo.door import Door
from integrations.sandbox.demo.practices import EMR, DemoPractice
from integrations.sandbox.demo.stories import opening

OUTAGE_SECONDS = 30.0


def door() -> Door:
    """The control door of this demo's sandbox."""
    return Door(settings.SANDBOX_URL, settings.SANDBOX_KEY)


def demo_connection(practice: DemoPractice) -> Connection:
    """The practice's AestheticsPro connection. Raises Connection.DoesNotExist before `seed_demo` ran."""
    return Connection.objects.across_practices().get(practice__slug=practice.slug, emr=EMR)


def deliver(practice: DemoPractice, message: Message) -> requests.Response:
    """Post one webhook. Raises requests' own errors when nobody answers."""
    connection = demo_connection(practice)
    return send(connection.webhook_url, message.body, connection.credential("header_secret") or None)


def at_desk(practice: DemoPractice, act: Callable[[Desk], list[Message]]) -> list[Message]:
    """Let something happen at a practice's front desk now: the book is changed, nothing is sent yet.

    Sending happens outside: whoever waits for the book must not wait for the network.
    """
    with open_books(settings.DATA_DIR) as books:
        return act(Desk(practice, books.of(practice.slug), random.Random(), timezone.now()))


def send_opening(practice: DemoPractice) -> int:
    """Send the first handful of events to a board that is empty; says how many.

    Not twice: what was sent may not be on the board yet, but it is in the book. They are dated over the last
    quarter of an hour. Raises DoorError and requests' own errors.
    """
    if door().summary(practice.crm_id)["contacts"]:
        return 0

    def earlier(desk: Desk) -> list[Message]:
        desk.now -= timedelta(minutes=15)
        return [] if desk.book.people else opening(desk)

    messages = at_desk(practice, earlier)
    for message in messages:
        deliver(practice, message)
    return len(messages)


def web_server_answers() -> bool:
    """Whether webhooks can be posted now."""
    try:
        return requests.get(f"{settings.PUBLIC_URL}/healthz", timeout=3).ok
    except requests.RequestException:
        return False


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
