"""The form of a sub-account: the token is write-only, and one field stands for each stage and workflow that
its practice can need, so that nobody types our names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db import transaction
from django.utils.text import slugify
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.emrs import registry
from integrations.models import (
    Connection,
    Opportunity,
    Pipeline,
    PipelineKind,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.sync.circuit import reauthenticated
from integrations.sync.routing import CONSULT_STAGES, STAGE_NAMES
from tenants.models import Practice

UNCHANGED = "unchanged"
NOT_MAPPED = ("", "Not mapped")


@dataclass(frozen=True, slots=True)
class CrmListing:
    """What the CRM listed a moment ago, and what AX Connect proposes from it.

    ``pipelines``: id → name. ``stages``: (pipeline id, stage id, name). ``workflows``: id → name.
    ``proposed``: form field → CRM id.
    """

    pipelines: Mapping[str, str] = field(default_factory=dict)
    stages: Sequence[tuple[str, str, str]] = ()
    workflows: Mapping[str, str] = field(default_factory=dict)
    proposed: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the session of the person who asked."""
        return {
            "pipelines": dict(self.pipelines),
            "stages": [list(stage) for stage in self.stages],
            "workflows": dict(self.workflows),
            "proposed": dict(self.proposed),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any] | None) -> "CrmListing":
        if not row:
            return cls()
        stages = [(pipeline, stage, name) for pipeline, stage, name in row["stages"]]
        return cls(row["pipelines"], stages, row["workflows"], row["proposed"])

    def stage_name(self, crm_id: str) -> str:
        """The CRM's name of a stage, "" when it was not listed."""
        return next((name for _, stage, name in self.stages if stage == crm_id), "")

    def pipeline_of(self, stage_id: str) -> str:
        """The pipeline that a listed stage stands in."""
        return next((pipeline for pipeline, stage, _ in self.stages if stage == stage_id), "")


def pipeline_field(kind: str) -> str:
    return f"pipeline_{kind}"


def stage_field(kind: str, name: str) -> str:
    return f"stage_{kind}_{slugify(name).replace('-', '_')}"


def workflow_field(name: str) -> str:
    return f"workflow_{slugify(name).replace('-', '_')}"


def stage_names(kind: str) -> tuple[str, ...]:
    """Our stage names of a kind of pipeline, in the order in which people pass them."""
    names = STAGE_NAMES[PipelineKind(kind)]
    return (*CONSULT_STAGES, *names) if kind == PipelineKind.NON_SURGICAL else names


def pipeline_kinds(practice: Practice) -> list[str]:
    """The pipelines that a practice can have."""
    kinds = [PipelineKind.SURGICAL.value] if practice.has_surgery else []
    return [*kinds, PipelineKind.NON_SURGICAL.value]


def workflow_names(practice: Practice) -> list[str]:
    """The workflows of the practice's EMRs, by the names that count for it; all known ones before it has any."""
    found: list[str] = []
    for connection in Connection.objects.for_practice(practice):
        emr = registry().get(connection.emr)
        found += [connection.workflow_names.get(name, name) for name in emr.manifest.workflows] if emr else []
    every = [name for emr in registry().values() for name in emr.manifest.workflows]
    return list(dict.fromkeys(found or every))


class SubAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """The sub-account itself. Subclasses made by ``form_for`` add its mappings."""

    token = forms.CharField(
        label="Private integration token",
        required=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="From the sub-account: Settings, Private Integrations. Never shown again; typing replaces it.",
    )
    listing = CrmListing()
    kinds: Sequence[str] = ()
    names: Sequence[str] = ()

    class Meta:
        model = SubAccount
        fields = ("practice", "key", "crm_subaccount_id", "is_default", "pipeline_logic")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The stored token never reaches the form, so it cannot reach the page.
        self.initial["token"] = ""
        if "token" in self.fields:
            placeholder = UNCHANGED if self.instance.token else "not set"
            self.fields["token"].widget.attrs["placeholder"] = placeholder
        if self.instance.pk:
            self.initial.update(self._mapped())
        for name, crm_id in self.listing.proposed.items():
            if name in self.fields and not self.initial.get(name):
                self.initial[name] = crm_id

    def _mapped(self) -> Iterator[tuple[str, str]]:
        practice_id = self.instance.practice_id
        for pipeline in Pipeline.objects.for_practice(practice_id).filter(sub_account=self.instance):
            yield pipeline_field(pipeline.kind), pipeline.crm_id
        stages = Stage.objects.for_practice(practice_id).filter(pipeline__sub_account=self.instance)
        for stage in stages.select_related("pipeline"):
            yield stage_field(stage.pipeline.kind, stage.name), stage.crm_id
        for workflow in WorkflowMapping.objects.for_practice(practice_id).filter(sub_account=self.instance):
            yield workflow_field(workflow.name), workflow.crm_id

    def clean_token(self) -> str:
        """What was typed, else the token that is stored."""
        return str(self.cleaned_data.get("token") or "").strip() or self.instance.token

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # Kept apart until the former default gives way: two at once are refused by the database.
        self.makes_default = bool(cleaned.pop("is_default", self.instance.is_default))
        in_use = self._stages_in_use()
        for kind in self.kinds:
            self._check_pipeline(kind, cleaned, in_use)
        return cleaned

    def _check_pipeline(self, kind: str, cleaned: dict[str, Any], in_use: set[tuple[str, str]]) -> None:
        pipeline_id = cleaned.get(pipeline_field(kind))
        for name in stage_names(kind):
            key = stage_field(kind, name)
            stage_id = cleaned.get(key)
            if stage_id and not pipeline_id:
                self.add_error(pipeline_field(kind), "Choose the pipeline that these stages stand in.")
                return
            listed_in = self.listing.pipeline_of(stage_id) if stage_id else ""
            if listed_in and listed_in != pipeline_id:
                self.add_error(key, "This stage stands in another pipeline of the CRM.")
            if not stage_id and (kind, name) in in_use:
                self.add_error(
                    key, "Contacts stand in this stage: map it to another CRM stage, not to nothing."
                )

    def _stages_in_use(self) -> set[tuple[str, str]]:
        if not self.instance.pk:
            return set()
        rows = Opportunity.objects.for_practice(self.instance.practice_id).filter(
            contact__sub_account=self.instance
        )
        stages = Stage.objects.for_practice(self.instance.practice_id).filter(
            pipeline__sub_account=self.instance
        )
        mapped = set(stages.order_by().values_list("pipeline__kind", "name"))
        return mapped & set(rows.order_by().values_list("pipeline", "stage").distinct())

    @transaction.atomic
    def save_account(self) -> SubAccount:
        """Save the sub-account itself; a former default gives way, a new token is tried again."""
        account = self.instance
        account.is_default = getattr(self, "makes_default", account.is_default)
        if account.is_default:
            others = SubAccount.objects.for_practice(account.practice_id).filter(is_default=True)
            for other in others.exclude(pk=account.pk):
                other.is_default = False
                other.save()
        is_new = account.pk is None
        if not is_new and {"token", "crm_subaccount_id"} & set(self.changed_data):
            # What was read with another token or elsewhere proves nothing any more.
            SubAccount.objects.for_practice(account.practice_id).filter(pk=account.pk).update(
                fields_fetched_at=None
            )
        account.save()
        if not is_new and "token" in self.changed_data:
            reauthenticated(SubAccount, account.pk, account.practice_id)
        return account

    @transaction.atomic
    def save_mappings(self) -> None:
        """Write pipelines, stages and workflows as they stand in the form: workers must not see a pipeline with the
        stages of the one before."""
        for kind in self.kinds:
            self._save_pipeline(kind)
        for name in self.names:
            self._save_workflow(name)

    def _save_pipeline(self, kind: str) -> None:
        account = self.instance
        crm_id = self.cleaned_data.get(pipeline_field(kind), "")
        rows = Pipeline.objects.for_practice(account.practice_id).filter(sub_account=account, kind=kind)
        pipeline = rows.first()
        if not crm_id:
            rows.delete()
            return
        pipeline = pipeline or Pipeline(sub_account=account, kind=kind)
        _point(pipeline, crm_id, self.listing.pipelines.get(crm_id, ""))
        known = {stage.name: stage for stage in pipeline.stages.all()}
        for name in stage_names(kind):
            stage_id = self.cleaned_data.get(stage_field(kind, name), "")
            stage = known.get(name) or Stage(pipeline=pipeline, name=name)
            if stage_id:
                _point(stage, stage_id, self.listing.stage_name(stage_id))
            elif stage.pk:
                stage.delete()

    def _save_workflow(self, name: str) -> None:
        account, crm_id = self.instance, self.cleaned_data.get(workflow_field(name), "")
        rows = WorkflowMapping.objects.for_practice(account.practice_id).filter(
            sub_account=account, name=name
        )
        row = rows.first() or WorkflowMapping(sub_account=account, name=name)
        if crm_id and row.crm_id != crm_id:
            row.crm_id = crm_id
            row.save()
        elif not crm_id and row.pk:
            row.delete()


