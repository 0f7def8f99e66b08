"""A test event through the real door: the same address, the same checks, the same row as the EMR's own."""

import requests
from django.utils import timezone

from integrations.contract.manifest import Way
from integrations.emrs import registry
from integrations.models import Connection
from integrations.views.webhooks import SECRET_HEADER
from tenants.scoped_admin import UserError

TIMEOUT_SECONDS = 10


def can_send(connection: Connection) -> bool:
    """Whether the EMR sends webhooks and its folder knows how a test ping looks."""
    emr = registry().get(connection.emr)
    if emr is None or emr.manifest.way != Way.WEBHOOK or not emr.has_part("sandbox"):
        return False
    return hasattr(emr.part("sandbox"), "test_ping")


def send_test_event(connection: Connection) -> str:
    """Post the EMR's test ping to the connection's own address; says what the door answered.

    Raises UserError when nothing answers there or the delivery is refused.
    """
    body = registry()[connection.emr].part("sandbox").test_ping(timezone.now())
    secret = connection.credential("header_secret")
    headers = {SECRET_HEADER: secret} if secret else {}
    try:
        answer = requests.post(
            connection.webhook_url, json=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        kind = type(error).__name__
        raise UserError(
            f"Nothing answers at {connection.webhook_url} ({kind}). "
            "Check PUBLIC_URL and what stands before this server."
        ) from None
    if answer.status_code not in (200, 202):
        raise UserError(f"The door answered {answer.status_code}: {_words(answer)}")
    return f"The test event arrived as event {answer.json()['event']}: {answer.json()['result']}."


def _words(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("error", "no reason given"))
    except ValueError:
        return "it is not AX Connect that answers there."
