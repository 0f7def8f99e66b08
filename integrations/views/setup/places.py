"""The practice's clinic sites, and which sub-account each one's events go to."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from integrations.admin import polls
from integrations.admin.practices import route_location
from integrations.views.setup.forms import Places, RouteForm
from integrations.views.setup.pages import (
    accounts_of,
    chosen,
    connections_of,
    manifest_of,
    show,
    step_page,
    to_step,
)
from tenants.models import Location, Practice
from tenants.scoped_admin import UserError


@step_page
def locations_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Clinic sites: pulled from the EMR where it can list them, else typed; each with its time zone."""
    sources = [row for row in connections_of(practice) if polls.lists_locations(row)]
    rows = Location.objects.for_practice(practice).order_by("name")
    if request.method == "POST" and "pull" in request.POST:
        return _pull(request, practice, sources)
    formset = Places(request.POST or None, queryset=rows, prefix="places")
    if request.method == "POST" and formset.is_valid():
        for place in formset.save(commit=False):
            place.practice = practice
            place.save()
        messages.success(request, "Saved.")
        return to_step(practice, "locations")
    can_list = [(row, manifest_of(row)) for row in sources]
    return show(
        request,
        practice,
        "locations",
        formset=formset,
        sources=can_list,
        known=rows.count(),
        has_emr=bool(connections_of(practice)),
    )


def _pull(request: HttpRequest, practice: Practice, sources: list[polls.Connection]) -> HttpResponse:
    row = chosen(request, "pull", sources)
    if row is None:
        raise UserError("This EMR cannot list its locations: type them.")
    messages.success(request, polls.pulled_words(polls.pull_locations(row)))
    return to_step(practice, "locations")


@step_page
def mapping_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Which sub-account each location belongs to; those left open go to the default one."""
    accounts = accounts_of(practice)
    locations = list(Location.objects.for_practice(practice).select_related("route__sub_account"))
    form = RouteForm(locations, accounts, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        for name, location in form.locations.items():
            route_location(location, form.accounts.get(form.cleaned_data[name]))
        messages.success(request, "Saved.")
        return to_step(practice, "stages")
    return show(request, practice, "mapping", form=form, accounts=accounts, locations=locations)
