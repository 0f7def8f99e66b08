"""A sub-account and its custom fields."""

from .. import shapes
from ..records import Record
from ..wire import not_found
from .call import ACCEPTED, Call, CrmRoute, Reply


def read(call: Call) -> Reply:
    """GET /locations/{id}"""
    account = call.own(call.params[0])
    return 200, {
        "location": {
            "id": account.id,
            "companyId": account.company_id,
            "name": account.name,
            "timezone": account.timezone,
            "settings": dict(account.settings),
        }
    }


def list_fields(call: Call) -> Reply:
    """GET /locations/{id}/customFields"""
    account = call.own(call.params[0])
    model = call.query.get("model", "all")
    fields = [_view(one) for one in account.fields.by_id.values() if model in ("all", one["model"])]
    return 200, {"customFields": fields}


def create_field(call: Call) -> Reply:
    """POST /locations/{id}/customFields"""
    body = shapes.FIELD_CREATE.check(call.body)
    field = call.own(call.params[0]).fields.add(body)
    call.state.touch()
    return 201, {"customField": _view(field)}


def read_field(call: Call) -> Reply:
    """GET /locations/{id}/customFields/{fieldId}, by id or key."""
    return 200, {"customField": _view(_field(call))}


def update_field(call: Call) -> Reply:
    """PUT /locations/{id}/customFields/{fieldId}"""
    body = shapes.FIELD_UPDATE.check(call.body)
    field = _field(call)
    call.account.fields.rename(field, body)
    call.state.touch()
    return 200, {"customField": _view(field)}


def delete_field(call: Call) -> Reply:
    """DELETE /locations/{id}/customFields/{fieldId}: the contacts lose its values."""
    field, index = _field(call), call.account.index
    for contact_id in index.ids:
        contact = call.state.contacts[contact_id]
        if field["id"] in contact["customFields"]:
            before = index.keys_of(contact)
            del contact["customFields"][field["id"]]
            index.change(contact, before)
    call.account.fields.remove(field)
    call.state.touch()
    return ACCEPTED


def _field(call: Call) -> Record:
    field = call.own(call.params[0]).fields.find(call.params[1])
    if field is None:
        raise not_found("Custom field not found")
    return field


def _view(field: Record) -> Record:
    return field | {"picklistOptions": list(field["picklistOptions"])}


ROUTES = [
    CrmRoute("GET /locations/{id}", read, "locations.readonly"),
    CrmRoute(
        "GET /locations/{id}/customFields",
        list_fields,
        "locations/customFields.readonly",
        frozenset(("model",)),
    ),
    CrmRoute("POST /locations/{id}/customFields", create_field, "locations/customFields.write"),
    CrmRoute("GET /locations/{id}/customFields/{fieldId}", read_field, "locations/customFields.readonly"),
    CrmRoute("PUT /locations/{id}/customFields/{fieldId}", update_field, "locations/customFields.write"),
    CrmRoute("DELETE /locations/{id}/customFields/{fieldId}", delete_field, "locations/customFields.write"),
]
