"""The proof that something arrives: a test event of EMRs that tell us, a look ahead for those that are asked."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integrations.admin import polls
from integrations.admin.contacts import shown_events
from integrations.admin.send_test import can_send, send_test_event
from integrations.models import Connection, InboundEvent, PollCursor
from integrations.sync.polling.look import Seen, look_at
from integrations.views.setup.pages import chosen, connections_of, manifest_of, show, step_page, to_step
from tenants.models import Practice
from tenants.scoped_admin import UserError


@step_page
def test_event_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Send, or look ahead and poll; below it what has arrived so far, which keeps itself up to date."""
    connections = connections_of(practice)
    row = chosen(request, "connection", connections)
    if row is None:
        return show(request, practice, "test-event", connection=None)
    if "live" in request.GET:
        return TemplateResponse(
            request, "setup/_arrived.html", {"practice": practice, **_arrived(practice, row)}
        )
    seen: list[Seen] | None = None
    if request.method == "POST":
        if "preview" in request.POST:
            seen = _preview(row)
        else:
            messages.success(request, _act(request, row))
            return to_step(practice, "test-event", connection=row.key)
    manifest = manifest_of(row)
    return show(
        request,
        practice,
        "test-event",
        connections=connections,
        manifest=manifest,
        is_polled=polls.is_polled(row),
        can_send=can_send(row),
        seen=seen,
        **_arrived(practice, row),
    )


def _preview(row: Connection) -> list[Seen]:
    if not polls.is_polled(row):
        raise UserError("This EMR is not polled: it tells AX Connect by itself.")
    return look_at(row)


def _act(request: HttpRequest, row: Connection) -> str:
    if "send" in request.POST and can_send(row):
        return send_test_event(row)
    if "poll" in request.POST and polls.is_polled(row):
        if row.needs_reauth_since:
            raise UserError("The EMR refuses the credentials: enter new ones first.")
        polls.poll_now(row)
        return "Asked. What changed shows below within seconds."
    raise UserError("This EMR offers nothing of the kind.")


def _arrived(practice: Practice, row: Connection) -> dict[str, Any]:
    events = InboundEvent.objects.for_practice(practice).filter(connection=row)
    cursors = PollCursor.objects.for_practice(practice).filter(connection=row)
    return {
        "connection": row,
        "events": shown_events(events),
        "waits_for_first_poll": polls.is_polled(row) and not cursors.filter(primed_at__isnull=False).exists(),
    }
