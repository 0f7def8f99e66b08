"""Reading the JSON with which a sub-account is set up over the control door."""

from typing import Any, NoReturn

from .limits import RateLimit
from .records import Record, new_id, now_iso
from .shapes import DATA_TYPES
from .wire import bad_request

DEFAULT_SETTINGS: Record = {
    "allowDuplicateContact": False,
    "allowDuplicateOpportunity": False,
    "allowFacebookNameMerge": False,
    "disableContactTimezone": False,
    "contactUniqueIdentifiers": ["email", "phone"],
}
# How to behave where the real CRM is not settled. birth_date: "refuse" is a 422, "drop" is silent.
DEFAULT_KNOBS: Record = {
    "duplicate_opportunity_scope": "pipeline",
    "birth_date": "accept",
    "retry_after_on_429": False,
}
KNOB_CHOICES = {
    "duplicate_opportunity_scope": ("pipeline", "contact"),
    "birth_date": ("accept", "refuse", "drop"),
    "retry_after_on_429": (True, False),
}


class Setup:
    """Reads the JSON of a setup; every fault is an ApiError 400 that names its place."""

    def __init__(self, wanted: Record) -> None:
        self._wanted = wanted

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        value = self._wanted.get(name, default)
        return value if isinstance(value, str) else _fault(name, "must be a string")

    def tokens(self) -> dict[str, list[str] | None]:
        """Return the scopes of each token, None where it has all."""
        listed = self._list("tokens") or [self._wanted.get("token")]
        tokens = {}
        for position, entry in enumerate(listed):
            token, scopes = (
                (entry.get("token"), entry.get("scopes")) if isinstance(entry, dict) else (entry, None)
            )
            if not isinstance(token, str) or not token:
                _fault(f"tokens[{position}]", "must be a string (or give `token`)")
            if scopes is not None and not isinstance(scopes, list):
                _fault(f"tokens[{position}].scopes", "must be a list")
            tokens[token] = scopes
        return tokens

    def limits(self) -> RateLimit:
        """Return the rate limit."""
        wanted = self._part("limits", {"max": 100, "interval_ms": 10_000, "daily": 200_000})
        for name, value in wanted.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                _fault(f"limits.{name}", "must be a whole number above 0")
        return RateLimit(**wanted)

    def settings(self) -> Record:
        """Return the sub-account's own settings."""
        settings = self._part("settings", DEFAULT_SETTINGS)
        order = settings["contactUniqueIdentifiers"]
        if not isinstance(order, list) or not set(order) <= {"email", "phone"}:
            _fault("settings.contactUniqueIdentifiers", 'may hold "email" and "phone"')
        return settings

    def knobs(self) -> Record:
        """Return how the pretend CRM is to behave where the real one is not settled."""
        knobs = self._part("knobs", DEFAULT_KNOBS)
        for name, value in knobs.items():
            if value not in KNOB_CHOICES[name]:
                _fault(f"knobs.{name}", f"must be one of {list(KNOB_CHOICES[name])}")
        return knobs

    def pipelines(self, location_id: str) -> list[Record]:
        """Return the pipelines with their stages, with the ids given."""
        return [
            {
                "id": self._named(f"pipelines[{n}]", one).get("id") or new_id(),
                "name": one["name"],
                "stages": [
                    {
                        "id": self._named(f"pipelines[{n}].stages[{m}]", stage).get("id") or new_id(),
                        "name": stage["name"],
                        "position": m,
                        "showInFunnel": True,
                        "showInPieChart": True,
                    }
                    for m, stage in enumerate(one.get("stages", ()))
                ],
                "showInFunnel": True,
                "showInPieChart": True,
                "locationId": location_id,
            }
            for n, one in enumerate(self._list("pipelines"))
        ]

    def workflows(self, location_id: str, known: dict[str, str]) -> list[Record]:
        """Return the workflows; one without an id keeps the one it is known by."""
        moment = now_iso()
        return [
            {
                "id": self._named(f"workflows[{n}]", one).get("id") or known.get(one["name"]) or new_id(),
                "name": one["name"],
                "status": one.get("status", "published"),
                "version": 1,
                "createdAt": moment,
                "updatedAt": moment,
                "locationId": location_id,
            }
            for n, one in enumerate(self._list("workflows"))
        ]

    def folders(self, known: dict[str, str]) -> dict[str, str]:
        """Return names by id; a folder without an id keeps the one it is known by."""
        return {
            self._named(f"folders[{n}]", one).get("id") or known.get(one["name"]) or new_id(): one["name"]
            for n, one in enumerate(self._list("folders"))
        }

    def fields(self) -> list[Record]:
        """Return the custom fields to be made."""
        listed = self._list("custom_fields")
        for position, one in enumerate(listed):
            place = f"custom_fields[{position}]"
            if self._named(place, one).get("dataType") not in DATA_TYPES:
                _fault(f"{place}.dataType", f"must be one of {', '.join(DATA_TYPES)}")
        return listed

    def _list(self, name: str) -> list[Any]:
        value = self._wanted.get(name, [])
        return value if isinstance(value, list) else _fault(name, "must be a list")

    def _part(self, name: str, defaults: Record) -> Record:
        value = self._wanted.get(name, {})
        if not isinstance(value, dict):
            _fault(name, "must be an object")
        for key in value:
            if key not in defaults:
                _fault(f"{name}.{key}", f"is not known; known are {', '.join(defaults)}")
        return defaults | value

    @staticmethod
    def _named(place: str, one: Any) -> Record:
        named = isinstance(one, dict) and isinstance(one.get("name"), str)
        return one if named else _fault(place, "must be an object with a name")


def _fault(place: str, what: str) -> NoReturn:
    raise bad_request(f"{place} {what}")
