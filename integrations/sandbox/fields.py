"""The custom fields of one sub-account: their definitions, keys, folders, and the writing of values."""

from typing import Any

from .records import Record, new_id, words
from .values import UNSTORED, stored_value
from .wire import bad_request, unprocessable

DEFAULT_FOLDER = "Additional Info"
FIRST_POSITION, POSITION_STEP = 1100, 50
# Names of the CRM's own contact fields: no custom field may take one.
STANDARD_NAMES = frozenset(
    name.replace("_", " ")
    for name in words(
        "first_name last_name full_name email phone website address city state country postal_code "
        "time_zone timezone company_name business_name date_of_birth source contact_source tags"
    )
)


def slug_of(name: str) -> str:
    """Turn a field's name into its key: lower case, spaces to `_`, punctuation dropped."""
    return "".join(c for c in name.strip().lower().replace(" ", "_") if c == "_" or c.isalnum())


class CustomFields:
    """All custom fields of one sub-account."""

    def __init__(self, location_id: str) -> None:
        self.location_id = location_id
        self.folders: dict[str, str] = {new_id(): DEFAULT_FOLDER}
        self.by_id: dict[str, Record] = {}
        self._by_key: dict[str, Record] = {}

    def dump(self) -> Record:
        """Return everything as JSON."""
        return {"folders": self.folders, "fields": list(self.by_id.values())}

    def load(self, dumped: Record) -> None:
        """Take over what `dump` gave."""
        self.folders = dict(dumped["folders"])
        for field in dumped["fields"]:
            self._keep(field)

    def named(self, name: str, model: str) -> Record | None:
        """Find a field by name, whatever its case."""
        wanted = name.strip().casefold()
        for field in self.by_id.values():
            if field["model"] == model and field["name"].strip().casefold() == wanted:
                return field
        return None

    def find(self, id_or_key: str) -> Record | None:
        """Find a field by id or by key (`contact.modmed_location`)."""
        return self.by_id.get(id_or_key) or self._by_key.get(id_or_key)

    def add(self, wanted: Record) -> Record:
        """Make a field. Raise ApiError 400 for a name, key or folder that cannot be."""
        name, model = wanted["name"].strip(), wanted.get("model", "contact")
        if self.named(name, model):
            raise bad_request(f"A custom field with the name {name} already exists.")
        if model == "contact" and name.casefold() in STANDARD_NAMES:
            raise bad_request(f"{name} is the name of a standard field.")
        folder = wanted.get("parentId") or next(iter(self.folders))
        if folder not in self.folders:
            raise bad_request("parentId is not a folder of this location.")
        return self._keep(
            {
                "id": wanted.get("id") or new_id(),
                "name": name,
                "fieldKey": self._free_key(wanted.get("fieldKey"), name, model),
                "placeholder": wanted.get("placeholder", ""),
                "dataType": wanted["dataType"],
                "position": wanted.get("position") or FIRST_POSITION + POSITION_STEP * len(self.by_id),
                "picklistOptions": list(wanted.get("picklistOptions", ())),
                "picklistImageOptions": [],
                "isAllowedCustomOption": bool(wanted.get("isAllowedCustomOption")),
                "isMultiFileAllowed": bool(wanted.get("isMultipleFile")),
                "maxFileLimit": wanted.get("maxNumberOfFiles", 1),
                "locationId": self.location_id,
                "model": model,
                "parentId": folder,
            }
        )

    def rename(self, field: Record, changes: Record) -> None:
        """Change a field; its key stays. Raise ApiError 400 when another has the name."""
        other = self.named(changes["name"], field["model"])
        if other is not None and other is not field:
            raise bad_request(f"A custom field with the name {other['name']} already exists.")
        field["name"] = changes["name"].strip()
        for name in ("placeholder", "position"):
            if name in changes:
                field[name] = changes[name]

    def remove(self, field: Record) -> None:
        """Forget a field."""
        del self.by_id[field["id"]]
        del self._by_key[field["fieldKey"]]

    def write(self, values: dict[str, Any], items: list[Record], model: str) -> None:
        """Write custom field values into `values` (by id); what the CRM would not keep is left out.

        Raise ApiError 422 for an item whose id or key is not a text.
        """
        for item in items:
            field = self._of_item(item, model)
            raw = item["field_value"] if "field_value" in item else item.get("fieldValue", UNSTORED)
            value = UNSTORED if field is None or raw is UNSTORED else stored_value(field, raw)
            if field is None or value is UNSTORED:
                continue
            if value is None:
                values.pop(field["id"], None)
            else:
                values[field["id"]] = value

    def _of_item(self, item: Record, model: str) -> Record | None:
        field_id, key = item.get("id"), item.get("key")
        if not isinstance(field_id, str | None) or not isinstance(key, str | None):
            raise unprocessable(["each id and key in customFields must be a string"])
        if field_id is not None:
            field = self.by_id.get(field_id)
        else:
            field = self._by_key.get(key or "") or self._by_key.get(f"{model}.{key}")
        return field if field is not None and field["model"] == model else None

    def _keep(self, field: Record) -> Record:
        self.by_id[field["id"]] = field
        self._by_key[field["fieldKey"]] = field
        return field

    def _free_key(self, asked: str | None, name: str, model: str) -> str:
        base = asked if asked and asked.startswith(f"{model}.") else f"{model}.{slug_of(name)}"
        key, number = base, 1
        while key in self._by_key:
            number += 1
            key = f"{base}_{number}"
        return key
