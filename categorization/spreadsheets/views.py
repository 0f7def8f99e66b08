"""Spreadsheets on the staff pages: export, import in two steps, and the practice's Google Sheet."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from categorization.confirming import BadChoice
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia, PracticeSheet
from categorization.spreadsheets import proposals
from categorization.spreadsheets.differences import (
    Comparison,
    Difference,
    compare,
    differences_of,
    effect_of,
)
from categorization.spreadsheets.forms import SheetForm, UploadForm
from categorization.spreadsheets.google import SheetError, account_email, why_off
from categorization.spreadsheets.reading import MOST_BYTES, SpreadsheetError, read_upload
from categorization.spreadsheets.resources import csv_file
from categorization.spreadsheets.sheets import MadeSheet, make_sheet, read_back
from categorization.spreadsheets.workbook import xlsx_file
from tenants.models import Membership, Practice, Role
from tenants.roles import Right, may

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Page = Callable[[HttpRequest, Practice], HttpResponse]
# Long file names and many reviewers must not push each other out of what is kept.
_MOST_WORDS = 140


def of_a_practice(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """Asks strangers to sign in; no such practice for who is not of it; refuses who may not set categories."""

    @wraps(page)
    def guarded(request: HttpRequest, slug: str) -> HttpResponse:
        user: Any = request.user
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        practice = Practice.objects.for_user(user).filter(slug=slug).first()
        if practice is None:
            raise Http404("There is no such practice.")
        rights = (Right.CATEGORIZE, Right.CONFIGURE)
        if not (user.is_active and user.is_staff and any(may(user, right, practice) for right in rights)):
            raise PermissionDenied
        return page(request, practice)

    return guarded


# --- out -------------------------------------------------------------------------------------------------


@require_GET
@of_a_practice
def export_xlsx(request: HttpRequest, practice: Practice) -> HttpResponse:
    """The practice's types as an Excel workbook."""
    return _file(practice, xlsx_file(practice), XLSX, "xlsx")


@require_GET
@of_a_practice
def export_csv(request: HttpRequest, practice: Practice) -> HttpResponse:
    """The practice's types as CSV."""
    return _file(practice, csv_file(practice), "text/csv; charset=utf-8", "csv")


def _file(practice: Practice, data: bytes, content_type: str, ending: str) -> HttpResponse:
    name = f"{practice.slug}-appointment-types-{timezone.now():%Y-%m-%d}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(data, content_type=content_type, headers=headers)


