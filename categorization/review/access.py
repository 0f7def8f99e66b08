"""Who may open which of these pages: their practice's, or none that exists."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from tenants.models import Practice
from tenants.roles import Right, may, practice_ids_with

View = Callable[..., HttpResponse]
MAY_INVITE = (Right.MANAGE_PEOPLE, Right.CONFIGURE)


def practices_to_review(user: Any) -> list[Practice]:
    """The practices whose types a person may confirm, by name."""
    rows = Practice.objects.for_user(user)
    ids = practice_ids_with(user, Right.CATEGORIZE)
    return list(rows if ids is None else rows.filter(pk__in=ids))


def may_invite(user: Any, practice: Practice) -> bool:
    """Whether a person may ask others to review this practice's types."""
    return any(may(user, right, practice) for right in MAY_INVITE)


def is_live_part(request: HttpRequest) -> bool:
    """Whether htmx asks, which puts the answer into the page that is open."""
    return request.headers.get("HX-Request") == "true"


def signed_in(view: View) -> View:
    """Sends strangers to the review pages' own sign-in. Nothing of such a page is kept by a browser."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        back = request.get_full_path() if request.method == "GET" else reverse("review:home")
        answer = redirect_to_login(back, reverse("review:sign-in"))
        return (
            HttpResponse(status=204, headers={"HX-Redirect": answer.url}) if is_live_part(request) else answer
        )

    return guarded


def in_practice(*rights: Right) -> Callable[[View], View]:
    """Lets in who has one of these rights in the practice of the address; to others it does not exist."""

    def guard(view: View) -> View:
        @signed_in
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponse:
            practice = Practice.objects.for_user(request.user).filter(slug=slug).first()
            if practice is None or not any(may(request.user, right, practice) for right in rights):
                raise Http404
            return view(request, practice, *args, **kwargs)

        return guarded

    return guard
