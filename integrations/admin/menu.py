"""What the menu asks: who sees an entry, and how much waits behind it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from categorization.models import AppointmentType
from integrations.models import (
    Connection,
    CreateRequest,
    EventState,
    IdentityQuestion,
    InboundEvent,
    Incident,
    LedgerRow,
    SubAccount,
)
from integrations.models.creates import FAILED
from integrations.models.narrowing import doubtful_payments, open_events
from tenants.models import Location
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

MOST = 99


def sees(request: HttpRequest) -> bool:
    """Whether the person may read anything here."""
    return request.user.is_staff and may(request.user, Right.SEE)


def sees_sandbox(request: HttpRequest) -> bool:
    return settings.DEMO and sees(request)


def manages_people(request: HttpRequest) -> bool:
    return request.user.is_staff and may(request.user, Right.MANAGE_PEOPLE)


def is_superuser(request: HttpRequest) -> bool:
    return request.user.is_superuser


def _badge(model: type[Model], narrow: Callable[[Any], QuerySet[Any]]) -> Callable[[HttpRequest], str]:
    """How many rows wait, as words for a badge: "" for none, and no counting beyond what a person can do."""

    def badge(request: HttpRequest) -> str:
        if isinstance(request.user, AnonymousUser):
            return ""
        found = narrow(rows_with(request.user, model, Right.SEE)).order_by()[: MOST + 1].count()
        return f"{MOST}+" if found > MOST else str(found or "")

    return badge


def _with_a_choice() -> QuerySet[Any]:
    """Practices of which not everything goes to one sub-account: the others have nothing to map."""
    rows: QuerySet[SubAccount] = SubAccount.objects.across_practices().filter(is_default=False)
    return rows.order_by().values("practice")


parked = _badge(InboundEvent, lambda rows: open_events(rows).filter(state=EventState.PARKED))
failed_creates = _badge(CreateRequest, lambda rows: rows.filter(state__in=FAILED))
questions = _badge(IdentityQuestion, lambda rows: rows.filter(answer=""))
incidents = _badge(Incident, lambda rows: rows.filter(closed_at__isnull=True))
refused = _badge(Connection, lambda rows: rows.filter(needs_reauth_since__isnull=False))
unmapped = _badge(Location, lambda rows: rows.filter(route__isnull=True, practice__in=_with_a_choice()))
uncategorized = _badge(AppointmentType, lambda rows: rows.filter(confirmed_at__isnull=True))
unsure_payments = _badge(LedgerRow, doubtful_payments)

# Pages that the search box (Ctrl+K) finds beside practices and their set-up.
PAGES = [
    (
        "Long work",
        "bulk-runs",
        "hourglass_top",
        "bulk progress replay retry release back-fill backfill provisioning custom fields",
    ),
    ("Find a patient", "find-patient", "person_search", "search name phone e-mail contact who"),
    (
        "Parked events",
        "integrations_inboundevent_changelist?state=parked",
        "bolt",
        "failed error retry replay",
    ),
    ("Held events", "integrations_inboundevent_changelist?state=held", "pause_circle", "waiting category"),
    ("Open incidents", "integrations_incident_changelist", "emergency_home", "outage down problem"),
    (
        "Types to confirm",
        "categorization_appointmenttype_changelist?confirmed=no",
        "category",
        "uncategorized",
    ),
    (
        "Failed creates",
        "integrations_createrequest_changelist",
        "person_alert",
        "two-way tag patient missing retry",
    ),
    (
        "Identity questions",
        "integrations_identityquestion_changelist",
        "diversity_3",
        "duplicate same person link",
    ),
]


# Those of them that are no pages of the admin's.
OWN_PAGES = ("bulk-runs",)


def pages_named(request: HttpRequest, words: str) -> list[SearchResult]:
    """Pages for what somebody typed into the search box."""
    if not sees(request):
        return []
    return [
        SearchResult(title=title, description="Page", link=_address(name), icon=icon)
        for title, name, icon, also in PAGES
        if words in f"{title} {also}".lower()
    ]


def _address(name: str) -> str:
    path, _, query = name.partition("?")
    own = path if path in OWN_PAGES else f"admin:{path}"
    return reverse(own) + (f"?{query}" if query else "")
