"""`--provision`: makes the custom fields that the connections need, before anything is written here."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from integrations import emrs
from integrations.contract.errors import ContractError, RateLimited
from integrations.contract.manifest import Manifest
from integrations.crm.client import CrmClient
from integrations.crm.provisioning import FieldPlan, FieldState, plan_fields, provision_fields
from integrations.models import SubAccount
from integrations.practice_file.parts import MASK, PracticeFile, SubAccountPart
from integrations.practice_file.problems import PracticeFileError
from integrations.practice_file.stored import Stored
from integrations.sync.crm_access import client_for
from integrations.sync.crm_mirror import Listing, fetch_listing
from tenants.models import PracticeKind

T = TypeVar("T")
# The CRM's window is ten seconds; a budget that stays spent for this long is spent for the day.
_LONGEST_WAIT_SECONDS = 120.0


@dataclass
class Provisioning:
    """Makes fields (``dry_run``: only says which) and keeps sentences about them in ``notes``."""

    dry_run: bool = False
    notes: list[str] = field(default_factory=list)

    def __call__(self, file: PracticeFile, stored: Stored) -> dict[str, Listing]:
        """What the CRM lists now, by sub-account key. Running it again makes nothing twice.

        Raises PracticeFileError when a sub-account cannot be provisioned.
        """
        found: dict[str, Listing] = {}
        for part in file.sub_accounts:
            try:
                client = client_for(_as_it_will_be(part, stored))
                found |= {part.key: self._provision(client, part, file, stored)}
            except ContractError as error:
                words = f" ({error.vendor_words})" if error.vendor_words else ""
                raise PracticeFileError([f"{part.path}: {error}{words}"]) from None
        return found

    def _provision(
        self, client: CrmClient, part: SubAccountPart, file: PracticeFile, stored: Stored
    ) -> Listing:
        clinics = {*stored.locations, *(one.external_id for one in file.locations or ())}
        kind = {
            "dual_pipeline": file.practice.values["kind"] != PracticeKind.MED_SPA,
            "several_locations": len(clinics) > 1,
        }
        for manifest in _manifests(file, stored):
            if self.dry_run:
                plan = plan_fields(manifest, _patiently(client.list_custom_fields), **kind)
            else:
                plan, _ = _patiently(lambda m=manifest: provision_fields(client, m, **kind))  # type: ignore[misc]
            self.notes += _told(part.key, plan)
        listing = _patiently(lambda: fetch_listing(client))
        self.notes += _unknown_stages(part, listing)
        return listing


def _as_it_will_be(part: SubAccountPart, stored: Stored) -> SubAccount:
    """The sub-account that the import is going to make, not saved."""
    row = stored.sub_accounts.get(part.key)
    token = part.values.get("token", MASK)
    token = (row.token if row else "") if token == MASK else token
    return SubAccount(key=part.key, crm_subaccount_id=part.values["crm_subaccount_id"], token=token)


def _manifests(file: PracticeFile, stored: Stored) -> list[Manifest]:
    wanted = {key: row.emr for key, row in stored.connections.items()} | {
        p.key: p.emr for p in file.connections
    }
    found = emrs.registry()
    return [found[slug].manifest for slug in sorted(set(wanted.values())) if slug in found]


def _patiently(do: Callable[[], T]) -> T:
    """``do``, again after each pause that the CRM asks for."""
    give_up_at = time.monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        try:
            return do()
        except RateLimited as error:
            if time.monotonic() + error.retry_after > give_up_at:
                raise
            time.sleep(error.retry_after)


def _told(key: str, plan: FieldPlan) -> Iterator[str]:
    words = {FieldState.CREATED: "was made", FieldState.MISSING: "would be made"}
    for report in plan.fields:
        if report.state in words:
            yield f'sub-account {key}, field "{report.name}": {words[report.state]}'
        elif report.words:
            yield f"sub-account {key}: {report.words}"
    if plan.words:
        yield f"sub-account {key}: {plan.words}"


def _unknown_stages(part: SubAccountPart, listing: Listing) -> Iterator[str]:
    pipelines, stages = listing.pipeline_names(), listing.stage_names()
    for pipeline in part.pipelines or []:
        if pipeline.crm_id not in pipelines:
            yield f'{pipeline.path}.id: the CRM has no pipeline "{pipeline.crm_id}" in this sub-account'
            continue
        for name, crm_id in (pipeline.stages or {}).items():
            if (pipeline.crm_id, crm_id) not in stages:
                yield f'{pipeline.path}.stages."{name}": the CRM has no stage "{crm_id}" in this pipeline'
