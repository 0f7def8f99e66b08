"""A practice's page: its EMR connections, sub-accounts, locations and people, and what is missing to go live."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from integrations.admin import labels, live_state
from integrations.admin.contacts import EVENTS_SHOWN, shown_events
from integrations.admin.filters import PracticeFilter
from integrations.emrs import registry
from integrations.models import Connection, InboundEvent, LocationRoute, SubAccount
from integrations.sync.golive import State, checklist
from integrations.templatetags.human import moment
from integrations.views.links import page_of
from tenants.admin import LocationInline, MembershipInline, PracticeAdmin
from tenants.models import Location, Practice, PracticeState
from tenants.roles import Right
from tenants.scoped_admin import ReadOnlyMixin, ScopedAdmin, ScopedInline, object_button, rows_with

CHECK_ICONS = {State.GREEN: "check_circle", State.RED: "cancel", State.MANUAL: "visibility"}


class AccountField(forms.ModelChoiceField):
    """Sub-accounts of one practice by their short names."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.key)


class LocationForm(forms.ModelForm):  # type: ignore[type-arg]
    """A clinic site and the sub-account that its events go to."""

    sub_account = AccountField(
        SubAccount.objects.across_practices().none(),
        required=False,
        label="Goes to sub-account",
        empty_label="The default one",
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Location
        fields = ("practice", "name", "external_id", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.practice_id:
            choices = SubAccount.objects.for_practice(self.instance.practice_id).select_related("practice")
            self.fields["sub_account"].queryset = choices  # type: ignore[attr-defined]
        route = getattr(self.instance, "route", None) if self.instance.pk else None
        self.initial["sub_account"] = route.sub_account_id if route else None

    def save_route(self) -> None:
        """Map the saved location as chosen, or leave it to the default sub-account."""
        if "sub_account" in self.cleaned_data:
            route_location(self.instance, self.cleaned_data["sub_account"])


def route_location(location: Location, chosen: SubAccount | None) -> None:
    """Send a location's events to a sub-account; None leaves them to the default one."""
    route = LocationRoute.objects.for_practice(location.practice_id).filter(location=location).first()
    if chosen is None and route is not None:
        route.delete()
    elif chosen is not None and (route is None or route.sub_account_id != chosen.pk):
        route = route or LocationRoute(location=location)
        route.sub_account = chosen
        route.save()


class RoutedLocationInline(LocationInline):
    """Locations with where they go."""

    form = LocationForm
    fields = ("name", "external_id", "time_zone", "sub_account")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        choices = rows_with(request.user, SubAccount, Right.SEE).for_practice(obj) if obj else None
        if choices is not None:
            field = AccountField(
                choices.select_related("practice"),
                required=False,
                label="Goes to sub-account",
                empty_label="The default one",
                widget=UnfoldAdminSelectWidget,
            )
            kwargs["form"] = type("PracticeLocationForm", (LocationForm,), {"sub_account": field})
        return super().get_formset(request, obj, **kwargs)


class LinkInline(ReadOnlyMixin, ScopedInline):
    """Rows that have a page of their own: listed here, opened there."""

    max_num = 0
    can_delete = False

    @display(description="Open")
    def page(self, row: Any) -> SafeString:
        return format_html('<a class="ax-link" href="{}">{}</a>', page_of(type(row), row.pk), row.key)

    @display(
        description="How it is", label={"Works": "success", "Paused": "warning", "Some calls fail": "warning"}
    )
    def health(self, row: Any) -> str:
        return labels.health(row)[0]


class ConnectionInline(LinkInline):
    """The EMRs of a practice."""

    model = Connection
    fields = readonly_fields = ("page", "emr_name", "state", "health")

    @display(description="EMR")
    def emr_name(self, row: Connection) -> str:
        emr = registry().get(row.emr)
        return emr.manifest.name if emr else row.emr


class SubAccountInline(LinkInline):
    """Where a practice's contacts live in the CRM."""

    model = SubAccount
    fields = readonly_fields = ("page", "crm_subaccount_id", "is_default", "health")


class GoLiveForm(BaseDialogForm):
    """The reason is needed only while something is red."""

    reason = forms.CharField(
        label="Reason, if something is still red (administrators only)",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


admin.site.unregister(Practice)


@admin.register(Practice)
class PracticePage(PracticeAdmin):
    """The practice with everything that belongs to it."""

    list_display = (
        "name",
        "state_label",
        "kind",
        "connection_words",
        "location_count",
        "people_count",
        "live_since",
    )
    inlines = (RoutedLocationInline, ConnectionInline, SubAccountInline, MembershipInline)
    change_form_outer_before_template = "axconnect/practice_panel.html"
    actions_list = ("new_practice",)
    # One way to begin: the guided set-up, whose first step is the same form.
    actions_list_hide_default = True
    actions_detail = (
        "set_up",
        "go_live",
        "pause",
        "resume",
        {"title": "Add", "icon": "add", "items": ["add_connection", "add_sub_account"]},
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Practice]:
        rows = super().get_queryset(request).select_related("live_by")
        connections = Connection.objects.across_practices().only("practice", "emr")
        return rows.prefetch_related(Prefetch("connections", connections))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        checks = checklist(row) if row is not None else []
        panel = {
            "practice": row,
            "checks": [(check, CHECK_ICONS[check.state]) for check in checks],
            "checks_done": live_state.done(checks),
            "checks_percent": live_state.percent(checks),
            "may_set_up": row is not None and self.has_configure_permission(request, row),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **panel})

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Location:
            for filled in formset.forms:
                if filled.instance.pk and filled not in formset.deleted_forms and filled.has_changed():
                    filled.save_route()

    @display(description="EMRs")
    def connection_words(self, row: Practice) -> str:
        found = registry()
        slugs = dict.fromkeys(connection.emr for connection in row.connections.all())
        return ", ".join(found[slug].manifest.name if slug in found else slug for slug in slugs) or "None yet"

    @display(description="Live since", ordering="live_at")
    def live_since(self, row: Practice) -> SafeString:
        return moment(row.live_at, row)

    # --- state -------------------------------------------------------------------------------------------

    def has_configure_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.CONFIGURE, row)

    def _is(self, request: HttpRequest, row: Any, *states: PracticeState) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or found.state in states)

    def has_go_live_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self._is(request, row, PracticeState.ONBOARDING)

    def has_pause_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self._is(request, row, PracticeState.LIVE)

    def has_resume_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self._is(request, row, PracticeState.PAUSED)

    @object_button(
        "Go live",
        right="go_live",
        icon="rocket_launch",
        form=GoLiveForm,
        variant=ActionVariant.PRIMARY,
        ask=live_state.GO_LIVE_MEANS,
    )
    def go_live(self, request: HttpRequest, row: Practice, form: Any) -> str:
        """Green: anybody who sets up. Red: an administrator with a reason."""
        return live_state.go_live(row, request.user, form.cleaned_data["reason"])

    @object_button(
        "Pause",
        right="pause",
        icon="pause_circle",
        ask=live_state.PAUSE_MEANS,
    )
    def pause(self, request: HttpRequest, row: Practice, form: Any) -> str:
        """Hold everything of a practice."""
        return live_state.pause(row)

    @object_button(
        "Resume",
        right="resume",
        icon="play_circle",
        ask=live_state.RESUME_MEANS,
    )
    def resume(self, request: HttpRequest, row: Practice, form: Any) -> str:
        """Let a paused practice go on."""
        return live_state.resume(row)

    # --- the guided set-up --------------------------------------------------------------------------------

    def has_new_practice_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    @action(
        description="New practice",
        permissions=["new_practice"],
        icon="add_business",
        variant=ActionVariant.PRIMARY,
    )
    def new_practice(self, request: HttpRequest) -> HttpResponse:
        """To the first step of the guided set-up."""
        return HttpResponseRedirect(reverse("setup-start"))

    @action(description="Set-up and go-live", permissions=["configure"], icon="checklist")
    def set_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the go-live page of the guided set-up."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404("There is no such practice.")
        return HttpResponseRedirect(reverse("setup-step", args=[row.slug, "go-live"]))

    @action(description="Connection to an EMR", permissions=["configure"], icon="cable")
    def add_connection(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form for one more EMR of this practice."""
        return HttpResponseRedirect(
            f"{reverse('admin:integrations_connection_add')}?practice={int(object_id)}"
        )

    @action(description="Sub-account of the CRM", permissions=["configure"], icon="hub")
    def add_sub_account(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form for one more container in the CRM."""
        return HttpResponseRedirect(
            f"{reverse('admin:integrations_subaccount_add')}?practice={int(object_id)}"
        )


@admin.register(Location)
class LocationAdmin(ScopedAdmin):
    """Clinic sites of all practices, and where each one's events go."""

    form = LocationForm
    list_display = ("name", "practice", "external_id", "goes_to", "used_default", "time_zone_words")
    list_filter = (PracticeFilter,)
    search_fields = ("name", "external_id", "practice__name")
    search_help_text = "Name, EMR id or practice"
    fields = ("practice", "name", "external_id", "time_zone", "sub_account")
    change_form_outer_after_template = "axconnect/location_panel.html"
    empty_words = "No locations yet."
    empty_next = "Add them on the practice's page, or let them appear with the first events that name one."

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("practice", "route__sub_account__practice")
        return rows.annotate(number_of_default_uses=Count("default_uses"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        panel: dict[str, Any] = {}
        if row is not None:
            events = InboundEvent.objects.for_practice(row.practice_id).filter(
                pk__in=row.default_uses.order_by("-pk").values("event")[:EVENTS_SHOWN]
            )
            panel = {
                "practice": row.practice,
                "is_mapped": getattr(row, "route", None) is not None,
                "used_default": row.number_of_default_uses,
                "default_uses": shown_events(events),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **panel})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("practice",) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.fields[:-1]

    @display(description="Goes to", label={"Default sub-account": "warning"})
    def goes_to(self, row: Location) -> str:
        route = getattr(row, "route", None)
        return route.sub_account.key if route else "Default sub-account"

    @display(description="Events at the default one", ordering="number_of_default_uses")
    def used_default(self, row: Any) -> int | str:
        return row.number_of_default_uses or "–"

    @display(description="Time zone")
    def time_zone_words(self, row: Location) -> str:
        return row.time_zone or f"{row.practice.time_zone} (practice)"

    def save_model(self, request: HttpRequest, obj: Location, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        form.save_route()
