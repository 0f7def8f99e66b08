"""One pretend practice: its credentials, what it has on file, and the traps that are set."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.contract.dates import moment
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.pretend.shapes import Json

CREDENTIALS = ("username", "password", "client_id", "client_secret", "api_key")
KINDS = ("Patient", "Practitioner", "Location", "Appointment", "ChargeItem")
SSO_SECONDS = 900
TOKENS_KEPT = 50
# What a test may switch. The values here are how ModMed behaves as far as it is known.
TRAPS: dict[str, Any] = {
    "now": "",  # a fixed clock (ISO time); "" for the real one
    "token_seconds": 3600,  # how long a token of the older grant lasts
    "tells_expiry": False,  # the older grant's answer holds expires_in
    "rotates_refresh": False,  # a refresh token serves once and is replaced
    "refuses_refresh": False,
    "revoked": False,  # credentials and tokens are refused
    "down": False,  # every call is answered with 503
    "forbidden": [],  # FHIR names answered with 403
    "throttle": 0,  # the next n calls are answered with 429, without Retry-After
    "html_500": 0,  # the next n calls are answered with 500 and a page of HTML
    "ignores": [],  # search parameters that are not heeded
    "date_times": "refuse",  # a time in _lastUpdated: "refuse" (400), "ignore" or "honour"
    "endless_next": False,  # an empty page has a next link too
    "next_to_itself": False,
    "repeats_pages": False,  # every page is the first
    "remark": "",  # comes along with every search as an OperationOutcome
    "newest_first": False,  # by last change instead of by id
    "value_set": "compose",  # or "expansion"
    "silent_creates": False,  # a created patient's body never comes, whatever was preferred
    "lost_creates": 0,  # the next n creates are answered with 500 after they were done
}


class Refused(Exception):
    """An answer that is no success: its status and body (an OperationOutcome, other JSON, or HTML)."""

    def __init__(self, status: int, body: Json | str) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class Firm:
    """A view on the firm's JSON object, which keeps everything. ``now`` is the server's clock."""

    def __init__(self, kept: Json, clock: datetime) -> None:
        self.kept = kept
        kept.setdefault("credentials", {})
        kept.setdefault("traps", {})
        kept.setdefault("tokens", {})
        kept.setdefault("refresh", "")
        kept.setdefault("numbers", 0)
        kept.setdefault("calls", {})
        kept.setdefault("types", [[one.code, one.name] for one in cast.TYPES])
        kept.setdefault("resources", {kind: {} for kind in KINDS})
        self.now = moment(self.trap("now"), "now") or clock

    # --- set-up --------------------------------------------------------------------------------------------

    def set_up(self, credentials: Mapping[str, str], traps: Mapping[str, Any]) -> None:
        """Give it credentials and traps; those not named stay. Raises Refused for a name nobody knows."""
        for names, known in ((credentials, CREDENTIALS), (traps, tuple(TRAPS))):
            if unknown := sorted(set(names) - set(known)):
                raise Refused(400, {"message": f"unknown: {', '.join(unknown)}"})
        self.kept["credentials"].update(credentials)
        self.kept["traps"].update(traps)

    def trap(self, name: str) -> Any:
        """How a trap is set."""
        return self.kept["traps"].get(name, TRAPS[name])

    def spring(self, name: str) -> bool:
        """Whether a counted trap is to spring now; counts it down."""
        left = self.trap(name)
        if left:
            self.kept["traps"][name] = left - 1
        return bool(left)

    def number(self) -> int:
        """A number that was never given before."""
        self.kept["numbers"] += 1
        return int(self.kept["numbers"])

    def count(self, what: str) -> None:
        """Keep how often something was called."""
        self.kept["calls"][what] = self.kept["calls"].get(what, 0) + 1

    # --- what is on file -----------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Json]:
        """Every resource of a kind, in the order in which they were first saved."""
        return list(self.kept["resources"][kind].values())

    def find(self, kind: str, external_id: str) -> Json | None:
        """One resource, or None."""
        found: Json | None = self.kept["resources"].get(kind, {}).get(external_id)
        return found

    def save(self, resource: Mapping[str, Any]) -> Json:
        """Put a resource on file, as changed now unless it says when. Raises Refused for another kind."""
        kind, external_id = resource.get("resourceType"), resource.get("id")
        if kind not in KINDS or not isinstance(external_id, str):
            raise Refused(400, {"message": f"a resource needs an id and one of the types {', '.join(KINDS)}"})
        saved = dict(resource)
        if kind != "ChargeItem":
            saved.setdefault("meta", {"lastUpdated": shapes.stamp(self.now)})
        self.kept["resources"][kind][external_id] = saved
        return saved

    def remove(self, kind: str, external_id: str) -> None:
        """Take a resource off the file: later searches do not show that it was ever there."""
        self.kept["resources"][kind].pop(external_id, None)

    # --- signing in ----------------------------------------------------------------------------------------

    def grant(self, form: Mapping[str, str], api_key: str, *, is_sso: bool, random_text: str) -> Json:
        """The answer to a token request. ``random_text`` makes the new tokens. Raises Refused."""
        known, how = self.kept["credentials"], form.get("grant_type")
        if self.trap("revoked") or not (is_sso or api_key == known.get("api_key")):
            raise Refused(401, {"error": "invalid_client"})
        if how == "client_credentials":
            self._check(form, "client_id", "client_secret")
            return self._token(SSO_SECONDS, random_text) | {"refresh_expires_in": 0, "scope": "acl/pat"}
        if how == "password" and not is_sso:
            self._check(form, "username", "password")
            self.kept["refresh"] = f"refresh-{random_text}"
        elif how == "refresh_token" and not is_sso:
            self._check_refresh(form.get("refresh_token", ""))
            if self.trap("rotates_refresh"):
                self.kept["refresh"] = f"refresh-{random_text}"
        else:
            raise Refused(400, {"error": "unsupported_grant_type"})
        answer = self._token(self.trap("token_seconds"), random_text)
        if not self.trap("tells_expiry"):
            del answer["expires_in"]
        return answer | {"refresh_token": self.kept["refresh"], "scope": self.kept.get("prefix", "")}

    def _check(self, form: Mapping[str, str], *names: str) -> None:
        known = self.kept["credentials"]
        if any(not known.get(name) or form.get(name) != known[name] for name in names):
            raise Refused(401, {"error": "invalid_grant", "error_description": "Invalid user credentials"})

    def _check_refresh(self, token: str) -> None:
        if self.trap("refuses_refresh") or not token or token != self.kept["refresh"]:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Token is not active"})

    def _token(self, seconds: int, random_text: str) -> Json:
        token = f"token-{random_text}"
        until = self.now + timedelta(seconds=seconds)
        kept = list(self.kept["tokens"].items())[-TOKENS_KEPT:]
        self.kept["tokens"] = dict(kept) | {token: until.isoformat()}
        return {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}

    def forget_tokens(self) -> None:
        """No token serves any more; refresh tokens do."""
        self.kept["tokens"] = {}

    def admit(self, authorization: str, api_key: str) -> None:
        """Let a call in. Raises Refused as ModMed would."""
        if api_key != self.kept["credentials"].get("api_key"):
            raise Refused(403, {"message": "Forbidden"})
        until = moment(self.kept["tokens"].get(authorization.removeprefix("Bearer ")), "until")
        if self.trap("revoked") or until is None or until <= self.now:
            raise Refused(401, {"message": "Unauthorized"})


def seed(firm: Firm) -> None:
    """Put locations and practitioners on file, where there are none."""
    if firm.all("Location"):
        return
    for site in cast.SITES:
        firm.save(shapes.location(site, firm.now))
    for who in cast.PRACTITIONERS:
        firm.save(shapes.practitioner(who, firm.now))
