"""Where a set-up begins and goes on: the list of those under way, a new practice, and the practice's own step."""

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from integrations.views.help_pages import link_to_document
from integrations.views.setup.forms import PracticeForm
from integrations.views.setup.pages import GUIDE, practice_for, show, step_page, to_step
from integrations.views.setup.progress import progress_of
from tenants.models import Practice, PracticeState
from tenants.roles import Right, may, practice_ids_with
from tenants.scoped_admin import rows_with

MOST_UNDER_WAY = 25


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Set-ups under way, and the form of a new practice for those who may make one."""
    if not may(request.user, Right.CONFIGURE):
        raise PermissionDenied
    # A new practice is made by company staff: nobody has a role in it yet.
    may_add = practice_ids_with(request.user, Right.CONFIGURE) is None
    if request.method == "POST" and not may_add:
        raise PermissionDenied
    form = PracticeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        practice = form.save()
        messages.success(request, f"{practice} is added. What is entered is kept: you can stop at any time.")
        return to_step(practice, "emr")
    waiting = rows_with(request.user, Practice, Right.CONFIGURE).filter(state=PracticeState.ONBOARDING)
    context = {
        **admin.site.each_context(request),
        "title": "Set up a practice",
        "form": form if may_add else None,
        "under_way": [progress_of(row) for row in waiting.order_by("-pk")[:MOST_UNDER_WAY]],
        "rehearsals": reverse("sandbox-rehearsals") if settings.DEMO else "",
        "guide": link_to_document(GUIDE, "practice"),
    }
    return TemplateResponse(request, "setup/start.html", context)


@require_safe
def resume(request: HttpRequest, slug: str) -> HttpResponse:
    """On to where the set-up of a practice stands."""
    return HttpResponseRedirect(progress_of(practice_for(request, slug)).next_open.link)


@step_page
def practice_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """What the practice is called, what it does, and where it is."""
    form = PracticeForm(request.POST or None, instance=practice)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return to_step(practice, "emr")
    # What was typed and refused must not show in the page's head as if it were so.
    stored = Practice.objects.for_practice(practice.pk).get()
    return show(request, stored, "practice", form=form)