def _point(row: Pipeline | Stage, crm_id: str, crm_name: str) -> None:
    """Point a mapping at a CRM id; a row that points elsewhere forgets the name that it had there."""
    if row.pk and row.crm_id == crm_id and (not crm_name or row.crm_name == crm_name):
        return
    row.crm_name = crm_name if crm_name or row.crm_id != crm_id else row.crm_name
    row.crm_id = crm_id
    row.save()


def names_of(account: SubAccount) -> list[str]:
    """The workflows that a sub-account can map, and those it has mapped already."""
    mapped = WorkflowMapping.objects.for_practice(account.practice_id).filter(sub_account=account)
    return list(dict.fromkeys([*workflow_names(account.practice), *mapped.values_list("name", flat=True)]))


def form_for(account: SubAccount | None, listing: CrmListing) -> type[SubAccountForm]:
    """The form of one sub-account, with a field per pipeline, stage and workflow. A new one has none yet."""
    if account is None:
        return SubAccountForm
    return form_of(account, listing, kinds=pipeline_kinds(account.practice), names=names_of(account))


def form_of(
    account: SubAccount, listing: CrmListing, *, kinds: Sequence[str] = (), names: Sequence[str] = ()
) -> type[SubAccountForm]:
    """The form of one sub-account with fields for these pipelines and workflows: others stay as they are."""
    fields: dict[str, forms.Field] = {}
    for kind in kinds:
        fields |= _pipeline_fields(account, kind, listing)
    for name in names:
        known = list(listing.workflows.items())
        fields[workflow_field(name)] = _id_field(name, known, "")
    return type(
        "MappedSubAccountForm",
        (SubAccountForm,),
        {**fields, "listing": listing, "kinds": kinds, "names": names},
    )


def _pipeline_fields(account: SubAccount, kind: str, listing: CrmListing) -> dict[str, forms.Field]:
    rows = Pipeline.objects.for_practice(account.practice_id).filter(sub_account=account, kind=kind)
    pipeline = rows.prefetch_related("stages").first()
    named = {stage.name: stage.crm_name for stage in pipeline.stages.all()} if pipeline else {}
    found: dict[str, forms.Field] = {
        pipeline_field(kind): _id_field(
            "Pipeline in the CRM", list(listing.pipelines.items()), pipeline.crm_name if pipeline else ""
        )
    }
    several = len(listing.pipelines) > 1
    for name in stage_names(kind):
        known = [
            (stage, f"{listing.pipelines.get(of, '')}: {label}" if several else label)
            for of, stage, label in listing.stages
        ]
        is_optional = kind == PipelineKind.NON_SURGICAL and name in CONSULT_STAGES
        hint = "Only where consults have stages of their own." if is_optional else ""
        found[stage_field(kind, name)] = _id_field(name, known, named.get(name, ""), hint)
    return found


def _id_field(label: str, known: list[tuple[str, str]], crm_name: str, hint: str = "") -> forms.Field:
    """A choice among what the CRM listed; before it was asked, a box for the id."""
    words = " ".join(part for part in (f"“{crm_name}” in the CRM." if crm_name else "", hint) if part)
    if known:
        return ListedIdField(label=label, choices=[NOT_MAPPED, *known], required=False, help_text=words)
    widget = UnfoldAdminTextInputWidget(attrs={"placeholder": "id in the CRM", "autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=64, widget=widget, help_text=words)


class ListedIdField(forms.ChoiceField):
    """A choice that keeps an id which the CRM no longer lists, and says so."""

    widget = UnfoldAdminSelectWidget

    def prepare_value(self, value: Any) -> Any:
        if value and not self.valid_value(value):
            gone = (value, f"{value} (not in the CRM any more)")
            self.choices = [*self.choices, gone]  # type: ignore[misc]
        return value

    def validate(self, value: Any) -> None:
        forms.Field.validate(self, value)
