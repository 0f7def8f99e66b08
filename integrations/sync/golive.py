"""The go-live checklist of a practice as data: what is green, what is red and why, what a person looks at.

A practice is ready when nothing is red. The number of queries does not depend on the size of the practice.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from django.db.models import Count, Max, Model, OuterRef, Q, Subquery
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
    """One item. ``reason`` is what to do ("" when green), ``link`` a page of the staff application or "".

    ``proof`` says why a green item is green ("" where there is no more to say), ``by`` whose word it is and ``at``
    when that was (ISO 8601); either may be "".
    """

    name: str
    label: str
    state: State
    reason: str = ""
    link: str = ""
    proof: str = ""
    by: str = ""
    at: str = ""

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
    confirmed, last confirmed at) by connection key."""

    practice: Practice
    connections: list[Connection]
    sub_accounts: list[SubAccount]
    locations: list[Location]
    fields: dict[int, list[dict[str, Any]]]
    stages: dict[int, set[tuple[str, str]]]
    workflows: dict[int, set[str]]
    types: dict[str, tuple[int, int, datetime | None]]

    @classmethod
    def of(cls, practice: Practice) -> Self:
        events = InboundEvent.objects.for_practice(practice).filter(connection=OuterRef("pk"))
        newest = Subquery(events.order_by("-received_at").values("received_at")[:1])
        setup = cls(
            practice=practice,
            connections=list(Connection.objects.for_practice(practice).annotate(last_event_at=newest)),
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


def _types(practice: Practice) -> dict[str, tuple[int, int, datetime | None]]:
    open_types = Count("pk", filter=Q(category="") | Q(confirmed_at=None))
    rows = AppointmentType.objects.for_practice(practice).order_by().values("connection_key")
    return {
        row["connection_key"]: (row["all"], row["open"], row["last"])
        for row in rows.annotate(all=Count("pk"), open=open_types, last=Max("confirmed_at"))
    }


def _link(row: Model) -> str:
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def _check(
    name: str,
    label: str,
    reason: str,
    row: Model,
    *,
    otherwise: State = State.RED,
    proof: str = "",
    by: str = "",
    at: datetime | str | None = None,
) -> Check:
    """Green without a reason, else red (or ``otherwise``) with it; the proof counts for green only."""
    if reason:
        return Check(name, label, otherwise, reason, _link(row))
    moment = at.isoformat() if isinstance(at, datetime) else at or ""
    return Check(name, label, State.GREEN, "", _link(row), proof, by, moment)


def _tick(row: Connection, name: str) -> tuple[str, str]:
    """(who ticked an item, when); ("", "") where nobody did."""
    tick = (row.ticks or {}).get(name)
    return (str(tick.get("by", "")), str(tick.get("at", ""))) if isinstance(tick, dict) else ("", "")


def _connections(setup: _SetUp) -> Iterator[Check]:
    if not setup.connections:
        yield _check("connections", "A connection to the EMR", "Add a connection.", setup.practice)
    for row in setup.connections:
        if row.emr not in emrs.registry():
            yield _check(f"emr/{row.key}", f"{row.key}: EMR", f'There is no EMR "{row.emr}" here.', row)
    for row, manifest in setup.known:
        by, at = _tick(row, TESTED)
        reason, proof = _credentials(row, manifest), "Tested" if at else "None are needed"
        label = f"{_called(setup, row)}: credentials"
        yield _check(f"credentials/{row.key}", label, reason, row, proof=proof, by=by, at=at)
        for item in manifest.checklist:
            reason = "" if (row.ticks or {}).get(item.name) else f"Tick it when it is done. {item.help}"
            name, (by, at) = f"prerequisite/{row.key}/{item.name}", _tick(row, item.name)
            label = f"{_called(setup, row)}: {item.label}"
            yield _check(name, label, reason, row, proof="Ticked", by=by, at=at)


def _called(setup: _SetUp, row: Connection) -> str:
    """A connection by its EMR's name, and by its key too where the practice has several of one EMR."""
    name = emrs.registry()[row.emr].manifest.name
    several = sum(other.emr == row.emr for other in setup.connections) > 1
    return f"{name} ({row.key})" if several else name


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
    elif default := next((row for row in setup.sub_accounts if row.is_default), None):
        mapped = sum(getattr(row, "route", None) is not None for row in setup.locations)
        yield _check(
            "destination",
            label,
            "",
            setup.practice,
            proof=_destination_proof(mapped, len(setup.locations), default.key),
        )
    else:
        unmapped = [row.name for row in setup.locations if getattr(row, "route", None) is None]
        reason = f"Map {', '.join(unmapped)}, or make one sub-account the default." if unmapped else ""
        if not setup.locations:
            reason = "Make one sub-account the default, or add locations and map them."
        yield _check("destination", label, reason, setup.practice)


def _destination_proof(mapped: int, known: int, default: str) -> str:
    if not mapped:
        return f"Everything goes to {default}"
    if mapped < known:
        return f"{mapped} of {known} locations {'is' if mapped == 1 else 'are'} mapped, the rest goes to {default}"
    whole = "The location is" if known == 1 else f"All {known} locations are"
    return f"{whole} mapped, what is new goes to {default}"


def _sub_account(setup: _SetUp, row: SubAccount) -> Iterator[Check]:
    reason = "" if row.token else "Enter its private integration token."
    if row.token and row.needs_reauth_since:
        reason = "The CRM refuses the token: enter a new one."
    read = row.fields_fetched_at
    proof = "The CRM answered with it" if read else "Entered"
    yield _check(f"token/{row.key}", f"{row.key}: token", reason, row, proof=proof, at=read)
    listed, mapped = len(setup.fields.get(row.pk, ())), len(setup.stages.get(row.pk, ()))
    proof = f"All that are needed are among the {listed} in the CRM"
    yield _check(
        f"fields/{row.key}", f"{row.key}: custom fields", _fields(setup, row), row, proof=proof, at=read
    )
    leaves_it = row.pipeline_logic == PipelineLogic.CRM_WORKFLOW
    proof = (
        "The CRM's own workflow moves the pipeline"
        if leaves_it
        else f"{mapped} stage{'s are' if mapped != 1 else ' is'} mapped"
    )
    yield _check(f"stages/{row.key}", f"{row.key}: stages", _stages(setup, row), row, proof=proof)
    yield _workflows(setup, row)


def _fields(setup: _SetUp, row: SubAccount) -> str:
    if row.fields_fetched_at is None:
        return "The CRM's fields have not been read yet: provision them."
    missing: set[str] = set()
    wrong: set[str] = set()
    for _, manifest in setup.known:
        plan = plan_fields(
            manifest,
            setup.fields.get(row.pk, []),
            dual_pipeline=setup.practice.has_surgery,
            several_locations=len(setup.locations) > 1,
        )
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
    return _check(
        name,
        label,
        reason,
        row,
        otherwise=State.MANUAL,
        proof=f"{len(mapped)} {'is' if len(mapped) == 1 else 'are'} mapped",
    )


def _traffic(setup: _SetUp, row: Connection, manifest: Manifest) -> Iterator[Check]:
    if setup.is_dual(manifest):
        known, not_confirmed, last = setup.types.get(row.key, (0, 0, None))
        reason = (
            f"{not_confirmed} of {known} {'is' if not_confirmed == 1 else 'are'} not confirmed yet."
            if not_confirmed
            else ""
        )
        reason = reason if known else "No appointment types are known yet."
        proof = f"All {known} are confirmed, the last one" if known > 1 else "The one there is is confirmed"
        label = f"{_called(setup, row)}: appointment types confirmed"
        yield _check(f"types/{row.key}", label, reason, row, proof=proof, at=last)
    seen = getattr(row, "last_event_at", None)
    reason = "" if seen else f"Nothing has arrived from {manifest.name} yet: send a test event."
    name, label = f"test_event/{row.key}", f"{_called(setup, row)}: test event seen"
    yield _check(name, label, reason, row, proof="The newest event arrived", at=seen)
