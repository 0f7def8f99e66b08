"""The staff's table of appointment types: suggestion, category, who confirmed it. What is chosen there is confirmed."""

import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from categorization.admin.filters import CHIPS, PracticeFilter, StateFilter
from categorization.confirming import BadChoice, confirm
from categorization.engine import engine
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from categorization.spreadsheets.differences import differences_of
from categorization.spreadsheets.views import confirm_step
from tenants.models import Practice, PracticeState
from tenants.roles import Right
from tenants.scoped_admin import ScopedAdmin

MOST_CHANGES = 20
STATES = {"Confirmed": "success", "To confirm": "warning", "No longer offered": "info"}


class TypeForm(forms.ModelForm):  # type: ignore[type-arg]
    """One row of the table: the categories that its EMR offers."""

    class Meta:
        model = AppointmentType
        fields = ("category",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        empty = f"Choose… (proposed: {row.category})" if row.category and not row.is_confirmed else "Choose…"
        names = [("", empty), *((name, name) for name in row.choices)]
        # What nobody confirmed yet is chosen anew, were it the very category that was proposed.
        self.initial["category"] = row.category if row.is_confirmed else ""
        attrs = {"aria-label": f"Category of {self.instance}", "data-category": "yes"}
        self.fields["category"] = forms.ChoiceField(
            choices=names, required=False, widget=UnfoldAdminSelectWidget(attrs=attrs)
        )


@admin.register(AppointmentType)
class AppointmentTypeAdmin(ScopedAdmin):
    """Categories are changed right in the list; what a person chooses there is confirmed."""

    change_right = Right.CONFIGURE
    list_display = (
        "name",
        "purpose_words",
        "practice",
        "seen_words",
        "held_words",
        "suggestion_words",
        "category",
        "state_label",
        "confirmed_words",
    )
    list_editable = ("category",)
    list_filter = (StateFilter, PracticeFilter, "category")
    list_select_related = ("practice", "confirmed_by")
    search_fields = ("name", "purpose")
    search_help_text = "Type or purpose"
    list_before_template = "axconnect/types_head.html"
    # Outside the page's form: it has a form of its own.
    change_form_outer_before_template = "axconnect/type_panel.html"
    actions = ("confirm_suggestions", "confirm_selected", "take_back")
    empty_words = "No appointment types."
    empty_next = "Types appear here when they are pulled from an EMR or first named by an event."

    def get_urls(self) -> list[URLPattern]:
        choose = path(
            "<int:type_id>/choose/", self.admin_site.admin_view(self.choose_view), name="category-choose"
        )
        return [choose, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        names = super().get_list_display(request)
        return [name for name in names if name != "practice"] if request.GET.get("practice") else names

    # --- the table -----------------------------------------------------------------------------------------

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, form=TypeForm, **kwargs)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        waiting = engine().held(found.result_list)
        for row in found.result_list:
            row.waiting = waiting.get(row.pk, 0)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST" and "_save" in request.POST:
            return self._save_table(request)
        chosen = request.GET.get("confirmed", "")
        given = request.GET.copy()
        chips = []
        for label, value in CHIPS:
            given["confirmed"] = value
            chips.append({"label": label, "query": given.urlencode(), "is_on": value == chosen})
        context = {"chips": chips, "practice_links": self._practice_links(request)}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def _practice_links(self, request: HttpRequest) -> dict[str, Any]:
        """Where the types of the practice that is chosen go out and come in; nothing without one."""
        value = request.GET.get("practice", "")
        practice = (
            Practice.objects.for_user(request.user).filter(pk=int(value)).first()
            if value.isdecimal()
            else None
        )
        if practice is None or not self.allowed(request, self.change_right, practice):
            return {}
        links = [
            ("Export XLSX", "download", "categories-export"),
            ("Export CSV", "download", "categories-export-csv"),
            ("Import", "upload", "categories-import"),
            ("Google Sheet", "table", "categories-sheet"),
            ("Review page", "checklist", "review:types"),
            ("Invite the practice", "mail", "review:invite"),
        ]
        found = [
            {"label": label, "icon": icon, "link": link}
            for label, icon, name in links
            if (link := _address(name, practice.slug))
        ]
        changes = f"{reverse('admin:categorization_categorybatch_changelist')}?practice={practice.pk}"
        is_being_set_up = practice.state == PracticeState.ONBOARDING
        return {
            "practice": practice,
            "links": [*found, {"label": "Changes", "icon": "history", "link": changes}],
            "set_up": _address("setup-step", practice.slug, "categories") if is_being_set_up else "",
        }

    @display(description="Purpose")
    def purpose_words(self, row: AppointmentType) -> str:
        return row.purpose or "Any"

    @display(description="Booked", ordering="times_seen")
    def seen_words(self, row: AppointmentType) -> SafeString | str:
        if not row.times_seen:
            return "Not yet"
        times = f"{row.times_seen:,}"
        if row.next_on:
            shown = "{}<br><span class='ax-quiet ax-small' title='{}'>next {}</span>"
            return format_html(shown, times, _day(row.next_on), f"{row.next_on:%b} {row.next_on.day}")
        return times

    @display(description="Events wait")
    def held_words(self, row: Any) -> SafeString | str:
        if not getattr(row, "waiting", 0):
            return "None"
        return format_html("<span class='ax-label ax-warning'>{}</span>", row.waiting)

    @display(description="Suggestion", ordering="confidence")
    def suggestion_words(self, row: AppointmentType) -> SafeString | str:
        if row.confidence is None:
            return "None"
        what = row.suggested or "A person must say"
        sure = f"{row.confidence:.0%}" if row.may_be_agreed_with else f"{row.confidence:.0%}, please look"
        return format_html(
            "<div class='ax-suggestion'><span class='ax-strong'>{}</span> <span class='ax-quiet'>{}</span>"
            "<br><span class='ax-quiet ax-small'>{}</span></div>",
            what,
            sure,
            row.reason,
        )

    @display(description="State", label=STATES)
    def state_label(self, row: AppointmentType) -> str:
        if row.gone_at is not None:
            return "No longer offered"
        return "Confirmed" if row.is_confirmed else "To confirm"

    @display(description="By")
    def confirmed_words(self, row: AppointmentType) -> SafeString | str:
        if not row.is_confirmed or row.confirmed_at is None:
            return "Nobody yet"
        by = str(row.confirmed_by) if row.confirmed_by else row.get_confirmed_via_display()
        at = row.confirmed_at.astimezone(zoneinfo.ZoneInfo(row.practice.time_zone))
        return format_html("{}<br><span class='ax-quiet ax-small'>{}</span>", by, _day(at))

    # --- a type's own page ---------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ("practice", "connection_key", "name", "purpose", "external_id")
        return (*names, "suggestion_words", "confirmed_words") if obj else names

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {"show_save": False, "show_save_and_continue": False}
        if row is not None:
            context |= {
                "type_row": row,
                "practice": row.practice,
                "may_choose": self.has_change_permission(request, row),
                "changes": row.changes.select_related("batch__made_by").order_by("-pk")[:MOST_CHANGES],
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def choose_view(self, request: HttpRequest, type_id: int) -> HttpResponse:
        """A category for one type, chosen on its page."""
        row = self.get_object(request, str(type_id))
        if row is None:
            raise Http404("There is no such type.")
        if request.method != "POST" or not self.has_change_permission(request, row):
            raise PermissionDenied
        return self._take(request, {row.pk: request.POST.get("category", "")}, self.url_of(row))

    # --- what people choose --------------------------------------------------------------------------------

    def _save_table(self, request: HttpRequest) -> HttpResponse:
        """The categories chosen in the table."""
        count = request.POST.get("form-TOTAL_FORMS", "0")
        given = {
            request.POST.get(f"form-{place}-id", ""): request.POST.get(f"form-{place}-category", "")
            for place in range(min(int(count), 1000) if count.isdecimal() else 0)
        }
        choices = {int(pk): category for pk, category in given.items() if pk.isdecimal()}
        return self._take(request, choices, request.get_full_path())

    def _take(self, request: HttpRequest, choices: Mapping[int, str], back: str) -> HttpResponse:
        """Confirm what is new; what changes somebody's word is shown first, with who would move."""
        rows = self._own(request, choices)
        new = {row.pk: choices[row.pk] for row in rows if choices[row.pk] != _shown(row)}
        changed = [row for row in rows if row.pk in new and row.is_confirmed and new[row.pk]]
        others = [row for row in rows if row.pk in new and row not in changed]
        self._confirm(request, others, new)
        if not changed:
            return HttpResponseRedirect(back)
        practice = changed[0].practice
        if any(row.practice_id != practice.pk for row in changed):
            words = (
                "Confirmed types of several practices were changed. Change those of one practice at a time."
            )
            messages.error(request, words)
            return HttpResponseRedirect(back)
        differences = differences_of(practice, {row.pk: new[row.pk] for row in changed})
        return confirm_step(
            request, practice, ConfirmedVia.PAGE, "the table of types", differences, {"back": back}
        )

    def _own(self, request: HttpRequest, choices: Iterable[int]) -> list[AppointmentType]:
        """The types among them that the person may change. Raises PermissionDenied where they may change none."""
        rows = self.get_queryset(request).filter(pk__in=list(choices)).select_related("practice")
        allowed: dict[int, bool] = {}
        found = []
        for row in rows:
            if row.practice_id not in allowed:
                allowed[row.practice_id] = self.has_change_permission(request, row)
            if allowed[row.practice_id]:
                found.append(row)
        if not found and allowed:
            raise PermissionDenied
        return found

    def _confirm(
        self, request: HttpRequest, rows: Iterable[AppointmentType], choices: Mapping[int, str]
    ) -> int:
        """Confirm without asking, one batch per practice, and say so. How many types."""
        by_practice: dict[Practice, dict[int, str]] = {}
        for row in rows:
            by_practice.setdefault(row.practice, {})[row.pk] = choices[row.pk]
        count = 0
        for practice, own in by_practice.items():
            try:
                batch = confirm(practice, own, user=request.user, via=ConfirmedVia.PAGE, asked=False)
            except BadChoice as bad:
                messages.error(request, str(bad))
                continue
            if batch is not None:
                count += batch.changes.count()
                self._say(request, batch, own)
        return count

    def _say(self, request: HttpRequest, batch: CategoryBatch, choices: Mapping[int, str]) -> None:
        count = batch.changes.count()
        link = reverse("admin:categorization_categorybatch_change", args=[batch.pk])
        what = (
            "confirmed. Steps that waited for them go on." if any(choices.values()) else "to confirm again."
        )
        words = format_html(
            "{} type{} {} <a href='{}'>See what follows</a>", count, "s"[: count != 1], what, link
        )
        messages.success(request, words)

    @action(description="Confirm the suggestion", permissions=["change"])
    def confirm_suggestions(self, request: HttpRequest, queryset: QuerySet[AppointmentType]) -> None:
        """Agree with the sure suggestions of types that nobody confirmed; the others are named."""
        rows = [
            row for row in self._own(request, queryset.values_list("pk", flat=True)) if not row.is_confirmed
        ]
        sure = [row for row in rows if row.may_be_agreed_with and row.suggested in row.choices]
        self._confirm(request, sure, {row.pk: row.suggested for row in sure})
        if unsure := [str(row) for row in rows if row not in sure]:
            shown = ", ".join(unsure[:10]) + (f" and {len(unsure) - 10} more" if len(unsure) > 10 else "")
            messages.warning(request, f"Not sure enough to agree with, choose yourself: {shown}.")

    @action(description="Confirm the category shown", permissions=["change"])
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[AppointmentType]) -> None:
        """Confirm the rows that have a category; held pipeline steps of these types go on."""
        rows = self._own(request, queryset.values_list("pk", flat=True))
        ready = [row for row in rows if row.category and not row.is_confirmed]
        self._confirm(request, ready, {row.pk: row.category for row in ready})
        if empty := len([row for row in rows if not row.category]):
            messages.warning(request, f"{empty} have no category yet: choose one first.")

    @action(description="Nobody knows: to confirm again", permissions=["change"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[AppointmentType]) -> None:
        """Take categories away. Nobody moves; what arrives from now on waits."""
        rows = [row for row in self._own(request, queryset.values_list("pk", flat=True)) if row.category]
        self._confirm(request, rows, {row.pk: "" for row in rows})


def _shown(row: AppointmentType) -> str:
    """What the table shows as a type's category: only what somebody confirmed."""
    return row.category if row.is_confirmed else ""


def _address(name: str, *parts: str) -> str:
    try:
        return reverse(name, args=parts)
    except NoReverseMatch:
        return ""


def _day(at: Any) -> str:
    return f"{at:%b} {at.day}, {at.year}"
