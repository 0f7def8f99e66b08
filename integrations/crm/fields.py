"""Values in the forms that the CRM takes and gives back. Pure. Problems are told without the value."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import phonenumbers

from integrations.contract.records import FieldValue
from integrations.crm.calls import FieldValueItem

FieldIds = Mapping[str, tuple[str, str]]

_MAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
_NORTH_AMERICAN = re.compile(r"[2-9]\d{2}[2-9]\d{6}")
_NUMBER_TYPES = frozenset({"MONETORY", "NUMERICAL", "FLOAT"})
_LIST_TYPES = frozenset({"CHECKBOX", "MULTIPLE_OPTIONS"})
_CENT = Decimal("0.01")
# Beyond any amount or count: the CRM then answers a DATE as milliseconds since 1970.
_MILLISECONDS_FROM = 10_000_000_000


def field_key(name: str) -> str:
    """The form in which field names compare: trimmed, single-spaced, case-folded."""
    return " ".join(name.split()).casefold()


def field_ids(crm_fields: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Field key → (id, data type) from the CRM's field list. Of fields with one name the first counts."""
    found: dict[str, tuple[str, str]] = {}
    for item in crm_fields:
        if item.get("id") and item.get("name") and item.get("dataType"):
            found.setdefault(field_key(str(item["name"])), (str(item["id"]), str(item["dataType"])))
    return found


def normalized_phone(raw: str, country: str) -> tuple[str, str]:
    """(E.164, "") or ("", why it cannot be used); ("", "") when empty. ``country`` is the practice's, two
    letters."""
    raw = raw.strip()
    if not raw:
        return "", ""
    try:
        number = phonenumbers.parse(raw, country.upper() or None)
    except phonenumbers.NumberParseException:
        return "", "The phone number cannot be read."
    if not _is_usable(number):
        return "", "The phone number is not one that can be called."
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), ""


def _is_usable(number: phonenumbers.PhoneNumber) -> bool:
    if phonenumbers.is_valid_number(number):
        return True
    # New area codes are in use before the library knows them, so in North America the shape is enough, except
    # for one digit repeated, which is how front desks type "none".
    digits = str(number.national_number)
    return number.country_code == 1 and len(set(digits)) > 1 and _NORTH_AMERICAN.fullmatch(digits) is not None


def normalized_email(raw: str) -> tuple[str, str]:
    """(trimmed lower-case address, "") or ("", why it cannot be used); ("", "") when empty."""
    email = raw.strip().lower()
    if not email:
        return "", ""
    if len(email) > 254 or len(email.partition("@")[0]) > 64 or not _MAIL.fullmatch(email):
        return "", "The e-mail address is not valid."
    return email, ""


def custom_field_values(
    values: Mapping[str, FieldValue], field_ids: FieldIds
) -> tuple[list[FieldValueItem], list[str]]:
    """What to send as ``customFields``, and the names that the sub-account lacks or whose type cannot hold
    the value. Empty values are left out. ``field_ids``: field key → (id, data type), see ``field_ids``."""
    items: list[FieldValueItem] = []
    missing: list[str] = []
    for name, value in values.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        field_id, data_type = field_ids.get(field_key(name), ("", ""))
        sent = _value_for(data_type, value) if field_id else None
        if sent is None:
            missing.append(name)
        else:
            items.append({"id": field_id, "field_value": sent})
    return items, missing


def _value_for(data_type: str, value: str | date | Decimal) -> str | float | list[str] | None:
    if data_type in _NUMBER_TYPES:
        number = _decimal(value)
        return float(number.quantize(_CENT)) if number is not None else None
    if data_type == "DATE":
        return _day(value)
    return [_words(value)] if data_type in _LIST_TYPES else _words(value)


def _words(value: str | date | Decimal) -> str:
    if isinstance(value, Decimal):
        return str(value.quantize(_CENT))
    return _iso(value) if isinstance(value, date) else value.strip()


def _iso(value: date) -> str:
    return (value.date() if isinstance(value, datetime) else value).isoformat()


def _day(value: Any) -> str | None:
    """YYYY-MM-DD from a date, or from text that begins with one; None for anything else."""
    if isinstance(value, date):
        return _iso(value)
    try:
        return date.fromisoformat(str(value).strip()[:10]).isoformat()
    except ValueError:
        return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip().replace(",", "").removeprefix("$"))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal("1e15") else None


def field_value(contact: Mapping[str, Any], field_id: str) -> Any:
    """What the contact holds in this custom field; None when nothing."""
    for item in contact.get("customFields") or ():
        if isinstance(item, Mapping) and item.get("id") == field_id:
            return next((item[key] for key in ("value", "field_value", "fieldValue") if key in item), None)
    return None


def amount_value(contact: Mapping[str, Any], field_id: str) -> Decimal | None:
    """The amount in a money field with two decimals; None when the field is empty or no number."""
    number = _decimal(field_value(contact, field_id))
    return number.quantize(_CENT) if number is not None else None


def echo_missing(sent: Sequence[FieldValueItem], contact: Mapping[str, Any]) -> list[str]:
    """Ids of the fields whose value the CRM did not keep, judged by the contact that it answered with.

    A stale id or a value outside a picklist is answered with 2xx and dropped. An empty ``contact`` means that
    the CRM did not show it: then nothing is known to be missing.
    """
    if not contact:
        return []
    return [
        item["id"] for item in sent if not same_value(item["field_value"], field_value(contact, item["id"]))
    ]


def same_value(sent: Any, stored: Any) -> bool:
    """Whether two forms mean one value: 1250 and "1250.00", a date and its ISO time, lists in any order."""
    if stored is None:
        return False
    if isinstance(sent, list) or isinstance(stored, list):
        return _as_set(sent) == _as_set(stored)
    if isinstance(sent, int | float):
        number = _decimal(stored)
        return number is not None and number.quantize(_CENT) == Decimal(str(sent)).quantize(_CENT)
    if str(sent).strip() == str(stored).strip():
        return True
    day = _day(sent) if len(str(sent)) == 10 else None
    return (day is not None and _is_that_day(stored, day)) or _same_number(sent, stored)


def _same_number(sent: Any, stored: Any) -> bool:
    if not isinstance(stored, int | float):
        return False
    return _decimal(sent) == _decimal(stored) is not None


def _as_set(value: Any) -> set[str]:
    return {str(item).strip() for item in (value if isinstance(value, list) else [value])}


def _is_that_day(stored: Any, day: str) -> bool:
    if isinstance(stored, int | float) and abs(stored) >= _MILLISECONDS_FROM:
        # Midnight of which zone is not told, so a neighbouring day in UTC is the same day.
        shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=stored)).date()
        return abs((shown - date.fromisoformat(day)).days) <= 1
    return _day(stored) == day


def native_differences(sent: Mapping[str, Any], contact: Mapping[str, Any]) -> list[str]:
    """Which of e-mail, phone and dateOfBirth were sent and are something else in the CRM's answer. An empty
    ``contact`` tells nothing."""
    if not contact:
        return []
    keys = [key for key in ("email", "phone", "dateOfBirth") if sent.get(key)]
    return [key for key in keys if _native(key, sent[key]) != _native(key, contact.get(key))]


def _native(key: str, value: Any) -> str:
    text = str(value or "").strip().lower()
    if key == "phone":
        return "".join(sign for sign in text if sign.isdigit())
    return (_day(text) or text) if key == "dateOfBirth" else text
