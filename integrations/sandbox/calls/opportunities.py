"""Opportunities: pipelines, search, create, read, update, status, delete."""

from typing import Any
from urllib.parse import urlencode

from .. import shapes
from ..records import Record, epoch_ms, full_name, new_id, now_iso, words
from ..state import State
from ..wire import ApiError, bad_request, unprocessable
from .call import ACCEPTED, Call, CrmRoute, Reply, whole

MAX_LIMIT, DEFAULT_LIMIT, MAX_QUERY = 100, 20, 75
_STATUSES = ("open", "won", "lost", "abandoned", "all")
_EXACT = {
    "contact_id": "contactId",
    "pipeline_id": "pipelineId",
    "pipeline_stage_id": "pipelineStageId",
    "assigned_to": "assignedTo",
    "id": "id",
}
_SEARCH_NAMES = frozenset(
    words(
        "q location_id pipeline_id pipeline_stage_id contact_id status assigned_to campaignId "
        "id order endDate startAfter startAfterId date country page limit getTasks getNotes "
        "getCalendarEvents"
    )
)


def view(opportunity: Record) -> Record:
    """Return an opportunity as the CRM shows it: custom fields are `[{id, fieldValue}]`."""
    fields = [{"id": key, "fieldValue": value} for key, value in opportunity["customFields"].items()]
    return {**opportunity, "customFields": fields}


def card(opportunity: Record) -> Record:
    """Return what a board shows of an opportunity."""
    return {
        "opportunity_id": opportunity["id"],
        "pipeline_id": opportunity["pipelineId"],
        "stage_id": opportunity["pipelineStageId"],
        "status": opportunity["status"],
        "monetary_value": opportunity["monetaryValue"],
    }


def list_pipelines(call: Call) -> Reply:
    """GET /opportunities/pipelines"""
    return 200, {"pipelines": call.own(call.query.get("locationId")).pipelines}


