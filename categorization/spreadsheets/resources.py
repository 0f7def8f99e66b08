"""One practice's types as rows of a table (django-import-export), and as CSV."""

import zoneinfo
from typing import Any

from import_export.fields import Field
from import_export.resources import Resource
from tablib import Dataset

from categorization.categories import Category
from categorization.models import AppointmentType
from categorization.spreadsheets.columns import CATEGORY, COLUMNS, CONFIRMED_BY, guarded
from tenants.models import Practice


class TypeResource(Resource):
    """A row for each type. The category stands there only where a person confirmed it: an empty cell asks for one."""

    connection = Field("connection_key", "Connection")
    type = Field("name", "Type")
    purpose = Field("purpose", "Purpose")
    times_seen = Field(column_name="Times seen")
    next_booking = Field(column_name="Next booking")
    suggestion = Field("suggested", "Suggestion")
    why = Field("reason", "Why")
    category = Field(column_name=CATEGORY)
    confirmed_by = Field(column_name=CONFIRMED_BY)
    confirmed_on = Field(column_name="Confirmed on")

    def dehydrate_times_seen(self, row: AppointmentType) -> int:
        return row.times_seen

    def dehydrate_next_booking(self, row: AppointmentType) -> str:
        return row.next_on.isoformat() if row.next_on else ""

    def dehydrate_category(self, row: AppointmentType) -> str:
        return row.category if row.is_confirmed else ""

    def dehydrate_confirmed_by(self, row: AppointmentType) -> str:
        return who_confirmed(row)

    def dehydrate_confirmed_on(self, row: AppointmentType) -> str:
        return confirmed_on(row)

    def export_field(self, *args: Any, **kwargs: Any) -> Any:
        value = super().export_field(*args, **kwargs)
        return guarded(value) if isinstance(value, str) else value


def types_of(practice: Practice) -> list[AppointmentType]:
    """The practice's types in the order of the spreadsheet."""
    rows = AppointmentType.objects.for_practice(practice).select_related("practice", "confirmed_by")
    return list(rows.order_by("connection_key", "name_key", "purpose_key"))


def dataset(rows: list[AppointmentType]) -> Dataset:
    """The types under the names of the columns, safe for spreadsheet programs."""
    found = TypeResource().export(queryset=rows)
    assert found.headers == COLUMNS
    return found


def csv_file(practice: Practice) -> bytes:
    """The types as CSV, with the mark by which Excel knows UTF-8."""
    return str(dataset(types_of(practice)).export("csv")).encode("utf-8-sig")


def offered(rows: list[AppointmentType]) -> list[Category]:
    """The categories among which somebody can choose for any of these types."""
    has_online = any(row.offers_online for row in rows)
    return [category for category in Category if category is not Category.ONLINE or has_online]


def who_confirmed(row: AppointmentType) -> str:
    """The person (or the way) by whom a type is confirmed; "" where nobody did."""
    if not row.is_confirmed:
        return ""
    return str(row.confirmed_by) if row.confirmed_by else str(row.get_confirmed_via_display())


def confirmed_on(row: AppointmentType) -> str:
    """The day of the confirmation in the practice's time zone, as 2026-11-21."""
    if not row.is_confirmed or row.confirmed_at is None:
        return ""
    return row.confirmed_at.astimezone(zoneinfo.ZoneInfo(row.practice.time_zone)).date().isoformat()
