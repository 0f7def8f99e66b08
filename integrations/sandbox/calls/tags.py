"""Tags: of a contact, and the list a sub-account knows."""

from .. import shapes
from ..records import Record
from ..values import clean_tags
from ..wire import ApiError, unprocessable
from .call import Call, CrmRoute, Reply


def add(call: Call) -> Reply:
    """POST /contacts/{id}/tags: adds, and makes tags the sub-account does not know."""
    contact, wanted = call.contact(), _wanted(call)
    added = [tag for tag in wanted if tag not in contact["tags"]]
    if added:
        call.account.learn_tags(added)
        _keep(call, contact, contact["tags"] + added)
    return 201, {"tags": list(contact["tags"]), "tagsAdded": added}


def remove(call: Call) -> Reply:
    """DELETE /contacts/{id}/tags: a DELETE with a body."""
    contact, wanted = call.contact(), _wanted(call)
    removed = [tag for tag in contact["tags"] if tag in wanted]
    if removed:
        _keep(call, contact, [tag for tag in contact["tags"] if tag not in wanted])
    return 200, {"tags": list(contact["tags"]), "tagsRemoved": removed}


def list_known(call: Call) -> Reply:
    """GET /locations/{id}/tags"""
    return 200, {"tags": [dict(tag) for tag in call.own(call.params[0]).tags.values()]}


def learn(call: Call) -> Reply:
    """POST /locations/{id}/tags"""
    account = call.own(call.params[0])
    names = clean_tags([shapes.TAG_CREATE.check(call.body)["name"]])
    if names[0] in account.tags:
        raise ApiError(400, {"statusCode": 400, "message": "The tag name is already exist."})
    account.learn_tags(names)
    call.state.touch()
    return 201, {"tag": dict(account.tags[names[0]])}


def _wanted(call: Call) -> list[str]:
    tags = clean_tags(shapes.CONTACT_TAGS.check(call.body)["tags"])
    if not tags:
        raise unprocessable(["tags should not be empty"])
    return tags


def _keep(call: Call, contact: Record, tags: list[str]) -> None:
    before, contact["tags"] = contact["tags"], tags
    call.state.tags_changed(contact, before)
    call.state.wrote_contact(contact)


ROUTES = [
    CrmRoute("POST /contacts/{id}/tags", add, "contacts.write"),
    CrmRoute("DELETE /contacts/{id}/tags", remove, "contacts.write"),
    CrmRoute("GET /locations/{id}/tags", list_known, "locations/tags.readonly"),
    CrmRoute("POST /locations/{id}/tags", learn, "locations/tags.write"),
]
