"""Finding contacts fast, and seeing records late as the CRM's search does."""

from collections import deque
from typing import Any

from .records import Record

_Ids = dict[str, None]


def indexed_value(value: Any) -> str | None:
    """Return the text a single value is found by; lists and objects have none."""
    return None if isinstance(value, (list, dict)) else str(value).strip().casefold()


class ContactIndex:
    """The contacts of one sub-account by e-mail, phone and custom field value, in the order they came."""

    def __init__(self) -> None:
        self.ids: _Ids = {}
        self._found: dict[tuple[str, str], _Ids] = {}

    def add(self, contact: Record) -> None:
        """Index a contact under all its present values."""
        contact_id = contact["id"]
        self.ids[contact_id] = None
        for key in self.keys_of(contact):
            found = self._found.get(key)
            if found is None:
                self._found[key] = {contact_id: None}
            else:
                found[contact_id] = None

    def remove(self, contact: Record) -> None:
        """Forget a contact; call it before its values change."""
        self.ids.pop(contact["id"], None)
        for key in self.keys_of(contact):
            self._drop(key, contact["id"])

    def change(self, contact: Record, before: list[tuple[str, str]]) -> None:
        """Index a contact again whose keys were `before`."""
        after = self.keys_of(contact)
        if before == after:
            return
        contact_id = contact["id"]
        for key in before:
            self._drop(key, contact_id)
        for key in after:
            self._found.setdefault(key, {})[contact_id] = None

    @staticmethod
    def keys_of(contact: Record) -> list[tuple[str, str]]:
        """Return what a contact is found by at present."""
        keys: list[tuple[str, str]] = [
            (name, contact[name].casefold()) for name in ("email", "phone") if name in contact
        ]
        for field_id, value in contact["customFields"].items():
            for one in value if isinstance(value, list) else (value,):
                text = indexed_value(one)
                if text is not None:
                    keys.append(("customFields." + field_id, text))
        return keys

    def holding(self, field: str, value: Any) -> _Ids:
        """Return the ids whose `email`, `phone` or `customFields.<id>` equals a value."""
        key = indexed_value(value)
        return {} if key is None else self._found.get((field, key), {})

    def _drop(self, key: tuple[str, str], contact_id: str) -> None:
        found = self._found.get(key)
        if found is not None:
            found.pop(contact_id, None)
            if not found:
                del self._found[key]


class LateView:
    """Records as they were some time ago: a write shows only when its time has come."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, str, Record | None]] = deque()
        self._shown: dict[str, Record] = {}

    def start(self, records: dict[str, Record]) -> None:
        """Begin with everything there is."""
        self._waiting.clear()
        self._shown = {record_id: _copy(record) for record_id, record in records.items()}

    def wrote(self, due: float, record_id: str, record: Record | None) -> None:
        """Note a write (None: a deletion) that shows from `due` on (monotonic seconds)."""
        self._waiting.append((due, record_id, None if record is None else _copy(record)))

    def at(self, now: float) -> dict[str, Record]:
        """Return the records as a search sees them at `now`."""
        while self._waiting and self._waiting[0][0] <= now:
            _, record_id, record = self._waiting.popleft()
            if record is None:
                self._shown.pop(record_id, None)
            else:
                self._shown[record_id] = record
        return self._shown


def _copy(record: Record) -> Record:
    return record | {"customFields": dict(record["customFields"])}
