"""The contact's opportunity in a pipeline: found or made, one each, with stage, status and value."""

from decimal import Decimal
from typing import Any

from django.utils import timezone

from integrations.contract.errors import ConfigError, NotFoundError
from integrations.crm.answers import DuplicateOpportunity
from integrations.crm.calls import OpportunityValues
from integrations.crm.client import Json
from integrations.crm.opportunities import adopted, opportunity_name, pick
from integrations.models import Contact, Effect, Opportunity
from integrations.models.subaccounts import PipelineKind
from integrations.sync.decide import OPEN, PATIENT, WON
from integrations.sync.recipient import Recipient

Body = dict[str, Any]


def write_opportunity(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Find or make the contact's opportunity in the pipeline, and write stage, status and value."""
    body = effect.body
    kind = PipelineKind(body["pipeline"])
    contact = to.known_contact()
    row = to.opportunities().get(kind)
    if row is not None:
        try:
            return _put(to, row, body)
        except NotFoundError:
            to.opportunities().pop(kind).delete()
    return _find_or_create(to, contact, kind, body)


def _find_or_create(to: Recipient, contact: Contact, kind: PipelineKind, body: Body) -> dict[str, Any]:
    stage = body["stage"] or body["stage_if_new"]
    # A value that makes no opportunity needs no stage: the surgical pipeline has none called Patient.
    names_stage = body["stage"] or body["may_create"]
    pipeline_id, stage_id = _stage(to, kind, stage) if names_stage else (_pipeline(to, kind), "")
    found: list[Json] = []
    if not to.contact_is_new:
        found = to.client.search_opportunities(contact.crm_id, pipeline_id)
    chosen = pick(found)
    if chosen is None and not body["may_create"]:
        return {"skipped": "There is no opportunity in this pipeline to write the value to."}
    if chosen is None:
        try:
            made = to.client.create_opportunity(_new(to, contact, pipeline_id, stage_id, body))
            _keep(to, contact, kind, made, body)
            return {"opportunity": made["id"], "created": True, "stage": stage}
        except DuplicateOpportunity as error:
            chosen = adopted(to.client.get_opportunity(error.existing_id), pipeline_id)
    row = _keep(to, contact, kind, chosen, body)
    return _put(to, row, body)


def _new(to: Recipient, contact: Contact, pipeline_id: str, stage_id: str, body: Body) -> Any:
    names = {
        "firstName": to.person.first_name,
        "lastName": to.person.last_name,
        "email": to.person.email,
        "phone": to.person.phone,
    }
    values: dict[str, Any] = {
        "contactId": contact.crm_id,
        "pipelineId": pipeline_id,
        "pipelineStageId": stage_id,
        "name": opportunity_name(names),
        "status": WON if _is_patient(to, contact, body) else body["status_of_lead"] or OPEN,
    }
    return values | _value(contact, body)


def _put(to: Recipient, row: Opportunity, body: Body) -> dict[str, Any]:
    kind = PipelineKind(row.pipeline)
    contact = to.known_contact()
    values: OpportunityValues = _value(contact, body)
    if body["stage"]:
        pipeline_id, stage_id = _stage(to, kind, body["stage"])
        values |= {"pipelineId": pipeline_id, "pipelineStageId": stage_id}
    status = WON if _is_patient(to, contact, body) else body["status_of_lead"]
    if status:
        values["status"] = status
    if not values:
        return {"skipped": "Stage, status and value stay as they are."}
    echo = to.client.update_opportunity(row.crm_id, values)
    _keep(to, contact, kind, echo or {"id": row.crm_id} | values, body)
    return {"opportunity": row.crm_id, "stage": body["stage"] or "", "status": status or ""}


def _value(contact: Contact, body: Body) -> OpportunityValues:
    if not body["with_value"] or contact.lifetime_value is None:
        return {}
    return {"monetaryValue": contact.lifetime_value}


def _is_patient(to: Recipient, contact: Contact, body: Body) -> bool:
    """Patient: a visit completed, or the CRM says so; without its word, a won opportunity says so."""
    if body["makes_patient"] or contact.contact_type.casefold() == PATIENT.casefold():
        return True
    if contact.contact_type:
        return False
    return any(row.status == WON for row in to.opportunities().values())


def _pipeline(to: Recipient, kind: PipelineKind) -> str:
    """The CRM's id of a pipeline. Raises ConfigError where it is not mapped."""
    pipeline = to.account.pipelines.get(kind)
    if pipeline is None:
        raise ConfigError(f"Map the {kind.label.lower()} pipeline in sub-account {to.account.key}.")
    return pipeline.crm_id


def _stage(to: Recipient, kind: PipelineKind, name: str) -> tuple[str, str]:
    """The CRM's ids of a pipeline and its stage. Raises ConfigError where it is not mapped."""
    pipeline = to.account.pipelines.get(kind)
    stage_id = pipeline.stages.get(name) if pipeline else None
    if pipeline is None or not stage_id:
        raise ConfigError(
            f'Map the stage "{name}" of the {kind.label.lower()} pipeline in sub-account {to.account.key}.'
        )
    return pipeline.crm_id, stage_id


def _keep(to: Recipient, contact: Contact, kind: PipelineKind, found: Any, body: Body) -> Opportunity:
    """Our copy of the opportunity, as the CRM says it is."""
    known = _told(to, kind, found)
    if body["why"]:  # what writes the value only says nothing of the stage
        known["why"] = str(body["why"])[:500]
    row = to.opportunities().get(kind)
    if row is None:
        rows = Opportunity.objects.across_practices()
        row, _ = rows.update_or_create(contact=contact, pipeline=kind, defaults=known)
        to.opportunities()[kind] = row
    elif any(getattr(row, name) != value for name, value in known.items()):
        for name, value in known.items():
            setattr(row, name, value)
        changes = known | {"updated_at": timezone.now()}
        Opportunity.objects.across_practices().filter(pk=row.pk).update(**changes)
    return row


def _told(to: Recipient, kind: PipelineKind, found: Any) -> dict[str, Any]:
    """What an answer says of the opportunity; what it leaves out stays as it is known."""
    told: dict[str, Any] = {"crm_id": found["id"]}
    pipeline = to.account.pipelines.get(kind)
    if found.get("pipelineStageId"):
        told["stage"] = pipeline.stage_named(str(found["pipelineStageId"])) if pipeline else ""
    if found.get("status"):
        told["status"] = found["status"]
    value = found.get("monetaryValue")
    if value is not None:
        told["monetary_value"] = Decimal(str(value)).quantize(Decimal("0.01"))
    return told
