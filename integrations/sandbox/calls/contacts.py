"""Contacts: create, upsert, read, update, delete, and the look-up of duplicates."""

import secrets
from typing import Any

from .. import shapes, values
from ..accounts import SubAccount
from ..records import Record, full_name, new_id, now_iso
from ..wire import ApiError, unprocessable
from .call import ACCEPTED, Call, CrmRoute, Reply

_PARSED: dict[str, tuple[Any, str]] = {
    "email": (values.email_of, "email must be an email"),
    "phone": (values.phone_of, "phone must be a valid phone number"),
    "dateOfBirth": (values.birth_date_of, "dateOfBirth must be a valid date"),
}
_APART = ("locationId", "name", "tags", "customFields", "createNewIfDuplicateAllowed")


def view(contact: Record) -> Record:
    """Return a contact as the CRM shows it: birth date `YYYY-MM-DD`, custom fields `[{id, value}]`."""
    first, last = contact.get("firstName") or "", contact.get("lastName") or ""
    name = full_name(contact)
    return {
        **contact,
        "name": name,
        "firstNameLowerCase": first.lower(),
        "lastNameLowerCase": last.lower(),
        "fullNameLowerCase": name.lower(),
        "emailLowerCase": contact.get("email"),
        "tags": list(contact["tags"]),
        "customFields": [{"id": key, "value": value} for key, value in contact["customFields"].items()],
    }


def _new_view(contact: Record) -> Record:
    shown = view(contact)
    if "dateOfBirth" in shown:
        shown["dateOfBirth"] += "T00:00:00.000Z"
    return shown


def create(call: Call) -> Reply:
    """POST /contacts/"""
    body = shapes.CONTACT_CREATE.check(call.body)
    account = call.own(body["locationId"])
    changes = _changes(body, account)
    _refuse_duplicates(call, changes, None)
    contact = _add(call, changes, body)
    return 201, {"contact": _new_view(contact), "traceId": secrets.token_hex(8)}


def upsert(call: Call) -> Reply:
    """POST /contacts/upsert"""
    body = shapes.CONTACT_UPSERT.check(call.body)
    account = call.own(body["locationId"])
    changes = _changes(body, account)
    if not changes.get("email") and not changes.get("phone"):
        raise unprocessable(["email or phone should not be empty"])
    apart = body.get("createNewIfDuplicateAllowed") and account.settings["allowDuplicateContact"]
    match = None if apart else _match(call, changes)
    if match is None:
        contact = _add(call, changes, body)
        return 201, {"new": True, "contact": _new_view(contact), "traceId": secrets.token_hex(8)}
    contact = match[0]
    changes.pop("gender", None)  # the CRM takes it without complaint and keeps the old one
    _drop_taken(call, changes, contact)
    _write(call, contact, changes, body)
    return 200, {"new": False, "contact": view(contact), "traceId": secrets.token_hex(8)}


def read(call: Call) -> Reply:
    """GET /contacts/{id}"""
    return 200, {"contact": view(call.contact())}


def update(call: Call) -> Reply:
    """PUT /contacts/{id}"""
    body = shapes.CONTACT_UPDATE.check(call.body)
    contact = call.contact()
    changes = _changes(body, call.account)
    _refuse_duplicates(call, changes, contact["id"])
    _write(call, contact, changes, body)
    return 200, {"succeded": True, "contact": view(contact)}


def delete(call: Call) -> Reply:
    """DELETE /contacts/{id}"""
    contact = call.contact()
    call.state.told("contact_deleted", contact)
    call.state.drop_contact(contact)
    call.state.wrote_contact(contact, gone=True)
    return ACCEPTED


def duplicate(call: Call) -> Reply:
    """GET /contacts/search/duplicate"""
    account = call.own(call.query.get("locationId"))
    wanted = {"email": call.query.get("email", "").strip().lower(), "phone": call.query.get("number", "")}
    if account.settings["allowDuplicateContact"]:
        order = ["email", "phone"]
    else:
        order = account.settings["contactUniqueIdentifiers"]
    found = _first(call, wanted, order, None)
    return 200, {"contact": None if found is None else view(found[0])}


