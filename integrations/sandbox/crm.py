"""The pretend CRM as a WSGI application: version, token, limits and faults around the calls."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .calls import contacts, locations, notes, opportunities, search, tags, workflows
from .calls.call import Call, CrmHandler, CrmRoute, Reply
from .faults import CRM
from .routing import Router
from .state import State
from .wire import (
    ApiError,
    Headers,
    not_found,
    parse_json,
    plain_error,
    read_body,
    send_json,
    unprocessable,
)

API_VERSION = "2021-07-28"
ROUTER: Router[CrmHandler] = Router(
    [
        *contacts.ROUTES,
        *tags.ROUTES,
        *notes.ROUTES,
        *workflows.ROUTES,
        *search.ROUTES,
        *opportunities.ROUTES,
        *locations.ROUTES,
    ]
)


@dataclass(slots=True)
class _Visit:
    """What is learned of a request on its way, for the log and the headers of its answer."""

    location_id: str | None = None
    call: Call | None = None
    headers: Headers = field(default_factory=list)


def make_app(state: State) -> WSGIApplication:
    """Return the CRM's API over a state; mount it where its base address is to be."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began, method = time.perf_counter(), environ["REQUEST_METHOD"]
        found = ROUTER.find(method, environ["PATH_INFO"])
        visit, status, name = _Visit(), 0, found[0].name if found else f"{method} (unknown)"
        try:
            status, payload = _serve(state, environ, found, visit)
        except ApiError as error:
            status, payload = error.status, error.payload
            visit.headers += error.headers
        finally:
            contact_id = visit.call.contact_id if visit.call else None
            took = round((time.perf_counter() - began) * 1000, 3)
            state.log.add(name, visit.location_id, contact_id, status, took)
        return send_json(start_response, status, payload, visit.headers)

    return app


def _serve(
    state: State, environ: WSGIEnvironment, found: tuple[CrmRoute, tuple[str, ...]] | None, visit: _Visit
) -> Reply:
    raw = read_body(environ)
    if found is None:
        raise not_found(f"Cannot {environ['REQUEST_METHOD']} this path")
    route, params = found
    state.faults.pause(CRM)
    state.faults.refuse_while_out(CRM)
    _check_version(environ)
    call = visit.call = _admit(state, environ, route, visit)
    rule = state.faults.take(CRM, route.name, visit.location_id)
    if rule is not None and not rule.after:
        state.faults.play(rule, environ)
    call.params, call.query = params, _query(environ, route)
    call.body = parse_json(environ, raw)
    with state.lock:
        reply = route.handler(call)
    if rule is not None and rule.after:
        state.faults.play(rule, environ)
    return reply


def _check_version(environ: WSGIEnvironment) -> None:
    version = environ.get("HTTP_VERSION")
    if not version:
        raise plain_error(401, "version header was not found.")
    if version != API_VERSION:
        raise plain_error(400, f"Invalid API version segment '{version}' at position 0")


def _admit(state: State, environ: WSGIEnvironment, route: CrmRoute, visit: _Visit) -> Call:
    kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    with state.lock:
        grant = state.grants.get(token) if kind == "Bearer" else None
        if grant is None:
            raise plain_error(401, "Invalid JWT")
        account, scopes = grant
        visit.location_id, now = account.id, time.monotonic()
        admitted = account.limits.take(now)
        visit.headers = account.limits.headers()
    if not admitted:
        wait = [("Retry-After", str(int(account.limits.seconds_left(now)) + 1))]
        raise plain_error(429, "Too Many Requests", wait if account.knobs["retry_after_on_429"] else None)
    if scopes is not None and route.scope not in scopes:
        raise plain_error(401, "The token is not authorized for this scope.")
    return Call(state, account)


def _query(environ: WSGIEnvironment, route: CrmRoute) -> dict[str, str]:
    text = environ.get("QUERY_STRING")
    query = dict(parse_qsl(text, keep_blank_values=True)) if text else {}
    if route.query is not None:
        unknown = [f"property {name} should not exist" for name in query if name not in route.query]
        if unknown:
            raise unprocessable(unknown)
    return query
