"""The home of the staff application: four figures, what needs a person, the day as a chart, health, notes."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.models import Connection, EventState, InboundEvent
from integrations.views.attention import attention
from integrations.views.figures import SERIES, Traffic, traffic
from integrations.views.latest_notes import latest_notes
from integrations.views.links import list_of
from integrations.views.practice_health import Practices, health, practices_of
from tenants.models import Practice

COLOURS = (
    "--color-primary-600",
    "--color-base-400",
    "--color-blue-400",
    "--color-orange-400",
    "--color-red-500",
)
_GREY = "#8b919c"
CHART_OPTIONS: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "datasets": {"bar": {"categoryPercentage": 0.86, "barPercentage": 0.92, "borderRadius": 2}},
    "plugins": {"legend": {"display": False}, "tooltip": {"enabled": True}},
    "scales": {
        "x": {
            "stacked": True,
            "grid": {"display": False},
            "ticks": {"color": _GREY, "maxRotation": 0, "autoSkip": True, "maxTicksLimit": 8},
        },
        "y": {
            "stacked": True,
            "beginAtZero": True,
            "border": {"display": False},
            "ticks": {"color": _GREY, "precision": 0, "maxTicksLimit": 5},
            "grid": {"tickLength": 0},
        },
    },
}


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds the dashboard to the context of the admin's index page (unfold's DASHBOARD_CALLBACK)."""
    return context | dashboard(request.user)


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The parts of the dashboard that change, for a page that is open and asks again and again."""
    return TemplateResponse(request, "dashboard/live.html", dashboard(request.user))


live_page = admin.site.admin_view(live)


def dashboard(user: Any) -> dict[str, Any]:
    """All that the dashboard's templates need, in the practices that ``user`` may see."""
    practices = practices_of(user)
    moment = now()
    midnight = moment.astimezone(practices.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    day = traffic(user, practices.zone, moment)
    lines = health(practices)
    return {
        "first_step": _first_step(
            practices, has_events=any(line.last_event_at for line in lines) or bool(day.today)
        ),
        "traffic": day,
        "chart_json": json.dumps(_chart(day)),
        "chart_options": json.dumps(CHART_OPTIONS),
        "chart_colours": [(name, colour) for (name, _), colour in zip(SERIES, COLOURS, strict=True)],
        "practices": practices,
        "attention": attention(user, practices.by_id, midnight),
        "health": lines,
        "notes": latest_notes(user, practices.by_id),
        "events_link": list_of(InboundEvent),
        "waiting_link": list_of(InboundEvent, state=EventState.WAITING),
        "practices_link": list_of(Practice),
    }


def _chart(day: Traffic) -> dict[str, Any]:
    """The hours as Chart.js wants them."""
    rows = zip(SERIES, COLOURS, day.rows(), strict=True)
    datasets = [
        {"label": name, "data": list(counts), "backgroundColor": f"var({colour})"}
        for (name, _), colour, counts in rows
    ]
    return {"labels": [hour.label for hour in day.hours], "datasets": datasets}


def _first_step(practices: Practices, has_events: bool) -> dict[str, str] | None:
    """What to do first, while there is nothing to look at yet."""
    if not practices.rows:
        return {
            "title": "Add the first practice",
            "words": "A practice has its EMR connections, its CRM sub-accounts and its locations. "
            "The set-up leads from nothing to live; or import a practice file: "
            "python manage.py import_practice FILE --provision",
            "link": reverse("setup-start"),
            "action": "Add a practice",
        }
    if not has_events:
        return {
            "title": "Send the first event",
            "words": "Nothing has arrived yet. Open a connection, copy its webhook address into the EMR, and "
            "send a test event from there: it shows here within seconds.",
            "link": list_of(Connection),
            "action": "Open connections",
        }
    return None
