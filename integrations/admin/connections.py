"""A connection's page: what the EMR's manifest asks for, where the EMR posts to, and how it is doing."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from integrations.admin import labels, polls
from integrations.admin.connection_form import (
    ConnectionForm,
    NewConnectionForm,
    after_save,
    credential_field,
    form_for,
    removal_field,
    switch_field,
    tick_field,
    workflow_name_field,
)
from integrations.admin.events import RevealForm
from integrations.admin.field_paths import FieldPathsForm, last_event, leaves, reveal_last
from integrations.admin.filters import OwnEmrFilter, PracticeFilter, choice_filter
from integrations.admin.removing import CONNECTION_USES, is_used, remove_unused
from integrations.admin.send_test import can_send, send_test_event
from integrations.admin.subaccounts import HEALTH_COLOURS
from integrations.contract.errors import ContractError
from integrations.contract.manifest import Manifest, Way
from integrations.emrs import registry
from integrations.models import Connection, ConnectionState, InboundEvent
from integrations.models.connections import new_webhook_key
from integrations.sync.tasks_used import tasks_used
from tenants.roles import Right
from tenants.scoped_admin import ScopedAdmin, UserError, object_button


def manifest_of(connection: Connection | None) -> Manifest | None:
    """What the connection's EMR declares; None when its folder is gone."""
    emr = registry().get(connection.emr) if connection is not None else None
    return emr.manifest if emr else None


