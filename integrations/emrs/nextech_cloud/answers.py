"""What Nextech's answers mean: the JSON of a good one, and one of our errors for every other."""

from collections.abc import Mapping
from typing import Any

from integrations.contract.creating import DuplicatePatient
from integrations.contract.errors import (
    AuthError,
    ConfigError,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.http import Answer, redact, retry_after
from integrations.contract.reading import text
from integrations.emrs.nextech_cloud.fhir import Json, objects, resource_type

# Nextech documents no Retry-After; its limit is per second.
PAUSE_SECONDS = 10.0


def checked(answer: Answer, what: str) -> Json:
    """The JSON object of a good answer to a request for ``what``. Raises the error that says what to do next;
    a 401 is for the caller."""
    if 200 <= answer.status < 300:
        if isinstance(answer.json, Mapping):
            return answer.json
        raise TransientError(f"Nextech sent an answer to {what} that is not JSON.", status=answer.status)
    raise _fault(answer, what)


def created(answer: Answer) -> Answer:
    """The good answer to making a patient, whatever its body. Raises DuplicatePatient on a 409, TransientError with
    ``may_have_happened`` where the patient could have been made, else the error that says what to do."""
    if 200 <= answer.status < 300:
        return answer
    words = vendor_words(answer.json)
    if answer.status == 409:
        named = answer.json.get("id") if isinstance(answer.json, Mapping) else ""
        raise DuplicatePatient(
            "Nextech says that it has this patient already.", external_id=text(named), vendor_words=words
        )
    if answer.status == 403:
        message = "Nextech does not let this API user create patients: ask Nextech to allow it."
        raise AuthError(message, vendor_words=words, status=403)
    error = _fault(answer, "patient")
    if isinstance(error, TransientError):
        error.may_have_happened = True
    raise error


def _fault(answer: Answer, what: str) -> Exception:
    status, words = answer.status, vendor_words(answer.json)
    if status == 429:
        return RateLimited("Nextech asks to wait.", retry_after=retry_after(answer.headers) or PAUSE_SECONDS)
    if status == 408 or status >= 500:
        message = f"Nextech cannot answer now ({status})."
        return TransientError(message, retry_after=retry_after(answer.headers), status=status)
    if status == 401:
        return AuthError(
            "Nextech refuses the sign-in that it has just given. Check the practice ID, and that the API user "
            "belongs to this practice.",
            vendor_words=words,
            status=status,
        )
    if status == 403:
        return AuthError(
            f"Nextech does not let this API user read {what} of this practice. Check the practice ID, and ask "
            "Nextech whether the practice's API access covers it.",
            vendor_words=words,
            status=status,
        )
    if status == 404:
        return NotFoundError(f"Nextech has no such {what}.", vendor_words=words, status=status)
    message = f"Nextech refuses the request for {what} ({status})."
    return RejectedError(message, vendor_words=words, status=status)


def missing_address(answer: Answer, what: str) -> None:
    """Raise ConfigError where a whole list is not found: then the address is wrong, not a record."""
    if answer.status == 404:
        raise ConfigError(f"Nextech has no {what} at this base address: check the connection's base address.")


def vendor_words(body: Any) -> str:
    """Nextech's own words for an error, redacted: of an OperationOutcome, or under the usual keys; "" for none."""
    if not isinstance(body, Mapping):
        return ""
    if resource_type(body) == "operationoutcome":
        rows = objects(body.get("issue"))
        found = [_issue_words(row) for row in rows]
        return redact(" ".join(word for word in found if word))
    keys = ("message", "Message", "error_description", "error")
    return redact(next((words for key in keys if (words := text(body.get(key)))), ""))


def _issue_words(issue: Json) -> str:
    details = issue.get("details")
    named = text(details.get("text")) if isinstance(details, Mapping) else ""
    return named or text(issue.get("diagnostics")) or text(issue.get("code"))
