"""The go-live checklist of a practice as data: what is green, what is red and why, what a person looks at.

A practice is ready when nothing is red. The number of queries does not depend on the size of the practice.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from django.db.models import Count, Exists, Model, OuterRef, Q
from django.urls import NoReverseMatch, reverse

from categorization.models import AppointmentType
from integrations import emrs
from integrations.contract.manifest import Manifest
from integrations.crm.provisioning import FieldState, plan_fields
from integrations.models import (
    Connection,
    CustomField,
    InboundEvent,
    PipelineLogic,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync.routing import CONSULT_STAGES, STAGE_NAMES
from tenants.models import Location, Practice

# The tick that the connection's test leaves in ``Connection.ticks`` when every credential worked.
TESTED = "credentials_tested"


class State(StrEnum):
    GREEN = "green"
    RED = "red"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Check:
    """One item. ``reason`` is what to do ("" when green), ``link`` a page of the staff application or ""."""

    name: str
    label: str
    state: State
    reason: str = ""
    link: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def checklist(practice: Practice) -> list[Check]:
    """Every check of this practice, in the order in which a specialist works through them."""
    setup = _SetUp.of(practice)
    return [
        *_connections(setup),
        *_destinations(setup),
        *(check for row in setup.sub_accounts for check in _sub_account(setup, row)),
        *(check for row, manifest in setup.known for check in _traffic(setup, row, manifest)),
    ]


def is_ready(checks: list[Check]) -> bool:
    """Whether the practice may go live without an override."""
    return all(check.state is not State.RED for check in checks)


@dataclass(frozen=True)
class _SetUp:
    """What the checks look at. ``fields``, ``stages``, ``workflows`` by sub-account id; ``types`` (all, not
    confirmed) by connection key."""

    practice: Practice
    connections: list[Connection]
    sub_accounts: list[SubAccount]
    locations: list[Location]
    fields: dict[int, list[dict[str, Any]]]
    stages: dict[int, set[tuple[str, str]]]
    workflows: dict[int, set[str]]
    types: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, practice: Practice) -> Self:
        events = InboundEvent.objects.for_practice(practice).filter(connection=OuterRef("pk"))
        setup = cls(
            practice=practice,
            connections=list(Connection.objects.for_practice(practice).annotate(has_events=Exists(events))),
            sub_accounts=list(SubAccount.objects.for_practice(practice)),
            locations=list(Location.objects.for_practice(practice).select_related("route")),
            fields={},
            stages={},
            workflows={},
            types=_types(practice),
        )
        for field in CustomField.objects.for_practice(practice):
            listed = {"id": field.crm_id, "name": field.name, "dataType": field.data_type}
            setup.fields.setdefault(field.sub_account_id, []).append(listed)
        for stage in Stage.objects.for_practice(practice).select_related("pipeline"):
            mapped = (stage.pipeline.kind, stage.name)
            setup.stages.setdefault(stage.pipeline.sub_account_id, set()).add(mapped)
        for workflow in WorkflowMapping.objects.for_practice(practice):
            setup.workflows.setdefault(workflow.sub_account_id, set()).add(workflow.name)
        return setup

    @property
    def known(self) -> list[tuple[Connection, Manifest]]:
        """Connections whose EMR has a folder, with its manifest."""
        found = emrs.registry()
        return [(row, found[row.emr].manifest) for row in self.connections if row.emr in found]

    def is_dual(self, manifest: Manifest) -> bool:
        return self.practice.has_surgery and manifest.has_surgical_pipeline


def _types(practice: Practice) -> dict[str, tuple[int, int]]:
    open_types = Count("pk", filter=Q(category="") | Q(confirmed_at=None))
    rows = AppointmentType.objects.for_practice(practice).order_by().values("connection_key")
    return {
        row["connection_key"]: (row["all"], row["open"])
        for row in rows.annotate(all=Count("pk"), open=open_types)
    }


def _link(row: Model) -> str:
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def _check(name: str, label: str, reason: str, row: Model, *, otherwise: State = State.RED) -> Check:
    """Green without a reason, else red (or ``otherwise``) with it."""
    return Check(name, label, otherwise if reason else State.GREEN, reason, _link(row))


def _connections(setup: _SetUp) -> Iterator[Check]:
    if not setup.connections:
        yield _check("connections", "A connection to the EMR", "Add a connection.", setup.practice)
    for row in setup.connections:
        if row.emr not in emrs.registry():
            yield _check(f"emr/{row.key}", f"{row.key}: EMR", f'There is no EMR "{row.emr}" here.', row)
    for row, manifest in setup.known:
        yield _check(f"credentials/{row.key}", f"{row.key}: credentials", _credentials(row, manifest), row)
        for item in manifest.checklist:
            reason = "" if (row.ticks or {}).get(item.name) else f"Tick it when it is done. {item.help}"
            yield _check(f"prerequisite/{row.key}/{item.name}", f"{row.key}: {item.label}", reason, row)


def _credentials(row: Connection, manifest: Manifest) -> str:
    required = [field for field in manifest.credentials if field.required]
    missing = [field.label for field in required if not row.credential(field.name)]
    if manifest.needs_base_url and not row.base_url:
        missing.append("Base address")
    if missing:
        return f"Enter {', '.join(missing)}."
    if row.needs_reauth_since:
        return f"{manifest.name} refuses the credentials: enter new ones."
    if required and not (row.ticks or {}).get(TESTED):
        return "Test the credentials on the connection's page."
    return ""


def _destinations(setup: _SetUp) -> Iterator[Check]:
    label = "Every location goes to a sub-account"
    if not setup.sub_accounts:
        yield _check("destination", label, "Add a sub-account.", setup.practice)
    elif any(row.is_default for row in setup.sub_accounts):
        yield _check("destination", label, "", setup.practice)
    else:
        unmapped = [row.name for row in setup.locations if getattr(row, "route", None) is None]
        reason = f"Map {', '.join(unmapped)}, or make one sub-account the default." if unmapped else ""
        if not setup.locations:
            reason = "Make one sub-account the default, or add locations and map them."
        yield _check("destination", label, reason, setup.practice)


def _sub_account(setup: _SetUp, row: SubAccount) -> Iterator[Check]:
    reason = "" if row.token else "Enter its private integration token."
    if row.token and row.needs_reauth_since:
        reason = "The CRM refuses the token: enter a new one."
    yield _check(f"token/{row.key}", f"{row.key}: token", reason, row)
    yield _check(f"fields/{row.key}", f"{row.key}: custom fields", _fields(setup, row), row)
    yield _check(f"stages/{row.key}", f"{row.key}: stages", _stages(setup, row), row)
    yield _workflows(setup, row)


def _fields(setup: _SetUp, row: SubAccount) -> str:
    if row.fields_fetched_at is None:
        return "The CRM's fields have not been read yet: provision them."
    missing: set[str] = set()
    wrong: set[str] = set()
    for _, manifest in setup.known:
        plan = plan_fields(manifest, setup.fields.get(row.pk, []), dual_pipeline=setup.practice.has_surgery)
        missing |= {field.name for field in plan.missing}
        wrong |= {field.words for field in plan.fields if field.state is FieldState.WRONG_TYPE}
    absent = [f"Missing: {', '.join(sorted(missing))}. Provision them."] if missing else []
    return " ".join([*absent, *sorted(wrong)])


def stages_needed(setup: _SetUp) -> set[tuple[str, str]]:
    """(pipeline, stage) that this practice's connections can move a contact to."""
    kinds = {PipelineKind.NON_SURGICAL}
    if any(setup.is_dual(manifest) for _, manifest in setup.known):
        kinds.add(PipelineKind.SURGICAL)
    needed = {(kind.value, name) for kind in kinds for name in STAGE_NAMES[kind]}
    if any(row.switches.get("separate_consult_stages") for row, _ in setup.known):
        needed |= {(PipelineKind.NON_SURGICAL.value, name) for name in CONSULT_STAGES}
    return needed


