"""A pretend Nextech Select API with the real one's traps, mounted at ``/emr/nextech_cloud``; its builders; and
``Office``, through which the demo and tests make things happen there."""

import hmac
import json
import random
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests

from integrations.contract.demo import Place, RemoteDesk
from integrations.contract.stories import Stories, serve
from integrations.emrs.nextech_cloud.manifest import MANIFEST
from integrations.emrs.nextech_cloud.pretend import store
from integrations.emrs.nextech_cloud.pretend.cast import (
    CLINICIANS,
    CUSTOM_STATUSES,
    DIFFERENT,
    SITES,
    TYPE_NAMED,
    TYPES,
    AppointmentType,
    Clinician,
    PatientEntry,
    Purpose,
    Site,
    patient,
)
from integrations.emrs.nextech_cloud.pretend.day import changes, ending, payment_for, status_at
from integrations.emrs.nextech_cloud.pretend.desk import BUTTONS, Desk
from integrations.emrs.nextech_cloud.pretend.resources import (
    Payment,
    Visit,
    adjustment,
    appointment,
    arrived,
    cancelled,
    confirmed,
    corrected,
    custom,
    fulfilled,
    insurance_payment,
    locations,
    menu,
    money_entry,
    moved,
    no_show,
    paid,
    patient_saved,
    pending,
    refund,
    voided,
)
from integrations.emrs.nextech_cloud.pretend.store import Refused
from integrations.emrs.nextech_cloud.sign_in import RESOURCE

__all__ = [
    "CLINICIANS",
    "CUSTOM_STATUSES",
    "DIFFERENT",
    "KNOBS",
    "SITES",
    "TYPES",
    "TYPE_NAMED",
    "AppointmentType",
    "Clinician",
    "Office",
    "PatientEntry",
    "Payment",
    "Purpose",
    "Site",
    "Visit",
    "adjustment",
    "appointment",
    "arrived",
    "cancelled",
    "changes",
    "confirmed",
    "corrected",
    "custom",
    "demo_desk",
    "ending",
    "fulfilled",
    "insurance_payment",
    "locations",
    "make_app",
    "menu",
    "money_entry",
    "moved",
    "no_show",
    "paid",
    "patient",
    "patient_saved",
    "payment_for",
    "pending",
    "refund",
    "status_at",
    "voided",
]

Json = dict[str, Any]
Headers = list[tuple[str, str]]
SLUG = MANIFEST.slug
KEY_HEADER = "X-Sandbox-Key"
# What can be switched, with what it is at first.
KNOBS: Json = {
    "token_seconds": 3600,
    "expires_in_as_text": True,
    "rotates_refresh_tokens": True,
    "newest_first": False,
    "page_cap": store.MOST_COUNT,
    "link_base": "",  # the links' scheme, host and path; "" for the address that was called
    "next_on_last_page": "",  # "self": it points back to the first page; "empty": an empty page follows
    "ignores_offset": False,
    "ignores_last_updated": False,
    "without_meta": [],  # resource types that are sent without it
    "refused": [],  # resource types that answer 403
    "silent_creates": False,  # a created patient's body is empty
    "lost_creates": 0,  # the next n creates are answered with 500 after they were done
    "drift": {},  # resource type → what to do after each page: {"remove": [id], "put": [resource]} or null
}


class SandboxState(Protocol):
    """The part of the sandbox's state that is used here."""

    key: str
    lock: Any
    log: Any

    def emr(self, slug: str) -> Json:
        """This EMR's own JSON object."""
        ...

    def touch(self) -> None:
        """Say that it changed."""
        ...


