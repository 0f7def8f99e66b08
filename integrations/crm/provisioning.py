"""Making a sub-account ready: custom fields that must exist, stages and workflows proposed by their names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from integrations.contract.errors import RejectedError
from integrations.contract.manifest import DataType, FolderField, Manifest
from integrations.crm.client import CrmClient
from integrations.crm.fields import field_ids, field_key

Json = Mapping[str, Any]

_VISIT_FIELDS = {
    "Next Visit Date": DataType.DATE,
    "Next Visit Service": DataType.TEXT,
    "Last Visit Date": DataType.DATE,
    "Last Visit Service": DataType.TEXT,
    "Contact Type": DataType.TEXT,
}
_MONEY_FIELDS = {"Invoice Paid Amount": DataType.MONETARY, "Patient Lifetime Value": DataType.MONETARY}
_CATEGORY_FIELD = "Appointment Category"
# What else can hold the same values. A practice may have made a pick list where we would make a text.
_ALSO_FITS = {
    DataType.TEXT: frozenset({"TEXT", "LARGE_TEXT", "SINGLE_OPTIONS", "RADIO"}),
    DataType.DATE: frozenset({"DATE"}),
    DataType.MONETARY: frozenset({"MONETORY", "NUMERICAL", "FLOAT"}),
}
_PICK_LISTS = frozenset({"SINGLE_OPTIONS", "RADIO"})
_NEEDED_OPTIONS = {field_key("Contact Type"): ("Lead", "Patient")}


class FieldState(StrEnum):
    EXISTS = "exists"
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    CREATED = "created"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FieldReport:
    """One needed field. ``words`` tell a person what to do; "" when nothing."""

    name: str
    data_type: DataType
    state: FieldState
    in_folder: bool
    field_id: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """All needed fields. ``folder_id`` is "" when it cannot be learned; ``words`` then say what that
    means."""

    fields: tuple[FieldReport, ...]
    folder_id: str = ""
    words: str = ""

    @property
    def is_complete(self) -> bool:
        return all(item.state in (FieldState.EXISTS, FieldState.CREATED) for item in self.fields)

    @property
    def missing(self) -> tuple[FieldReport, ...]:
        return tuple(item for item in self.fields if item.state is FieldState.MISSING)


def standard_fields(manifest: Manifest, *, dual_pipeline: bool) -> dict[str, DataType]:
    """The CRM's standard fields that this EMR writes, by name. ``dual_pipeline``: the practice does
    surgery."""
    names = dict(_VISIT_FIELDS)
    if manifest.has_surgical_pipeline and dual_pipeline:
        names[_CATEGORY_FIELD] = DataType.TEXT
    if manifest.payment_workflow or manifest.payment_id_field:
        names |= _MONEY_FIELDS
    return names | dict.fromkeys(manifest.standard_fields, DataType.TEXT)


def plan_fields(
    manifest: Manifest, crm_fields: Sequence[Json], *, dual_pipeline: bool, several_locations: bool = True
) -> FieldPlan:
    """Compare what is needed with the CRM's field list. Pure. A practice with one location needs less."""
    by_name: dict[str, list[Json]] = {}
    for item in crm_fields:
        if item.get("id") and item.get("name") and item.get("dataType"):
            by_name.setdefault(field_key(str(item["name"])), []).append(item)
    own = manifest.fields_for(several_locations=several_locations)
    needed = [(field.name, field.data_type, True) for field in own]
    needed += [
        (name, kind, False) for name, kind in standard_fields(manifest, dual_pipeline=dual_pipeline).items()
    ]
    for field in manifest.fields:
        _let_alias_stand(field, by_name)
    folder_id = _folder_id(manifest, crm_fields)
    reports = tuple(
        _report(name, kind, inside, by_name.get(field_key(name), [])) for name, kind, inside in needed
    )
    plan = FieldPlan(reports, folder_id)
    if not folder_id and any(item.in_folder for item in plan.missing):
        words = (
            f'The CRM does not tell the id of the folder "{manifest.folder}" while it is empty, so fields '
            "are made outside it. To have them inside, make one there by hand first, or move them afterwards."
        )
        return replace(plan, words=words)
    return plan


def _let_alias_stand(field: FolderField, by_name: dict[str, list[Json]]) -> None:
    """A field that stands in the CRM under another of its names is that field."""
    for alias in field.aliases:
        if not by_name.get(field_key(field.name)) and (found := by_name.get(field_key(alias))):
            by_name[field_key(field.name)] = found


def _report(name: str, data_type: DataType, in_folder: bool, found: Sequence[Json]) -> FieldReport:
    if not found:
        return FieldReport(name, data_type, FieldState.MISSING, in_folder)
    fitting = [item for item in found if item["dataType"] in _ALSO_FITS[data_type]]
    chosen = (fitting or found)[0]
    words = _type_words(name, data_type, chosen) if not fitting else _option_words(name, chosen)
    state = FieldState.WRONG_TYPE if words else FieldState.EXISTS
    return FieldReport(name, data_type, state, in_folder, str(chosen["id"]), words)


