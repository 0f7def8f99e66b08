"""A pretend PatientNow Pro over HTTP, for the demo, shadow runs and tests.

Mounted at ``/emr/patientnow_pro``: ``/api/…`` is the API (so a connection's base address is
``…/emr/patientnow_pro/api``), where ``X-Practice-Id`` says which practice is meant, and ``/_practices/<id>`` is the
control door, opened by the sandbox's key. ``Practice`` calls that door: each act changes what is on file and gives
the notice, which ``send`` posts at a connection's webhook address.
"""

import hmac
import inspect
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests

from integrations.contract import stories
from integrations.contract.demo import Place, RemoteDesk
from integrations.emrs.patientnow_pro.pretend.api import serve
from integrations.emrs.patientnow_pro.pretend.cast import (
    CLINICIANS,
    DIFFERENT,
    FACILITIES,
    MENU,
    PROGRAMS,
    TYPES,
    Json,
    patient,
)
from integrations.emrs.patientnow_pro.pretend.desk import FrontDesk
from integrations.emrs.patientnow_pro.pretend.office import KINDS, TRAPS, Office, Refused
from integrations.emrs.patientnow_pro.pretend.premises import BUTTONS, Premises

__all__ = [
    "ACTS",
    "CLINICIANS",
    "DIFFERENT",
    "FACILITIES",
    "MENU",
    "PROGRAMS",
    "TRAPS",
    "TYPES",
    "Practice",
    "demo_desk",
    "make_app",
    "office_of",
    "patient",
    "send",
]