class Server:
    """The pretend API over the sandbox's state. Everything is read and written under the state's lock."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.recent: deque[Json] = deque(maxlen=5000)

    # What is kept

    @property
    def kept(self) -> Json:
        """All that this sandbox keeps."""
        kept = self.state.emr(SLUG)
        for name in ("practices", "users", "access", "refresh", "knobs"):
            kept.setdefault(name, {})
        return kept

    def knob(self, name: str) -> Any:
        """How a knob stands."""
        return self.kept["knobs"].get(name, KNOBS[name])

    def file(self, practice_id: str) -> Json:
        """What a practice has on file."""
        found: Json = self.kept["practices"].setdefault(practice_id, {})
        return found

    # Signing in

    def grant(self, form: Mapping[str, str]) -> Json:
        """A pair of tokens, as Azure's older address gives them. Raises TokenRefused."""
        if form.get("resource") != RESOURCE:
            raise TokenRefused("invalid_resource", "AADSTS500011: The resource principal was not found.")
        if form.get("grant_type") == "refresh_token":
            username = self._refreshed(form)
        elif form.get("grant_type") == "password":
            username = self._signed_in(form)
        else:
            raise TokenRefused(
                "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant."
            )
        return self._pair(username)

    def _signed_in(self, form: Mapping[str, str]) -> str:
        username = form.get("username", "")
        user = self.kept["users"].get(username)
        if user is None or user["client_id"] != form.get("client_id"):
            raise TokenRefused("unauthorized_client", "AADSTS700016: The application was not found.")
        if user["password"] != form.get("password"):
            raise TokenRefused("invalid_grant", "AADSTS50126: Invalid username or password.", 50126)
        if user.get("expired"):
            raise TokenRefused("invalid_grant", "AADSTS50055: The password is expired.", 50055)
        return username

    def _refreshed(self, form: Mapping[str, str]) -> str:
        token = form.get("refresh_token", "")
        username = self.kept["refresh"].get(token)
        if username is None or self.kept["users"][username]["client_id"] != form.get("client_id"):
            raise TokenRefused("invalid_grant", "AADSTS70008: The refresh token has expired.", 70008)
        if self.knob("rotates_refresh_tokens"):
            del self.kept["refresh"][token]
        return str(username)

    def _pair(self, username: str) -> Json:
        now, tokens = time.time(), self.kept["access"]
        for ended in [token for token, known in tokens.items() if known["until"] <= now]:
            del tokens[ended]
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        seconds = self.knob("token_seconds")
        tokens[access] = {"user": username, "until": now + seconds}
        self.kept["refresh"][refresh] = username
        return {
            "token_type": "Bearer",
            "scope": "user_impersonation",
            "expires_in": str(seconds) if self.knob("expires_in_as_text") else seconds,
            "resource": RESOURCE,
            "access_token": access,
            "refresh_token": refresh,
        }

    def admit(self, environ: WSGIEnvironment) -> Json:
        """The file of the practice that a request names. Raises Refused 401 or 403."""
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        known = self.kept["access"].get(token)
        if scheme != "Bearer" or known is None or known["until"] <= time.time():
            raise Refused(401, "Authorization has been denied for this request.")
        practice_id = environ.get("HTTP_NX_PRACTICE_ID", "")
        if practice_id not in self.kept["users"][known["user"]]["practices"]:
            raise Refused(403, "The user has no access to this practice.")
        return self.file(practice_id)

    # Reading

    def listed(self, environ: WSGIEnvironment, kind: str, query: list[tuple[str, str]]) -> Json:
        """A page of a list. Raises Refused."""
        file = self.admit(environ)
        if kind in self.knob("refused"):
            raise Refused(403, f"Access to {kind} is not licensed.")
        asked = [pair for pair in query if pair[0] != "_lastUpdated" or not self.knob("ignores_last_updated")]
        found = store.search(file, kind, asked, newest_first=self.knob("newest_first"))
        count, offset = self._window(query)
        start = 0 if self.knob("ignores_offset") else offset
        page = found[start : start + count]
        answer = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": self._links(environ, query, offset, count, len(found)),
            "entry": [{"resource": self._shown(row)} for row in page],
        }
        self._drift(file, kind)
        return answer

    def _window(self, query: Sequence[tuple[str, str]]) -> tuple[int, int]:
        said = dict(query)
        try:
            count = int(said.get("_count", store.USUAL_COUNT))
            offset = int(said.get("_getpagesoffset", 0))
        except ValueError:
            raise Refused(400, "_count and _getpagesoffset are whole numbers.") from None
        return max(1, min(count, self.knob("page_cap"))), max(0, offset)

    def _links(
        self, environ: WSGIEnvironment, query: list[tuple[str, str]], offset: int, count: int, total: int
    ) -> list[Json]:
        host = environ.get("HTTP_HOST", "localhost")
        own = f"http://{host}{environ.get('SCRIPT_NAME', '')}"
        base = (self.knob("link_base") or own) + environ["PATH_INFO"]
        kept = [pair for pair in query if pair[0] not in ("_getpagesoffset", "_count")]

        def link(relation: str, to: int) -> Json:
            window = [("_getpagesoffset", str(to)), ("_count", str(count))]
            return {"relation": relation, "url": f"{base}?{urlencode(kept + window, quote_via=quote)}"}

        following = offset + count
        if following >= total and not (self.knob("ignores_offset") and total):
            following = {"self": 0, "empty": following}.get(self.knob("next_on_last_page"), -1)
        links = [link("self", offset), link("first", 0)]
        return links + ([link("next", following)] if following >= 0 else [])

    def _shown(self, resource: Json) -> Json:
        if resource["resourceType"] in self.knob("without_meta"):
            return {name: value for name, value in resource.items() if name != "meta"}
        return resource

    def _drift(self, file: Json, kind: str) -> None:
        """What happens at the practice between one page and the next."""
        due = self.kept["knobs"].get("drift", {}).get(kind)
        step = due.pop(0) if due else None
        for row in (step or {}).get("put", ()):
            store.put(file, row, _now())
        for external_id in (step or {}).get("remove", ()):
            store.remove(file, kind, external_id)

    # Creating

    def created(self, environ: WSGIEnvironment, body: Json) -> tuple[int, Json, Headers]:
        """The answer to a new patient. Raises Refused."""
        made = store.create_patient(self.admit(environ), body, _now())
        if lost := self.knob("lost_creates"):
            self.kept["knobs"]["lost_creates"] = lost - 1
            raise Refused(500, "An error has occurred.")
        location = f"{environ.get('SCRIPT_NAME', '')}/Patient/{made['id']}"
        return 201, {} if self.knob("silent_creates") else made, [("Location", location)]

    # The control door

    def ordered(self, method: str, parts: Sequence[str], body: Json) -> Json:
        """An order of the demo or a test, see ``Office``. Raises Refused."""
        kept = self.kept
        if parts == ["users"] and method == "PUT":
            kept["users"][body["username"]] = body
        elif parts == ["knobs"] and method == "PUT":
            unknown = sorted(body.keys() - KNOBS.keys())
            if unknown:
                raise Refused(400, f"No knob is named {unknown[0]}. Known: {', '.join(KNOBS)}.")
            kept["knobs"] |= body
        elif parts == ["tokens"] and method == "DELETE":
            kept["access"].clear()
            if body.get("refresh"):
                kept["refresh"].clear()
        elif parts == ["requests"]:
            if method == "DELETE":
                self.recent.clear()
            return {"requests": list(self.recent)}
        elif len(parts) == 2 and parts[0] == "practices":
            return self._at_practice(method, parts[1], body)
        elif len(parts) == 3 and parts[0] == "practices" and method == "POST":
            return self._at_desk(parts[1], parts[2], body)
        else:
            raise Refused(
                404,
                "The door has users, knobs, tokens, requests, practices/<id>, …/<id>/demo, …/<id>/furnish.",
            )
        return {}

    def _at_practice(self, method: str, practice_id: str, body: Json) -> Json:
        file, now = self.file(practice_id), _now()
        if method == "POST":
            for row in body.get("put", ()):
                store.put(file, row, now)
            for kind, external_id in body.get("remove", ()):
                store.remove(file, kind, external_id)
        return {kind: len(file.get(kind, {})) for kind in store.LISTS}

    def _at_desk(self, practice_id: str, what: str, body: Json) -> Json:
        file, chance = self.file(practice_id), random.Random(body.get("seed"))
        desk = Desk(practice_id, file, chance, _now())
        if what == "furnish":
            desk.furnish(body["sites"], body["zone"], body["rare"])
            return {}
        if body.get("order") == "outage":
            file["is_down"] = bool(body.get("is_on"))
            return {}
        found = serve(Stories(desk, chance, desk.now), str(body.get("order")), body)
        if found is None:
            raise Refused(400, "The desk does not know this order.")
        return found | {"is_down": bool(file.get("is_down"))}

    def refuse_while_down(self, environ: WSGIEnvironment) -> None:
        """Raises Refused 503 while the practice that is asked for pretends to be down."""
        practice_id = environ.get("HTTP_NX_PRACTICE_ID", "")
        if self.kept["practices"].get(practice_id, {}).get("is_down"):
            raise Refused(503, "The service is unavailable.")


