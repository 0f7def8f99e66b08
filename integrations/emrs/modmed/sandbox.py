"""A pretend ModMed over HTTP, for the demo, shadow runs and tests.

Mounted at ``/emr/modmed``: ``/firm/<prefix>/ema/fhir/v2/…`` and ``/firm/<prefix>/ema/ws/oauth2/grant`` are the
API (so a connection's base address is ``…/emr/modmed/firm/<prefix>/ema``), ``/auth/realms/…/token`` the newer
sign-in, and ``/_firms/<prefix>`` the control door, opened by the sandbox's key. ``Door`` calls that door.
"""

import hmac
import json
import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests

from integrations.contract.demo import Place, RemoteDesk
from integrations.contract.stories import Stories, serve
from integrations.emrs.modmed.pretend import shapes
from integrations.emrs.modmed.pretend.creating import create_patient
from integrations.emrs.modmed.pretend.day import ACTS, FrontDesk
from integrations.emrs.modmed.pretend.desk import BUTTONS, Desk
from integrations.emrs.modmed.pretend.firm import KINDS, Firm, Refused, seed
from integrations.emrs.modmed.pretend.searching import search
from integrations.emrs.modmed.pretend.shapes import Json

SLUG = "modmed"
SSO_PATH = "/auth/realms/ema-fhir/protocol/openid-connect/token"
KEY_HEADER = "X-Sandbox-Key"
MOST_BYTES = 1_000_000
FHIR_JSON = "application/fhir+json; charset=utf-8"


class State(Protocol):
    """What is used of the sandbox's state."""

    @property
    def key(self) -> str: ...

    @property
    def lock(self) -> AbstractContextManager[Any]: ...

    def emr(self, slug: str) -> dict[str, Any]: ...

    def touch(self) -> None: ...


class _Request:
    """One request, read."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > MOST_BYTES:
            raise Refused(413, {"message": "too large"})
        self.raw = environ["wsgi.input"].read(length) if length else b""
        self.method = str(environ["REQUEST_METHOD"])
        path = str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace")
        self.segments = path.strip("/").split("/")
        self.query = dict(parse_qsl(str(environ.get("QUERY_STRING", ""))))
        self.environ = environ

    def header(self, name: str) -> str:
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode("utf-8", "replace")))

    def body(self) -> Json:
        """The JSON object of the body. Raises Refused."""
        try:
            found = json.loads(self.raw or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(400, shapes.outcome("The body is no JSON object", "structure"))
        return found


Reply = tuple[int, Json | str, dict[str, str]]


def make_app(state: State) -> WSGIApplication:
    """The pretend ModMed over the sandbox's state."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            request = _Request(environ)
            with state.lock:
                status, body, headers = _serve(state, request)
                if request.method != "GET":
                    state.touch()
        except Refused as refused:
            status, body, headers = refused.status, refused.body, {}
        is_page = isinstance(body, str)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = {
            "Content-Type": "text/html; charset=utf-8" if is_page else FHIR_JSON,
            "Content-Length": str(len(data)),
            **headers,
        }
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return (data,)

    return app


def firm_of(state: State, prefix: str) -> Firm:
    """A firm of the sandbox, made when it is new. Use it under the state's lock."""
    firms = state.emr(SLUG).setdefault("firms", {})
    return Firm(firms.setdefault(prefix, {"prefix": prefix}), datetime.now(UTC))


def _serve(state: State, request: _Request) -> Reply:
    first, *rest = request.segments
    if first == "_firms" and rest:
        return _control(state, request, rest[0], rest[1:])
    if "/" + "/".join(request.segments) == SSO_PATH:
        return _sso(state, request)
    known = state.emr(SLUG).get("firms", {})
    if first == "firm" and len(rest) > 2 and rest[0] in known and rest[1] == "ema":
        return _api(firm_of(state, rest[0]), request, rest[2:])
    raise Refused(404, "<html><body>Not Found</body></html>")


def _api(firm: Firm, request: _Request, path: Sequence[str]) -> Reply:
    firm.count(f"{request.method} /{'/'.join(path[:3])}")
    if firm.trap("down"):
        raise Refused(503, {"message": "Service Unavailable"})
    if firm.spring("html_500"):
        raise Refused(500, "<html><body><h1>Internal Server Error</h1></body></html>")
    if firm.spring("throttle"):
        raise Refused(429, {"message": "Too Many Requests"})
    key = request.header("x-api-key")
    if list(path) == ["ws", "oauth2", "grant"] and request.method == "POST":
        return 200, firm.grant(request.form(), key, is_sso=False, random_text=secrets.token_hex(12)), {}
    if list(path[:2]) == ["fhir", "v2"] and len(path) > 2:
        firm.admit(request.header("Authorization"), key)
        return _fhir(firm, request, path[2:])
    raise Refused(404, "<html><body>Not Found</body></html>")