@admin.register(Connection)
class ConnectionAdmin(ScopedAdmin):
    """EMRs of practices."""

    list_display = ("key", "practice", "emr_name", "health_label", "state_words", "way")
    list_filter = (PracticeFilter, OwnEmrFilter, choice_filter("state", "state", ConnectionState))
    search_fields = ("key", "emr", "practice__name")
    search_help_text = "Key, EMR or practice"
    change_form_outer_before_template = "axconnect/connection_panel.html"
    actions_detail = (
        "send_test",
        "poll_now",
        "test",
        "pause",
        "resume",
        {
            "title": "More",
            "icon": "more_horiz",
            "items": ["pull_locations", "back_fill", "stop_backfill", "new_address"],
        },
    )
    empty_words = "No connections yet."
    empty_next = "A connection is one practice's set-up of one EMR. Add one from the practice's page."

    def get_urls(self) -> list[URLPattern]:
        views = {"fields": self.fields_view, "test": self.test_view, "backfill": self.backfill_view}
        own = [
            path(f"<int:connection_id>/{name}/", self.admin_site.admin_view(view), name=f"connection-{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        rows: QuerySet[Connection] = super().get_queryset(request)
        return rows.select_related("practice")

    def has_configure_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.CONFIGURE, row)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Once something arrived, it stays: pause it instead."""
        stays = isinstance(obj, Connection) and is_used(obj, CONNECTION_USES)
        return not stays and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        if not remove_unused(obj, CONNECTION_USES):
            raise PermissionDenied

    # --- the list ----------------------------------------------------------------------------------------

    @display(description="EMR")
    def emr_name(self, row: Connection) -> str:
        manifest = manifest_of(row)
        return manifest.name if manifest else row.emr

    @display(description="How it is", label=HEALTH_COLOURS)
    def health_label(self, row: Connection) -> str:
        return labels.health(row)[0]

    @display(description="State")
    def state_words(self, row: Connection) -> str:
        return row.get_state_display()

    @display(description="Events come by")
    def way(self, row: Connection) -> str:
        manifest = manifest_of(row)
        return {Way.WEBHOOK: "webhook", Way.POLL: "polling"}.get(manifest.way, "") if manifest else ""

    # --- the form ----------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        manifest = manifest_of(obj)
        if obj is None:
            kwargs["form"] = NewConnectionForm
        else:
            kwargs["form"] = form_for(manifest) if manifest else ConnectionForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("practice", "key", "emr_name", "webhook_address") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ((None, {"fields": ["practice", "emr", "key"]}),)
        manifest = manifest_of(obj)
        basics = ["practice", "key", "emr_name", "base_url"]
        if manifest and manifest.way == Way.WEBHOOK and self.has_change_permission(request, obj):
            basics.append("webhook_address")
        if manifest and manifest.free_tasks_per_cycle:
            basics.append("billing_cycle_day")
        if manifest is None or not self.has_change_permission(request, obj):
            return ((None, {"fields": basics}),)
        sections = [(None, {"fields": basics}), *_tabs(obj, manifest)]
        return [section for section in sections if section[1]["fields"]]

    @display(description="Webhook address")
    def webhook_address(self, row: Connection) -> SafeString:
        return render_to_string(
            "axconnect/_copy.html",
            {"id": "connection-webhook", "value": row.webhook_url, "label": "webhook address"},
        )

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Before the row is compared and saved, what the manifest's fields say goes into it."""
        if isinstance(form, ConnectionForm):
            form.has_new_credentials = form.apply(request.user, timezone.now())  # type: ignore[attr-defined]
        return super().save_form(request, form, change)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        has_new = getattr(form, "has_new_credentials", False)
        after_save(obj, has_new_credentials=has_new)
        if has_new and polls.capabilities(obj):
            messages.warning(request, "The credentials are not tested yet: press Test.")

    def response_add(
        self, request: HttpRequest, obj: Connection, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the page that asks what this EMR needs."""
        messages.success(request, "Added. Now enter what the EMR needs.")
        return HttpResponseRedirect(self.url_of(obj))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        panel = self._panel(request, row) if row is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **panel})

    def _panel(self, request: HttpRequest, row: Connection) -> dict[str, Any]:
        manifest = manifest_of(row)
        words, colour = labels.health(row)
        events = InboundEvent.objects.for_practice(row.practice_id).filter(connection=row).defer("payload")
        newest = events.order_by("-received_at").first()
        return {
            "connection": row,
            "practice": row.practice,
            "manifest": manifest,
            "health_words": words,
            "health_colour": colour,
            "incidents": row.incidents.filter(closed_at__isnull=True),
            "last_event": newest,
            "last_event_label": labels.kind_label(newest) if newest else "",
            "tasks": tasks_used(row, manifest) if manifest and manifest.free_tasks_per_cycle else None,
            "has_paths": bool(manifest and manifest.payload_fields),
            "number_of_overrides": len(row.field_paths or {}),
            "polls": None,
            **polls.panel(row, request.user),
            "set_credentials": [
                (field.label, bool(row.credential(field.name))) for field in manifest.credentials
            ]
            if manifest
            else [],
        }

    # --- buttons -----------------------------------------------------------------------------------------

    def has_send_test_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or can_send(found))

    def has_new_address_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or _takes_webhooks(found))

    def has_poll_now_permission(self, request: HttpRequest, row: Any = None) -> bool:
        """Whoever may retry an event may also ask the EMR."""
        found = self.row_or_id(request, row)
        return self.allowed(request, Right.OPERATE, found) and (found is None or polls.is_polled(found))

    def has_test_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (
            found is None or bool(polls.capabilities(found))
        )

    def has_back_fill_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or polls.is_polled(found))

    def has_stop_backfill_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.has_back_fill_permission(request, found) and (
            found is None or polls.has_open_backfill(found)
        )

    def has_pause_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self._is(request, row, ConnectionState.ACTIVE)

    def has_resume_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self._is(request, row, ConnectionState.PAUSED)

    def _is(self, request: HttpRequest, row: Any, state: ConnectionState) -> bool:
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or found.state == state)

    @object_button(
        "Send a test event",
        right="send_test",
        icon="send",
        variant=ActionVariant.PRIMARY,
        ask="Posts the EMR's own test ping to the webhook address, as the EMR would. It writes nothing to the CRM.",
        submit="Send",
    )
    def send_test(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """Prove that the address works."""
        return send_test_event(row)

    @object_button(
        "Poll now",
        right="poll_now",
        icon="sync",
        variant=ActionVariant.PRIMARY,
        ask="Asks the EMR at once what changed, instead of waiting for the next turn.",
    )
    def poll_now(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """Make every resource due."""
        if row.needs_reauth_since:
            raise UserError("The EMR refuses the credentials: enter new ones first.")
        polls.poll_now(row)
        return "Asked. What changed shows here within seconds."

    @object_button(
        "Pull locations",
        right="test",
        icon="location_on",
        ask="Reads the practice's locations from the EMR, adds those that are missing here and takes over new names. "
        "None is deleted.",
    )
    def pull_locations(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """Locations from the EMR."""
        try:
            return polls.pulled_words(polls.pull_locations(row))
        except ContractError as error:
            raise UserError(str(error)) from None

    @object_button(
        "Stop the back-fill",
        right="stop_backfill",
        icon="stop_circle",
        ask="Nothing more is read. Events that are there already go on.",
    )
    def stop_backfill(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """End what somebody asked for."""
        return "Stopped." if polls.stop_backfills(row) else "It was over already."

    @action(description="Test", icon="fact_check", permissions=["test"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the page that tries each capability."""
        return HttpResponseRedirect(reverse("admin:connection-test", args=[object_id]))

    @action(description="Back-fill…", icon="history", permissions=["back_fill"])
    def back_fill(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the page that estimates and starts one."""
        return HttpResponseRedirect(reverse("admin:connection-backfill", args=[object_id]))

    @object_button(
        "Pause",
        right="pause",
        icon="pause_circle",
        ask="AX Connect goes on receiving and keeps everything, but writes nothing for this connection.",
    )
    def pause(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """Hold everything of one connection."""
        row.state = ConnectionState.PAUSED
        row.save(update_fields=["state"])
        return "Paused. Events are kept and wait."

    @object_button(
        "Resume",
        right="resume",
        icon="play_circle",
        ask="Everything that waited runs in the order in which it came.",
    )
    def resume(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """Let it go on."""
        row.state = ConnectionState.ACTIVE
        row.save(update_fields=["state"])
        return "Resumed. What waited goes on."

    @object_button(
        "New webhook address",
        right="new_address",
        icon="key",
        ask="The address that the EMR posts to now stops working at once. Enter the new one there right after.",
        submit="Replace the address",
    )
    def new_address(self, request: HttpRequest, row: Connection, form: Any) -> str:
        """An address that nobody else knows."""
        row.webhook_key = new_webhook_key()
        row.save(update_fields=["webhook_key"])
        self.log_change(request, row, "Replaced the webhook address")
        return "Replaced. Enter the new address in the EMR."

    # --- pages of its own ------------------------------------------------------------------------------------

    def _page_of(
        self, request: HttpRequest, connection_id: int, may: Any
    ) -> tuple[Connection, dict[str, Any]]:
        """The connection and what its pages have in common. Raises Http404 and PermissionDenied."""
        row = self.get_object(request, str(connection_id))
        manifest = manifest_of(row)
        if row is None or manifest is None:
            raise Http404("There is no such connection.")
        if not self.has_configure_permission(request, row):
            raise PermissionDenied
        if not may(request, row):
            raise Http404("This EMR offers nothing of the kind.")
        request.current_app = self.admin_site.name
        return row, {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "connection": row,
            "practice": row.practice,
            "manifest": manifest,
            "inline_admin_formsets": [],
        }

    def test_view(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        """Each capability and, after POST, what came of trying it."""
        row, context = self._page_of(request, connection_id, self.has_test_permission)
        wanted = polls.capabilities(row)
        trial = polls.try_all(row, request.user) if request.method == "POST" else polls.Trial([])
        tried = trial.tried
        context |= {
            "title": "Test the connection",
            "wanted": wanted,
            "tried": tried,
            "untried": wanted[len(tried) :] if tried else [],
            "is_fine": trial.is_fine,
            "lifted": trial.lifted_words,
            "wrong_fields": polls.wrong_fields(context["manifest"], tried),
        }
        return TemplateResponse(request, "axconnect/connection_test.html", context)

    def backfill_view(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        """What and from when; then the estimate; then the start."""
        row, context = self._page_of(request, connection_id, self.has_back_fill_permission)
        form = polls.BackfillForm(row, request.POST if request.method == "POST" else None)
        estimate = None
        if form.is_bound and form.is_valid():
            if "_start" in request.POST:
                if form.start(request.user):
                    self.log_change(request, row, "Started a back-fill")
                    messages.success(request, "Started. How far it is shows on this page.")
                else:
                    messages.error(request, "One goes on already for this: wait for it, or stop it first.")
                return HttpResponseRedirect(self.url_of(row))
            estimate = form.estimate()
        context |= {"title": "Back-fill", "form": form, "estimate": estimate}
        return TemplateResponse(request, "axconnect/connection_backfill.html", context)

    # --- where fields are read ---------------------------------------------------------------------------

    def fields_view(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        """The table of values and where they stand, beside the last payload (shown after a reason is given)."""
        row = self.get_object(request, str(connection_id))
        manifest = manifest_of(row)
        if row is None or manifest is None or not manifest.payload_fields:
            raise Http404("There is nothing to set here.")
        if not self.has_configure_permission(request, row):
            raise PermissionDenied
        is_reveal = "_reveal" in request.POST
        form = FieldPathsForm(
            row, manifest, request.POST if request.method == "POST" and not is_reveal else None
        )
        if form.is_bound and form.is_valid():
            row.field_paths = form.overrides()
            row.save(update_fields=["field_paths"])
            self.log_change(request, row, "Changed where fields are read")
            messages.success(request, "Kept. Parked events can be replayed now.")
            return HttpResponseRedirect(reverse("admin:connection-fields", args=[row.pk]))
        reveal = RevealForm(request.POST if is_reveal else None)
        shown = None
        if is_reveal and reveal.is_valid() and self.allowed(request, Right.REVEAL, row):
            shown = reveal_last(row, request.user, reveal.cleaned_data["reason"])
        context = {
            **self.admin_site.each_context(request),
            "title": "Where fields are read",
            "opts": self.opts,
            "original": row,
            "connection": row,
            "practice": row.practice,
            "manifest": manifest,
            "inline_admin_formsets": [],
            "form": form,
            "reveal_form": reveal,
            "event": shown,
            "leaves": leaves(shown.payload) if shown else [],
            "has_event": shown is not None or last_event(row) is not None,
        }
        request.current_app = self.admin_site.name
        response = TemplateResponse(request, "axconnect/connection_fields.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _takes_webhooks(row: Connection) -> bool:
    manifest = manifest_of(row)
    return manifest is not None and manifest.way == Way.WEBHOOK


def _tabs(row: Connection, manifest: Manifest) -> list[Any]:
    """The manifest's fields, by subject."""
    credentials = []
    for field in manifest.credentials:
        credentials.append(credential_field(field.name))
        if field.secret and not field.required and row.credential(field.name):
            credentials.append(removal_field(field.name))
    return [
        (title, {"fields": fields, "classes": ["tab"]})
        for title, fields in (
            ("Credentials", credentials),
            ("Switches", [switch_field(switch.name) for switch in manifest.switches]),
            ("Checklist", [tick_field(item.name) for item in manifest.checklist]),
            ("Workflow names", [workflow_name_field(name) for name in manifest.workflows]),
        )
    ]
