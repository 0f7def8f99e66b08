"""What the CRM's refusals mean. Its error bodies come in several shapes and may name people, so only codes,
ids, field names and redacted words are taken from them."""

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.http import Answer, redact, retry_after
from integrations.crm.calls import CREATE_OPPORTUNITY, ENROL, UPDATE_OPPORTUNITY, Call

_DEFAULT_WAIT_SECONDS = 10.0
_FIELD_IN_WORDS = (
    re.compile(r"\bproperty ([A-Za-z][\w.\[\]]*) should not exist"),
    re.compile(r"^\W*([a-z][A-Za-z0-9_.\[\]]*)\W* (?:must|should|is (?:not|required|invalid))\b"),
)
_ID = re.compile(r"[\w.-]{1,100}")
_GONE = re.compile(r"\bnot found\b|\bno such\b|\bdoes(?: not|n't) exist\b", re.IGNORECASE)
_STAGE_GONE = re.compile(r"\b(?:pipeline|stage)", re.IGNORECASE)


class DuplicateContact(RejectedError):
    """The e-mail or phone is another contact's. ``contact_id`` is that contact, ``matching_field`` "email" or
    "phone" ("" when the CRM does not say). ``details`` has both as contactId and matchingField."""

    contact_id: str
    matching_field: str


class DuplicateOpportunity(RejectedError):
    """The sub-account forbids a second opportunity for this contact. ``existing_id`` is the first one (""
    when the CRM does not say); ``details`` has it as existingId."""

    existing_id: str


def refusal(call: Call, answer: Answer) -> ContractError:
    """The error for an answer that is not 2xx. ``str`` of it names the call and what to do, never a
    person."""
    status = answer.status
    words = redact("; ".join(_words(answer.json)))
    if status == 429:
        return RateLimited("The CRM asks us to slow down.", retry_after=_wait(answer.headers))
    if status == 408 or status >= 500:
        return TransientError(
            f"The CRM could not {call.words} ({status}).",
            retry_after=retry_after(answer.headers),
            may_have_happened=call.writes,
            status=status,
        )
    if status in (401, 403):
        return _not_allowed(call, status, words)
    return _config_refusal(call, status, words) or _record_refusal(call, answer, words)


def _not_allowed(call: Call, status: int, words: str) -> ContractError:
    low = words.lower()
    if "version header" in low:
        return _wrong_version(status, words)
    if "user type mismatch" in low or "authclass" in low:
        message = (
            "The token is not one of a sub-account: make a private integration token inside the sub-account."
        )
        return AuthError(message, vendor_words=words, status=status)
    if "not authorized for this scope" in low:
        message = f"The private integration token lacks the scope {call.scope}: tick it in the sub-account."
        return ConfigError(message, vendor_words=words, status=status)
    if "access to this location" in low:
        message = "The token belongs to another sub-account: check the token and the sub-account's id."
        return AuthError(message, vendor_words=words, status=status)
    message = "The CRM refuses the token: make a new private integration token and enter it."
    return AuthError(message, vendor_words=words, status=status)


def _wrong_version(status: int, words: str) -> ConfigError:
    return ConfigError(
        "The CRM does not know the API version: check CRM_API_VERSION.", vendor_words=words, status=status
    )


def _config_refusal(call: Call, status: int, words: str) -> ConfigError | None:
    """Refusals that no record is to blame for."""
    if "api version" in words.lower():
        return _wrong_version(status, words)
    if (
        call in (CREATE_OPPORTUNITY, UPDATE_OPPORTUNITY)
        and "duplicate" not in words
        and _STAGE_GONE.search(words)
    ):
        message = (
            "The CRM does not accept the mapped pipeline or stage: map the stages of this sub-account again."
        )
        return ConfigError(message, vendor_words=words, status=status)
    if call is ENROL and "workflow" in words.lower():
        message = "The CRM does not accept the mapped workflow: publish it there, or map it again."
        return ConfigError(message, vendor_words=words, status=status)
    return None


def _record_refusal(call: Call, answer: Answer, words: str) -> RejectedError:
    meta = _object(answer.json, "meta")
    status = answer.status
    if _text(answer.json, "code") == "OPPORTUNITY_NO_DUPLICATE":
        opportunity = DuplicateOpportunity(
            "The CRM has an opportunity of this contact and allows no second one.",
            vendor_words=words,
            status=status,
            details={"existingId": _id(meta, "existingId")},
        )
        opportunity.existing_id = _id(meta, "existingId")
        return opportunity
    if _id(meta, "contactId"):
        return _duplicate_contact(meta, words, status)
    details: dict[str, object] = {
        "fields": _fields(answer.json),
        "code": _id(answer.json, "code"),
        "traceId": _id(answer.json, "traceId"),
    }
    if status == 404 or ("{}" in call.path and _GONE.search(words)):
        message = f"The CRM cannot {call.words}: it has no such record."
        return NotFoundError(message, vendor_words=words, status=status, details=details)
    named = ", ".join(_fields(answer.json))
    message = f"The CRM refuses to {call.words} ({status})" + (f" because of {named}." if named else ".")
    return RejectedError(message, vendor_words=words, status=status, details=details)


def _duplicate_contact(meta: Mapping[str, Any], words: str, status: int) -> DuplicateContact:
    field = _text(meta, "matchingField").lower()
    field = field if field in ("email", "phone") else ""
    what = {"email": "e-mail", "phone": "phone"}.get(field, "e-mail or phone")
    error = DuplicateContact(
        f"The {what} is another contact's in the CRM.",
        vendor_words=words,
        status=status,
        details={"contactId": _id(meta, "contactId"), "matchingField": field},
    )
    error.contact_id, error.matching_field = _id(meta, "contactId"), field
    return error


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds to wait after a 429, with a little jitter so that waiting lanes do not return as one."""
    told = retry_after(headers)
    if told is None:
        interval = headers.get("X-RateLimit-Interval-Milliseconds") or ""
        told = int(interval) / 1000 if interval.isascii() and interval.isdigit() else _DEFAULT_WAIT_SECONDS
    return max(told, 0.1) * (1 + random.random() * 0.1)


def _words(body: Any) -> Iterator[str]:
    for key in ("message", "error_description", "msg", "error"):
        value = body.get(key) if isinstance(body, dict) else None
        found = (
            [value]
            if isinstance(value, str)
            else value
            if isinstance(value, list)
            else [_text(value, "message")]
        )
        texts = [text for text in found if isinstance(text, str) and text]
        if texts:
            yield from texts
            return


def _fields(body: Any) -> list[str]:
    found = (pattern.search(text) for text in _words(body) for pattern in _FIELD_IN_WORDS)
    return list(dict.fromkeys(match.group(1) for match in found if match))


def _object(body: Any, key: str) -> Mapping[str, Any]:
    value = body.get(key) if isinstance(body, dict) else None
    return value if isinstance(value, dict) else {}


def _text(body: Any, key: str) -> str:
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else ""


def _id(body: Any, key: str) -> str:
    value = _text(body, key)
    return value if _ID.fullmatch(value) else ""
