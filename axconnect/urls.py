"""All addresses. The staff application is at the root, so it comes last: it answers whatever is left."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, include, path
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns

from axconnect import health

View = Callable[..., HttpResponse]


def superusers_only(view: View) -> View:
    """Lets superusers in, asks strangers to sign in, refuses everybody else."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not (request.user.is_active and request.user.is_superuser):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def queue_pages() -> list[URLPattern]:
    """django-rq's own pages, every one of them behind the guard."""
    pages: list[URLPattern] = [*get_api_urlpatterns(), *get_admin_urlpatterns()]
    for page in pages:
        page.callback = superusers_only(page.callback)
    return pages


def not_there(request: HttpRequest, rest: str) -> HttpResponse:
    """The admin's "view on site". None of our rows is on another site, so it could only tell which ids exist."""
    raise Http404


urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("webhooks/", include("integrations.urls")),
    path("queues/", include((queue_pages(), "django_rq"))),
    path("review/", include("categorization.review.urls")),
    path("categories/", include("categorization.spreadsheets.urls")),
    path("", include("integrations.urls_staff")),
    path("r/<path:rest>", not_there, name="not-there"),
    path("", admin.site.urls),
]