class TokenRefused(Exception):
    """A sign-in that Azure refuses: its error code and text."""

    def __init__(self, code: str, words: str, number: int = 0) -> None:
        super().__init__(words)
        self.body = {
            "error": code,
            "error_description": f"{words}\r\nTrace ID: {secrets.token_hex(8)}",
            "error_codes": [number],
        }


def make_app(state: SandboxState) -> WSGIApplication:
    """The pretend API over a sandbox's state."""
    server = Server(state)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, payload, headers = _answer(server, environ, raw)
        if not environ["PATH_INFO"].startswith("/_door"):
            _note_down(server, environ, status, began)
        return _send(environ, start_response, status, payload, headers)

    return app


def _answer(server: Server, environ: WSGIEnvironment, raw: bytes) -> tuple[int, Json, Headers]:
    try:
        with server.state.lock:
            found = _served(server, environ, raw)
            if environ["REQUEST_METHOD"] != "GET":
                server.state.touch()
            return found
    except TokenRefused as refused:
        return 400, refused.body, []
    except Refused as refused:
        issue = {"severity": "error", "code": "processing", "diagnostics": refused.words}
        return refused.status, {"resourceType": "OperationOutcome", "issue": [issue]}, []


def _served(server: Server, environ: WSGIEnvironment, raw: bytes) -> tuple[int, Json, Headers]:
    method, parts = environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/")
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if parts[0] == "_door":
        key = environ.get("HTTP_X_SANDBOX_KEY", "")
        if not hmac.compare_digest(key.encode(), server.state.key.encode()):
            raise Refused(401, f"The header {KEY_HEADER} is missing or wrong.")
        return 200, server.ordered(method, parts[1:], _json(raw)), []
    server.refuse_while_down(environ)
    if parts == ["oauth2", "token"] and method == "POST":
        return 200, server.grant(dict(parse_qsl(raw.decode()))), []
    if method == "GET" and len(parts) == 1 and parts[0] in store.LISTS:
        return 200, server.listed(environ, parts[0], query), []
    if method == "GET" and len(parts) == 2 and parts[0] in store.LISTS:
        return 200, store.read(server.admit(environ), parts[0], parts[1]), []
    if method == "POST" and parts == ["Patient"]:
        return server.created(environ, _json(raw))
    raise Refused(404, "There is nothing at this address.")


