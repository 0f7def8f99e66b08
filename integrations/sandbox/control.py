"""The control door of the sandbox, `/_sandbox/…`: JSON, opened by the header X-Sandbox-Key."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .accounts import SubAccount
from .calls.opportunities import card
from .crm import ROUTER as CRM_ROUTER
from .records import Record, full_name
from .routing import Route, Router
from .setup import Setup
from .state import State
from .values import clean_tags
from .wire import ApiError, bad_request, not_found, parse_json, plain_error, read_body, send_json

CARDS_PER_STAGE, CONTACTS_PER_PAGE, LOG_ENTRIES = 50, 50, 100


@dataclass(slots=True)
class Order:
    """One request at the control door."""

    state: State
    params: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    body: Record = field(default_factory=dict)

    @property
    def location_id(self) -> str | None:
        """The sub-account asked about, None for all."""
        return self.query.get("location_id")

    def number(self, name: str, default: int) -> int:
        """Read a whole number of the query. Raise ApiError 400."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()):
            raise bad_request(f"{name} must be a whole number")
        return int(text)

    def accounts(self) -> list[SubAccount]:
        """Return the sub-accounts asked about. Raise ApiError 404."""
        if self.location_id is None:
            return list(self.state.accounts.values())
        return [self.account(self.location_id)]

    def account(self, location_id: str) -> SubAccount:
        """Return a sub-account by id. Raise ApiError 404."""
        found = self.state.accounts.get(location_id)
        if found is None:
            raise not_found(f"no sub-account has the id {location_id}")
        return found


def summary(order: Order) -> Record:
    """GET /summary[?location_id=]: `{contacts, notes, opportunities}`."""
    return dict(order.state.counts(order.location_id))


def board(order: Order) -> Record:
    """GET /board[?location_id=&cards=50]: sub-accounts, their pipelines, stages and cards, newest first."""
    cards = order.number("cards", CARDS_PER_STAGE)
    state = order.state
    return {
        "latest": state.feed.latest,
        "sub_accounts": [
            {"id": one.id, "name": one.name, "pipelines": _pipelines(state, one, cards)}
            for one in order.accounts()
        ],
    }


def _pipelines(state: State, account: SubAccount, most: int) -> list[Record]:
    by_stage: dict[tuple[str, str], list[Record]] = {}
    for one in state.opportunities.values():
        if one["locationId"] == account.id:
            by_stage.setdefault((one["pipelineId"], one["pipelineStageId"]), []).append(one)
    return [
        {
            "id": pipeline["id"],
            "name": pipeline["name"],
            "stages": [
                _stage(state, stage, by_stage.get((pipeline["id"], stage["id"]), []), most)
                for stage in pipeline["stages"]
            ],
        }
        for pipeline in account.pipelines
    ]


def _stage(state: State, stage: Record, held: list[Record], most: int) -> Record:
    held.sort(key=lambda one: one["updatedAt"], reverse=True)
    return {
        "id": stage["id"],
        "name": stage["name"],
        "count": len(held),
        "cards": [_card(state, one) for one in held[:most]],
    }


def _card(state: State, opportunity: Record) -> Record:
    contact = state.contacts[opportunity["contactId"]]
    return {
        "contact_id": contact["id"],
        "contact_name": full_name(contact),
        "name": opportunity["name"],
        "updated_at": opportunity["updatedAt"],
        **card(opportunity),
    }


def contacts(order: Order) -> Record:
    """GET /contacts[?location_id=&q=&limit=50]: `{total, contacts}`, the last changed first."""
    words = order.query.get("q", "").strip().casefold()
    found = [
        one
        for one in order.state.contacts.values()
        if order.location_id in (None, one["locationId"])
        and words in f"{full_name(one)} {one.get('email', '')} {one.get('phone', '')}".casefold()
    ]
    found.sort(key=lambda one: one["dateUpdated"], reverse=True)
    page = found[: order.number("limit", CONTACTS_PER_PAGE)]
    return {
        "total": len(found),
        "contacts": [
            {
                "id": one["id"],
                "location_id": one["locationId"],
                "name": full_name(one),
                "email": one.get("email"),
                "phone": one.get("phone"),
                "tags": list(one["tags"]),
                "updated_at": one["dateUpdated"],
            }
            for one in page
        ],
    }


