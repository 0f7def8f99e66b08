"""Which properties each call takes, and what type each must have. Everything else is refused with 422."""

from dataclasses import dataclass
from typing import Any

from .records import Record, words
from .wire import unprocessable

_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "{} must be a string"),
    "flag": (bool, "{} must be a boolean value"),
    "number": ((int, float), "{} must be a number conforming to the specified constraints"),
    "list": (list, "{} must be an array"),
    "texts": (list, "{} must be an array"),
    "objects": (list, "{} must be an array"),
    "object": (dict, "{} must be an object"),
}
_ITEM_TYPES: dict[str, tuple[type, str]] = {
    "texts": (str, "each value in {} must be a string"),
    "objects": (dict, "each value in {} must be an object"),
}


@dataclass(frozen=True, slots=True)
class Prop:
    """One property: its type, whether null clears it, the values it may have, whether it must be filled."""

    kind: str
    nullable: bool = False
    choices: tuple[str, ...] = ()
    filled: bool = False

    def fault(self, name: str, value: Any) -> str | None:
        """Say what is wrong with a value, or None."""
        if value is None:
            return None if self.nullable else f"{name} should not be null"
        if wrong := self._wrong_type(value):
            return wrong.format(name)
        if self.choices and value not in self.choices:
            return f"{name} must be one of the following values: {', '.join(self.choices)}"
        if self.filled and not value.strip():
            return f"{name} should not be empty"
        return None

    def _wrong_type(self, value: Any) -> str | None:
        expected, message = _TYPES[self.kind]
        # A bool is an int to Python, but not a number to JSON.
        if not isinstance(value, expected) or (self.kind == "number" and isinstance(value, bool)):
            return message
        item_type, item_message = _ITEM_TYPES.get(self.kind, (object, ""))
        held = value if isinstance(value, list) else []
        return None if all(isinstance(item, item_type) for item in held) else item_message


@dataclass(frozen=True, slots=True)
class Shape:
    """The body of one call."""

    props: dict[str, Prop]
    required: tuple[str, ...] = ()

    def check(self, body: Record) -> Record:
        """Return the body. Raise ApiError 422 with a list of everything that is wrong."""
        faults = [f"{name} should not be empty" for name in self.required if name not in body]
        for name, value in body.items():
            prop = self.props.get(name)
            if prop is None:
                faults.append(f"property {name} should not exist")
            elif fault := prop.fault(name, value):
                faults.append(fault)
        if faults:
            raise unprocessable(faults)
        return body


TEXT, OPTIONAL_TEXT = Prop("text"), Prop("text", nullable=True)
FLAG, NUMBER, TEXTS, OBJECTS, OBJECT = (Prop(k) for k in ("flag", "number", "texts", "objects", "object"))
# The vendor's schema also lists "all", which is a search word: never to be written.
STATUS = Prop("text", choices=("open", "won", "lost", "abandoned"))
MODEL = Prop("text", choices=("contact", "opportunity"))

_CLEARABLE = words(
    "firstName lastName name email phone address1 city state website timezone dateOfBirth companyName"
)
_CONTACT = (
    dict.fromkeys(_CLEARABLE, OPTIONAL_TEXT)
    | dict.fromkeys(words("locationId gender postalCode source country assignedTo"), TEXT)
    | {
        "dnd": FLAG,
        "dndSettings": OBJECT,
        "inboundDndSettings": OBJECT,
        "tags": TEXTS,
        "customFields": OBJECTS,
    }
)
_NOT_ON_UPDATE = ("locationId", "gender", "companyName")
CONTACT_CREATE = Shape(_CONTACT, required=("locationId",))
CONTACT_UPSERT = Shape(_CONTACT | {"createNewIfDuplicateAllowed": FLAG}, required=("locationId",))
CONTACT_UPDATE = Shape(
    {name: prop for name, prop in _CONTACT.items() if name not in _NOT_ON_UPDATE}
    | {"source": OPTIONAL_TEXT, "assignedTo": OPTIONAL_TEXT}
)
CONTACT_SEARCH = Shape(
    {
        "locationId": TEXT,
        "pageLimit": NUMBER,
        "page": NUMBER,
        "searchAfter": Prop("list"),
        "filters": OBJECTS,
        "sort": OBJECTS,
        "query": TEXT,
    },
    required=("locationId", "pageLimit"),
)

CONTACT_TAGS = Shape({"tags": TEXTS}, required=("tags",))
_NOTE = {"userId": TEXT, "body": Prop("text", filled=True), "title": TEXT, "color": TEXT, "pinned": FLAG}
NOTE_CREATE = Shape(_NOTE, required=("body",))
NOTE_UPDATE = Shape(_NOTE)
ENROL = Shape({"eventStartTime": TEXT})

_OPPORTUNITY = {
    "pipelineId": TEXT,
    "name": Prop("text", filled=True),
    "pipelineStageId": TEXT,
    "status": STATUS,
    "monetaryValue": NUMBER,
    "assignedTo": TEXT,
    "customFields": OBJECTS,
}
OPPORTUNITY_CREATE = Shape(
    _OPPORTUNITY | {"locationId": TEXT, "contactId": TEXT},
    required=("pipelineId", "locationId", "name", "status", "contactId"),
)
OPPORTUNITY_UPDATE = Shape(_OPPORTUNITY)
OPPORTUNITY_STATUS = Shape({"status": STATUS, "lostReasonId": TEXT}, required=("status",))

_FIELD = {
    "name": Prop("text", filled=True),
    "placeholder": TEXT,
    "acceptedFormat": TEXTS,
    "isMultipleFile": FLAG,
    "maxNumberOfFiles": NUMBER,
    "textBoxListOptions": OBJECTS,
    "position": NUMBER,
    "model": MODEL,
}
DATA_TYPES = words(
    "TEXT LARGE_TEXT NUMERICAL PHONE MONETORY CHECKBOX SINGLE_OPTIONS MULTIPLE_OPTIONS DATE TEXTBOX_LIST "
    "FILE_UPLOAD RADIO EMAIL FLOAT TIME SIGNATURE"
)
# parentId, fieldKey and description are not in the vendor's schema, yet its API takes them.
FIELD_CREATE = Shape(
    _FIELD
    | {"dataType": Prop("text", choices=DATA_TYPES), "parentId": TEXT, "fieldKey": TEXT, "description": TEXT},
    required=("name", "dataType"),
)
FIELD_UPDATE = Shape(_FIELD, required=("name",))
TAG_CREATE = Shape({"name": Prop("text", filled=True)}, required=("name",))