def _json(raw: bytes) -> Json:
    try:
        found = json.loads(raw or b"{}")
    except ValueError:
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Refused(400, "The body is not a JSON object.")
    return found


def _note_down(server: Server, environ: WSGIEnvironment, status: int, began: float) -> None:
    path = environ["PATH_INFO"]
    row = {
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "query": environ.get("QUERY_STRING", ""),
        "practice": environ.get("HTTP_NX_PRACTICE_ID", ""),
        "status": status,
    }
    server.recent.append(row)
    route = f"{row['method']} {SLUG}/{path.strip('/').partition('/')[0]}"
    server.state.log.add(route, None, None, status, round((time.perf_counter() - began) * 1000, 3))


def _send(
    environ: WSGIEnvironment, start_response: StartResponse, status: int, payload: Json, headers: Headers
) -> Iterable[bytes]:
    # Nothing at all in a 201 without a resource: that is what "no body" means.
    data = b"" if status == 201 and not payload else json.dumps(payload).encode()
    # gunicorn sends the time of its own accord.
    timed = [] if "gunicorn.socket" in environ else [("Date", format_datetime(_now(), usegmt=True))]
    start_response(
        f"{status} {'OK' if status < 300 else 'Refused'}",
        [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(data))),
            *timed,
            *headers,
        ],
    )
    return (data,)


