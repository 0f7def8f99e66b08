"""Who opened a payload, when and why. Only those who manage people read this."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin.filters import PracticeFilter
from integrations.models import PayloadReveal
from integrations.templatetags.human import moment
from tenants.roles import Right
from tenants.scoped_admin import ReadOnlyMixin, ScopedAdmin, rows_with


@admin.register(PayloadReveal)
class PayloadRevealAdmin(ReadOnlyMixin, ScopedAdmin):
    """A log: nothing opens, nothing changes."""

    list_display = ("when", "who", "reason", "about", "practice")
    list_display_links = None
    fields = readonly_fields = ("when", "who", "reason", "about", "practice")
    list_filter = (PracticeFilter,)
    sortable_by = ()
    empty_words = "Nobody has revealed a payload."
    empty_next = "Each reveal is listed here with the person, the time and the reason."

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayloadReveal]:
        rows: QuerySet[PayloadReveal] = rows_with(request.user, PayloadReveal, Right.MANAGE_PEOPLE)
        return rows.select_related("event__practice", "user").defer("event__payload").order_by("-pk")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request, Right.MANAGE_PEOPLE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, Right.MANAGE_PEOPLE, obj)

    @display(description="When")
    def when(self, row: PayloadReveal) -> SafeString:
        return moment(row.revealed_at, row.event.practice)

    @display(description="Who")
    def who(self, row: PayloadReveal) -> str:
        return str(row.user)

    @display(description="Payload of")
    def about(self, row: PayloadReveal) -> SafeString:
        url = reverse("admin:integrations_inboundevent_change", args=[row.event_id])
        return format_html('<a class="ax-link" href="{}">event {}</a>', url, row.event_id)

    @display(description="Practice")
    def practice(self, row: PayloadReveal) -> str:
        return str(row.event.practice)