def _stages(setup: _SetUp, row: SubAccount) -> str:
    if row.pipeline_logic == PipelineLogic.CRM_WORKFLOW:
        return ""
    missing = sorted(stages_needed(setup) - setup.stages.get(row.pk, set()))
    names = [f"{PipelineKind(kind).label} {name}" for kind, name in missing]
    return f"Map {', '.join(names)}." if names else ""


def _workflows(setup: _SetUp, row: SubAccount) -> Check:
    """An unmapped workflow may be meant so, unless the CRM's own workflow does the rest of the work."""
    mapped = setup.workflows.get(row.pk, set())
    names = [name for _, manifest in setup.known for name in manifest.workflows]
    missing = [name for name in dict.fromkeys(names) if name not in mapped]
    leaves_it = row.pipeline_logic == PipelineLogic.CRM_WORKFLOW
    vital = [
        m.appointment_workflow for _, m in setup.known if leaves_it and m.appointment_workflow not in mapped
    ]
    name, label = f"workflows/{row.key}", f"{row.key}: workflows"
    if vital:
        return _check(name, label, f"Map {', '.join(dict.fromkeys(vital))}: it moves the pipeline here.", row)
    reason = f"Not mapped, so nobody is enrolled: {', '.join(missing)}." if missing else ""
    return _check(name, label, reason, row, otherwise=State.MANUAL)


def _traffic(setup: _SetUp, row: Connection, manifest: Manifest) -> Iterator[Check]:
    if setup.is_dual(manifest):
        known, not_confirmed = setup.types.get(row.key, (0, 0))
        reason = f"{not_confirmed} of {known} are not confirmed yet." if not_confirmed else ""
        reason = reason if known else "No appointment types are known yet."
        yield _check(f"types/{row.key}", f"{row.key}: appointment types confirmed", reason, row)
    seen = getattr(row, "has_events", False)
    reason = "" if seen else f"Nothing has arrived from {manifest.name} yet: send a test event."
    yield _check(f"test_event/{row.key}", f"{row.key}: test event seen", reason, row)
