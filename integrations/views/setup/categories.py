"""What each appointment type counts as: how far the review is, and where it is done."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse

from categorization.models import AppointmentType
from integrations.admin import polls
from integrations.models import Connection
from integrations.views.links import list_of
from integrations.views.setup.pages import chosen, connections_of, manifest_of, show, step_page, to_step
from tenants.models import Practice
from tenants.scoped_admin import UserError


@dataclass(frozen=True, slots=True)
class Review:
    """How far the types of one connection are. ``is_needed``: the practice has two pipelines there."""

    connection: Connection
    emr: str
    is_needed: bool
    can_pull: bool
    known: int
    confirmed: int
    percent: int


@step_page
def categories_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Progress per connection; types can be pulled at once instead of waiting for the daily look."""
    connections = connections_of(practice)
    if request.method == "POST":
        return _pull(request, practice, connections)
    return show(
        request,
        practice,
        "categories",
        reviews=_reviews(practice, connections),
        types_link=list_of(AppointmentType, practice=practice.pk, confirmed="no"),
        all_types_link=list_of(AppointmentType, practice=practice.pk),
        invite_link=invite_link(practice),
    )


def _pull(request: HttpRequest, practice: Practice, connections: list[Connection]) -> HttpResponse:
    row = chosen(request, "pull", connections)
    if row is None or not polls.lists_locations(row):
        raise UserError("This EMR cannot list its types: they come with the first events.")
    taken, count = polls.pull_types(row)
    news = f"{taken.new} of them new" if taken.new else "none of them new"
    messages.success(request, f"{count} appointment types in {manifest_of(row).name}, {news}.")
    return to_step(practice, "categories")


def _reviews(practice: Practice, connections: list[Connection]) -> list[Review]:
    rows = AppointmentType.objects.for_practice(practice).order_by().values("connection_key")
    confirmed = Count("pk", filter=Q(confirmed_at__isnull=False) & ~Q(category=""))
    counts: dict[str, dict[str, Any]] = {
        row["connection_key"]: row for row in rows.annotate(known=Count("pk"), confirmed=confirmed)
    }
    return [_review(practice, row, counts.get(row.key, {})) for row in connections]


def _review(practice: Practice, row: Connection, counts: dict[str, Any]) -> Review:
    manifest = manifest_of(row)
    known, confirmed = counts.get("known", 0), counts.get("confirmed", 0)
    return Review(
        connection=row,
        emr=manifest.name,
        is_needed=practice.has_surgery and manifest.has_surgical_pipeline,
        can_pull=polls.lists_locations(row),
        known=known,
        confirmed=confirmed,
        percent=confirmed * 100 // known if known else 0,
    )


def invite_link(practice: Practice) -> str:
    """The page that invites somebody of the practice to review; "" where this version has none."""
    try:
        return reverse("review:invite", args=[practice.slug])
    except NoReverseMatch:
        return ""
