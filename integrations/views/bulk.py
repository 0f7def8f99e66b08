"""How far work on many events is, and what came of it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.models import BulkRun, EventState
from integrations.sync.bulk import BulkProgress, progress
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

RUNS_SHOWN = 30
WORDS = {
    EventState.DONE.value: "done",
    EventState.PARKED.value: "parked",
    EventState.HELD.value: "held",
    EventState.SKIPPED.value: "skipped",
    EventState.IGNORED.value: "ignored",
    EventState.WAITING.value: "waiting",
}


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with how far it is."""

    run: BulkRun
    progress: BulkProgress
    words: str


def in_words(found: BulkProgress) -> str:
    """``38 done, 2 parked again: …reason``."""
    parts = []
    for state, word in WORDS.items():
        count = found.waiting if state == EventState.WAITING else found.counts.get(state, 0)
        if state == EventState.PARKED and found.again:
            parts += _parked(found, count)
        elif count:
            parts.append(f"{count} {word}{_because(found, state)}")
    if found.left_out:
        parts.append(f"{found.left_out} left out, as they were put to work otherwise meanwhile")
    if found.queued:
        parts.append(f"{found.queued} to come")
    return ", ".join(parts) or "Nothing to do"


def _parked(found: BulkProgress, count: int) -> list[str]:
    """Those that were parked before, and those that were not."""
    fresh = count - found.again
    because = _because(found, EventState.PARKED)
    return [f"{found.again} parked again" + (f" and {fresh} for the first time" if fresh else "") + because]


def _because(found: BulkProgress, state: str) -> str:
    """The reason that most of them have."""
    first = next((one for one in found.reasons if one.state == state and one.words), None)
    return f": {first.words.rstrip('.')}" if first is not None else ""


def shown(run: BulkRun) -> ShownRun:
    """A run as the pages show it."""
    found = progress(run)
    return ShownRun(run, found, in_words(found))


def _runs(request: HttpRequest) -> Any:
    return rows_with(request.user, BulkRun, Right.OPERATE).select_related("practice", "made_by")


def _one(request: HttpRequest, run_id: int) -> BulkRun:
    run: BulkRun | None = _runs(request).filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    return run


@never_cache
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run, with a bar that moves."""
    return _page(request, "axconnect/bulk_run.html", title="Bulk run", **_context(_one(request, run_id)))


@never_cache
@require_safe
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The part of the page that is asked for again until the run is over."""
    return TemplateResponse(request, "axconnect/_bulk_progress.html", _context(_one(request, run_id)))


@never_cache
@require_safe
def runs_page(request: HttpRequest) -> HttpResponse:
    """The latest runs of the practices in which the person may operate."""
    if not may(request.user, Right.OPERATE):
        raise PermissionDenied
    found = [shown(run) for run in _runs(request).order_by("-pk")[:RUNS_SHOWN]]
    return _page(request, "axconnect/bulk_runs.html", title="Bulk runs", runs=found)


def _context(run: BulkRun) -> dict[str, Any]:
    one = shown(run)
    return {
        "run": run,
        "practice": run.practice,
        "progress": one.progress,
        "words": one.words,
        "reasons": [(WORDS.get(reason.state, reason.state), reason) for reason in one.progress.reasons],
    }


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    events = reverse("admin:integrations_inboundevent_changelist")
    return TemplateResponse(
        request, template, {**admin.site.each_context(request), "events_link": events, **context}
    )


urlpatterns: list[URLPattern] = [
    path("bulk/", admin.site.admin_view(runs_page), name="bulk-runs"),
    path("bulk/<int:run_id>/", admin.site.admin_view(run_page), name="bulk-run"),
    path("bulk/<int:run_id>/progress/", admin.site.admin_view(run_progress), name="bulk-run-progress"),
]