SLUG = "patientnow_pro"
KEY_HEADER = "X-Sandbox-Key"
SECRET_HEADER = "X-AX-Secret"  # noqa: S105  (a header's name)
MOST_BYTES = 1_000_000
MOST_STEPS = 1000
LONGEST_NAP_SECONDS = 60.0
# Names of acts, with what each wants: the parameters of FrontDesk's method of that name.
ACTS = (
    "new_patient",
    "update_patient",
    "book",
    "check_out",
    "cancel",
    "no_show",
    "set_status",
    "bill",
    "void",
    "refund",
    "membership",
    "test_notice",
)


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
            raise Refused(413, {"error": "too large"})
        self.raw = environ["wsgi.input"].read(length) if length else b""
        self.method = str(environ["REQUEST_METHOD"])
        path = str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace")
        self.segments = [unquote(part) for part in path.strip("/").split("/") if part]
        self.query = dict(parse_qsl(str(environ.get("QUERY_STRING", ""))))
        self.environ = environ

    def header(self, name: str) -> str:
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))

    def body(self) -> Json:
        """The JSON object of the body. Raises Refused."""
        try:
            found = json.loads(self.raw or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(400, {"error": "The body is no JSON object"})
        return found


def make_app(state: State) -> WSGIApplication:
    """The pretend PatientNow Pro over the sandbox's state."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers: Mapping[str, str] = {}
        nap = 0.0
        try:
            request = _Request(environ)
            with state.lock:
                nap = _nap(state, request)
                status, body = _serve(state, request)
                if request.method != "GET":
                    state.touch()
        except Refused as refused:
            status, body, headers = refused.status, refused.body, refused.headers
        if nap:
            # Outside the lock: one slow call must not hold up the others.
            time.sleep(nap)
        return _answer(start_response, status, body, headers)

    return app


def office_of(state: State, practice_id: str) -> Office:
    """A practice of the sandbox, made when it is new. Use it under the state's lock."""
    practices = state.emr(SLUG).setdefault("practices", {})
    return Office(practices.setdefault(practice_id, {}), datetime.now(UTC))


def _answer(
    start_response: StartResponse, status: int, body: Any, more: Mapping[str, str]
) -> Iterable[bytes]:
    is_page = isinstance(body, str)
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {
        "Content-Type": "text/html; charset=utf-8" if is_page else "application/json",
        "Content-Length": str(len(data)),
        **more,
    }
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return (data,)


def _nap(state: State, request: _Request) -> float:
    """How long this API call takes, in seconds."""
    practice_id = request.header("X-Practice-Id")
    if request.segments[:1] != ["api"] or practice_id not in state.emr(SLUG).get("practices", {}):
        return 0.0
    return min(LONGEST_NAP_SECONDS, office_of(state, practice_id).trap("slow_ms") / 1000)


def _serve(state: State, request: _Request) -> tuple[int, Any]:
    first, *rest = request.segments or [""]
    if first == "_practices" and rest:
        return _control(state, request, rest[0], rest[1:])
    if first != "api":
        raise Refused(404, "<html><body>Not Found</body></html>")
    practice_id = request.header("X-Practice-Id")
    if practice_id not in state.emr(SLUG).get("practices", {}):
        raise Refused(401, {"error": "Unknown practice"})
    body = request.body() if request.method == "POST" else {}
    office = office_of(state, practice_id)
    return serve(office, request.method, rest, request.query, body, request.header("X-API-Key"))


# --- the control door --------------------------------------------------------------------------------------


def _control(state: State, request: _Request, practice_id: str, path: Sequence[str]) -> tuple[int, Any]:
    if not hmac.compare_digest(request.header(KEY_HEADER).encode(), state.key.encode()):
        raise Refused(401, {"error": f"the header {KEY_HEADER} is missing or wrong"})
    office = office_of(state, practice_id)
    if len(path) == 2 and path[0] in KINDS and request.method in ("GET", "DELETE"):
        found = office.known(path[0], path[1])
        if request.method == "DELETE":
            office.remove(path[0], path[1])
        return 200, found
    handler = _CONTROLS.get((request.method, "/".join(path)))
    if handler is None:
        there_is = ", ".join(f"{method} /{name}" for method, name in _CONTROLS)
        raise Refused(404, {"error": f"the door of a practice has: {there_is}"})
    return 200, handler(office, practice_id, request.body())


def _summary(office: Office, _practice_id: str, _body: Json) -> Json:
    counts = {kind: len(office.all(kind)) for kind in KINDS}
    return {"counts": counts, "calls": office.kept["calls"], "traps": office.kept["traps"]}


def _set_up(office: Office, practice_id: str, body: Json) -> Json:
    office.set_up(body.get("api_key"), body.get("traps", {}))
    return _summary(office, practice_id, body)


def _save(office: Office, _practice_id: str, body: Json) -> Json:
    return office.save(str(body.get("kind", "")), dict(body.get("record") or {}))


def _forget_calls(office: Office, practice_id: str, body: Json) -> Json:
    office.kept["calls"] = {}
    return _summary(office, practice_id, body)


def _act(office: Office, practice_id: str, body: Json) -> Json:
    """One act by name, with its parameters."""
    name, details = str(body.get("act", "")), dict(body.get("details") or {})
    if name not in ACTS:
        raise Refused(400, {"error": f"nothing is called that; there is {', '.join(ACTS)}"})
    act: Callable[..., Json] = getattr(FrontDesk(office, practice_id, _chance(body)), name)
    try:
        inspect.signature(act).bind(**details)
    except TypeError:
        raise Refused(400, {"error": f"these are not the parameters of {name}"}) from None
    return {"notices": [act(**details)]}


def _day(office: Office, practice_id: str, body: Json) -> Json:
    desk = FrontDesk(office, practice_id, _chance(body))
    steps = min(int(body.get("steps", 1)), MOST_STEPS)
    return {"notices": [notice for _ in range(steps) for notice in desk.step()]}


def _chance(body: Json) -> random.Random:
    """The same seed makes the same day."""
    return random.Random(body.get("seed"))


def _furnish(office: Office, practice_id: str, body: Json) -> Json:
    Premises(office, practice_id, random.Random()).furnish(body["sites"], body["rare"])
    return _summary(office, practice_id, body)


def _demo(office: Office, practice_id: str, body: Json) -> Json:
    """One order of the demo's desk, see ``demo_desk``."""
    order = str(body.get("order"))
    if order == "outage":
        office.set_up(None, {"down": bool(body.get("is_on"))})
        return {}
    is_down = bool(office.trap("down"))
    if is_down and order == "press":
        return {"nothing": "PatientNow is down: it sends nothing until it is back up."}
    if is_down and order == "step":
        return {"happened": []}
    premises = Premises(office, practice_id, _chance(body))
    found = stories.serve(stories.Stories(premises, premises.chance, office.now), order, body)
    if found is None:
        raise Refused(400, {"error": "the desk does not know this order"})
    if premises.told and "nothing" not in found:
        words, notices = zip(*premises.told, strict=True)
        found |= {"happened": list(words), "bodies": list(notices)}
    return found | {"is_down": is_down}


_CONTROLS: dict[tuple[str, str], Callable[[Office, str, Json], Json]] = {
    ("GET", ""): _summary,
    ("POST", ""): _set_up,
    ("POST", "records"): _save,
    ("POST", "forget-calls"): _forget_calls,
    ("POST", "act"): _act,
    ("POST", "day"): _day,
    ("POST", "furnish"): _furnish,
    ("POST", "demo"): _demo,
}


class Practice:
    """One pretend practice, through its control door. ``url`` is where this sandbox is mounted
    (``…/emr/patientnow_pro``). Every act gives the notice to be sent. Methods raise requests' own errors."""

    def __init__(self, url: str, key: str, practice_id: str) -> None:
        self.url, self.key, self.practice_id = url.rstrip("/"), key, practice_id

    @property
    def base_url(self) -> str:
        """The base address for a connection to this practice."""
        return f"{self.url}/api"

    def set_up(self, api_key: str | None = None, **traps: Any) -> Json:
        """Make the practice, or change it: its API key, and traps as in pretend/office.py."""
        return self._ask("POST", "", {"api_key": api_key, "traps": traps})

    # Acts

    def new_patient(self, *, seed: int | None = None, **changes: Any) -> Json:
        """Somebody is put on file; ``changes`` replace values of the record."""
        return self._act("new_patient", seed, changes)

    def update_patient(self, patient: str, *, seed: int | None = None, **changes: Any) -> Json:
        """A patient's record changes: what is given, else a new address."""
        return self._act("update_patient", seed, {"patient": patient, **changes})

    def book(
        self,
        patient: str,
        *,
        type: str = "",
        facility: str = "",
        days_ahead: int | None = None,
        seed: int | None = None,
    ) -> Json:
        """An appointment is made: its type by name, its facility by id, else by chance."""
        details = {"patient": patient, "type": type, "facility": facility, "days_ahead": days_ahead}
        return self._act("book", seed, details)

    def check_out(self, appointment: str) -> Json:
        """They came and leave."""
        return self._act("check_out", None, {"appointment": appointment})

    def cancel(self, appointment: str) -> Json:
        """The appointment is cancelled."""
        return self._act("cancel", None, {"appointment": appointment})

    def no_show(self, appointment: str) -> Json:
        """They did not come."""
        return self._act("no_show", None, {"appointment": appointment})

    def set_status(self, appointment: str, status: str) -> Json:
        """The appointment gets any status, such as Confirmed or Arrived."""
        return self._act("set_status", None, {"appointment": appointment, "status": status})

    def bill(
        self, patient: str, items: Sequence[str] = (), *, facility: str = "", seed: int | None = None
    ) -> Json:
        """A bill is paid, with these items of MENU, else some by chance."""
        details = {"patient": patient, "items": list(items), "facility": facility}
        return self._act("bill", seed, details)

    def void(self, bill: str) -> Json:
        """A bill is voided: a notice about the known bill."""
        return self._act("void", None, {"bill": bill})

    def refund(self, bill: str) -> Json:
        """A bill is refunded: a notice about the known bill."""
        return self._act("refund", None, {"bill": bill})

    def membership(self, patient: str, program: str = "", *, seed: int | None = None) -> Json:
        """A membership is sold."""
        return self._act("membership", seed, {"patient": patient, "program": program})

    def test_notice(self) -> Json:
        """PatientNow tries the webhook."""
        return self._act("test_notice", None, {})

    def day(self, steps: int = 1, seed: int | None = None) -> list[Json]:
        """Let that many things happen: their notices, in order."""
        return list(self._ask("POST", "/day", {"steps": steps, "seed": seed})["notices"])

    # The demo

    def furnish(self, sites: Sequence[Mapping[str, str]], rare: Sequence[str], **_more: Any) -> Json:
        """Give it clinics (``id``, ``name``, ``zone``), and say which types chance leaves alone."""
        return self._ask("POST", "/furnish", {"sites": list(sites), "rare": list(rare)})

    def demo(self, order: str, body: Json) -> Json:
        """One order of the demo's desk, see ``contract.stories.serve``."""
        return self._ask("POST", "/demo", {**body, "order": order})

    # What is on file

    def record(self, kind: str, external_id: str) -> Json:
        """A record as it stands, untouched by traps. ``kind``: patients, appointments, bills, memberships."""
        return self._ask("GET", f"/{kind}/{quote(external_id, safe='')}")

    def save(self, kind: str, record: Mapping[str, Any]) -> Json:
        """Put a record on file, or change it without a notice."""
        return self._ask("POST", "/records", {"kind": kind, "record": dict(record)})

    def remove(self, kind: str, external_id: str) -> Json:
        """Take a record off the file: deleted, or merged away."""
        return self._ask("DELETE", f"/{kind}/{quote(external_id, safe='')}")

    def calls(self) -> dict[str, int]:
        """How often each route of the API was called since ``forget_calls``, such as ``GET /patients/{id}``."""
        return dict(self._ask("GET", "")["calls"])

    def forget_calls(self) -> Json:
        """Count calls from nought."""
        return self._ask("POST", "/forget-calls", {})

    def _act(self, name: str, seed: int | None, details: Mapping[str, Any]) -> Json:
        body = {"act": name, "seed": seed, "details": dict(details)}
        (notice,) = self._ask("POST", "/act", body)["notices"]
        return dict(notice)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        answer = requests.request(
            method,
            f"{self.url}/_practices/{quote(self.practice_id, safe='')}{path}",
            json=body,
            headers={KEY_HEADER: self.key},
            timeout=10,
        )
        answer.raise_for_status()
        found: Json = answer.json()
        return found


def demo_desk(place: Place) -> RemoteDesk:
    """The desk of one of the demo's practices."""
    practice = Practice(f"{place.url}/emr/{SLUG}", place.key, f"PN-{place.slug}")
    api_key = f"sandbox-{place.slug}-key"

    def set_up() -> None:
        practice.set_up(api_key)
        practice.furnish(**place.premises())

    own: Json = place.file["connections"][0].get("credentials") or {}
    credentials = {**own, "api_key": api_key, "practice_id": practice.practice_id}
    connection = {"base_url": practice.base_url, "credentials": credentials}
    return RemoteDesk(BUTTONS, practice.demo, connection=lambda: connection, set_up=set_up)


def send(
    url: str, notice: Mapping[str, Any], secret: str | None = None, *, timeout: float = 10.0
) -> requests.Response:
    """Post a notice as PatientNow would. ``timeout`` in seconds. Raises requests' own errors."""
    headers = {SECRET_HEADER: secret} if secret else {}
    return requests.post(url, json=notice, headers=headers, timeout=timeout)
