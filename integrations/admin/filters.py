"""Filters of the lists. Choices come from the practices that the person sees, never from others."""

import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from integrations.emrs import registry
from integrations.models import Connection
from integrations.sync.create_back.tags import LABELS
from integrations.sync.own_kinds import OWN_LABELS
from tenants.models import Practice
from tenants.roles import Right
from tenants.scoped_admin import practice_choices, rows_with

Choices = list[tuple[str, str]]


class PracticeFilter(DropdownFilter):
    """Rows of one practice."""

    title = "practice"
    parameter_name = "practice"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return practice_choices(request.user)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        path = getattr(queryset.model, "practice_path", "practice")
        return queryset.filter(**{path: int(value)})


class ConnectionFilter(DropdownFilter):
    """Rows of one connection."""

    title = "connection"
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        rows = rows_with(request.user, Connection, Right.SEE).select_related("practice")
        return [(str(row.pk), str(row)) for row in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(connection=int(value)) if value and value.isdecimal() else queryset


class EmrFilter(DropdownFilter):
    """Rows of connections to one EMR."""

    title = "EMR"
    parameter_name = "emr"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(slug, emr.manifest.name) for slug, emr in registry().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # The few connections first: joined to a million rows, one that nobody has would be looked for in all of them.
        rows = rows_with(request.user, Connection, Right.SEE).filter(emr=self.value()).order_by()
        return queryset.filter(connection__in=list(rows.values_list("pk", flat=True)))


class OwnEmrFilter(EmrFilter):
    """On connections themselves."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(emr=self.value()) if self.value() else queryset


class EventKindFilter(DropdownFilter):
    """What an EMR or the CRM said, by the names that the manifests declare."""

    title = "what happened"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        kinds = {kind.name: kind.label for emr in registry().values() for kind in emr.manifest.events}
        return sorted((kinds | LABELS | OWN_LABELS).items(), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class DayFilter(RangeDateFilter):
    """From one day to another, both included, as days fall at the practice that is chosen or the only one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "day"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        zone = self._zone(request)
        first, last = self._day("from"), self._day("to")
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": datetime.combine(first, time.min, zone)})
        if last:
            end = datetime.combine(last + timedelta(days=1), time.min, zone)
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
        return queryset

    def _day(self, name: str) -> date | None:
        return parse_date_str(str(self.used_parameters.get(f"{self.field_path}_{name}", "")))

    def _zone(self, request: HttpRequest) -> tzinfo:
        practices = rows_with(request.user, Practice, Right.SEE)
        chosen = request.GET.get("practice", "")
        if chosen.isdecimal():
            practices = practices.filter(pk=int(chosen))
        zones = list(practices.order_by().values_list("time_zone", flat=True).distinct()[:2])
        return zoneinfo.ZoneInfo(zones[0]) if len(zones) == 1 else UTC


class OpenFilter(DropdownFilter):
    """Open first; everything on request. ``field`` is empty while a row is open."""

    title = "state"
    parameter_name = "open"
    field: ClassVar[str]
    empty: ClassVar[Any] = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", "Open"), ("no", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        look_up = {f"{self.field}__isnull": True} if self.empty is None else {self.field: self.empty}
        if self.value() == "yes":
            return queryset.filter(**look_up)
        return queryset.exclude(**look_up) if self.value() == "no" else queryset


def choice_filter(
    label: str,
    name: str,
    options: type[models.TextChoices],
    within: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda rows: rows,
) -> type[DropdownFilter]:
    """A filter by a column with choices, under the column's own name. ``within``: the few rows in which the column
    is filled at all, where the table is long."""

    class ChoiceFilter(DropdownFilter):
        title = label
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            return [(str(value), str(words)) for value, words in options.choices]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return within(queryset).filter(**{name: self.value()}) if self.value() else queryset

    return ChoiceFilter
