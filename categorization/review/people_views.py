"""Who reviews a practice: the page on which staff invite its people."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from categorization.models import Invitation
from categorization.review import invitations
from categorization.review.access import MAY_INVITE, in_practice
from categorization.review.forms import InviteForm
from categorization.review.invitations import CannotInvite
from tenants.models import Practice


@require_http_methods(["GET", "HEAD", "POST"])
@in_practice(*MAY_INVITE)
def invite(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Everybody who was invited, and a form for more."""
    form = InviteForm(request.POST or None)
    if form.is_valid():
        for email in form.cleaned_data["emails"]:
            _invite(request, practice, email)
        return redirect("review:invite", practice.slug)
    invited = invitations.invited_to(practice)
    return render(request, "review/people.html", {"practice": practice, "form": form, "invited": invited})


@require_POST
@in_practice(*MAY_INVITE)
def again(request: HttpRequest, practice: Practice, pk: int) -> HttpResponse:
    """Send somebody a new link."""
    rows = Invitation.objects.for_practice(practice).select_related("user")
    _invite(request, practice, get_object_or_404(rows, pk=pk).user.email)
    return redirect("review:invite", practice.slug)


def _invite(request: HttpRequest, practice: Practice, email: str) -> None:
    try:
        invitations.invite(practice, email, request.user, settings.PUBLIC_URL)
    except CannotInvite as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Invitation sent to {email}.")