def contact(order: Order) -> Record:
    """GET /contacts/{id}: fields by name, tags, opportunities; notes and enrolments newest first."""
    state = order.state
    found = state.contacts.get(order.params[0])
    if found is None:
        raise not_found("no contact has this id")
    account = state.accounts[found["locationId"]]
    apart = ("id", "locationId", "tags", "customFields")
    return {
        "id": found["id"],
        "name": full_name(found),
        "location_id": account.id,
        "location_name": account.name,
        "native": {name: value for name, value in found.items() if name not in apart},
        "fields": _by_name(account, found),
        "tags": list(found["tags"]),
        "notes": [dict(note) for note in reversed(state.notes[found["id"]])],
        "opportunities": [_placed(account, one) for one in state.opportunities_for(found["id"])],
        "enrolments": [dict(one) for one in reversed(state.enrolments[found["id"]])],
    }


def _by_name(account: SubAccount, record: Record) -> Record:
    names = {key: one["name"] for key, one in account.fields.by_id.items()}
    return {names[key]: value for key, value in record["customFields"].items() if key in names}


def _placed(account: SubAccount, opportunity: Record) -> Record:
    pipeline = next((one for one in account.pipelines if one["id"] == opportunity["pipelineId"]), None)
    stages = pipeline["stages"] if pipeline else []
    stage = next((one["name"] for one in stages if one["id"] == opportunity["pipelineStageId"]), None)
    return {
        **card(opportunity),
        "name": opportunity["name"],
        "pipeline": pipeline["name"] if pipeline else None,
        "stage": stage,
        "fields": _by_name(account, opportunity),
        "created_at": opportunity["createdAt"],
        "updated_at": opportunity["updatedAt"],
    }


def enrolments(order: Order) -> Record:
    """GET /enrolments[?location_id=]: every enrolment, oldest first."""
    state = order.state
    listed = [
        {**one, "location_id": state.contacts[contact_id]["locationId"]}
        for contact_id, of_contact in state.enrolments.items()
        for one in of_contact
        if order.location_id in (None, state.contacts[contact_id]["locationId"])
    ]
    return {"enrolments": sorted(listed, key=lambda one: str(one["at"]))}


def sub_accounts(order: Order) -> Record:
    """GET /sub-accounts: how each is set up, without its tokens and webhooks."""
    hidden = ("tokens", "webhooks")
    shown = [
        {name: part for name, part in one.dump().items() if name not in hidden} for one in order.accounts()
    ]
    return {"sub_accounts": shown}


def set_up(order: Order) -> Record:
    """POST /sub-accounts: make a sub-account, or give one a new setup; its contacts stay.

    `{id, name, token | tokens: [{token, scopes}], timezone, settings, knobs,
    limits: {max, interval_ms, daily}, folders: [{id, name}],
    custom_fields: [{name, dataType, model, id, parentId, picklistOptions}],
    pipelines: [{id, name, stages: [{id, name}]}], workflows: [{id, name, status}]}`
    """
    location_id = order.body.get("id")
    if not isinstance(location_id, str) or not location_id:
        raise bad_request("id must be a string")
    account = order.state.accounts.get(location_id) or SubAccount(location_id)
    wanted = Setup(order.body)
    for token in wanted.tokens():
        grant = order.state.grants.get(token)
        if grant is not None and grant[0] is not account:
            raise bad_request(f"token belongs to the sub-account {grant[0].id} already")
    account.set_up(wanted)
    order.state.adopt(account)
    return {
        "id": account.id,
        "custom_fields": {one["name"]: key for key, one in account.fields.by_id.items()},
        "folders": {name: key for key, name in account.fields.folders.items()},
        "workflows": {one["name"]: key for key, one in account.workflows.items()},
        "pipelines": account.pipelines,
    }


def set_webhooks(order: Order) -> Record:
    """POST /webhooks: whom a sub-account tells of tags.

    `{location_id, workflow: {url, secret, tags: [names that start it]}, app: {url}}`; a part that is left out is off.
    """
    account = order.account(str(order.body.get("location_id", "")))
    account.webhooks = {name: order.body[name] for name in ("workflow", "app") if order.body.get(name)}
    order.state.touch()
    return {"webhooks": sorted(account.webhooks)}


def webhooks(order: Order) -> Record:
    """GET /webhooks: the last deliveries, `{sent: [{at, status}]}`; status 0 where nobody answered."""
    return {"sent": list(order.state.outgoing.sent)}


