"""Asking the CRM while a sub-account is set up: fields, pipelines, stages, workflows."""

from collections.abc import Sequence
from typing import Any

from integrations.admin.mapping_form import (
    CrmListing,
    pipeline_field,
    stage_field,
    workflow_field,
    workflow_names,
)
from integrations.contract.manifest import Manifest
from integrations.crm.provisioning import FieldPlan, FieldState, propose_stages, propose_workflows
from integrations.models import CustomField, SubAccount
from integrations.sync.crm_access import client_for
from integrations.sync.crm_mirror import Listing, fetch_listing, store_listing
from integrations.sync.provision import plans_of

Json = dict[str, Any]


def field_plans(account: SubAccount) -> list[Json]:
    """What each EMR needs and the CRM has, as JSON for the page. Raises what the CRM client raises."""
    listing = fetch_listing(client_for(account))
    store_listing(account, listing)
    return _plans(account, listing.fields)


def stored_plans(account: SubAccount) -> list[Json]:
    """The same from our copy of the CRM's list, without asking. Pick lists are not known for their options then."""
    rows = CustomField.objects.for_practice(account.practice_id).filter(sub_account=account)
    return _plans(account, [_as_listed(row) for row in rows])


def _as_listed(row: CustomField) -> Json:
    """A field of our copy in the CRM's own words."""
    return {"id": row.crm_id, "name": row.name, "dataType": row.data_type, "parentId": row.folder_id}


def _plans(account: SubAccount, listed: Sequence[Json]) -> list[Json]:
    return [_as_json(manifest, plan) for manifest, plan in plans_of(account, listed)]


def _as_json(manifest: Manifest, plan: FieldPlan) -> Json:
    def names(*states: FieldState) -> list[str]:
        return [item.name for item in plan.fields if item.state in states]

    return {
        "emr": manifest.name,
        "words": plan.words,
        "there": names(FieldState.EXISTS),
        "missing": names(FieldState.MISSING),
        "wrong": [item.words for item in plan.fields if item.state is FieldState.WRONG_TYPE],
    }


def propose(account: SubAccount) -> CrmListing:
    """Pipelines, stages and workflows of the CRM, and which of them seem meant. Raises what the client raises."""
    client = client_for(account)
    pipelines, workflows = client.pipelines(), client.workflows()
    listing = Listing((), pipelines)
    return CrmListing(
        pipelines=listing.pipeline_names(),
        stages=[(pipeline, stage, name) for (pipeline, stage), name in listing.stage_names().items()],
        workflows={str(row["id"]): str(row.get("name") or row["id"]) for row in workflows if row.get("id")},
        proposed={**_stages(pipelines), **_workflows(account, workflows)},
    )


def _stages(pipelines: Sequence[Json]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, stages in propose_stages(pipelines).items():
        for name, proposal in stages.items():
            found[pipeline_field(kind)] = proposal.pipeline_id
            found[stage_field(kind, name)] = proposal.stage_id
    return found


def _workflows(account: SubAccount, workflows: Sequence[Json]) -> dict[str, str]:
    proposals = propose_workflows(workflows, workflow_names(account.practice))
    return {workflow_field(name): proposal.workflow_id for name, proposal in proposals.items()}
