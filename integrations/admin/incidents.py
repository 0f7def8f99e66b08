"""Incidents: something is wrong with a connection or sub-account, from when to when."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin.events import SECRETS
from integrations.admin.filters import ConnectionFilter, OpenFilter, PracticeFilter
from integrations.models import Incident, IncidentKind
from integrations.sync.incidents import can_stay, leave
from integrations.templatetags.human import between, moment
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin, UserError, object_button

# What is wrong → what a person does about it.
ADVICE = {
    IncidentKind.NEEDS_REAUTH: "Enter new credentials on the page below. What waits then goes on by itself.",
    IncidentKind.UNREACHABLE: "Nothing to do: work waits and goes on by itself when the other side answers. "
    "If it lasts for hours, ask them.",
    IncidentKind.ACCESS_REFUSED: "Have the practice ask the EMR's support to allow these records. What waits is tried "
    "again by itself, and this closes with the first record that is shown.",
    IncidentKind.RESOURCE_REFUSED: "Have the practice ask the EMR's support to allow this resource. It is tried "
    "hourly; the other resources go on.",
    IncidentKind.POLL_FAILING: "Press Test on the page below: it says what fails. It is tried again by itself, later "
    "each time, and nothing is lost.",
    IncidentKind.POLLS_MISSED: "Nothing is lost; it is late. If it stays for an hour, tell the operator: too few "
    "workers poll.",
    IncidentKind.FILTER_IGNORED: "Nothing is wrong in the CRM. Tell whoever maintains AX Connect: the EMR sends more "
    "than it was asked for, so that polls are slow.",
    IncidentKind.ROWS_MISSING: "The page below lists them. Have the practice cancel them in the EMR, or let their "
    "contacts stand. It closes when none is missing.",
    IncidentKind.SILENT: "Press Test on the page below, and ask the practice whether they are closed. It closes with "
    "the next event.",
    IncidentKind.FIELD_NOT_STORED: "Look at the field in the CRM: its options must hold what the EMR sends, or it was "
    "deleted and made anew. It closes by itself with the next value that the CRM keeps.",
    IncidentKind.BIRTH_DATE_REFUSED: "Nothing is lost: the custom field has the date. Leave it so, or have the CRM's "
    'support allow it and press "Write the date of birth again" on the page below.',
}


class StillOpenFilter(OpenFilter):
    """Open: it has not ended."""

    field = "closed_at"


@admin.register(Incident)
class IncidentAdmin(PageAdmin):
    """Open ones first."""

    page_template = "axconnect/incident.html"
    list_display = ("what", "state_label", "practice", "side", "opened", "lasted")
    list_filter = (StillOpenFilter, PracticeFilter, ConnectionFilter)
    sortable_by = ()
    ordering = (F("closed_at").desc(nulls_first=True), "-pk")
    actions_detail = ("leave_it",)
    empty_words = "No incidents."
    empty_next = "Everything that AX Connect talks to answers."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        rows: QuerySet[Incident] = super().get_queryset(request)
        joined = rows.select_related("practice", "connection__practice", "sub_account__practice")
        return joined.defer(*SECRETS)

    def has_leave_permission(self, request: HttpRequest, row: Any = None) -> bool:
        found = self.row_or_id(request, row)
        return self.allowed(request, Right.CONFIGURE, found) and (found is None or can_stay(found))

    @object_button(
        "Leave it so",
        right="leave",
        icon="done",
        ask="The incident is over then, and nothing changes in what AX Connect writes.",
    )
    def leave_it(self, request: HttpRequest, row: Incident, form: Any) -> str:
        """End an incident whose cause may stay."""
        if not leave(row):
            raise UserError("Somebody else was faster: this incident is over.")
        self.log_change(request, row, "Left as it is")
        return "It stays as it is, and the incident is over."

    @display(description="What is wrong")
    def what(self, incident: Incident) -> str:
        return incident.words

    @display(description="State", label={"Open": "danger", "Over": "success"})
    def state_label(self, incident: Incident) -> str:
        return "Over" if incident.closed_at else "Open"

    @display(description="Where")
    def side(self, incident: Incident) -> str:
        return str(incident.connection or incident.sub_account or "–")

    @display(description="Since")
    def opened(self, incident: Incident) -> SafeString:
        return moment(incident.opened_at, incident.practice)

    @display(description="Lasted")
    def lasted(self, incident: Incident) -> str:
        return between(incident.opened_at, incident.closed_at) or "Still going on"

    def page_context(self, request: HttpRequest, row: Incident) -> dict[str, Any]:
        return {
            "incident": row,
            "practice": row.practice,
            "kind": row.get_kind_display(),
            "advice": "" if row.closed_at else ADVICE[IncidentKind(row.kind)],
        }
