"""The filters of the contact search: checked, made a test of one contact, narrowed by the index."""

from collections.abc import Callable
from typing import Any

from .index import ContactIndex, indexed_value
from .records import Record, full_name, words
from .wire import unprocessable

Test = Callable[[Record], bool]
_PLAIN = frozenset(
    words(
        "id firstName lastName email phone address1 city state country postalCode website timezone "
        "source type companyName dateOfBirth dateAdded dateUpdated assignedTo tags dnd"
    )
)
_LOWER = {
    "firstNameLowerCase": lambda contact: (contact.get("firstName") or "").lower(),
    "lastNameLowerCase": lambda contact: (contact.get("lastName") or "").lower(),
    "fullNameLowerCase": lambda contact: full_name(contact).lower(),
}
_INDEXED = ("email", "phone")
MAX_DEPTH = 5


def filter_test(filters: list[Record]) -> Test:
    """Return a test that a contact passes when it passes every filter. Raise ApiError 422."""
    tests = [_one(one, 0) for one in filters]
    return lambda contact: all(test(contact) for test in tests)


def candidates(filters: list[Record], index: ContactIndex) -> set[str] | None:
    """Return the ids that may pass, by the index, or None when it cannot tell."""
    for one in filters:
        found = _holding(one, index)
        if found is not None:
            return found
    return None


def _one(one: Record, depth: int) -> Test:
    if "group" not in one:
        return _comparison(one)
    parts = one.get("filters")
    if one["group"] not in ("AND", "OR") or not isinstance(parts, list) or depth > MAX_DEPTH:
        raise unprocessable(["each group in filters must be AND or OR and hold filters"])
    tests = [_one(part, depth + 1) for part in parts if _is_object(part)]
    chosen = all if one["group"] == "AND" else any
    return lambda contact: chosen(test(contact) for test in tests)


def _is_object(part: Any) -> bool:
    if not isinstance(part, dict):
        raise unprocessable(["each value in filters must be an object"])
    return True


def _comparison(one: Record) -> Test:
    for name in one:
        if name not in ("field", "operator", "value"):
            raise unprocessable([f"property {name} should not exist"])
    read, operator, value = _reader(one.get("field")), one.get("operator"), one.get("value")
    test = _OPERATORS.get(operator) if isinstance(operator, str) else None
    if test is None:
        raise unprocessable([f"operator must be one of the following values: {', '.join(_OPERATORS)}"])
    if operator in ("contains_set", "contains_not_set") and not isinstance(value, list):
        raise unprocessable([f"the value of {operator} must be an array"])
    if operator == "range" and not (isinstance(value, dict) and set(value) <= set(_BOUNDS)):
        raise unprocessable(["the value of range may hold gte, lte, gt and lt"])
    return lambda contact: test(read(contact), value)


def _reader(field: Any) -> Callable[[Record], Any]:
    if isinstance(field, str):
        if field in _PLAIN:
            return lambda contact: contact.get(field)
        if field in _LOWER:
            return _LOWER[field]
        if field.startswith("customFields."):
            field_id = field.removeprefix("customFields.")
            return lambda contact: contact["customFields"].get(field_id)
    raise unprocessable([f"Invalid field name {field} in filters"])


def _equal(held: Any, value: Any) -> bool:
    if isinstance(held, list):
        return any(indexed_value(one) == indexed_value(value) for one in held)
    return held is not None and indexed_value(held) == indexed_value(value)


def _contains(held: Any, value: Any) -> bool:
    if isinstance(held, list):
        return _equal(held, value)
    return held is not None and str(value).casefold() in str(held).casefold()


def _holds_all(held: Any, value: Any) -> bool:
    return isinstance(held, list) and {indexed_value(one) for one in value} <= {
        indexed_value(one) for one in held
    }


_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gte": lambda held, bound: held >= bound,
    "lte": lambda held, bound: held <= bound,
    "gt": lambda held, bound: held > bound,
    "lt": lambda held, bound: held < bound,
}


def _in_range(held: Any, value: Any) -> bool:
    for name, bound in value.items():
        numbers = isinstance(held, (int, float)) and isinstance(bound, (int, float))
        if not numbers and not (isinstance(held, str) and isinstance(bound, str)):
            return False
        if not _BOUNDS[name](held, bound):
            return False
    return True


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "not_eq": lambda held, value: not _equal(held, value),
    "contains": _contains,
    "not_contains": lambda held, value: not _contains(held, value),
    "exists": lambda held, value: held not in (None, "", []),
    "not_exists": lambda held, value: held in (None, "", []),
    "range": _in_range,
    "contains_set": _holds_all,
    "contains_not_set": lambda held, value: not _holds_all(held, value),
}


def _holding(one: Record, index: ContactIndex) -> set[str] | None:
    if "group" in one:
        found = [_holding(part, index) for part in one["filters"]]
        if one["group"] == "AND":
            return next((ids for ids in found if ids is not None), None)
        return None if None in found else {key for ids in found if ids is not None for key in ids}
    field = one["field"]
    if one["operator"] == "eq" and (field in _INDEXED or field.startswith("customFields.")):
        return set(index.holding(field, one.get("value")))
    return None
