"""The contact search: an index that may lag behind the writes."""

from typing import Any

from .. import shapes
from ..filters import candidates, filter_test
from ..records import Record, epoch_ms, full_name
from ..wire import unprocessable
from .call import Call, CrmRoute, Reply
from .contacts import view

MAX_PAGE_LENGTH, MAX_RECORDS_BY_PAGE = 500, 10_000
_SORTABLE = ("dateAdded", "dateUpdated", "firstNameLowerCase", "lastNameLowerCase", "email")


def search(call: Call) -> Reply:
    """POST /contacts/search"""
    body = shapes.CONTACT_SEARCH.check(call.body)
    call.own(body["locationId"])
    length = _bounded(body, "pageLimit", MAX_PAGE_LENGTH, 20)
    found = _sorted(_found(call, body), body.get("sort") or [])
    start = _start(body, found, length)
    page = [view(one) | {"searchAfter": _mark(one)} for one in found[start : start + length]]
    return 200, {"contacts": page, "total": len(found)}


def _found(call: Call, body: Record) -> list[Record]:
    filters = body.get("filters", [])
    test = filter_test(filters)
    query = body.get("query", "").strip().casefold()
    return [one for one in _seen(call, filters) if test(one) and (not query or query in _words(one))]


def _seen(call: Call, filters: list[Record]) -> list[Record]:
    late = call.state.seen_contacts()
    if late is not None:
        return [one for one in late.values() if one["locationId"] == call.account.id]
    index, contacts = call.account.index, call.state.contacts
    ids = candidates(filters, index)
    return [contacts[one] for one in (index.ids if ids is None else ids)]


def _words(contact: Record) -> str:
    return " ".join((full_name(contact), contact.get("email", ""), contact.get("phone", ""))).casefold()


def _sorted(found: list[Record], sort: list[Record]) -> list[Record]:
    found.sort(key=_mark, reverse=True)
    for one in reversed(sort):
        field, direction = one.get("field"), one.get("direction", "desc")
        if field not in _SORTABLE or direction not in ("asc", "desc"):
            raise unprocessable([f"sort takes a field of {', '.join(_SORTABLE)} and a direction asc or desc"])
        found.sort(key=lambda contact: _sort_key(contact, field), reverse=direction == "desc")
    return found


def _sort_key(contact: Record, field: str) -> str:
    return str(contact.get(field.removesuffix("LowerCase"), "")).casefold()


def _mark(contact: Record) -> list[Any]:
    return [epoch_ms(contact["dateAdded"]), contact["id"]]


def _start(body: Record, found: list[Record], length: int) -> int:
    after = body.get("searchAfter")
    if after is not None:
        if "page" in body:
            raise unprocessable(["page should not be sent together with searchAfter"])
        return next((place + 1 for place, one in enumerate(found) if _mark(one) == after), len(found))
    start = (_bounded(body, "page", MAX_RECORDS_BY_PAGE, 1) - 1) * length
    if start + length > MAX_RECORDS_BY_PAGE:
        raise unprocessable(["page reaches 10000 records; use searchAfter beyond"])
    return start


def _bounded(body: Record, name: str, highest: int, default: int) -> int:
    number = body.get(name, default)
    if not isinstance(number, int) or not 1 <= number <= highest:
        raise unprocessable([f"{name} must be a whole number from 1 to {highest}"])
    return number


ROUTES = [CrmRoute("POST /contacts/search", search, "contacts.readonly")]
