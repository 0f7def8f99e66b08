"""Which types the table shows."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from categorization.engine import engine
from categorization.models import AppointmentType
from tenants.roles import Right
from tenants.scoped_admin import practice_choices, rows_with

Choices = list[tuple[str, str]]
CHIPS = (
    ("To review", "no"),
    ("Events wait", "held"),
    ("Confirmed", "yes"),
    ("No longer offered", "gone"),
    ("All", ""),
)


class PracticeFilter(DropdownFilter):
    """Types of one practice."""

    title = "practice"
    parameter_name = "practice"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return practice_choices(request.user)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(practice=int(value)) if value and value.isdecimal() else queryset


class StateFilter(DropdownFilter):
    """What still waits for a person, and what is behind it."""

    title = "state"
    parameter_name = "confirmed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(value, label) for label, value in CHIPS if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value == "gone":
            return queryset.filter(gone_at__isnull=False)
        if value == "held":
            return queryset.filter(pk__in=_waited_for(request))
        if value in ("yes", "no"):
            return queryset.filter(confirmed_at__isnull=value == "no")
        return queryset


def _waited_for(request: HttpRequest) -> list[int]:
    """Ids of the types for which events wait, in the practice that is chosen or in all that the person sees."""
    chosen = request.GET.get("practice", "")
    rows = rows_with(request.user, AppointmentType, Right.SEE)
    return list(engine().held(rows.filter(practice=int(chosen)) if chosen.isdecimal() else rows))
