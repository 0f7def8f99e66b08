"""Workflows: the list, and a contact's enrolment."""

from .. import shapes
from ..records import Record, now_iso
from ..values import is_moment
from ..wire import bad_request, not_found, unprocessable
from .call import ACCEPTED, Call, CrmRoute, Reply


def list_all(call: Call) -> Reply:
    """GET /workflows/"""
    account = call.own(call.query.get("locationId"))
    return 200, {"workflows": [dict(flow) for flow in account.workflows.values()]}


def enrol(call: Call) -> Reply:
    """POST /contacts/{id}/workflow/{workflowId}: every call counts, a second one runs the workflow again."""
    contact, flow = _named(call)
    if flow["status"] != "published":
        raise bad_request("The workflow is not published.")
    call.state.enrolments[contact["id"]].append(
        {
            "at": now_iso(),
            "contact_id": contact["id"],
            "workflow_id": flow["id"],
            "workflow": flow["name"],
            "event_start_time": call.body.get("eventStartTime"),
            "removed": False,
        }
    )
    call.state.told("enrolled", contact, workflow_id=flow["id"], workflow=flow["name"])
    return ACCEPTED


def leave(call: Call) -> Reply:
    """DELETE /contacts/{id}/workflow/{workflowId}"""
    contact, flow = _named(call)
    for enrolment in call.state.enrolments[contact["id"]]:
        if enrolment["workflow_id"] == flow["id"]:
            enrolment["removed"] = True
    call.state.told("left_workflow", contact, workflow_id=flow["id"], workflow=flow["name"])
    return ACCEPTED


def _named(call: Call) -> tuple[Record, Record]:
    moment = shapes.ENROL.check(call.body).get("eventStartTime")
    if moment is not None and not is_moment(moment):
        raise unprocessable(["eventStartTime must be a valid ISO 8601 date string"])
    contact, flow = call.contact(), call.account.workflows.get(call.params[1])
    if flow is None:
        raise not_found("Workflow not found")
    return contact, flow


ROUTES = [
    CrmRoute("GET /workflows", list_all, "workflows.readonly", frozenset(("locationId",))),
    CrmRoute("POST /contacts/{id}/workflow/{workflowId}", enrol, "contacts.write"),
    CrmRoute("DELETE /contacts/{id}/workflow/{workflowId}", leave, "contacts.write"),
]
