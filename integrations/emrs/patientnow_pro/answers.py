"""What PatientNow Pro's refusals mean. Of their bodies only redacted words are kept: they may name people."""

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
from integrations.contract.reading import get, text

# For a 429 that does not say how long.
DEFAULT_WAIT_SECONDS = 10.0
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_. ]{0,40}", re.ASCII)


def is_fine(answer: Answer) -> bool:
    """Whether it is a success."""
    return 200 <= answer.status < 300


def refusal(
    answer: Answer, what: str, *, is_one_record: bool = False, is_write: bool = False
) -> ContractError:
    """The error for an answer that is no success. ``what`` says in a word or two what was asked for."""
    status, words = answer.status, redact(_words(answer.json))
    if status == 429:
        wait = retry_after(answer.headers)
        message = "PatientNow Pro asks us to slow down."
        return RateLimited(message, retry_after=DEFAULT_WAIT_SECONDS if wait is None else wait)
    if status == 408 or status >= 500:
        return TransientError(
            f"PatientNow Pro could not answer: {what} ({status}).",
            retry_after=retry_after(answer.headers),
            may_have_happened=is_write,
            status=status,
        )
    if status == 401:
        message = "PatientNow Pro refuses the API key or the practice ID: enter new ones."
        return AuthError(message, vendor_words=words, status=status)
    if status in (402, 403):
        message = (
            f"PatientNow Pro does not allow us to use this: {what}. The practice asks PatientNow whether their "
            "paid API access is active and covers it."
        )
        return AuthError(message, vendor_words=words, status=403)
    if status in (404, 410):
        return _not_there(what, words, status, is_one_record)
    return _rejected(answer, what, words)


def _not_there(what: str, words: str, status: int, is_one_record: bool) -> ContractError:
    if is_one_record:
        message = f"PatientNow Pro has no such {what} any more: it was deleted or merged there."
        return NotFoundError(message, vendor_words=words, status=status)
    message = "PatientNow Pro's API is not at this address: check the base address."
    return ConfigError(message, vendor_words=words, status=404)


def _rejected(answer: Answer, what: str, words: str) -> RejectedError:
    details: dict[str, object] = {}
    if answer.status == 409:
        details["patientId"] = text(get(answer.json, "patientId"))
        message = "PatientNow Pro has this patient already."
    elif answer.status == 422 and (bad := dict(_field_errors(answer.json))):
        details["errors"] = bad
        message = f"PatientNow Pro refuses these fields: {', '.join(bad)}."
    else:
        message = f"PatientNow Pro refuses the request: {what} ({answer.status})."
    return RejectedError(message, vendor_words=words, status=answer.status, details=details)


def _field_errors(body: Any) -> Iterator[tuple[str, str]]:
    """Field → what is wrong with it, redacted. Keys that are no field names are left out."""
    errors = get(body, "errors")
    for name, words in errors.items() if isinstance(errors, Mapping) else ():
        if _NAME.fullmatch(str(name)):
            yield str(name), redact(text(words))


def _words(body: Any) -> str:
    """The vendor's own sentence, wherever it stands."""
    bad = "; ".join(f"{name}: {words}" for name, words in _field_errors(body))
    return bad or text(get(body, "error")) or text(get(body, "message"))
