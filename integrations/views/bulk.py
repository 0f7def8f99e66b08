"""How far long work is, and what came of it: a list of all of it, and a page for each."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from integrations.models import Backfill, BulkRun
from integrations.sync.polling import backfill
from integrations.views.long_work import (
    LongWork,
    backfills_of,
    latest,
    of_backfill,
    of_bulk,
    of_provision,
    provisions_of,
)
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

# Sent once, with the card that says that the work is over: what stands around it is read again.
OVER = "ax-over"


@never_cache
@require_safe
def runs_page(request: HttpRequest) -> HttpResponse:
    """The latest long work of the practices that the person may see."""
    if not may(request.user, Right.SEE):
        raise PermissionDenied
    found = latest(request.user)
    is_going_on = any(not work.is_finished for work in found)
    return _page(request, "axconnect/bulk_runs.html", title="Long work", works=found, is_going_on=is_going_on)


# --- replays and retries ----------------------------------------------------------------------------------------


def _bulk(request: HttpRequest, run_id: int) -> LongWork:
    rows = rows_with(request.user, BulkRun, Right.OPERATE).select_related("practice", "made_by")
    return of_bulk(_one(rows, run_id))


@never_cache
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run, with a bar that moves."""
    back = reverse("admin:integrations_inboundevent_changelist")
    return _work_page(request, _bulk(request, run_id), back, "Back to the events")


@never_cache
@require_safe
def run_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The part of the page that is asked for again until the run is over."""
    return _part(request, _bulk(request, run_id))


# --- custom fields ----------------------------------------------------------------------------------------------


@never_cache
@require_safe
def provision_page(request: HttpRequest, provision_id: int) -> HttpResponse:
    """The making of a sub-account's custom fields."""
    run = _one(provisions_of(request.user), provision_id)
    back = reverse("admin:integrations_subaccount_change", args=[run.sub_account_id])
    return _work_page(request, of_provision(run), back, "To the sub-account")


@never_cache
@require_safe
def provision_progress(request: HttpRequest, provision_id: int) -> HttpResponse:
    """How far it is, for pages that ask again and again."""
    return _part(request, of_provision(_one(provisions_of(request.user), provision_id)))


# --- back-fills -------------------------------------------------------------------------------------------------


def _backfill(request: HttpRequest, backfill_id: int) -> Backfill:
    row: Backfill = _one(backfills_of(request.user), backfill_id)
    return row


def _connection_page(row: Backfill) -> str:
    return reverse("admin:integrations_connection_change", args=[row.cursor.connection_id])


@never_cache
@require_safe
def backfill_page(request: HttpRequest, backfill_id: int) -> HttpResponse:
    """One back-fill."""
    row = _backfill(request, backfill_id)
    return _work_page(request, of_backfill(row, request.user), _connection_page(row), "To the connection")


@never_cache
@require_safe
def backfill_progress(request: HttpRequest, backfill_id: int) -> HttpResponse:
    """How far it is, for pages that ask again and again."""
    return _part(request, of_backfill(_backfill(request, backfill_id), request.user))


@never_cache
@require_POST
def backfill_stop(request: HttpRequest, backfill_id: int) -> HttpResponse:
    """Read nothing more."""
    row = _backfill(request, backfill_id)
    if not may(request.user, Right.CONFIGURE, row.practice_id):
        raise PermissionDenied
    if backfill.stop(row):
        messages.success(request, "Stopped. Events that are there already go on.")
    else:
        messages.info(request, "It was over already.")
    return HttpResponseRedirect(_connection_page(row))


# --- what they have in common -----------------------------------------------------------------------------------


def _one(rows: Any, pk: int) -> Any:
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such run.")
    return row


def _part(request: HttpRequest, work: LongWork) -> HttpResponse:
    response = TemplateResponse(request, "axconnect/_long_work.html", {"work": work})
    if work.is_finished:
        response["HX-Trigger"] = OVER
    return response


def _work_page(request: HttpRequest, work: LongWork, back: str, back_words: str) -> HttpResponse:
    return _page(
        request, "axconnect/bulk_run.html", title=work.title, work=work, back=back, back_words=back_words
    )


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})


def _at(route: str, view: Any, name: str) -> URLPattern:
    return path(f"bulk/{route}", admin.site.admin_view(view), name=name)


urlpatterns: list[URLPattern] = [
    _at("", runs_page, "bulk-runs"),
    _at("<int:run_id>/", run_page, "bulk-run"),
    _at("<int:run_id>/progress/", run_progress, "bulk-run-progress"),
    _at("custom-fields/<int:provision_id>/", provision_page, "provision-run"),
    _at("custom-fields/<int:provision_id>/progress/", provision_progress, "provision-run-progress"),
    _at("back-fills/<int:backfill_id>/", backfill_page, "back-fill"),
    _at("back-fills/<int:backfill_id>/progress/", backfill_progress, "back-fill-progress"),
    _at("back-fills/<int:backfill_id>/stop/", backfill_stop, "back-fill-stop"),
]
