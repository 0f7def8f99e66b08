"""How the practice's people sign in, out, and choose their password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from categorization.review.forms import ForgottenForm, NewPasswordForm, SignInForm
from categorization.review.invitations import accept
from categorization.review.links import DAYS_VALID, DeadLink, Opened, Purpose, Why, open_link
from categorization.review.passwords import send_password_link
from tenants.roles import Right, may

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignIn(LoginView):
    """Sign in to the review pages. django-axes stops guessing, as it does at the staff's sign-in."""

    template_name = "review/sign_in.html"
    authentication_form = SignInForm
    next_page = "review:home"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "GET" and may(request.user, Right.CATEGORIZE):
            accept(request.user)
            return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out, and back to the sign-in."""
    logout(request)
    return redirect("review:sign-in")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link to a new password. The answer is the same whether somebody has the address or not."""
    form = ForgottenForm(request.POST or None)
    is_sent = form.is_valid()
    if is_sent:
        send_password_link(form.cleaned_data["email"], settings.PUBLIC_URL)
    return render(request, "review/forgotten.html", {"form": form, "is_sent": is_sent})


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Opened from an e-mail: choose a password, and be signed in. Looking at it uses nothing up."""
    try:
        opened = open_link(token)
    except DeadLink as error:
        return _dead(request, error.why)
    invitation = opened.invitation
    if invitation and not may(opened.user, Right.CATEGORIZE, invitation.practice):
        return _dead(request, Why.USED)
    if invitation and opened.user.has_usable_password():
        next_page = reverse("review:types", args=[invitation.practice.slug])
        return render(request, "review/known.html", {"person": opened.user, "next_page": next_page})
    form = NewPasswordForm(opened.user, request.POST or None)
    if not form.is_valid():
        return render(
            request, "review/password.html", {"form": form, "person": opened.user, "invitation": invitation}
        )
    return _let_in(request, form, opened)


def _let_in(request: HttpRequest, form: NewPasswordForm, opened: Opened) -> HttpResponse:
    """Keep the new password, and sign its owner in."""
    form.save()
    login(request, opened.user, backend=BACKEND)
    return redirect("review:home")


def _dead(request: HttpRequest, why: Why) -> HttpResponse:
    """Says why a link opens nothing and how to get another. Gone (410), so that nobody keeps it."""
    words = {"why": why, "days": DAYS_VALID[Purpose.INVITATION]}
    return render(request, "review/dead_link.html", words, status=410)