def search(call: Call) -> Reply:
    """GET /opportunities/search"""
    query = call.query
    call.own(query.get("location_id"))
    if query.get("status", "all") not in _STATUSES:
        raise unprocessable([f"status must be one of the following values: {', '.join(_STATUSES)}"])
    if len(query.get("q", "")) > MAX_QUERY:
        raise unprocessable([f"q must be shorter than or equal to {MAX_QUERY} characters"])
    limit = whole(query.get("limit", str(DEFAULT_LIMIT)), "limit", 1, MAX_LIMIT)
    page = whole(query.get("page", "1"), "page", 1, 10_000 // limit)
    found = [one for one in _seen(call) if _fits(call, one)]
    found.sort(key=_mark, reverse=True)
    start = _start(query, found, (page - 1) * limit)
    chosen = found[start : start + limit]
    return 200, {
        "opportunities": [_search_view(call.state, one) for one in chosen],
        "meta": _meta(query, found, chosen, page, start + limit < len(found)),
    }


def create(call: Call) -> Reply:
    """POST /opportunities/"""
    body = shapes.OPPORTUNITY_CREATE.check(call.body)
    account = call.own(body["locationId"])
    call.contact_id = body["contactId"]
    contact = call.state.contacts.get(body["contactId"])
    if contact is None or contact["locationId"] != account.id:
        raise bad_request("The contact id is invalid.")
    _check_place(call, body["pipelineId"], body.get("pipelineStageId"))
    _refuse_duplicate(call, contact, body["pipelineId"])
    moment = now_iso()
    opportunity: Record = {
        "id": new_id(),
        "monetaryValue": 0,
        "pipelineStageId": account.stages[body["pipelineId"]][0],
        "source": "public api",
        "createdAt": moment,
        "updatedAt": moment,
        "lastStatusChangeAt": moment,
        "lastStageChangeAt": moment,
    }
    opportunity |= {name: value for name, value in body.items() if name != "customFields"}
    opportunity["customFields"] = {}
    account.fields.write(opportunity["customFields"], body.get("customFields", []), "opportunity")
    call.state.keep_opportunity(opportunity)
    _tell(call, "opportunity_created", opportunity)
    return 201, {"opportunity": view(opportunity)}


def read(call: Call) -> Reply:
    """GET /opportunities/{id}"""
    return 200, {"opportunity": view(call.opportunity())}


def update(call: Call) -> Reply:
    """PUT /opportunities/{id}"""
    body = shapes.OPPORTUNITY_UPDATE.check(call.body)
    opportunity = call.opportunity()
    changes = {name: value for name, value in body.items() if name != "customFields"}
    pipeline: str = changes.get("pipelineId") or opportunity["pipelineId"]
    _check_place(call, pipeline, changes.get("pipelineStageId"))
    if pipeline != opportunity["pipelineId"]:
        changes.setdefault("pipelineStageId", call.account.stages[pipeline][0])
    call.account.fields.write(opportunity["customFields"], body.get("customFields", []), "opportunity")
    _change(call, opportunity, changes)
    return 200, {"opportunity": view(opportunity)}


def set_status(call: Call) -> Reply:
    """PUT /opportunities/{id}/status"""
    body = shapes.OPPORTUNITY_STATUS.check(call.body)
    _change(call, call.opportunity(), dict(body))
    return ACCEPTED


def delete(call: Call) -> Reply:
    """DELETE /opportunities/{id}"""
    opportunity = call.opportunity()
    call.state.drop_opportunity(opportunity)
    contact = call.state.contacts[opportunity["contactId"]]
    call.state.told("opportunity_deleted", contact, card=card(opportunity))
    call.state.wrote_opportunity(opportunity["id"], opportunity, gone=True)
    return ACCEPTED


def _check_place(call: Call, pipeline_id: str, stage_id: str | None) -> None:
    stages = call.account.stages.get(pipeline_id)
    if not stages:
        raise bad_request("The pipeline id is invalid.")
    if stage_id is not None and stage_id not in stages:
        raise bad_request("The pipeline stage id is invalid.")


def _refuse_duplicate(call: Call, contact: Record, pipeline_id: str) -> None:
    if call.account.settings["allowDuplicateOpportunity"]:
        return
    anywhere = call.account.knobs["duplicate_opportunity_scope"] == "contact"
    for held in call.state.opportunities_for(contact["id"]):
        if anywhere or held["pipelineId"] == pipeline_id:
            payload = {
                "code": "OPPORTUNITY_NO_DUPLICATE",
                "message": "Can not create duplicate opportunity for the contact.",
                "meta": {"existingId": held["id"]},
            }
            raise ApiError(400, payload)


def _change(call: Call, opportunity: Record, changes: Record) -> None:
    moment, before = now_iso(), opportunity["pipelineStageId"]
    if changes.get("status", opportunity["status"]) != opportunity["status"]:
        opportunity["lastStatusChangeAt"] = moment
    if changes.get("pipelineStageId", before) != before:
        opportunity["lastStageChangeAt"] = moment
    opportunity |= changes
    opportunity["updatedAt"] = moment
    moved = opportunity["pipelineStageId"] != before
    _tell(call, "opportunity_moved" if moved else "opportunity_updated", opportunity, before)


def _tell(call: Call, kind: str, opportunity: Record, previous_stage_id: str | None = None) -> None:
    contact = call.state.contacts[opportunity["contactId"]]
    call.state.told(kind, contact, card=card(opportunity), previous_stage_id=previous_stage_id)
    call.state.wrote_opportunity(opportunity["id"], opportunity)


def _seen(call: Call) -> list[Record]:
    late, contact_id = call.state.seen_opportunities(), call.query.get("contact_id")
    if late is None and contact_id:
        held = call.state.opportunities_for(contact_id)
    else:
        held = list((call.state.opportunities if late is None else late).values())
    return [one for one in held if one["locationId"] == call.account.id]


def _fits(call: Call, opportunity: Record) -> bool:
    query = call.query
    for name, key in _EXACT.items():
        if query.get(name) and opportunity.get(key) != query[name]:
            return False
    if query.get("status", "all") not in ("all", opportunity["status"]):
        return False
    wanted = query.get("q", "").strip().casefold()
    return not wanted or wanted in _words(call.state, opportunity)


def _words(state: State, opportunity: Record) -> str:
    contact = state.contacts.get(opportunity["contactId"], {})
    return " ".join((opportunity["name"], full_name(contact), contact.get("email", ""))).casefold()


def _search_view(state: State, opportunity: Record) -> Record:
    contact = state.contacts.get(opportunity["contactId"], {"tags": []})
    return {
        **view(opportunity),
        "contact": {
            "id": opportunity["contactId"],
            "name": full_name(contact),
            "companyName": contact.get("companyName"),
            "email": contact.get("email"),
            "phone": contact.get("phone"),
            "tags": list(contact["tags"]),
        },
        "notes": [],
        "tasks": [],
        "calendarEvents": [],
        "followers": [],
    }


def _mark(opportunity: Record) -> tuple[int, str]:
    return epoch_ms(opportunity["createdAt"]), opportunity["id"]


def _start(query: dict[str, str], found: list[Record], by_page: int) -> int:
    after = query.get("startAfterId")
    if not after:
        return by_page
    return next((place + 1 for place, one in enumerate(found) if one["id"] == after), len(found))


def _meta(query: dict[str, str], found: list[Record], chosen: list[Record], page: int, more: bool) -> Record:
    last: tuple[Any, Any] = _mark(chosen[-1]) if chosen else (None, None)
    following = urlencode(query | {"startAfter": last[0], "startAfterId": last[1], "page": page + 1})
    return {
        "total": len(found),
        "nextPageUrl": f"/opportunities/search?{following}" if more else None,
        "startAfter": last[0],
        "startAfterId": last[1],
        "currentPage": page,
        "nextPage": page + 1 if more else None,
        "prevPage": page - 1 if page > 1 else None,
    }


ROUTES = [
    CrmRoute(
        "GET /opportunities/pipelines", list_pipelines, "opportunities.readonly", frozenset(("locationId",))
    ),
    CrmRoute("GET /opportunities/search", search, "opportunities.readonly", _SEARCH_NAMES),
    CrmRoute("POST /opportunities", create, "opportunities.write"),
    CrmRoute("GET /opportunities/{id}", read, "opportunities.readonly"),
    CrmRoute("PUT /opportunities/{id}", update, "opportunities.write"),
    CrmRoute("PUT /opportunities/{id}/status", set_status, "opportunities.write"),
    CrmRoute("DELETE /opportunities/{id}", delete, "opportunities.write"),
]
