"""A practice's set-up as one frozen snapshot per worker, read again when ``config_version`` has changed."""

import threading
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from categorization.categories import Category, name_key
from categorization.models import AppointmentType
from integrations.contract.manifest import Manifest
from integrations.contract.records import LocationRef
from integrations.crm.fields import field_key
from integrations.emrs import Emr, emr_for
from integrations.models import (
    Connection,
    ConnectionState,
    CustomField,
    PipelineLogic,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync.incidents import unkept_fields
from tenants.models import Location, Practice, PracticeState


@dataclass(frozen=True, slots=True)
class PipelineProfile:
    """CRM pipeline id, and our stage name → CRM stage id."""

    crm_id: str
    stages: dict[str, str]

    def stage_named(self, stage_id: str) -> str:
        """Our name of a CRM stage, "" for one that is not mapped."""
        return next((name for name, crm_id in self.stages.items() if crm_id == stage_id), "")


@dataclass(frozen=True)
class SubAccountProfile:
    """A sub-account: where it is, what is mapped in it. ``fields``: case-folded name → (CRM id, data type)."""

    id: int
    key: str
    is_default: bool
    crm_subaccount_id: str
    token: str
    logic: str
    pipelines: dict[PipelineKind, PipelineProfile]
    workflows: dict[str, str]
    fields: dict[str, tuple[str, str]]
    refuses_birth_date: bool
    unkept_fields: frozenset[str] = frozenset()  # CRM ids of fields that an open incident is about

    @property
    def moves_pipeline(self) -> bool:
        return self.logic == PipelineLogic.AX_CONNECT

    @cached_property
    def field_names(self) -> frozenset[str]:
        return frozenset(self.fields)


@dataclass(frozen=True)
class ConnectionProfile:
    """A connection with its switches completed from the manifest's defaults."""

    id: int
    key: str
    emr: Emr
    base_url: str
    credentials: dict[str, Any]
    switches: dict[str, Any]
    workflow_names: dict[str, str]
    field_paths: dict[str, list[str]]
    is_paused: bool

    @property
    def manifest(self) -> Manifest:
        return self.emr.manifest


@dataclass(frozen=True, slots=True)
class LocationProfile:
    id: int
    external_id: str
    name: str
    zone: tzinfo
    sub_account_id: int | None


@dataclass(frozen=True, slots=True)
class CategoryProfile:
    """The confirmed category of a type and the words that say who confirmed it."""

    category: Category
    words: str


@dataclass(frozen=True)
class PracticeProfile:
    """Everything that decisions need to know of a practice's set-up."""

    id: int
    slug: str
    version: int
    has_surgery: bool
    country: str
    zone: tzinfo
    is_live: bool
    is_paused: bool
    connections: dict[int, ConnectionProfile]
    sub_accounts: dict[int, SubAccountProfile]
    locations: dict[str, LocationProfile]
    categories: dict[tuple[str, str, str], CategoryProfile]
    types: frozenset[tuple[str, str, str]] = frozenset()  # every type that is known, confirmed or not

    @cached_property
    def default_sub_account(self) -> SubAccountProfile | None:
        return next((account for account in self.sub_accounts.values() if account.is_default), None)

    def credentials_of(self, side: type[Connection] | type[SubAccount], pk: int) -> Any:
        """What is used to sign in to a connection's EMR, or the token of a sub-account; None where there is none."""
        if side is Connection:
            return found.credentials if (found := self.connections.get(pk)) else None
        return account.token if (account := self.sub_accounts.get(pk)) else None

    def zone_of(self, location_id: str) -> tzinfo:
        """The time zone in which a date at that location is meant."""
        location = self.locations.get(location_id)
        return location.zone if location else self.zone

    def location(self, ref: LocationRef) -> LocationProfile | None:
        """The location that a record names, by its EMR id, else by its name."""
        if ref.external_id in self.locations:
            return self.locations[ref.external_id]
        wanted = name_key(ref.name)
        return next((row for row in self.locations.values() if wanted and name_key(row.name) == wanted), None)

    def sub_account_for(self, location: LocationProfile | None) -> SubAccountProfile | None:
        """The sub-account that a location's events go to, else the default one, else None."""
        if location is not None and location.sub_account_id is not None:
            return self.sub_accounts[location.sub_account_id]
        return self.default_sub_account


def load_profile(practice_id: int) -> PracticeProfile:
    """Read a practice's set-up from the database in a fixed number of queries."""
    practice = Practice.objects.across_practices().get(pk=practice_id)
    zone = zoneinfo.ZoneInfo(practice.time_zone)
    connections = {
        row.pk: _connection(row, practice.kind) for row in Connection.objects.for_practice(practice)
    }
    manifests = [connection.manifest for connection in connections.values()]
    types = list(_types(practice))
    return PracticeProfile(
        id=practice.pk,
        slug=practice.slug,
        version=practice.config_version,
        has_surgery=practice.has_surgery,
        country=practice.country,
        zone=zone,
        is_live=practice.state != PracticeState.ONBOARDING,
        is_paused=practice.state == PracticeState.PAUSED,
        connections=connections,
        sub_accounts=_sub_accounts(practice, manifests),
        locations={row.external_id: row for row in _locations(practice, zone)},
        categories=dict(_categories(types)),
        types=frozenset(key for row in types for key in _keys(row)),
    )


def _connection(row: Connection, practice_kind: str) -> ConnectionProfile:
    emr = emr_for(row.emr)
    return ConnectionProfile(
        id=row.pk,
        key=row.key,
        emr=emr,
        base_url=row.base_url or emr.manifest.default_base_url,
        credentials=row.credentials or {},
        switches=emr.manifest.switch_defaults(practice_kind) | row.switches,
        workflow_names=row.workflow_names,
        field_paths=row.field_paths,
        is_paused=row.state == ConnectionState.PAUSED,
    )


def _add_aliases(fields: dict[str, tuple[str, str]], manifests: Iterable[Manifest]) -> None:
    """A field that stands in the CRM under another of its names is found by its own."""
    for declared in (field for manifest in manifests for field in manifest.fields):
        for alias in declared.aliases:
            if field_key(alias) in fields:
                fields.setdefault(field_key(declared.name), fields[field_key(alias)])


def _sub_accounts(practice: Practice, manifests: Iterable[Manifest]) -> dict[int, SubAccountProfile]:
    stages: dict[int, dict[PipelineKind, PipelineProfile]] = {}
    for stage in Stage.objects.for_practice(practice).select_related("pipeline"):
        kinds = stages.setdefault(stage.pipeline.sub_account_id, {})
        kind = PipelineKind(stage.pipeline.kind)
        kinds.setdefault(kind, PipelineProfile(stage.pipeline.crm_id, {})).stages[stage.name] = stage.crm_id
    workflows: dict[int, dict[str, str]] = {}
    for workflow in WorkflowMapping.objects.for_practice(practice):
        workflows.setdefault(workflow.sub_account_id, {})[workflow.name] = workflow.crm_id
    fields: dict[int, dict[str, tuple[str, str]]] = {}
    for field in CustomField.objects.for_practice(practice):
        fields.setdefault(field.sub_account_id, {})[field_key(field.name)] = (field.crm_id, field.data_type)
    for known in fields.values():
        _add_aliases(known, manifests)
    unkept = unkept_fields(practice)
    return {
        row.pk: SubAccountProfile(
            id=row.pk,
            key=row.key,
            is_default=row.is_default,
            crm_subaccount_id=row.crm_subaccount_id,
            token=row.token,
            logic=row.pipeline_logic,
            pipelines=stages.get(row.pk, {}),
            workflows=workflows.get(row.pk, {}),
            fields=fields.get(row.pk, {}),
            refuses_birth_date=row.refuses_birth_date,
            unkept_fields=unkept.get(row.pk, frozenset()),
        )
        for row in SubAccount.objects.for_practice(practice)
    }


def _locations(practice: Practice, zone: tzinfo) -> Iterable[LocationProfile]:
    for row in Location.objects.for_practice(practice).select_related("route"):
        route = getattr(row, "route", None)
        yield LocationProfile(
            id=row.pk,
            external_id=row.external_id,
            name=row.name,
            zone=zoneinfo.ZoneInfo(row.time_zone) if row.time_zone else zone,
            sub_account_id=route.sub_account_id if route else None,
        )


def _types(practice: Practice) -> Iterable[AppointmentType]:
    return AppointmentType.objects.for_practice(practice).select_related("confirmed_by")


def _keys(row: AppointmentType) -> list[tuple[str, str, str]]:
    """The names by which visits know a type: those it had before, then its own."""
    former = [(row.connection_key, name, purpose) for name, purpose in row.former_keys]
    return [*former, row.key]


def _categories(types: list[AppointmentType]) -> Iterable[tuple[tuple[str, str, str], CategoryProfile]]:
    """Confirmed categories by type. What a type is called now counts before what another one was called once."""
    confirmed = [row for row in types if row.is_confirmed]
    for row in confirmed:
        yield from ((key, category_profile(row)) for key in _keys(row)[:-1])
    yield from ((row.key, category_profile(row)) for row in confirmed)


def category_profile(row: AppointmentType) -> CategoryProfile:
    """A confirmed type's category, and the words that say who confirmed it."""
    who = str(row.confirmed_by) if row.confirmed_by else row.get_confirmed_via_display() or "the practice"
    return CategoryProfile(Category(row.category), f"confirmed by {who} on {_date(row.confirmed_at)}")


def _date(at: datetime | None) -> str:
    return f"{at.month}/{at.day}/{at.year}" if at else "an unknown date"


_profiles: dict[int, PracticeProfile] = {}
_lock = threading.Lock()


def profiles(practice_ids: Iterable[int]) -> dict[int, PracticeProfile]:
    """Current snapshots by practice id: one query to see which are stale, then only those are read again."""
    wanted = set(practice_ids)
    rows = Practice.objects.across_practices().filter(pk__in=wanted).values_list("pk", "config_version")
    found: dict[int, PracticeProfile] = {}
    for practice_id, version in rows:
        known = _profiles.get(practice_id)
        if known is None or known.version != version:
            known = load_profile(practice_id)
            with _lock:
                _profiles[practice_id] = known
        found[practice_id] = known
    return found