def change_contact(order: Order) -> Record:
    """POST /contacts/{id}: what somebody who works in the CRM changes there.

    `{native: {name: value}, fields: {name: value}, add_tags: [...], remove_tags: [...], delete: true}`
    """
    state = order.state
    found = state.contacts.get(order.params[0])
    if found is None:
        raise not_found("no contact has this id")
    if order.body.get("delete"):
        state.told("contact_deleted", found)
        state.drop_contact(found)
        state.wrote_contact(found, gone=True)
        return {"id": found["id"]}
    account = state.accounts[found["locationId"]]
    keys = account.index.keys_of(found)
    found |= order.body.get("native", {})
    for name, value in order.body.get("fields", {}).items():
        field_of = account.fields.named(name, "contact")
        if field_of is None:
            raise bad_request(f"fields.{name} is not a custom field of the sub-account")
        found["customFields"][field_of["id"]] = value
    account.index.change(found, keys)
    before = list(found["tags"])
    gone, new = clean_tags(order.body.get("remove_tags", [])), clean_tags(order.body.get("add_tags", []))
    found["tags"] = list(dict.fromkeys([*(tag for tag in before if tag not in gone), *new]))
    account.learn_tags(new)
    if found["tags"] != before:
        state.tags_changed(found, before)
    state.wrote_contact(found)
    state.touch()
    return {"id": found["id"], "tags": list(found["tags"])}


def emr(order: Order) -> Record:
    """GET /emrs/{slug}: everything that an EMR's sandbox keeps."""
    return order.state.emr(order.params[0])


def show_faults(order: Order) -> Record:
    """GET /faults"""
    return order.state.faults.show()


def set_faults(order: Order) -> Record:
    """POST /faults `{scope, latency_ms, outage, index_lag_ms, rules: [...]}`: see `faults.py`."""
    order.state.change_faults(order.body, CRM_ROUTER.names)
    return order.state.faults.show()


def clear_faults(order: Order) -> Record:
    """DELETE /faults: everything off."""
    order.state.faults.clear()
    return order.state.faults.show()


def requests(order: Order) -> Record:
    """GET /requests[?location_id=&latest=100]: `{total, routes: {route: {status: count}}, recent}`."""
    return order.state.log.show(order.location_id, order.number("latest", LOG_ENTRIES))


def clear_requests(order: Order) -> Record:
    """DELETE /requests: counters and log begin again."""
    order.state.log.clear()
    return order.state.log.show()


def feed(order: Order) -> Record:
    """GET /feed?since=n[&location_id=]: `{latest, missed, changes}`."""
    return order.state.feed.since(order.number("since", 0), order.location_id)


def reset(order: Order) -> Record:
    """POST /reset `{everything: false}`: forget contacts, notes, opportunities, faults, log; or all."""
    order.state.reset(everything=order.body.get("everything") is True)
    return dict(order.state.counts())


OrderHandler = Callable[[Order], Record]
ROUTER: Router[OrderHandler] = Router(
    [
        Route("GET /summary", summary),
        Route("GET /board", board),
        Route("GET /contacts", contacts),
        Route("GET /contacts/{id}", contact),
        Route("POST /contacts/{id}", change_contact),
        Route("GET /webhooks", webhooks),
        Route("POST /webhooks", set_webhooks),
        Route("GET /enrolments", enrolments),
        Route("GET /sub-accounts", sub_accounts),
        Route("POST /sub-accounts", set_up),
        Route("GET /emrs/{slug}", emr),
        Route("GET /faults", show_faults),
        Route("POST /faults", set_faults),
        Route("DELETE /faults", clear_faults),
        Route("GET /requests", requests),
        Route("DELETE /requests", clear_requests),
        Route("GET /feed", feed),
        Route("POST /reset", reset),
    ]
)


def make_app(state: State) -> WSGIApplication:
    """Return the control door of a state."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return send_json(start_response, 200, _serve(state, environ))
        except ApiError as error:
            return send_json(start_response, error.status, error.payload)

    return app


def _serve(state: State, environ: WSGIEnvironment) -> Record:
    raw = read_body(environ)
    if not hmac.compare_digest(environ.get("HTTP_X_SANDBOX_KEY", "").encode(), state.key.encode()):
        raise plain_error(401, "the header X-Sandbox-Key is missing or wrong")
    found = ROUTER.find(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    if found is None:
        raise not_found(f"the control door has {', '.join(ROUTER.names)}")
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    order = Order(state, found[1], query, parse_json(environ, raw))
    with state.lock:
        return found[0].handler(order)