def _changes(body: Record, account: SubAccount) -> Record:
    """Return the plain properties to be written, None where one is to be cleared."""
    changes = {name: value for name, value in body.items() if name not in _APART}
    faults = []
    for name, (parse, message) in _PARSED.items():
        if changes.get(name):
            changes[name] = parse(changes[name])
            if changes[name] is None:
                faults.append(message)
        elif name in changes:
            changes[name] = None
    country = changes.get("country")
    if country and not (len(country) == 2 and country.isalpha()):
        faults.append("country must be a valid enum value")
    if "dateOfBirth" in changes and account.knobs["birth_date"] != "accept":
        del changes["dateOfBirth"]
        if account.knobs["birth_date"] == "refuse":
            faults.append("property dateOfBirth should not exist")
    if faults:
        raise unprocessable(faults)
    if body.get("name") and not {"firstName", "lastName"} & body.keys():
        changes["firstName"], _, changes["lastName"] = body["name"].strip().partition(" ")
    return changes


def _first(call: Call, wanted: Record, order: list[str], except_id: str | None) -> tuple[Record, str] | None:
    for name in order:
        if wanted.get(name):
            for contact_id in call.account.index.holding(name, wanted[name]):
                if contact_id != except_id:
                    return call.state.contacts[contact_id], name
    return None


def _match(call: Call, changes: Record) -> tuple[Record, str] | None:
    return _first(call, changes, call.account.settings["contactUniqueIdentifiers"], None)


def _refuse_duplicates(call: Call, changes: Record, own_id: str | None) -> None:
    if call.account.settings["allowDuplicateContact"]:
        return
    match = _first(call, changes, call.account.settings["contactUniqueIdentifiers"], own_id)
    if match is not None:
        meta = {"contactId": match[0]["id"], "matchingField": match[1]}
        message = "This location does not allow duplicated contacts."
        raise ApiError(400, {"statusCode": 400, "message": message, "meta": meta})


def _drop_taken(call: Call, changes: Record, contact: Record) -> None:
    """Upsert drops a value that another contact holds, and says nothing."""
    if call.account.settings["allowDuplicateContact"]:
        return
    for name in call.account.settings["contactUniqueIdentifiers"]:
        if _first(call, changes, [name], contact["id"]):
            del changes[name]


def _add(call: Call, changes: Record, body: Record) -> Record:
    moment = now_iso()
    contact: Record = {
        "id": new_id(),
        "locationId": call.account.id,
        "type": "lead",
        "dnd": False,
        "dateAdded": moment,
        "dateUpdated": moment,
        "tags": [],
        "customFields": {},
    }
    _apply(call.account, contact, changes, body)
    call.contact_id = contact["id"]
    call.state.keep_contact(contact)
    call.state.told("contact_created", contact)
    if contact["tags"]:
        call.state.tags_changed(contact, [])
    call.state.wrote_contact(contact)
    return contact


def _write(call: Call, contact: Record, changes: Record, body: Record) -> None:
    index = call.account.index
    before = index.keys_of(contact)
    _apply(call.account, contact, changes, body)
    index.change(contact, before)
    contact["dateUpdated"] = now_iso()
    call.contact_id = contact["id"]
    call.state.told("contact_updated", contact)
    call.state.wrote_contact(contact)


def _apply(account: SubAccount, contact: Record, changes: Record, body: Record) -> None:
    if "customFields" in body:
        account.fields.write(contact["customFields"], body["customFields"], "contact")
    for name, value in changes.items():
        if value is None:
            contact.pop(name, None)
        else:
            contact[name] = value
    if "tags" in body:
        contact["tags"] = values.clean_tags(body["tags"])
        account.learn_tags(contact["tags"])


ROUTES = [
    CrmRoute("POST /contacts", create, "contacts.write"),
    CrmRoute("POST /contacts/upsert", upsert, "contacts.write"),
    CrmRoute(
        "GET /contacts/search/duplicate",
        duplicate,
        "contacts.readonly",
        frozenset(("locationId", "email", "number")),
    ),
    CrmRoute("GET /contacts/{id}", read, "contacts.readonly"),
    CrmRoute("PUT /contacts/{id}", update, "contacts.write"),
    CrmRoute("DELETE /contacts/{id}", delete, "contacts.write"),
]
