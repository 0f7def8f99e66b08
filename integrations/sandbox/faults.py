"""Faults that tests and the demo switch on: latency, outages, and scripted answers of single calls."""

import threading
import time
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any
from wsgiref.types import WSGIEnvironment

from .records import Record
from .wire import ApiError, Headers, bad_request, hang_up

CRM = "crm"
KINDS = ("answer", "slow", "hang", "close")
BODIES: dict[int, Record] = {
    401: {"statusCode": 401, "message": "Invalid JWT"},
    422: {
        "message": ["phone must be a valid phone number"],
        "error": "Unprocessable Entity",
        "statusCode": 422,
    },
    429: {"statusCode": 429, "message": "Too Many Requests"},
    500: {"statusCode": 500, "message": "Internal server error"},
    503: {"statusCode": 503, "message": "Service Unavailable"},
}


@dataclass(slots=True)
class Rule:
    """One scripted fault.

    `route` is a call's name (`PUT /contacts/{id}`), with `*` as a wildcard. `kind`: "answer" gives
    `status` (with `body`, `retry_after` seconds), "slow" waits `seconds` and answers as usual, "hang"
    waits `seconds` and closes the connection, "close" closes it at once. With `after` the call does its
    work first. The first `skip` calls pass, the next `times` fail (None: all).
    """

    route: str
    kind: str = "answer"
    status: int = 503
    times: int | None = 1
    skip: int = 0
    after: bool = False
    seconds: float = 0.0
    retry_after: int | None = None
    body: Record | None = None
    location_id: str | None = None
    scope: str = CRM

    def fits(self, scope: str, route: str, location_id: str | None) -> bool:
        """Tell whether this rule speaks of a call."""
        here = self.location_id is None or self.location_id == location_id
        return here and self.scope == scope and (self.route == route or fnmatchcase(route, self.route))


class Faults:
    """All faults of one sandbox. `scope` is "crm", or "emr/<slug>" for an EMR's own sandbox."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._latency: dict[str, float] = {}
        self._out: set[str] = set()
        self.index_lag_ms = 0

    def pause(self, scope: str) -> None:
        """Wait for the scope's latency."""
        seconds = self._latency.get(scope)
        if seconds:
            time.sleep(seconds)

    def refuse_while_out(self, scope: str) -> None:
        """Raise ApiError 503 while the scope has an outage."""
        if scope in self._out:
            raise ApiError(503, BODIES[503])

    def take(self, scope: str, route: str, location_id: str | None) -> Rule | None:
        """Return the fault this call is to have, and count it."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.fits(scope, route, location_id):
                    return self._use(rule)
        return None

    def _use(self, rule: Rule) -> Rule | None:
        if rule.skip:
            rule.skip -= 1
            return None
        if rule.times is not None:
            rule.times -= 1
            if rule.times < 1:
                self._rules.remove(rule)
        return rule

    def play(self, rule: Rule, environ: WSGIEnvironment) -> None:
        """Do what a rule says: wait, then close the connection, or raise its answer as an ApiError."""
        if rule.seconds:
            self._closing.wait(rule.seconds)
        if rule.kind == "answer":
            headers: Headers = [] if rule.retry_after is None else [("Retry-After", str(rule.retry_after))]
            body = BODIES.get(rule.status) or {"statusCode": rule.status, "message": "Scripted fault"}
            raise ApiError(rule.status, body if rule.body is None else rule.body, headers)
        if rule.kind != "slow":
            hang_up(environ)

    def change(self, wanted: Record, routes: list[str]) -> None:
        """Take `{scope, latency_ms, outage, index_lag_ms, rules: [...]}`, all optional; rules are added.

        Raise ApiError 400 for a setting, rule or route that is not known.
        """
        _check(wanted, _SETTINGS, "a setting")
        scope = wanted.get("scope", CRM)
        rules = [_rule_of(one, scope, routes) for one in wanted.get("rules", ())]
        with self._lock:
            self._rules.extend(rules)
            if "latency_ms" in wanted:
                self._latency[scope] = wanted["latency_ms"] / 1000
            if "index_lag_ms" in wanted:
                self.index_lag_ms = wanted["index_lag_ms"]
            if "outage" in wanted:
                (self._out.add if wanted["outage"] else self._out.discard)(scope)

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._rules.clear()
            self._latency.clear()
            self._out.clear()
            self.index_lag_ms = 0

    def show(self) -> Record:
        """Return what is switched on, with the rules that are left."""
        with self._lock:
            return {
                "latency_ms": {scope: round(seconds * 1000) for scope, seconds in self._latency.items()},
                "outages": sorted(self._out),
                "index_lag_ms": self.index_lag_ms,
                "rules": [asdict(rule) for rule in self._rules],
            }


_NUMBER: tuple[type, ...] = (int, float)
_SETTINGS: dict[str, tuple[type, ...]] = {
    "scope": (str,),
    "latency_ms": _NUMBER,
    "outage": (bool,),
    "index_lag_ms": _NUMBER,
    "rules": (list,),
}
_RULE: dict[str, tuple[type, ...]] = {
    "route": (str,),
    "kind": (str,),
    "status": (int,),
    "times": (int, type(None)),
    "skip": (int,),
    "after": (bool,),
    "seconds": _NUMBER,
    "retry_after": (int, type(None)),
    "body": (dict, type(None)),
    "location_id": (str, type(None)),
    "scope": (str,),
}


def _check(wanted: Any, known: dict[str, tuple[type, ...]], what: str) -> None:
    if not isinstance(wanted, dict):
        raise bad_request(f"{what} must be an object")
    for name, value in wanted.items():
        if name not in known:
            raise bad_request(f"{name} is not known as {what}; known are {', '.join(known)}")
        negative = isinstance(value, (int, float)) and value < 0
        if not isinstance(value, known[name]) or negative:
            raise bad_request(f"{name} has a wrong value")


def _rule_of(wanted: Any, scope: str, routes: list[str]) -> Rule:
    _check(wanted, _RULE, "part of a rule")
    if "route" not in wanted:
        raise bad_request("a rule needs a route, such as PUT /contacts/{id}")
    rule = Rule(**{"scope": scope} | wanted | {"route": wanted["route"].rstrip("/")})
    if rule.kind not in KINDS:
        raise bad_request(f"kind must be one of {', '.join(KINDS)}")
    if rule.scope == CRM and not any(rule.fits(CRM, name, rule.location_id) for name in routes):
        raise bad_request(f"no call is named {rule.route}; calls are {', '.join(routes)}")
    return rule