def _type_words(name: str, data_type: DataType, item: Json) -> str:
    return (
        f'"{name}" is of type {item["dataType"]}, needed is {data_type}. The CRM cannot change a type: '
        "rename or delete that field, then provision again."
    )


def _option_words(name: str, item: Json) -> str:
    needed = _NEEDED_OPTIONS.get(field_key(name), ())
    options = item.get("picklistOptions")
    if (
        item["dataType"] not in _PICK_LISTS
        or not isinstance(options, list)
        or item.get("isAllowedCustomOption")
    ):
        return ""
    lacking = [word for word in needed if word not in options]
    return (
        f'"{name}" is a list without {" and ".join(lacking)}: add the option in the CRM.' if lacking else ""
    )


def _folder_id(manifest: Manifest, crm_fields: Sequence[Json]) -> str:
    """The folder in which most of the EMR's existing fields stand; "" when none stands in a folder."""
    ours = {field_key(field.name) for field in manifest.fields}
    parents = [
        str(item["parentId"])
        for item in crm_fields
        if item.get("parentId") and item.get("dataType") and field_key(str(item.get("name") or "")) in ours
    ]
    return max(sorted(set(parents)), key=parents.count, default="")


def provision_fields(
    client: CrmClient, manifest: Manifest, *, dual_pipeline: bool, several_locations: bool = True
) -> tuple[FieldPlan, dict[str, tuple[str, str]]]:
    """Make the missing fields. Running it again makes nothing twice.

    Returns what became of each field, and all contact fields of the sub-account as field key → (id, data
    type). Raises what the client raises, except that a refusal of one field is told in its report.
    """
    crm_fields: list[dict[str, Any]] = client.list_custom_fields()
    plan = plan_fields(manifest, crm_fields, dual_pipeline=dual_pipeline, several_locations=several_locations)
    reports = []
    for item in plan.fields:
        if item.state is FieldState.MISSING:
            item, made = create_field(client, item, plan.folder_id)
            crm_fields += made
        reports.append(item)
    return replace(plan, fields=tuple(reports)), field_ids(crm_fields)


def create_field(
    client: CrmClient, item: FieldReport, folder_id: str
) -> tuple[FieldReport, list[dict[str, Any]]]:
    """Make one missing field. What became of it, and the CRM's row where it was made.

    Raises what the client raises, except that a refusal is told in the report.
    """
    try:
        made = client.create_custom_field(
            item.name, item.data_type.value, folder_id if item.in_folder else ""
        )
    except RejectedError as error:
        words = f'The CRM refuses to make "{item.name}": {error.vendor_words or error}'
        return replace(item, state=FieldState.REFUSED, words=words), []
    made = {"name": item.name, "dataType": item.data_type.value, **made}
    return replace(item, state=FieldState.CREATED, field_id=str(made["id"])), [made]


# Stages and workflows


@dataclass(frozen=True, slots=True)
class StageProposal:
    """``confidence`` from 0 to 1; 1 is the very name. For a person to confirm."""

    pipeline_id: str
    stage_id: str
    confidence: float


@dataclass(frozen=True, slots=True)
class WorkflowProposal:
    """``is_published``: the CRM enrols contacts in published workflows only."""

    workflow_id: str
    confidence: float
    is_published: bool


SURGICAL = "surgical"
NON_SURGICAL = "non_surgical"
_CANCELLED = "Cancelled / No-Show"
STAGES = {
    SURGICAL: ("Consult Booked", "Consult Complete", "Surgery Scheduled", "Surgery Complete", _CANCELLED),
    NON_SURGICAL: ("Booked", "Patient", _CANCELLED, "Consult Booked", "Consult Complete"),
}
# Not part of every non-surgical pipeline.
OPTIONAL_STAGES = {
    SURGICAL: frozenset[str](),
    NON_SURGICAL: frozenset({"Consult Booked", "Consult Complete"}),
}

_CANONICAL_WORDS = {
    "cancel": "cancelled",
    "canceled": "cancelled",
    "cancellation": "cancelled",
    "cancelation": "cancelled",
    "noshow": "no-show",
    "noshows": "no-show",
    "consultation": "consult",
    "consults": "consult",
    "completed": "complete",
    "done": "complete",
    "scheduled": "booked",
    "surgical": "surgery",
    "surgeries": "surgery",
    "procedure": "surgery",
    "patients": "patient",
    "appt": "appointment",
    "appts": "appointment",
    "appointments": "appointment",
}
_FILLERS = frozenset(
    {"appointment", "stage", "new", "the", "and", "or", "status", "visit", "current", "active", "won"}
)


