"""Lists that stay fast at a million rows: pages continue below the last id shown, and nothing is counted."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from unfold.views import ChangeList

CURSOR = "before"


class KeysetPaginator(Paginator):
    """Only tells the template that this list has older and newer pages."""

    template_name = "axconnect/pagination_keyset.html"


class KeysetChangeList(ChangeList):
    """Newest first, one page at a time."""

    def get_results(self, request: HttpRequest) -> None:
        rows = self.queryset.order_by("-pk")
        before = getattr(request, "ax_before", None)
        if before is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows[: self.list_per_page + 1])
        self.result_list: Any = found[: self.list_per_page]
        self.has_older = len(found) > self.list_per_page
        self.is_first_page = before is None
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.model_admin.actions)
        self.can_show_all = self.multi_page = False
        self.paginator = KeysetPaginator(self.result_list, self.list_per_page)

    @property
    def older_url(self) -> str:
        """The page that goes on where this one ends."""
        return self.get_query_string({CURSOR: self.result_list[-1].pk})

    @property
    def newest_url(self) -> str:
        return self.get_query_string(remove=[CURSOR])


class KeysetMixin:
    """A changelist with keyset paging. Its order is by id, newest first."""

    sortable_by = ()
    ordering = ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Takes the cursor out of the query, so that filters and searches start at the newest row again."""
        query = request.GET.copy()
        cursor = query.pop(CURSOR, [""])[-1]
        request.ax_before = int(cursor) if cursor.isdecimal() and len(cursor) < 19 else None  # type: ignore[attr-defined]
        request.GET = query  # type: ignore[assignment]
        return super().changelist_view(request, extra_context)  # type: ignore[misc]
