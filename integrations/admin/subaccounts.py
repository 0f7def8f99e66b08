"""A sub-account's page: its token, what is mapped in it, and whether the CRM has what AX Connect writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin import labels
from integrations.admin.crm_setup import field_plans, propose
from integrations.admin.filters import PracticeFilter
from integrations.admin.mapping_form import (
    CrmListing,
    form_for,
    pipeline_field,
    stage_field,
    stage_names,
    workflow_field,
)
from integrations.admin.removing import SUB_ACCOUNT_USES, is_used, remove_unused
from integrations.contract.errors import ContractError
from integrations.models import CustomField, PipelineKind, SubAccount
from integrations.models.connections import new_webhook_key
from integrations.models.subaccounts import new_secret
from integrations.sync import provision
from integrations.sync.contact_values import write_birth_date_again
from integrations.sync.crm_access import budget_of
from integrations.templatetags.human import moment
from integrations.views.long_work import fields_work
from tenants.models import User
from tenants.roles import Right
from tenants.scoped_admin import ReadOnlyMixin, ScopedAdmin, ScopedInline, UserError, object_button

HEALTH_COLOURS = {
    "Works": labels.GOOD,
    "Paused": labels.ASKS,
    "Some calls fail": labels.ASKS,
    "Does not answer": labels.BAD,
    "Needs new credentials": labels.BAD,
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of one of the CRM's limits is used."""

    label: str
    used: int
    allowed: int

    @property
    def percent(self) -> int:
        """0 to 100, also where the CRM lets more through than it says."""
        return min(100, self.used * 100 // self.allowed) if self.allowed else 100

    @property
    def tone(self) -> str:
        """How the bar is drawn: bulk work stops below a twentieth of the day, everybody at its end."""
        return "is-full" if self.percent >= 100 else "is-over" if self.percent >= 80 else ""


def gauges(row: SubAccount) -> list[Gauge]:
    """The window and the day; empty while nobody knows."""
    used = budget_of(row)
    if used is None:
        return []
    return [
        Gauge(f"In {used.interval_ms / 1000:g} seconds", used.window_used, used.window_max),
        Gauge("Today", used.day_used, used.day_max),
    ]


class CustomFieldInline(ReadOnlyMixin, ScopedInline):
    """The CRM's custom fields as it last listed them."""

    model = CustomField
    fields = readonly_fields = ("name", "data_type", "field_key", "crm_id")
    max_num = 0
    can_delete = False
    per_page = 50


@admin.register(SubAccount)
class SubAccountAdmin(ScopedAdmin):
    """Containers in the CRM, one or more per practice."""

    list_display = (
        "key",
        "practice",
        "health_label",
        "crm_subaccount_id",
        "default_label",
        "logic",
        "stages_mapped",
    )
    list_filter = (PracticeFilter, "pipeline_logic")
    search_fields = ("key", "crm_subaccount_id", "practice__name")
    search_help_text = "Key, CRM id or practice"
    inlines = (CustomFieldInline,)
    change_form_outer_before_template = "axconnect/subaccount_panel.html"
    actions_detail = (
        "propose_mappings",
        {"title": "Custom fields", "icon": "fact_check", "items": ["preview_fields", "provision_fields"]},
        "write_birth_date",
        {"title": "More", "icon": "more_horiz", "items": ["rotate_webhook"]},
    )
    empty_words = "No sub-accounts yet."
    empty_next = (
        "Add one for each container that a practice has in the CRM, with its private integration token."
    )

    def get_urls(self) -> list[URLPattern]:
        budget = self.admin_site.admin_view(self.budget_view)
        return [
            path("<int:account_id>/budget/", budget, name="subaccount-budget"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubAccount]:
        rows: QuerySet[SubAccount] = super().get_queryset(request)
        return rows.select_related("practice").annotate(number_of_stages=Count("pipelines__stages"))

    def has_configure_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.CONFIGURE, row)

    def has_birth_date_permission(self, request: HttpRequest, row: Any = None) -> bool:
        """Only where the CRM refused it."""
        found = self.row_or_id(request, row)
        return self.has_configure_permission(request, found) and (found is None or found.refuses_birth_date)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Once contacts are written there, it stays."""
        stays = isinstance(obj, SubAccount) and is_used(obj, SUB_ACCOUNT_USES)
        return not stays and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: SubAccount) -> None:
        if not remove_unused(obj, SUB_ACCOUNT_USES):
            raise PermissionDenied

    # --- the form ----------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(obj, self._listing(request, obj))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        shown = ("token_words", "webhook_address", "webhook_secret_words", "fields_read", "birth_date_words")
        return ("practice", *shown)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        basics = ["practice", "key", "crm_subaccount_id", "token", "is_default", "pipeline_logic"]
        if obj is None:
            return ((None, {"fields": basics}),)
        if not self.has_change_permission(request, obj):
            # Who only reads must not meet the token, which Django would print as it is.
            seen = [name for name in basics if name != "token"]
            return ((None, {"fields": [*seen, "token_words", "fields_read", "birth_date_words"]}),)
        form = form_for(obj, CrmListing())
        sections: list[Any] = [(None, {"fields": basics})]
        for kind in form.kinds:
            names = [pipeline_field(kind), *(stage_field(kind, name) for name in stage_names(kind))]
            sections.append((f"{PipelineKind(kind).label} pipeline", {"fields": names, "classes": ["tab"]}))
        sections.append(
            ("Workflows", {"fields": [workflow_field(name) for name in form.names], "classes": ["tab"]})
        )
        webhook = ["webhook_address", "webhook_secret_words"]
        sections.append(("Webhook for the CRM", {"fields": webhook, "classes": ["tab"]}))
        sections.append(("From the CRM", {"fields": ["fields_read", "birth_date_words"], "classes": ["tab"]}))
        return [section for section in sections if section[1]["fields"]]

    def _listing(self, request: HttpRequest, obj: Any) -> CrmListing:
        return (
            CrmListing.from_json(request.session.get(_session_key(obj))) if obj is not None else CrmListing()
        )

    def save_model(self, request: HttpRequest, obj: SubAccount, form: Any, change: bool) -> None:
        permitted = self.has_change_permission if change else self.has_add_permission
        if not permitted(request, obj):
            raise PermissionDenied
        form.save_account()
        form.save_mappings()
        request.session.pop(_session_key(obj), None)

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
            words, colour = labels.health(row)
            panel = {
                "account": row,
                "gauges": gauges(row),
                "practice": row.practice,
                "health_words": words,
                "health_colour": colour,
                "incidents": row.incidents.filter(closed_at__isnull=True),
                "has_proposals": bool(self._listing(request, row).proposed),
                "mapped": [] if self.has_change_permission(request, row) else list(_mapped(row)),
                "field_plans": request.session.pop(_plan_key(row), None),
                "fields_work": fields_work([row]),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **panel})

    def budget_view(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """How much of the CRM's request limits is used, for a page that is open and asks again and again."""
        row = self.get_object(request, str(account_id))
        if row is None:
            raise Http404("There is no such sub-account.")
        context = {"account": row, "gauges": gauges(row)}
        response = TemplateResponse(request, "axconnect/_budget.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @display(description="Address for the CRM's workflows")
    def webhook_address(self, row: SubAccount) -> SafeString:
        return _copy("subaccount-webhook", row.webhook_url, "webhook address")

    @display(description="Secret, in the header X-AX-Secret")
    def webhook_secret_words(self, row: SubAccount) -> SafeString:
        return _copy("subaccount-secret", row.webhook_secret, "webhook secret", is_secret=True)

    @display(description="Private integration token")
    def token_words(self, row: SubAccount) -> str:
        return "set" if row.token else "not set"

    @display(description="Custom fields last read")
    def fields_read(self, row: SubAccount) -> SafeString:
        return moment(row.fields_fetched_at, row.practice)

    @display(description="Native date of birth")
    def birth_date_words(self, row: SubAccount) -> str:
        return "The CRM refuses it here" if row.refuses_birth_date else "Written"

    # --- the list ----------------------------------------------------------------------------------------

    @display(description="How it is", label=HEALTH_COLOURS)
    def health_label(self, row: SubAccount) -> str:
        return labels.health(row)[0]

    @display(description="Default", label={"Default": "info"})
    def default_label(self, row: SubAccount) -> str:
        return "Default" if row.is_default else ""

    @display(description="Pipeline logic")
    def logic(self, row: SubAccount) -> str:
        return row.get_pipeline_logic_display()

    @display(description="Stages mapped")
    def stages_mapped(self, row: Any) -> int:
        return int(row.number_of_stages)

    # --- buttons -----------------------------------------------------------------------------------------

    @object_button(
        "Preview fields",
        right="configure",
        icon="fact_check",
        ask="Asks the CRM which custom fields exist, and compares them with what AX Connect writes. Changes nothing.",
        submit="Ask the CRM",
    )
    def preview_fields(self, request: HttpRequest, row: SubAccount, form: Any) -> str:
        """Which fields exist, are missing, or have the wrong type."""
        plans = _asked(lambda: field_plans(row))
        request.session[_plan_key(row)] = plans
        missing = sum(len(plan["missing"]) for plan in plans)
        return f"{missing} fields are missing." if missing else "Every field is there."

    @object_button(
        "Provision missing fields",
        right="configure",
        icon="playlist_add",
        ask="A worker makes the custom fields that are missing in the CRM, one after the other. Existing fields are "
        "not touched.",
        submit="Make them",
    )
    def provision_fields(self, request: HttpRequest, row: SubAccount, form: Any) -> str:
        """Have a worker make what is missing."""
        if not provision.manifests_of(row):
            raise UserError("Add a connection to the EMR first: the fields depend on it.")
        provision.begin(row, cast(User, request.user))
        return "Asked for. How far it is shows on this page."

    @object_button(
        "Propose stages",
        right="configure",
        icon="auto_awesome",
        ask="Reads pipelines, stages and workflows from the CRM and fills the empty boxes with what seems meant. "
        "Nothing counts until you look at it and save.",
        submit="Propose",
    )
    def propose_mappings(self, request: HttpRequest, row: SubAccount, form: Any) -> str:
        """Proposals in the form, for a person to confirm by saving."""
        listing = _asked(lambda: propose(row))
        request.session[_session_key(row)] = listing.as_json()
        return f"{len(listing.proposed)} proposals. Look at the tabs below, then save."

    @object_button(
        "Write the date of birth again",
        right="birth_date",
        icon="cake",
        ask="The CRM refused the native date of birth here, so only the custom field is written. From the next event "
        "of each patient on, the native one is written too; if the CRM refuses it again, this stops again.",
        submit="Write it again",
    )
    def write_birth_date(self, request: HttpRequest, row: SubAccount, form: Any) -> str:
        """Try what the CRM once refused."""
        if not write_birth_date_again(row):
            raise UserError("Somebody else was faster: it is written again.")
        self.log_change(request, row, "Has the native date of birth written again")
        return "It is written again from the next event of each patient on."

    @object_button(
        "New webhook address",
        right="configure",
        icon="key",
        ask="The address and the secret that the CRM's workflows use now stop working at once. Enter the new ones "
        "there right after.",
        submit="Replace both",
    )
    def rotate_webhook(self, request: HttpRequest, row: SubAccount, form: Any) -> str:
        """A new address and secret."""
        row.webhook_key, row.webhook_secret = new_webhook_key(), new_secret()
        row.save(update_fields=["webhook_key", "webhook_secret"])
        self.log_change(request, row, "Replaced the webhook address and secret")
        return "Replaced. Copy the new address and secret into the CRM's workflows."


def _mapped(row: SubAccount) -> Iterator[tuple[str, str]]:
    """(what, where) of each mapping, for those who only read."""
    for pipeline in row.pipelines.prefetch_related("stages"):
        yield str(pipeline), pipeline.crm_name or pipeline.crm_id
        for stage in pipeline.stages.all():
            yield f"{pipeline.get_kind_display()}: {stage.name}", stage.crm_name or stage.crm_id
    for workflow in row.workflows.all():
        yield workflow.name, workflow.crm_id


def _asked(call: Any) -> Any:
    """The CRM's answer; its refusal in words."""
    try:
        return call()
    except ContractError as error:
        raise UserError(f"{error} {error.vendor_words}".strip()) from None


def _copy(element: str, value: str, label: str, *, is_secret: bool = False) -> SafeString:
    return render_to_string(
        "axconnect/_copy.html", {"id": element, "value": value, "label": label, "is_secret": is_secret}
    )


def _session_key(row: SubAccount) -> str:
    return f"crm-listing-{row.pk}"


def _plan_key(row: SubAccount) -> str:
    return f"crm-fields-{row.pk}"
