"""What every page of the guided set-up has in common: who may open it, the rail, and how it answers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from integrations.contract.errors import ContractError
from integrations.contract.manifest import Manifest
from integrations.emrs import registry
from integrations.models import Connection, SubAccount
from integrations.views.documents import link_to_document
from integrations.views.setup.progress import TITLES, progress_of
from tenants.models import Practice
from tenants.roles import Right
from tenants.scoped_admin import UserError, rows_with

View = Callable[..., HttpResponse]
GUIDE = "onboarding/new-practice.md"


def staff_page(view: View) -> Any:
    """For people of the staff application; never kept by a browser."""
    return admin.site.admin_view(never_cache(view))


def step_page(view: View) -> View:
    """A step: the view gets the practice, and may raise UserError or a refusal of the EMR or the CRM on POST, which
    is shown on the page as it stands."""

    @wraps(view)
    def guarded(request: HttpRequest, practice: Practice) -> HttpResponse:
        try:
            return view(request, practice)
        except (UserError, ContractError) as error:
            if request.method != "POST":
                raise
            messages.error(request, words_of(error))
            return HttpResponseRedirect(request.get_full_path())

    return guarded


def words_of(error: Exception) -> str:
    """A refusal with the other side's own words."""
    return f"{error} {getattr(error, 'vendor_words', '')}".strip()


def practice_for(request: HttpRequest, slug: str) -> Practice:
    """The practice, for somebody who sets it up. Raises Http404 for strangers, PermissionDenied for readers."""
    practice: Practice | None = rows_with(request.user, Practice, Right.SEE).filter(slug=slug).first()
    if practice is None:
        raise Http404("There is no such practice.")
    if not rows_with(request.user, Practice, Right.CONFIGURE).filter(pk=practice.pk).exists():
        raise PermissionDenied
    return practice


def show(request: HttpRequest, practice: Practice, step: str, **context: Any) -> HttpResponse:
    """The page of a step: its own template in the frame that all share."""
    progress = progress_of(practice)
    template = f"setup/{step.replace('-', '_')}.html"
    whole = {
        **admin.site.each_context(request),
        "title": f"{practice}: {TITLES[step]}",
        "heading": TITLES[step],
        "practice": practice,
        "progress": progress,
        "step": step,
        "next_step": progress.after(step),
        "guide": link_to_document(GUIDE, step),
        **context,
    }
    return TemplateResponse(request, template, whole)


def to_step(practice: Practice, step: str, **query: str) -> HttpResponseRedirect:
    """On to a step's page."""
    address = reverse("setup-step", args=[practice.slug, step])
    words = "&".join(f"{name}={value}" for name, value in query.items() if value)
    return HttpResponseRedirect(f"{address}?{words}" if words else address)


def connections_of(practice: Practice) -> list[Connection]:
    """The practice's connections whose EMR is known here, oldest first."""
    rows = Connection.objects.for_practice(practice).select_related("practice").order_by("pk")
    return [row for row in rows if row.emr in registry()]


def accounts_of(practice: Practice) -> list[SubAccount]:
    """The practice's sub-accounts, the default one first."""
    rows = SubAccount.objects.for_practice(practice).select_related("practice")
    return list(rows.order_by("-is_default", "pk"))


def chosen(request: HttpRequest, name: str, rows: list[Any]) -> Any:
    """The row whose key stands in the address (or was posted), else the first; None where there is none.

    Raises Http404 for a key that is not this practice's.
    """
    key = request.POST.get(name) or request.GET.get(name)
    if not key:
        return rows[0] if rows else None
    found = next((row for row in rows if row.key == key), None)
    if found is None:
        raise Http404("This practice has nothing of that name.")
    return found


def manifest_of(connection: Connection) -> Manifest:
    """What the EMR of a known connection declares."""
    return registry()[connection.emr].manifest
