"""Which opportunity of a contact is ours, and the bodies to make or move one. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from integrations.contract.errors import ConfigError
from integrations.crm.calls import OpportunityValues

_STATUS_ORDER = {"open": 0, "won": 1, "lost": 2, "abandoned": 2}


def belongs(opportunity: Mapping[str, Any], pipeline_id: str) -> bool:
    """Whether the opportunity is in this pipeline."""
    return opportunity.get("pipelineId") == pipeline_id


def pick(opportunities: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of one pipeline's opportunities the newest open one, else the newest won, else the newest lost or
    abandoned (which a new booking opens again); None when there is none."""
    known = [item for item in opportunities if item.get("status") in _STATUS_ORDER and item.get("id")]
    return min(known, key=_rank, default=None)


def _rank(opportunity: Mapping[str, Any]) -> tuple[int, float, str]:
    created = opportunity.get("createdAt") or opportunity.get("dateAdded")
    return _STATUS_ORDER[opportunity["status"]], -_seconds(created), str(opportunity["id"])


def _seconds(value: Any) -> float:
    if isinstance(value, int | float):
        return value / 1000
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def opportunity_name(contact: Mapping[str, Any]) -> str:
    """The contact's full name, else e-mail, else phone: the CRM refuses an empty name."""
    full = " ".join(f"{contact.get('firstName') or ''} {contact.get('lastName') or ''}".split())
    named = (
        full,
        contact.get("contactName"),
        contact.get("name"),
        contact.get("email"),
        contact.get("phone"),
    )
    return next((str(name).strip() for name in named if name and str(name).strip()), "New contact")


def create_values(
    contact: Mapping[str, Any], pipeline_id: str, stage_id: str, status: str, value: Decimal | None = None
) -> OpportunityValues:
    """For ``create_opportunity``; ``contact`` needs its ``id``. ``value`` in currency units, None leaves it
    out."""
    values: OpportunityValues = {
        "contactId": str(contact["id"]),
        "pipelineId": pipeline_id,
        "pipelineStageId": stage_id,
        "name": opportunity_name(contact),
        "status": status,
    }
    if value is not None:
        values["monetaryValue"] = value
    return values


def update_values(
    pipeline_id: str, stage_id: str, status: str, value: Decimal | None = None
) -> OpportunityValues:
    """For ``update_opportunity``: stage and status always (a person may have moved the card), value when
    given.

    The pipeline goes along because a stage id means nothing outside its pipeline.
    """
    values: OpportunityValues = {"pipelineId": pipeline_id, "pipelineStageId": stage_id, "status": status}
    if value is not None:
        values["monetaryValue"] = value
    return values


def adopted(existing: Mapping[str, Any], pipeline_id: str) -> Mapping[str, Any]:
    """The opportunity that stood in the way of a new one, when it is in the wanted pipeline.

    Raises ConfigError when it is in another: taking it over would pull it out of that pipeline.
    """
    if belongs(existing, pipeline_id):
        return existing
    raise ConfigError(
        "The contact already has an opportunity in another pipeline, and the CRM allows only one: "
        "allow duplicate opportunities in this sub-account."
    )