def _sso(state: State, request: _Request) -> Reply:
    """The newer sign-in: one address for all firms, found by their client id."""
    form = request.form()
    for prefix, kept in state.emr(SLUG).get("firms", {}).items():
        if kept.get("credentials", {}).get("client_id") == form.get("client_id"):
            firm = firm_of(state, prefix)
            firm.count("POST sso")
            return 200, firm.grant(form, "", is_sso=True, random_text=secrets.token_hex(12)), {}
    raise Refused(401, {"error": "invalid_client"})


def _fhir(firm: Firm, request: _Request, path: Sequence[str]) -> Reply:
    kind = path[0]
    if list(path) == ["ValueSet", "appointment-type"]:
        if "ValueSet" in firm.trap("forbidden"):
            raise Refused(403, shapes.outcome("FORBIDDEN", "forbidden"))
        return 200, shapes.value_set(firm.kept["types"], firm.trap("value_set")), {}
    if kind not in KINDS or len(path) > 2:
        raise Refused(404, shapes.outcome(f"Unknown resource type '{kind}'", "not-supported"))
    if request.method == "POST" and kind == "Patient" and len(path) == 1:
        return _created(firm, create_patient(firm, request.body()), request.header("Prefer"))
    if request.method != "GET":
        raise Refused(405, shapes.outcome("Not supported", "not-supported"))
    if len(path) == 1:
        return 200, search(firm, kind, request.query), {}
    if kind in firm.trap("forbidden"):
        raise Refused(403, shapes.outcome("FORBIDDEN", "forbidden"))
    found = firm.find(kind, unquote(path[1]))
    if found is None:
        raise Refused(404, shapes.outcome("Resource is not known", "not-found"))
    return 200, found, {}


def _created(firm: Firm, patient: Json, prefer: str) -> Reply:
    if firm.spring("lost_creates"):
        raise Refused(500, "<html><body><h1>Internal Server Error</h1></body></html>")
    is_silent = firm.trap("silent_creates")
    address = f"{shapes.ELSEWHERE}/Patient/{patient['id']}"
    body: Json | str = patient if "return=representation" in prefer and not is_silent else ""
    return 201, body, {"Location": address, "Content-Location": address}


# --- the control door --------------------------------------------------------------------------------------


def _control(state: State, request: _Request, prefix: str, path: Sequence[str]) -> Reply:
    if not hmac.compare_digest(request.header(KEY_HEADER).encode(), state.key.encode()):
        raise Refused(401, {"message": f"the header {KEY_HEADER} is missing or wrong"})
    firm = firm_of(state, prefix)
    if request.method == "DELETE" and len(path) == 2 and path[0] in KINDS:
        firm.remove(path[0], unquote(path[1]))
        return 200, _summary(firm), {}
    handler = _CONTROLS.get((request.method, "/".join(path)))
    if handler is None:
        raise Refused(
            404, {"message": "the door of a firm has: " + ", ".join(f"{m} /{p}" for m, p in _CONTROLS)}
        )
    return 200, handler(firm, request.body()), {}


def _summary(firm: Firm, _body: Json | None = None) -> Json:
    counts = {kind: len(firm.all(kind)) for kind in KINDS}
    return {"counts": counts, "calls": firm.kept["calls"], "traps": firm.kept["traps"]}


def _set_up(firm: Firm, body: Json) -> Json:
    firm.set_up(body.get("credentials", {}), body.get("traps", {}))
    if "types" in body:
        firm.kept["types"] = [[str(code), str(name)] for code, name in body["types"]]
    if body.get("seed"):
        seed(firm)
    return _summary(firm)


def _save(firm: Firm, body: Json) -> Json:
    return {"saved": [firm.save(one)["id"] for one in body.get("resources", ())]}


def _forget_tokens(firm: Firm, _body: Json) -> Json:
    firm.forget_tokens()
    return _summary(firm)


def _forget_calls(firm: Firm, _body: Json) -> Json:
    firm.kept["calls"] = {}
    return _summary(firm)


def _day(firm: Firm, body: Json) -> Json:
    desk = FrontDesk(firm, random.Random(body.get("seed")))
    return {"happened": [_told(desk.step()) for _ in range(min(int(body.get("steps", 1)), 1000))]}


def _act(firm: Firm, body: Json) -> Json:
    """One act by name: new_patient, book, block, move_house, reschedule, or one of ACTS."""
    desk, name = FrontDesk(firm, random.Random(body.get("seed"))), body.get("act")
    patient, appointment = str(body.get("patient", "")), str(body.get("appointment", ""))
    acts: dict[str, Callable[[], Json]] = {
        "new_patient": desk.new_patient,
        "block": desk.block,
        "book": lambda: desk.book(patient, days_ahead=body.get("days_ahead")),
        "move_house": lambda: desk.move_house(patient),
        "reschedule": lambda: desk.reschedule(appointment, int(body.get("days_ahead", 1))),
        **{one: partial(desk.act, one, appointment) for one in ACTS},
    }
    if name not in acts:
        raise Refused(400, {"message": f"nothing is called that; there is {', '.join(acts)}"})
    return _told(acts[name]())