def _now() -> datetime:
    return datetime.now(UTC)


class Office:
    """One pretend practice at a running sandbox. ``url`` is the sandbox's address, ``key`` opens its door.

    Raises requests' own errors when the sandbox does not answer, or refuses.
    """

    def __init__(self, url: str, key: str, practice_id: str, *, timeout: float = 10.0) -> None:
        self.base_url = f"{url.rstrip('/')}/emr/{SLUG}"
        self.practice_id = practice_id
        self._key, self._timeout = key, timeout

    def credentials(self, password: str = "Sandbox-1") -> dict[str, str]:  # noqa: S107  (made up)
        """The credentials that a connection to this practice needs."""
        return {
            "client_id": "sandbox-client",
            "username": f"api-{self.practice_id}@example.com",
            "password": password,
            "practice_id": self.practice_id,
        }

    def open(self, sites: Sequence[Site] = SITES, types: Sequence[AppointmentType] = TYPES) -> None:
        """Make the practice, its API user, locations, types, purposes and custom statuses. Again changes nothing."""
        self.set_user()
        self.save(*locations(sites), *menu(types))

    def set_user(self, *, expired: bool = False, **changed: str) -> None:
        """Make the API user, or change it: ``expired`` is a password that has to be reset."""
        credentials = self.credentials() | changed
        user = {name: credentials[name] for name in ("username", "password", "client_id")}
        self._order("PUT", "users", user | {"expired": expired, "practices": [self.practice_id]})

    def save(self, *resources: Mapping[str, Any]) -> None:
        """Store resources, new or changed."""
        self._order("POST", self._practice, {"put": list(resources)})

    def remove(self, kind: str, external_id: str) -> None:
        """Delete a resource for good."""
        self._order("POST", self._practice, {"remove": [[kind, external_id]]})

    def live(self, visits: Iterable[Visit], before: datetime, now: datetime) -> int:
        """Let the visits go on from one time to another; how many resources changed."""
        due = changes(visits, before, now)
        if due:
            self.save(*due)
        return len(due)

    def counts(self) -> dict[str, int]:
        """How many resources of each type there are."""
        return dict(self._order("GET", self._practice))

    def set_knobs(self, **knobs: Any) -> None:
        """Switch traps on or off, see KNOBS."""
        self._order("PUT", "knobs", knobs)

    def end_tokens(self, *, refresh: bool = False) -> None:
        """Let every access token end now, and with ``refresh`` the refresh tokens too."""
        self._order("DELETE", "tokens", {"refresh": refresh})

    def requests(self) -> list[Json]:
        """The requests that came in since they were forgotten, without those at this door."""
        return list(self._order("GET", "requests")["requests"])

    def forget_requests(self) -> None:
        """Begin again to note down requests."""
        self._order("DELETE", "requests")

    def furnish(self, sites: Sequence[Mapping[str, str]], zone: str, rare: Sequence[str]) -> None:
        """Give it locations (``id``, ``name``, ``zone``), its menu and a zone; chance books no ``rare`` type."""
        body = {"sites": list(sites), "zone": zone, "rare": list(rare)}
        self._order("POST", f"{self._practice}/furnish", body)

    def demo(self, order: str, details: Mapping[str, Any]) -> Json:
        """One order of the demo's desk."""
        return self._order("POST", f"{self._practice}/demo", {**details, "order": order})

    @property
    def _practice(self) -> str:
        return f"practices/{quote(self.practice_id, safe='')}"

    def _order(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        answer = requests.request(
            method,
            f"{self.base_url}/_door/{path}",
            json=body,
            headers={KEY_HEADER: self._key},
            timeout=self._timeout,
        )
        answer.raise_for_status()
        found: Json = answer.json()
        return found


def demo_desk(place: Place) -> RemoteDesk:
    """The desk of one of the demo's practices."""
    office = Office(place.url, place.key, place.slug)

    def set_up() -> None:
        office.set_user()
        office.furnish(**place.premises())

    connection = {"base_url": office.base_url, "credentials": office.credentials()}
    return RemoteDesk(BUTTONS, office.demo, connection=lambda: connection, set_up=set_up)