# --- in --------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@of_a_practice
def import_page(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Upload; the answer shows what differs, or what is wrong."""
    is_sent = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if is_sent else UploadForm()
    found: Comparison | None = None
    if is_sent and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            found = _compare_file(practice, file)
        except SpreadsheetError as error:
            form.add_error("file", str(error))
        else:
            if not found.mistakes:
                return _differences_page(request, practice, ConfirmedVia.IMPORT, file.name, found)
    context = {"title": "Import a spreadsheet", "form": form, "found": found}
    return _page(request, practice, "import", context)


def _compare_file(practice: Practice, file: Any) -> Comparison:
    """Raises SpreadsheetError."""
    # What is too large is not even read.
    data = file.read() if file.size <= MOST_BYTES else b"\0" * (MOST_BYTES + 1)
    return compare(practice, read_upload(file.name, data))


def _differences_page(
    request: HttpRequest, practice: Practice, via: ConfirmedVia, source: str, found: Comparison
) -> HttpResponse:
    """What differs between a file or sheet and what is confirmed."""
    words = source[:_MOST_WORDS]
    if found.reviewers:
        words += f", reviewed by {', '.join(found.reviewers)}"[:_MOST_WORDS]
    return confirm_step(request, practice, via, words, found.differences, {"found": found})


def confirm_step(
    request: HttpRequest,
    practice: Practice,
    via: ConfirmedVia,
    words: str,
    differences: list[Difference],
    more: dict[str, Any],
) -> HttpResponse:
    """The second step: what differs, who would move, and the button that applies it."""
    back = "categories-sheet" if via is ConfirmedVia.SHEET else "categories-import"
    context = {
        "title": "What differs",
        "differences": differences,
        "effect": effect_of(practice, differences),
        "proposal": proposals.sign(practice, request.user, via, words, differences),
        "words": words,
        "is_sheet": via is ConfirmedVia.SHEET,
        "back": reverse(back, args=[practice.slug]),
        **more,
    }
    return _page(request, practice, "differences", context)


@require_http_methods(["GET", "HEAD", "POST"])
@of_a_practice
def confirm_page(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Apply what was shown, or show it anew where types were changed meanwhile."""
    to_import = reverse("categories-import", args=[practice.slug])
    if request.method != "POST":
        return HttpResponseRedirect(to_import)
    try:
        proposal = proposals.unsign(request.POST.get("proposal", ""), practice, request.user)
        moves = request.POST.get("moves") != "no"
        batch = proposals.apply(practice, proposal, user=request.user, moves_contacts=moves)
    except proposals.ChangedMeanwhile as changed:
        differences = differences_of(practice, proposal.choices)
        more = {"changed_meanwhile": changed.names or ["types that are no longer there"]}
        return confirm_step(request, practice, proposal.via, proposal.words, differences, more)
    except (proposals.ProposalError, BadChoice) as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(to_import)
    messages.success(request, _applied_words(batch))
    if batch is None:
        return HttpResponseRedirect(_types_address(practice))
    return HttpResponseRedirect(reverse("admin:categorization_categorybatch_change", args=[batch.pk]))


def _applied_words(batch: CategoryBatch | None) -> str:
    count = batch.changes.count() if batch else 0
    if not count:
        return "Nothing to change: every type counts so already."
    return f"{count} type{'s' if count > 1 else ''} confirmed. Steps that waited for them go on."


# --- Google Sheet -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@of_a_practice
def sheet_page(request: HttpRequest, practice: Practice) -> HttpResponse:
    """The practice's sheet: its link, the button that reads it, and the form that makes one."""
    off = why_off()
    form = (
        SheetForm(request.POST) if request.method == "POST" else SheetForm(initial=_first_addresses(practice))
    )
    if form.is_bound and form.is_valid() and not off:
        data = form.cleaned_data
        try:
            made = make_sheet(practice, data["share_with"], request.user, data["into"])
        except SheetError as error:
            form.add_error(None, str(error))
        else:
            _say_made(request, made)
            return HttpResponseRedirect(request.path)
    context = {
        "title": "Google Sheet",
        "form": form,
        "off": off,
        "account": account_email(),
        "sheet": PracticeSheet.objects.for_practice(practice).select_related("made_by").first(),
    }
    return _page(request, practice, "sheet", context)


def _first_addresses(practice: Practice) -> dict[str, str]:
    """The practice's reviewers are whom a sheet is for."""
    people = Membership.objects.for_practice(practice).filter(role=Role.REVIEWER, user__is_active=True)
    return {"share_with": "\n".join(people.order_by("user__email").values_list("user__email", flat=True))}


def _say_made(request: HttpRequest, made: MadeSheet) -> None:
    messages.success(request, "The sheet is made.")
    for email, words in made.unshared.items():
        messages.warning(request, f"It could not be shared with {email}: {words}")


@require_POST
@of_a_practice
def sheet_read_page(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Read the sheet; the answer shows what differs, or what is wrong."""
    try:
        found = read_back(practice)
    except (SheetError, SpreadsheetError) as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("categories-sheet", args=[practice.slug]))
    if found.mistakes:
        context = {"title": "Google Sheet", "found": found}
        return _page(request, practice, "mistakes", context)
    return _differences_page(request, practice, ConfirmedVia.SHEET, "Google Sheet", found)


# --- both --------------------------------------------------------------------------------------------------


def _types_address(practice: Practice) -> str:
    return f"{reverse('admin:categorization_appointmenttype_changelist')}?practice={practice.pk}"


def _page(request: HttpRequest, practice: Practice, name: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    shared = {
        **admin.site.each_context(request),
        "opts": AppointmentType._meta,
        "practice": practice,
        "types_address": _types_address(practice),
        "inline_admin_formsets": [],
    }
    return TemplateResponse(request, f"axconnect/categories_{name}.html", {**shared, **context})