def _told(resource: Mapping[str, Any]) -> Json:
    """What happened, by ids and statuses only."""
    return {"type": resource["resourceType"], "id": resource["id"], "status": resource.get("status", "")}


def _furnish(firm: Firm, body: Json) -> Json:
    Desk(firm, random.Random()).furnish(body["sites"], body["zone"], body["rare"])
    return _summary(firm)


def _demo(firm: Firm, body: Json) -> Json:
    """One order of the demo's desk, see ``demo_desk``."""
    if body.get("order") == "outage":
        firm.set_up({}, {"down": bool(body.get("is_on"))})
        return {}
    desk = Desk(firm, random.Random(body.get("seed")))
    found = serve(Stories(desk, desk.chance, firm.now), str(body.get("order")), body)
    if found is None:
        raise Refused(400, {"message": "the desk does not know this order"})
    return found | {"is_down": bool(firm.trap("down"))}


_CONTROLS: dict[tuple[str, str], Callable[[Firm, Json], Json]] = {
    ("GET", ""): _summary,
    ("POST", ""): _set_up,
    ("POST", "resources"): _save,
    ("POST", "forget-tokens"): _forget_tokens,
    ("POST", "forget-calls"): _forget_calls,
    ("POST", "day"): _day,
    ("POST", "act"): _act,
    ("POST", "furnish"): _furnish,
    ("POST", "demo"): _demo,
}


class Door:
    """Calls the control door of one firm. ``url`` is where this sandbox is mounted (``…/emr/modmed``). Its
    methods raise requests' own errors."""

    def __init__(self, url: str, key: str, prefix: str) -> None:
        self.url, self.key, self.prefix = url.rstrip("/"), key, prefix

    @property
    def base_url(self) -> str:
        """The base address for a connection to this firm."""
        return f"{self.url}/firm/{self.prefix}/ema"

    def set_up(
        self,
        credentials: Mapping[str, str] | None = None,
        *,
        types: Sequence[tuple[str, str]] | None = None,
        with_cast: bool = False,
        **traps: Any,
    ) -> Json:
        """Make the firm, or change it. ``types`` are code and name; ``with_cast`` gives it locations and
        practitioners; ``traps`` as in pretend/firm.py."""
        body: Json = {"credentials": dict(credentials or {}), "traps": traps, "seed": with_cast}
        return self._ask("POST", "", body | ({"types": list(types)} if types is not None else {}))

    def save(self, *resources: Mapping[str, Any]) -> list[str]:
        """Put resources on file; their ids."""
        return list(self._ask("POST", "/resources", {"resources": resources})["saved"])

    def remove(self, kind: str, external_id: str) -> Json:
        """Take one off the file."""
        return self._ask("DELETE", f"/{kind}/{quote(external_id, safe='')}")

    def forget_tokens(self) -> Json:
        """End all tokens, as if they had expired."""
        return self._ask("POST", "/forget-tokens", {})

    def calls(self) -> dict[str, int]:
        """How often each route was called since ``forget_calls``."""
        return dict(self._ask("GET", "")["calls"])

    def forget_calls(self) -> Json:
        """Count calls from nought."""
        return self._ask("POST", "/forget-calls", {})

    def day(self, steps: int = 1, seed: int | None = None) -> list[Json]:
        """Let that many things happen: a list of ``{type, id, status}``."""
        return list(self._ask("POST", "/day", {"steps": steps, "seed": seed})["happened"])

    def act(self, name: str, **details: Any) -> Json:
        """Let one thing happen: ``{type, id, status}``."""
        return self._ask("POST", "/act", {"act": name, **details})

    def furnish(self, sites: Sequence[Mapping[str, str]], zone: str, rare: Sequence[str]) -> Json:
        """Give it clinics (``id``, ``name``, ``zone``), practitioners and a zone; chance books no ``rare`` type."""
        return self._ask("POST", "/furnish", {"sites": list(sites), "zone": zone, "rare": list(rare)})

    def demo(self, order: str, details: Mapping[str, Any]) -> Json:
        """One order of the demo's desk."""
        return self._ask("POST", "/demo", {**details, "order": order})

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        answer = requests.request(
            method,
            f"{self.url}/_firms/{self.prefix}{path}",
            json=body,
            headers={KEY_HEADER: self.key},
            timeout=10,
        )
        answer.raise_for_status()
        found: Json = answer.json()
        return found


def demo_desk(place: Place) -> RemoteDesk:
    """The desk of one of the demo's practices."""
    door = Door(f"{place.url}/emr/{SLUG}", place.key, place.slug)
    credentials = {
        "firm_url_prefix": place.slug,
        "username": f"fhir_{place.slug}",
        "password": f"sandbox-{place.slug}",
        "api_key": f"sandbox-{place.slug}-key",
    }

    def set_up() -> None:
        door.set_up({name: value for name, value in credentials.items() if name != "firm_url_prefix"})
        door.furnish(**place.premises())

    connection = {"base_url": door.base_url, "credentials": credentials}
    return RemoteDesk(BUTTONS, door.demo, connection=lambda: connection, set_up=set_up)
