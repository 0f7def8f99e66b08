"""One pretend practice: its credentials, what it has on file, and the traps that are set."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.reading import plain_key
from integrations.emrs.patientnow_pro.pretend import cast
from integrations.emrs.patientnow_pro.pretend.cast import Json

KINDS = ("patients", "appointments", "bills", "memberships")
ID_FIELDS = {
    "patients": "patientId",
    "appointments": "appointmentId",
    "bills": "billId",
    "memberships": "membershipId",
}
# What a test may switch. The values here are how PatientNow Pro behaves as far as it is assumed.
TRAPS: dict[str, Any] = {
    "now": "",  # a fixed clock (ISO time); "" for the real one
    "down": False,  # every call is answered with 503
    "revoked": False,  # the API key is refused
    "forbidden": [],  # resources (first word of the path) answered with 403
    "throttle": 0,  # the next n calls are answered with 429
    "throttle_every": 0,  # of every n calls one is answered with 429
    "retry_after": "1",  # what such an answer says; "" for nothing
    "server_error": 0,  # the next n calls are answered with 500 and a page of HTML
    "lost_creates": 0,  # the next n creates are answered with 500 after they were done
    "silent_creates": False,  # a create is answered without a body
    "slow_ms": 0,  # how long every call takes
    "gone": [],  # "patients/40001": answered with 404 though notices name it
    "stale": 0,  # the next n reads give a record as it was before its last change
    "ids_as_numbers": False,  # ids that are digits come as numbers
    "key_style": "camel",  # or "snake", "pascal"
    "money": "text",  # "1250.00", or "number", or "dollars" ("$1,250.00")
    "dates": "iso",  # or "us" (M/D/YYYY, with a time where there is one)
}
CALLS_KEPT = 500


class Refused(Exception):
    """An answer that is no success: its status, its body (JSON or HTML) and headers."""

    def __init__(self, status: int, body: Json | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


class Office:
    """A view on the practice's JSON object, which keeps everything. ``now`` is the server's clock."""

    def __init__(self, kept: Json, clock: datetime) -> None:
        self.kept = kept
        kept.setdefault("api_key", "")
        kept.setdefault("traps", {})
        kept.setdefault("numbers", {})
        kept.setdefault("answered", 0)
        kept.setdefault("calls", {})
        kept.setdefault("records", {kind: {} for kind in KINDS})
        kept.setdefault("before", {})
        self.now = moment(self.trap("now"), "now") or clock

    # --- set-up --------------------------------------------------------------------------------------------

    def set_up(self, api_key: str | None, traps: Mapping[str, Any]) -> None:
        """Give it a key and traps; what is not named stays. Raises Refused for a trap nobody knows."""
        if unknown := sorted(set(traps) - set(TRAPS)):
            raise Refused(400, {"error": f"unknown traps: {', '.join(unknown)}"})
        if api_key is not None:
            self.kept["api_key"] = api_key
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

    def number(self, of: str, first: int) -> int:
        """A number that was never given before for ``of``, from ``first`` on."""
        found = self.kept["numbers"].get(of, first)
        self.kept["numbers"][of] = found + 1
        return int(found)

    def count(self, what: str) -> None:
        """Keep how often something was called."""
        if what in self.kept["calls"] or len(self.kept["calls"]) < CALLS_KEPT:
            self.kept["calls"][what] = self.kept["calls"].get(what, 0) + 1

    def admit(self, key: str) -> None:
        """Let a call in. Raises Refused for a wrong key, and where a trap springs."""
        self.kept["answered"] += 1
        if self.trap("down"):
            raise Refused(503, "<html><body><h1>Service Unavailable</h1></body></html>")
        if self.spring("server_error"):
            raise Refused(500, "<html><body><h1>Internal Server Error</h1></body></html>")
        every = self.trap("throttle_every")
        if self.spring("throttle") or (every and self.kept["answered"] % every == 0):
            wait = self.trap("retry_after")
            raise Refused(429, {"error": "Too many requests"}, {"Retry-After": wait} if wait else {})
        if self.trap("revoked") or not key or key != self.kept["api_key"]:
            raise Refused(401, {"error": "Invalid API key"})

    # --- what is on file -----------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Json]:
        """All records of a kind, as they stand, oldest first."""
        return list(self.kept["records"][kind].values())

    def known(self, kind: str, external_id: str) -> Json:
        """One record as it stands. Raises Refused 404."""
        found: Json | None = self.kept["records"].get(kind, {}).get(external_id)
        if found is None:
            raise Refused(404, {"error": f"There is no such record among the {kind}"})
        return found

    def save(self, kind: str, record: Json) -> Json:
        """Put a record on file, or change it; how it was before stays readable by the trap ``stale``. Raises
        Refused for a kind that nobody knows, and for a record without an id."""
        if kind not in KINDS or not record.get(ID_FIELDS[kind]):
            raise Refused(400, {"error": f"a record of {', '.join(KINDS)} with its id is needed"})
        external_id = str(record[ID_FIELDS[kind]])
        before = self.kept["records"][kind].get(external_id)
        if before is not None:
            self.kept["before"][f"{kind}/{external_id}"] = before
        self.kept["records"][kind][external_id] = record
        return record

    def remove(self, kind: str, external_id: str) -> None:
        """Take a record off the file. Raises Refused 404."""
        self.known(kind, external_id)
        del self.kept["records"][kind][external_id]

    def read(self, kind: str, external_id: str) -> Json:
        """One record as the API serves it. Raises Refused 404."""
        if f"{kind}/{external_id}" in self.trap("gone"):
            raise Refused(404, {"error": f"There is no such record among the {kind}"})
        found = self.known(kind, external_id)
        before = self.kept["before"].get(f"{kind}/{external_id}")
        if before is not None and self.spring("stale"):
            found = before
        return found

    def styled(self, value: Any, key: str = "") -> Any:
        """A value as this practice's traps write it: key style, ids, amounts and dates."""
        if isinstance(value, Mapping):
            return {self._key(name): self.styled(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.styled(one, key) for one in value]
        if not isinstance(value, str):
            return value
        if key in _AMOUNTS:
            return _amount(value, self.trap("money"))
        if key in _TIMES and self.trap("dates") == "us":
            return _as_us(value)
        is_id = key == "id" or key.endswith("Id")
        return int(value) if is_id and value.isdigit() and self.trap("ids_as_numbers") else value

    def _key(self, name: str) -> str:
        style = self.trap("key_style")
        if style == "snake":
            return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        return name[:1].upper() + name[1:] if style == "pascal" else name

    def matching(self, query: Mapping[str, str]) -> Iterator[Json]:
        """Patients who have every value of ``query``."""
        for one in self.all("patients"):
            if all(_has(one, name, value) for name, value in query.items()):
                yield one

    @property
    def sites(self) -> list[cast.Facility]:
        """The clinic sites: the cast's, unless it was furnished with others."""
        return [cast.Facility(**one) for one in self.kept.get("sites", ())] or list(cast.FACILITIES)

    @property
    def offers(self) -> list[cast.Type]:
        """The appointment types, disabled ones and those that were added by hand too."""
        added = [
            cast.Type(f"NEW{number}", name, "Procedure", "Treatment", "New on the menu", (0,))
            for number, name in enumerate(self.kept.get("added", ()), 1)
        ]
        return [*cast.TYPES, *added]

    def type_named(self, name: str) -> cast.Type | None:
        """The appointment type of that name."""
        return next((one for one in self.offers if one.name == name), None)

    def facilities(self) -> list[Json]:
        """The clinic sites as the API lists them."""
        return [{"id": one.id, "name": one.name, "timeZone": one.time_zone} for one in self.sites]

    def types(self) -> list[Json]:
        """The appointment types as the API lists them, disabled ones too."""
        return [
            {"code": one.code, "name": one.name, "typeClass": one.type_class, "active": one.active}
            for one in self.offers
        ]


_AMOUNTS = ("total", "amount")
_TIMES = ("start", "modifiedAt", "completedAt", "startDate", "dateOfBirth")


def _amount(value: str, form: str) -> str | float:
    if form == "number":
        return float(value)
    return f"${float(value):,.2f}" if form == "dollars" else value


def _as_us(value: str) -> str:
    year, month, day = value[:10].split("-")
    rest = value[11:].replace("+", " +").replace("-", " -", 1) if len(value) > 10 else ""
    return f"{int(month)}/{int(day)}/{year} {rest}".strip()


def _has(patient: Json, name: str, wanted: str) -> bool:
    if name == "phone":
        mine = {_digits(patient.get(one)) for one in ("cellPhone", "homePhone")}
        return bool(_digits(wanted)) and _digits(wanted) in mine
    return plain_key(str(patient.get(name) or "")) == plain_key(wanted)


def _digits(number: Any) -> str:
    return "".join(letter for letter in str(number or "") if letter.isdigit())[-10:]
