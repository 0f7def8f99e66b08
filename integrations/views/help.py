"""The documents for whoever is signed in to the staff application."""

from typing import Any

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from integrations.views.help_pages import IMAGES, INDEX, images, page


@require_safe
def document(request: HttpRequest, name: str = INDEX) -> HttpResponse:
    """One document."""
    found = page(name)
    if found is None:
        raise Http404("There is no such document.")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": found.title,
        "page": found,
        # Ours, and rendered with raw HTML switched off.
        "html": mark_safe(found.html),  # noqa: S308
        "parts": [heading for heading in found.headings if heading.level == 2],
        "is_index": name == INDEX,
        "inline_admin_formsets": [],
    }
    return TemplateResponse(request, "help/page.html", context)


@require_safe
def image(request: HttpRequest, name: str) -> FileResponse:
    """A picture of a document."""
    path_of_it = images().get(name)
    if path_of_it is None:
        raise Http404("There is no such picture.")
    answer = FileResponse(path_of_it.open("rb"), content_type=IMAGES[path_of_it.suffix])
    # A drawing opened by itself is a document of its own: nothing in it may run.
    answer["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return answer


urlpatterns: list[URLPattern] = [
    path("help/", admin.site.admin_view(document), name="help"),
    path("help/img/<str:name>", admin.site.admin_view(image), name="help-image"),
    path("help/<path:name>/", admin.site.admin_view(document), name="help-page"),
]
