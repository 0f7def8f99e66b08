"""Every change of categories: who, when, from where, what; how far it is carried out; and its undo."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from categorization.admin.filters import PracticeFilter
from categorization.confirming import BadChoice, undo
from categorization.engine import Progress, engine
from categorization.models import CategoryBatch
from tenants.moments import moment
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin

MOST_SHOWN = 200


@admin.register(CategoryBatch)
class CategoryBatchAdmin(PageAdmin):
    """Changes of categories, newest first, each with a page and an undo."""

    page_template = "axconnect/category_batch.html"
    list_display = ("when", "practice", "count_words", "via", "who", "words", "state_label")
    list_filter = (PracticeFilter, "via")
    list_select_related = ("practice", "made_by", "undone_by")
    empty_words = "No changes yet."
    empty_next = "Each confirmation, import, sheet and undo of categories stands here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CategoryBatch]:
        rows: QuerySet[CategoryBatch] = super().get_queryset(request).annotate(number=Count("changes"))
        return rows

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:batch_id>/progress/", view(self.progress_view), name="category-progress"),
            path("<int:batch_id>/undo/", view(self.undo_view), name="category-undo"),
            *super().get_urls(),
        ]

    @display(description="When", ordering="made_at")
    def when(self, row: CategoryBatch) -> Any:
        return moment(row.made_at, row.practice)

    @display(description="Types")
    def count_words(self, row: Any) -> int:
        return int(row.number)

    @display(description="By")
    def who(self, row: CategoryBatch) -> str:
        return str(row.made_by) if row.made_by else row.get_via_display()

    @display(description="State", label={"Undone": "warning", "Stands": "success"})
    def state_label(self, row: CategoryBatch) -> str:
        return "Undone" if _undone_by(row) else "Stands"

    def page_context(self, request: HttpRequest, row: CategoryBatch) -> dict[str, Any]:
        changes = list(row.changes.select_related("type", "before_by")[: MOST_SHOWN + 1])
        may_undo = self.allowed(request, Right.CONFIGURE, row) and _undone_by(row) is None
        back = {
            change.type_id: change.before if change.was_confirmed else ""
            for change in changes
            if change.type.category == change.after
        }
        return {
            "title": "Change of categories",
            "practice": row.practice,
            "changes": changes[:MOST_SHOWN],
            "more": row.changes.count() - MOST_SHOWN,
            "undone_by": _undone_by(row),
            "may_undo": may_undo,
            "preview": engine().preview(row.practice_id, back) if may_undo and any(back.values()) else None,
            **_progress(row),
        }

    def progress_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """How far a change is carried out; asked again and again until it is over."""
        row = self._row(request, batch_id)
        return TemplateResponse(request, "axconnect/_category_progress.html", {"row": row, **_progress(row)})

    def undo_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """Take a change back."""
        row = self._row(request, batch_id)
        if request.method != "POST" or not self.allowed(request, Right.CONFIGURE, row):
            raise PermissionDenied
        try:
            made, kept = undo(row, user=request.user, moves_contacts=request.POST.get("moves") != "no")
        except BadChoice as bad:
            messages.error(request, str(bad))
            return HttpResponseRedirect(self.url_of(row))
        if kept:
            messages.warning(request, f"Changed again since, so left as they are: {', '.join(kept[:20])}.")
        if made is None:
            messages.error(request, "Nothing was taken back: each of these types was changed again since.")
            return HttpResponseRedirect(self.url_of(row))
        messages.success(request, "Taken back: these types count as they did before.")
        return HttpResponseRedirect(self.url_of(made))

    def _row(self, request: HttpRequest, batch_id: int) -> CategoryBatch:
        row: CategoryBatch | None = self.get_object(request, str(batch_id))
        if row is None or not self.has_view_permission(request, row):
            raise Http404("There is no such change.")
        return row


def _undone_by(row: CategoryBatch) -> CategoryBatch | None:
    return getattr(row, "undone_by", None)


def _progress(row: CategoryBatch) -> dict[str, Any]:
    found = engine().progress(row.pk)
    return {"progress": found, "percent": _percent(found), "result": words_of(found) if found else ""}


def _percent(found: Progress | None) -> int:
    if found is None or not found.total:
        return 100
    return found.done * 100 // found.total


def words_of(found: Progress) -> str:
    """What came of a change, such as "41 contacts moved, 3 kept: another visit is booked"."""
    if not found.total:
        return (
            "No event waited for it and no contact moves."
            if found.is_finished
            else "Looking for what it is about."
        )
    moved = f"{found.moved} contact{'s' if found.moved != 1 else ''} moved"
    kept = [f"{count} kept: {why}" for why, count in found.kept.items()]
    stopped = [f"{found.stopped} stopped: see the parked events"] if found.stopped else []
    return ", ".join([moved, *kept, *stopped])
