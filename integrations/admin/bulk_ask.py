"""Asking before many events are put back to work: how many, in which practices, and what that does."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.models import BulkKind, InboundEvent
from integrations.sync.bulk import MOST_EVENTS, begin, fitting
from tenants.models import Practice
from tenants.roles import Right
from tenants.scoped_admin import ScopedAdmin, rows_with

WHAT = {
    BulkKind.REPLAY: (
        "Each event is decided again from the start under today's settings, after everything that is live. Stages "
        "and fields are brought to what they should be; notes, payments and workflow enrolments that were written "
        "are not repeated, and nobody is enrolled anew."
    ),
    BulkKind.RETRY: (
        "Each parked event goes on from the step that failed. What is written already is not written again."
    ),
}
LEFT_OUT = {
    BulkKind.REPLAY: "wait to run anyway, or are only test events",
    BulkKind.RETRY: "are not parked",
}


def bulk_asked(
    admin: ScopedAdmin, request: HttpRequest, events: QuerySet[InboundEvent], kind: BulkKind
) -> HttpResponse:
    """The page that asks, or, once it was answered, the page of the runs that were begun."""
    own = events.filter(pk__in=rows_with(request.user, InboundEvent, Right.OPERATE).order_by().values("pk"))
    fits = fitting(kind, own).order_by("pk")
    pairs: list[tuple[int, int]] = list(fits.values_list("practice_id", "pk")[:MOST_EVENTS])
    if not pairs:
        messages.info(request, f"Nothing to do: the events selected {LEFT_OUT[kind]}.")
        return HttpResponseRedirect(request.get_full_path())
    if "confirmed" in request.POST:
        runs = begin(kind, pairs, request.user)  # type: ignore[arg-type]
        where = reverse("bulk-run", args=[runs[0].pk]) if len(runs) == 1 else reverse("bulk-runs")
        return HttpResponseRedirect(where)
    context = {**admin.admin_site.each_context(request), **_asking(request, own, pairs, kind, admin)}
    request.current_app = admin.admin_site.name
    return TemplateResponse(request, "axconnect/bulk_ask.html", context)


def _asking(
    request: HttpRequest,
    own: QuerySet[InboundEvent],
    pairs: list[tuple[int, int]],
    kind: BulkKind,
    admin: ScopedAdmin,
) -> dict[str, Any]:
    is_all = request.POST.get("select_across") == "1"
    chosen = own.order_by()[: MOST_EVENTS + 1].count()
    per_practice = Counter(practice_id for practice_id, _ in pairs)
    names = Practice.objects.across_practices().filter(pk__in=per_practice).order_by("name")
    return {
        "title": f"{kind.label} events",
        "opts": admin.opts,
        "kind": kind,
        "label": str(kind.label),
        "action": request.POST.get("action", ""),
        "what": WHAT[kind],
        "count": len(pairs),
        "left_out": 0 if len(pairs) == MOST_EVENTS else chosen - len(pairs),
        "left_out_words": LEFT_OUT[kind],
        "practices": [(practice, per_practice[practice.pk]) for practice in names],
        "is_all": is_all,
        "is_cut": len(pairs) == MOST_EVENTS,
        "most": MOST_EVENTS,
        "in_filter": None if is_all else _in_filter(admin, request, kind, len(pairs)),
        # Of a whole list one is enough: Django asks that something is ticked, whatever "all" says.
        "ids": request.POST.getlist(ACTION_CHECKBOX_NAME)[: 1 if is_all else None],
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
    }


def _in_filter(admin: ScopedAdmin, request: HttpRequest, kind: BulkKind, selected: int) -> int | None:
    """How many events the list's filters show beyond this page (at most the most there may be); None for no more."""
    shown: QuerySet[InboundEvent] = admin.get_changelist_instance(request).get_queryset(request)
    own = shown.filter(pk__in=rows_with(request.user, InboundEvent, Right.OPERATE).order_by().values("pk"))
    found = fitting(kind, own).order_by()[:MOST_EVENTS].count()
    return found if found > selected else None
