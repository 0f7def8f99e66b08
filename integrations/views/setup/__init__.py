"""The guided set-up of a practice, from nothing to live: one page per step. It keeps no state of its own, so it goes
on wherever the practice stands."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from integrations.views.setup import arriving, categories, crm, emr, live, mappings, places, start
from integrations.views.setup.pages import practice_for, staff_page
from tenants.models import Practice

STEP_PAGES: dict[str, Callable[[HttpRequest, Practice], HttpResponse]] = {
    "practice": start.practice_step,
    "emr": emr.emr_step,
    "credentials": emr.credentials_step,
    "locations": places.locations_step,
    "sub-accounts": crm.accounts_step,
    "mapping": places.mapping_step,
    "stages": mappings.stages_step,
    "workflows": mappings.workflows_step,
    "categories": categories.categories_step,
    "test-event": arriving.test_event_step,
    "go-live": live.live_step,
}


@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, slug: str, step: str) -> HttpResponse:
    """One step of one practice's set-up."""
    if step not in STEP_PAGES:
        raise Http404("There is no such step.")
    return STEP_PAGES[step](request, practice_for(request, slug))


urlpatterns: list[URLPattern] = [
    path("setup/", staff_page(start.start), name="setup-start"),
    path("setup/<slug:slug>/", staff_page(start.resume), name="setup"),
    path("setup/<slug:slug>/<slug:step>/", staff_page(step), name="setup-step"),
]