def _stage_words(name: str) -> frozenset[str]:
    """The meaning of a stage name: {"cancelled", "no-show"} for "Cancel/No Show"."""
    joined = re.sub(r"\bno[\s-]*shows?\b", "noshow", name.casefold())
    return frozenset(_CANONICAL_WORDS.get(word, word) for word in re.findall(r"[a-z]+", joined))


def _likeness(ours: str, theirs: str) -> float:
    if field_key(ours) == field_key(theirs):
        return 1.0
    wanted, given = _stage_words(ours), _stage_words(theirs)
    if wanted == given:
        return 0.9
    if wanted == given - _FILLERS:
        return 0.7
    if "consult" in wanted and wanted == given - _FILLERS - {"surgery"}:
        return 0.6
    # "Cancelled" alone, or "No Show" alone, where a practice keeps them apart.
    return 0.5 if ours == _CANCELLED and given - _FILLERS and given - _FILLERS < wanted else 0.0


def propose_stages(pipelines: Sequence[Json]) -> dict[str, dict[str, StageProposal]]:
    """Kind of pipeline ("surgical", "non_surgical") → our stage name → the CRM's stage that seems meant.

    What nothing fits is left out. Both kinds never share a pipeline.
    """
    rated = [
        (_rating(kind, pipeline), kind, index)
        for kind in STAGES
        for index, pipeline in enumerate(pipelines)
        if pipeline.get("id")
    ]
    proposals: dict[str, dict[str, StageProposal]] = {}
    taken: set[int] = set()
    for rating, kind, index in sorted(rated, key=lambda item: (-item[0], item[2])):
        if rating > 0 and kind not in proposals and index not in taken:
            proposals[kind] = _stage_proposals(kind, pipelines[index])
            taken.add(index)
    return proposals


def _rating(kind: str, pipeline: Json) -> float:
    """How much a pipeline looks like this kind, by the stages it contains and by its name; 0 for not at
    all."""
    found = _stage_proposals(kind, pipeline)
    fit = sum(proposal.confidence for proposal in found.values())
    # Without the stages that only this kind has, the name alone decides nothing.
    telling = {"Surgery Scheduled", "Surgery Complete"} if kind == SURGICAL else {"Booked", "Patient"}
    if not telling & found.keys():
        return 0.0
    name = str(pipeline.get("name") or "").casefold()
    is_non_surgical = re.search(r"non[\s-]*surg|med[\s-]*spa|aesthetic|lead to patient", name) is not None
    is_surgical = not is_non_surgical and "surg" in name
    fit += 3.0 * (is_surgical if kind == SURGICAL else is_non_surgical)
    return max(0.1, fit - 3.0 * (is_non_surgical if kind == SURGICAL else is_surgical))


def _stage_proposals(kind: str, pipeline: Json) -> dict[str, StageProposal]:
    stages = [
        stage for stage in pipeline.get("stages") or () if isinstance(stage, Mapping) and stage.get("id")
    ]
    pairs = [
        (_likeness(ours, str(stage.get("name") or "")), position, index)
        for position, ours in enumerate(STAGES[kind])
        for index, stage in enumerate(stages)
    ]
    return {
        STAGES[kind][position]: StageProposal(str(pipeline["id"]), str(stages[index]["id"]), confidence)
        for confidence, position, index in _best_pairs(pairs)
    }


def _best_pairs(pairs: Iterable[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """The surest pairs first, each side used once."""
    chosen: list[tuple[float, int, int]] = []
    for pair in sorted(pairs, key=lambda item: (-item[0], item[1], item[2])):
        if pair[0] > 0 and all(pair[1] != other[1] and pair[2] != other[2] for other in chosen):
            chosen.append(pair)
    return chosen


def propose_workflows(crm_workflows: Sequence[Json], names: Sequence[str]) -> dict[str, WorkflowProposal]:
    """Our workflow name → the CRM workflow that seems meant; what nothing fits is left out."""
    known = [item for item in crm_workflows if item.get("id") and item.get("name")]
    pairs = [
        (
            _workflow_likeness(name, str(item["name"])) - 0.01 * (item.get("status") != "published"),
            position,
            index,
        )
        for position, name in enumerate(names)
        for index, item in enumerate(known)
    ]
    return {
        names[position]: WorkflowProposal(
            str(known[index]["id"]), max(0.0, round(confidence, 2)), known[index].get("status") == "published"
        )
        for confidence, position, index in _best_pairs(pairs)
    }


def _workflow_likeness(ours: str, theirs: str) -> float:
    if field_key(ours) == field_key(theirs):
        return 1.0
    wanted, given = (set(re.findall(r"[a-z0-9]+", name.casefold())) for name in (ours, theirs))
    if wanted == given:
        return 0.9
    return 0.7 if wanted and wanted <= given else 0.0
