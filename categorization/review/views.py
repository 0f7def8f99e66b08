"""The review itself: a practice's types, each confirmed with one press, and the sign-off at the end."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from categorization.confirming import BadChoice
from categorization.engine import engine
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from categorization.review import changing, standing
from categorization.review.access import in_practice, is_live_part, may_invite, practices_to_review, signed_in
from categorization.review.forms import SignOffForm
from categorization.review.lines import asked_of, legend, lines_of
from tenants.models import Practice
from tenants.roles import Right

SHOWN = {"all": "All", "review": "To review", "confirmed": "Confirmed"}


@require_safe
@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """The one practice that somebody reviews, or a choice of several."""
    practices = practices_to_review(request.user)
    if not practices:
        raise PermissionDenied
    if len(practices) == 1:
        return redirect("review:types", practices[0].slug)
    return render(request, "review/home.html", {"practices": practices})


@require_safe
@in_practice(Right.CATEGORIZE)
def types(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Every type of the practice, those to review first."""
    lines = lines_of(practice)
    shown = request.GET.get("show", "all")
    shown = shown if shown in SHOWN else "all"
    choices = legend(engine().connections(practice.pk))
    listed = [line for line in lines if shown == "all" or line.row.is_confirmed == (shown == "confirmed")]
    reviewed = sum(line.row.is_confirmed for line in lines)
    context = {
        "practice": practice,
        "lines": listed,
        "shown": shown,
        "chips": _chips(shown, reviewed, len(lines)),
        "ticked": sum(line.may_be_ticked for line in listed),
        "legend": choices,
        "last_number": choices[-1].number,
        "may_invite": may_invite(request.user, practice),
    }
    return render(request, "review/types.html", context | _standing(request, practice))


def _chips(shown: str, reviewed: int, total: int) -> list[dict[str, Any]]:
    counts = {"all": total, "review": total - reviewed, "confirmed": reviewed}
    order = ("review", "all", "confirmed")
    return [{"value": one, "label": SHOWN[one], "count": counts[one], "is_on": one == shown} for one in order]


def _standing(request: HttpRequest, practice: Practice) -> dict[str, Any]:
    """What stands beside the types and changes with each of them."""
    user: Any = request.user
    return {
        "progress": standing.progress_of(practice),
        "signed": standing.signed_of(practice),
        "last_change": standing.last_change_of(practice, user),
        "sign_off_form": SignOffForm(initial={"name": user.name}),
        "now": timezone.now(),
    }


@require_POST
@in_practice(Right.CATEGORIZE)
def choose(request: HttpRequest, practice: Practice, pk: int) -> HttpResponse:
    """One type counts as a category. What somebody confirmed already is changed only after its effect was shown."""
    row = get_object_or_404(asked_of(practice).select_related("practice", "confirmed_by"), pk=pk)
    category, moves = request.POST.get("category", ""), request.POST.get("moves", "")
    if "leave" in request.POST:
        return _answer(request, row)
    asked = moves in ("yes", "no")
    if category in row.choices and changing.asks_first(row, category) and not asked:
        return _ask(request, row, category)
    try:
        changing.choose(row, category, request.user, moves_contacts=moves != "no", asked=asked)
    except BadChoice as error:
        return _answer(request, row, problem=str(error))
    return _answer(request, row)


def _ask(request: HttpRequest, row: AppointmentType, category: str) -> HttpResponse:
    """What a change of a confirmed type would do, and the question whom it is for."""
    preview = engine().preview(row.practice_id, {row.pk: category})
    [line] = lines_of(row.practice, asked_of(row.practice).filter(pk=row.pk))
    context = {"practice": row.practice, "line": line, "category": category, "preview": preview}
    return render(request, f"review/{'_row' if is_live_part(request) else 'change'}.html", context)


def _answer(request: HttpRequest, row: AppointmentType, problem: str = "") -> HttpResponse:
    """The type as it stands now, with what changed around it; without htmx the page, at that type."""
    practice = row.practice
    if not is_live_part(request):
        if problem:
            messages.error(request, problem)
        return redirect(f"{reverse('review:types', args=[practice.slug])}#type-{row.pk}")
    [line] = lines_of(practice, asked_of(practice).filter(pk=row.pk))
    context = {"practice": practice, "line": line, "problem": problem, "is_live": True}
    return render(request, "review/answer.html", context | _standing(request, practice))


@require_POST
@in_practice(Right.CATEGORIZE)
def agree(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Confirm the suggestions that are ticked."""
    ids = [int(one) for one in request.POST.getlist("agree") if one.isdecimal()]
    try:
        batch = changing.agree(practice, ids, request.user)
    except BadChoice as error:
        messages.error(request, str(error))
    else:
        if batch is None:
            messages.info(request, "Nothing was ticked that is still to review.")
    return redirect("review:types", practice.slug)


@require_POST
@in_practice(Right.CATEGORIZE)
def undo(request: HttpRequest, practice: Practice, pk: int) -> HttpResponse:
    """Take back what one did here oneself."""
    rows = CategoryBatch.objects.for_practice(practice).select_related("practice")
    batch = get_object_or_404(rows, pk=pk, made_by=request.user, via=ConfirmedVia.REVIEW)
    at = batch.changes.values_list("type_id", flat=True).first()
    try:
        kept = changing.undo(batch, request.user)
    except BadChoice as error:
        messages.error(request, str(error))
    else:
        if kept:
            messages.info(request, f"Changed again since, so left as it is: {', '.join(kept)}.")
        else:
            messages.success(request, "Undone.")
    return redirect(f"{reverse('review:types', args=[practice.slug])}#type-{at}")


@require_POST
@in_practice(Right.CATEGORIZE)
def sign_off(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Say under one's name that the types are right."""
    form = SignOffForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Write your name to sign off.")
    elif standing.sign_off(practice, request.user, form.cleaned_data["name"]) is None:
        messages.error(request, "Some types are still to review. Sign off when each has its category.")
    else:
        messages.success(request, "Thank you. The review is signed off.")
    return redirect(f"{reverse('review:types', args=[practice.slug])}#sign-off")
