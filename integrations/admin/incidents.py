"""Incidents: something is wrong with a connection or sub-account, from when to when."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin.events import SECRETS
from integrations.admin.filters import ConnectionFilter, OpenFilter, PracticeFilter
from integrations.models import Incident
from integrations.sync.incidents import BIRTH_DATE_REFUSED, FIELD_NOT_STORED, can_stay, leave
from integrations.templatetags.human import between, moment, words
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin, UserError, object_button

# What is wrong → what a person does about it.
ADVICE = {
    "needs_reauth": "Enter new credentials on the page below. What waits then goes on by itself.",
    "unreachable": "Nothing to do: work waits and goes on by itself when the other side answers. "
    "If it lasts for hours, ask them.",
    BIRTH_DATE_REFUSED: "Nothing is lost: the custom field has the date. Leave it so, or have the CRM's support allow "
    'it and press "Write the date of birth again" on the page below.',
    FIELD_NOT_STORED: "Look at the field in the CRM: its options must hold what the EMR sends, or it was deleted and "
    "made anew. It closes by itself with the next value that the CRM keeps.",
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
            "kind": words(row.kind),
            "advice": ""
            if row.closed_at
            else ADVICE.get(row.kind, "It closes by itself once the cause is gone."),
        }
