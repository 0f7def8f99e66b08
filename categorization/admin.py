"""Appointment types: what each counts as, and who confirmed it."""

import zoneinfo
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action, display

from categorization.categories import Category
from categorization.models import AppointmentType, ConfirmedVia
from tenants.roles import Right
from tenants.scoped_admin import ScopedAdmin, practice_choices

Choices = list[tuple[str, str]]


def confirm(row: AppointmentType, user: Any) -> None:
    """A person says that a type counts as its category; without a category it counts as nothing again."""
    is_confirmed = bool(row.category)
    row.confirmed_at = timezone.now() if is_confirmed else None
    row.confirmed_by = user if is_confirmed else None
    row.confirmed_via = ConfirmedVia.PAGE if is_confirmed else ""


class PracticeFilter(DropdownFilter):
    """Types of one practice."""

    title = "practice"
    parameter_name = "practice"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return practice_choices(request.user)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(practice=int(value)) if value and value.isdecimal() else queryset


class ConfirmedFilter(DropdownFilter):
    """What still waits for a person."""

    title = "confirmed"
    parameter_name = "confirmed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("no", "To confirm"), ("yes", "Confirmed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(confirmed_at__isnull=self.value() == "no")


@admin.register(AppointmentType)
class AppointmentTypeAdmin(ScopedAdmin):
    """Categories are changed right in the list; what a person chooses there is confirmed."""

    change_right = Right.CONFIGURE
    list_display = (
        "name",
        "purpose_words",
        "practice",
        "connection_key",
        "category",
        "state_label",
        "confirmed_words",
    )
    list_editable = ("category",)
    list_filter = (ConfirmedFilter, PracticeFilter, "category")
    list_select_related = ("practice", "confirmed_by")
    search_fields = ("name", "purpose")
    search_help_text = "Type or purpose"
    list_before_template = "axconnect/type_chips.html"
    fields = ("practice", "connection_key", "name", "purpose", "external_id", "category", "confirmed_words")
    readonly_fields = ("confirmed_words",)
    actions = ("confirm_selected",)
    empty_words = "No appointment types."
    empty_next = "Types appear here when they are pulled from an EMR or first named by an event."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        chosen = request.GET.get("confirmed", "")
        chips = [("All", ""), ("To confirm", "no"), ("Confirmed", "yes")]
        shown = [{"label": label, "value": value, "is_on": value == chosen} for label, value in chips]
        return super().changelist_view(request, {**(extra_context or {}), "chips": shown})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = ("practice", "connection_key", "name", "purpose", "external_id") if obj else ()
        return (*self.readonly_fields, *fixed)

    def save_model(self, request: HttpRequest, obj: AppointmentType, form: Any, change: bool) -> None:
        if "category" in form.changed_data or not change:
            confirm(obj, request.user)
        super().save_model(request, obj, form, change)

    @display(description="Purpose")
    def purpose_words(self, row: AppointmentType) -> str:
        return row.purpose or "Any"

    @display(description="State", label={"Confirmed": "success", "To confirm": "warning"})
    def state_label(self, row: AppointmentType) -> str:
        return "Confirmed" if row.is_confirmed else "To confirm"

    @display(description="Confirmed by")
    def confirmed_words(self, row: AppointmentType) -> str:
        if not row.is_confirmed or row.confirmed_at is None:
            return "Nobody yet"
        by = str(row.confirmed_by) if row.confirmed_by else row.get_confirmed_via_display()
        at = row.confirmed_at.astimezone(zoneinfo.ZoneInfo(row.practice.time_zone))
        return f"{by}, {at:%b} {at.day}, {at.year}"

    @action(description="Confirm the category shown", permissions=["change"])
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[AppointmentType]) -> None:
        """Confirm the rows that have a category; held pipeline steps of these types go on."""
        rows = [
            row for row in queryset.select_related("practice") if self.has_change_permission(request, row)
        ]
        ready = [row for row in rows if row.category in list(Category)]
        for row in ready:
            confirm(row, request.user)
            row.save()
            self.log_change(request, row, f"Confirmed as {row.category}")
        if ready:
            messages.success(request, f"{len(ready)} confirmed. Steps that waited for them go on.")
        if len(ready) < len(rows):
            messages.warning(request, f"{len(rows) - len(ready)} have no category yet: choose one first.")
