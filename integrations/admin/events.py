"""Events: what arrived, what was understood, decided and written. Nothing is edited here."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin import labels
from integrations.admin.advice import ways_on
from integrations.admin.bulk_ask import bulk_asked
from integrations.admin.event_preview import preview_page
from integrations.admin.filters import (
    ConnectionFilter,
    DayFilter,
    EmrFilter,
    EventKindFilter,
    PracticeFilter,
    choice_filter,
)
from integrations.admin.keyset import KeysetMixin
from integrations.admin.story import Write, steps_of, writes_of
from integrations.emrs import registry
from integrations.models import BulkKind, EventState, HeldFor, InboundEvent, ParkedAs, PayloadReveal, Source
from integrations.models.narrowing import open_events
from integrations.sync import replay
from integrations.sync.settle import settle
from integrations.sync.standstill import Busy
from integrations.templatetags.human import moment
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin, UserError, object_button

REASON_LENGTH = 90
# Encrypted columns of what a row belongs to: opening them for every row of a list would cost time for nothing.
SECRETS = ("connection__credentials", "sub_account__token", "sub_account__webhook_secret")
CHIPS = [
    ("Everything", ""),
    ("Needs a person", "parked"),
    ("Held", "held"),
    ("Waiting", "waiting"),
    ("Done", "done"),
]


class RevealForm(forms.Form):
    """Why somebody opens a payload."""

    reason = forms.CharField(
        label="Why do you need to see it?",
        min_length=5,
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept with your name and the time. Do not write a patient's name here.",
    )


@admin.register(InboundEvent)
class EventAdmin(KeysetMixin, PageAdmin):
    """The list of events and the story of each."""

    page_template = "axconnect/event.html"
    list_display = ("number", "state_label", "what", "practice", "from_where", "received", "short_reason")
    list_display_links = ("number",)
    list_filter = (
        choice_filter("state", "state", EventState),
        PracticeFilter,
        ConnectionFilter,
        EmrFilter,
        EventKindFilter,
        choice_filter("held for", "held_for", HeldFor, open_events),
        choice_filter("parked as", "parked_as", ParkedAs, open_events),
        ("received_at", DayFilter),
    )
    search_fields = ("pk",)
    search_help_text = "Number of an event"
    list_before_template = "axconnect/event_chips.html"
    actions = ("retry_selected", "replay_selected")
    actions_detail = ("preview_now", "retry", "replay")
    empty_words = "No events."
    empty_next = "Events appear here as soon as an EMR sends one. Send a test event from a connection's page."

    def get_urls(self) -> list[URLPattern]:
        reveal = self.admin_site.admin_view(self.reveal_view)
        settle = self.admin_site.admin_view(self.settle_view)
        preview = self.admin_site.admin_view(self.preview_view)
        return [
            path("<int:event_id>/payload/", reveal, name="event-payload"),
            path("<int:event_id>/preview/", preview, name="event-preview"),
            path("<int:event_id>/writes/<int:effect_id>/", settle, name="effect-settle"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundEvent]:
        """The encrypted body stays in the database until somebody reveals it."""
        rows: QuerySet[InboundEvent] = super().get_queryset(request)
        return rows.defer("payload", *SECRETS).select_related(
            "practice", "connection__practice", "sub_account__practice"
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By number only: people are found on the page that keeps what was typed out of the address."""
        wanted = search_term.strip().lstrip("#")
        if not wanted:
            return queryset, False
        if wanted.isdecimal() and len(wanted) < 19:
            return queryset.filter(pk=int(wanted)), False
        messages.info(request, "Only event numbers can be searched here. Use “Find a patient” for people.")
        return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        chosen = request.GET.get("state", "")
        chips = [{"label": label, "state": state, "is_on": state == chosen} for label, state in CHIPS]
        bulk_link = reverse("bulk-runs") if self.has_operate_permission(request) else ""
        shown = {"chips": chips, "bulk_link": bulk_link}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def has_operate_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.OPERATE, row)

    def has_reveal_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.REVEAL, row)

    # --- the list ----------------------------------------------------------------------------------------

    @display(description="Event")
    def number(self, event: InboundEvent) -> str:
        return f"#{event.pk}"

    @display(
        description="State",
        label={dict(EventState.choices)[state]: colour for state, colour in labels.EVENT.items()},
    )
    def state_label(self, event: InboundEvent) -> str:
        return event.get_state_display()

    @display(description="What happened")
    def what(self, event: InboundEvent) -> str:
        return labels.kind_label(event)

    @display(description="From")
    def from_where(self, event: InboundEvent) -> str:
        if event.source == Source.SETTINGS:
            return labels.BY_SETTINGS
        if event.connection:
            return event.connection.name
        return event.sub_account.key if event.sub_account else event.get_source_display()

    @display(description="Received")
    def received(self, event: InboundEvent) -> SafeString:
        return moment(event.received_at, event.practice)

    @display(description="Why")
    def short_reason(self, event: InboundEvent) -> str | SafeString:
        reason = event.reason[:1].upper() + event.reason[1:]
        if len(reason) <= REASON_LENGTH:
            return reason or "–"
        return format_html('<span title="{}">{}…</span>', reason, reason[:REASON_LENGTH].rstrip())

    # --- many events -------------------------------------------------------------------------------------

    @action(description="Retry selected", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[InboundEvent]) -> HttpResponse:
        """Put parked events back to work, after asking."""
        return bulk_asked(self, request, queryset, BulkKind.RETRY)

    @action(description="Replay selected", permissions=["operate"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[InboundEvent]) -> HttpResponse:
        """Run events again from the start, after asking."""
        return bulk_asked(self, request, queryset, BulkKind.REPLAY)

    # --- one event ---------------------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, row: InboundEvent) -> dict[str, Any]:
        emr = registry().get(row.connection.emr) if row.connection else None
        return {
            "event": row,
            "practice": row.practice,
            "kind_label": labels.kind_label(row),
            "emr_name": emr.manifest.name if emr else "The CRM",
            "steps": steps_of(row.story or ()),
            "writes": self._writes(row),
            "state_words": labels.event_words(row),
            "state_colour": labels.EVENT[row.state],
            "advice": labels.advice(row),
            "ways_on": ways_on(row) if self.has_operate_permission(request, row) else [],
            "has_payload": InboundEvent.objects.for_practice(row.practice_id)
            .filter(pk=row.pk)
            .exclude(payload="")
            .exists(),
            "may_reveal": self.has_reveal_permission(request, row),
            "may_settle": self.has_operate_permission(request, row),
            "reveals": row.reveals.select_related("user")[:5],
        }

    def _writes(self, row: InboundEvent, *, reveal: bool = False) -> list[Write]:
        return writes_of(row.effects.all(), row.ledger.all(), reveal=reveal)

    def reveal_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """Ask why, keep it, then show the payload and what was sent. Shown on POST only, never cached."""
        row = self._event(request, event_id)
        if not self.has_reveal_permission(request, row):
            raise PermissionDenied
        form = RevealForm(request.POST or None)
        shown: dict[str, Any] = {}
        if self._has_reason(request, row, form):
            shown = {
                "payload": pretty(row.payload),
                "writes": self._writes(row, reveal=True),
                "is_shown": True,
            }
        return self._uncached(request, row, "axconnect/payload.html", title="Payload", form=form, **shown)

    def _event(self, request: HttpRequest, event_id: int) -> InboundEvent:
        row: InboundEvent | None = self.get_object(request, str(event_id))
        if row is None:
            raise Http404("There is no such event.")
        return row

    def _has_reason(self, request: HttpRequest, row: InboundEvent, form: RevealForm) -> bool:
        """Whether somebody said why they need to see what is hidden; it is kept."""
        if request.method != "POST" or not form.is_valid():
            return False
        PayloadReveal.objects.create(event=row, user=request.user, reason=form.cleaned_data["reason"])  # type: ignore[misc]
        return True

    def _uncached(
        self, request: HttpRequest, row: InboundEvent, template: str, **context: Any
    ) -> HttpResponse:
        """A page that may show what is hidden elsewhere: no browser keeps it."""
        around = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "event": row,
            "practice": row.practice,
            "kind_label": labels.kind_label(row),
            "inline_admin_formsets": [],
        }
        request.current_app = self.admin_site.name
        response = TemplateResponse(request, template, {**around, **context})
        response["Cache-Control"] = "no-store"
        return response

    def preview_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """What the event would do under today's settings; its values on POST only, with a reason that is kept."""
        row = self._event(request, event_id)
        if not self.has_operate_permission(request, row):
            raise PermissionDenied
        may_reveal = self.has_reveal_permission(request, row)
        if request.method == "POST" and not may_reveal:
            raise PermissionDenied
        form = RevealForm(request.POST or None)
        is_shown = self._has_reason(request, row, form)
        shown = {"form": form, "may_reveal": may_reveal, "is_shown": is_shown}
        found = preview_page(row, reveal=is_shown)
        return self._uncached(
            request, row, "axconnect/event_preview.html", **{"title": "Preview", **shown, **found}
        )

    def settle_view(self, request: HttpRequest, event_id: int, effect_id: int) -> HttpResponse:
        """A person says whether a write in doubt happened; on POST only."""
        row = self.get_object(request, str(event_id))
        effect = row.effects.filter(pk=effect_id).first() if row is not None else None
        if row is None or effect is None:
            raise Http404("There is no such write.")
        if request.method != "POST" or not self.has_operate_permission(request, row):
            raise PermissionDenied
        is_there = request.POST.get("is_there") == "yes"
        try:
            if settle(effect, is_there=is_there):
                self.log_change(request, row, f"{effect.get_kind_display()}: {labels.SETTLED[is_there]}")
                messages.success(request, labels.SETTLED_WORDS[is_there])
            else:
                messages.info(request, "This was settled in the meantime.")
        except Busy as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(self.url_of(row))

    @action(description="Preview under today's settings", permissions=["operate"], icon="preview")
    def preview_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the page that shows what the event would do now."""
        return HttpResponseRedirect(reverse("admin:event-preview", args=[object_id]))

    @object_button(
        "Retry",
        right="operate",
        icon="refresh",
        variant=ActionVariant.PRIMARY,
        ask="Goes on from the step that failed. What is written already is not written again.",
    )
    def retry(self, request: HttpRequest, row: InboundEvent, form: Any) -> str:
        """Continue a parked event."""
        if not replay.retry(row):
            raise UserError("Nothing to retry: this event did not stop. Replay runs a finished event again.")
        return "The event is on its way again. This page shows what becomes of it."

    @object_button(
        "Replay",
        right="operate",
        icon="replay",
        ask="Runs the stored event again under today's settings. Notes, payments and workflow enrolments that "
        "were written are not repeated.",
    )
    def replay(self, request: HttpRequest, row: InboundEvent, form: Any) -> str:
        """Run an event again from the start."""
        if not replay.replay(row):
            raise UserError("This event cannot run again: it waits to run anyway, or it is only a test ping.")
        return "The event runs again. This page shows what becomes of it."


def pretty(payload: str) -> str:
    """A stored body with line breaks; as it is when it is no JSON."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload
