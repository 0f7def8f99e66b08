"""Every call that the CRM client can make: method, path, the scope it needs, and which keys its body may
have.

API version 2021-07-28. Unknown keys are refused by the CRM with 422 and ``tags`` in an update would replace
all tags of a contact, so bodies are built only from the keys listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict


@dataclass(frozen=True, slots=True)
class Call:
    """``words``: what the CRM is asked to do, for people ("make the note"). ``path`` has one ``{}`` per id.
    ``writes``: after a timeout it may have been done."""

    name: str
    words: str
    method: str
    path: str
    scope: str
    writes: bool = False


class FieldValueItem(TypedDict):
    """One custom field value as the CRM takes it."""

    id: str
    field_value: str | int | float | list[str]


class ContactValues(TypedDict, total=False):
    """Native contact fields and custom field values. ``gender`` is sent on create only (updates refuse
    it)."""

    firstName: str
    lastName: str
    name: str
    email: str
    phone: str
    address1: str
    city: str
    state: str
    postalCode: str
    country: str
    dateOfBirth: str
    gender: str
    source: str
    timezone: str
    customFields: list[FieldValueItem]


class OpportunityValues(TypedDict, total=False):
    """What an opportunity is made of. ``contactId`` is sent on create only."""

    pipelineId: str
    pipelineStageId: str
    name: str
    status: str
    contactId: str
    monetaryValue: Decimal | float


GET_LOCATION = Call("get_location", "show the sub-account", "GET", "/locations/{}", "locations.readonly")
LIST_CUSTOM_FIELDS = Call(
    "list_custom_fields",
    "list the custom fields",
    "GET",
    "/locations/{}/customFields",
    "locations/customFields.readonly",
)
CREATE_CUSTOM_FIELD = Call(
    "create_custom_field",
    "make a custom field",
    "POST",
    "/locations/{}/customFields",
    "locations/customFields.write",
    writes=True,
)
PIPELINES = Call(
    "pipelines", "list the pipelines", "GET", "/opportunities/pipelines", "opportunities.readonly"
)
WORKFLOWS = Call("workflows", "list the workflows", "GET", "/workflows/", "workflows.readonly")
GET_CONTACT = Call("get_contact", "show the contact", "GET", "/contacts/{}", "contacts.readonly")
CREATE_CONTACT = Call(
    "create_contact", "make the contact", "POST", "/contacts/", "contacts.write", writes=True
)
UPDATE_CONTACT = Call(
    "update_contact", "change the contact", "PUT", "/contacts/{}", "contacts.write", writes=True
)
FIND_DUPLICATE = Call(
    "find_duplicate", "look for the contact", "GET", "/contacts/search/duplicate", "contacts.readonly"
)
SEARCH_CONTACTS = Call(
    "search_contacts", "search the contacts", "POST", "/contacts/search", "contacts.readonly"
)
ADD_TAGS = Call("add_tags", "add the tag", "POST", "/contacts/{}/tags", "contacts.write", writes=True)
REMOVE_TAGS = Call(
    "remove_tags", "take off the tag", "DELETE", "/contacts/{}/tags", "contacts.write", writes=True
)
LIST_TAGS = Call("list_tags", "list the tags", "GET", "/locations/{}/tags", "locations/tags.readonly")
LIST_NOTES = Call("list_notes", "list the notes", "GET", "/contacts/{}/notes", "contacts.readonly")
CREATE_NOTE = Call(
    "create_note", "make the note", "POST", "/contacts/{}/notes", "contacts.write", writes=True
)
ENROL = Call(
    "enrol",
    "enrol the contact in the workflow",
    "POST",
    "/contacts/{}/workflow/{}",
    "contacts.write",
    writes=True,
)
SEARCH_OPPORTUNITIES = Call(
    "search_opportunities",
    "look for the opportunity",
    "GET",
    "/opportunities/search",
    "opportunities.readonly",
)
GET_OPPORTUNITY = Call(
    "get_opportunity", "show the opportunity", "GET", "/opportunities/{}", "opportunities.readonly"
)
CREATE_OPPORTUNITY = Call(
    "create_opportunity",
    "make the opportunity",
    "POST",
    "/opportunities/",
    "opportunities.write",
    writes=True,
)
UPDATE_OPPORTUNITY = Call(
    "update_opportunity",
    "change the opportunity",
    "PUT",
    "/opportunities/{}",
    "opportunities.write",
    writes=True,
)

_CONTACT_KEYS = (
    "firstName",
    "lastName",
    "name",
    "email",
    "phone",
    "address1",
    "city",
    "state",
    "postalCode",
    "country",
    "dateOfBirth",
    "source",
    "timezone",
    "customFields",
)
_OPPORTUNITY_KEYS = ("pipelineId", "pipelineStageId", "name", "status", "monetaryValue")
_BODY_KEYS = {
    CREATE_CONTACT: (*_CONTACT_KEYS, "gender"),
    UPDATE_CONTACT: _CONTACT_KEYS,
    CREATE_OPPORTUNITY: (*_OPPORTUNITY_KEYS, "contactId"),
    UPDATE_OPPORTUNITY: _OPPORTUNITY_KEYS,
}


def body_for(call: Call, values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``values`` that ``call`` takes. Empty ones are left out, because they would erase what the
    CRM has; amounts become JSON numbers."""
    kept = ((key, values.get(key)) for key in _BODY_KEYS[call])
    return {
        key: json_number(value) for key, value in kept if value is not None and value != "" and value != []
    }


def json_number(value: Any) -> Any:
    """A Decimal as a float of two decimals, which is how JSON carries money; anything else unchanged."""
    return float(value.quantize(Decimal("0.01"))) if isinstance(value, Decimal) else value
