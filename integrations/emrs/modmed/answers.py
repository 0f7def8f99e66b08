"""What ModMed's refusals mean. Of their bodies only redacted words are kept: they may name people."""

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
from integrations.emrs.modmed.fhir import outcome_words
from integrations.emrs.modmed.signin import Grant

# ModMed answers 429 without saying how long.
DEFAULT_WAIT_SECONDS = 10.0


def is_fine(answer: Answer) -> bool:
    """Whether it is a success."""
    return 200 <= answer.status < 300


def refusal(answer: Answer, resource: str, *, is_one_record: bool = False) -> ContractError:
    """The error for a FHIR answer that is no success. ``resource`` is the FHIR name of what was asked for."""
    status, words = answer.status, redact(outcome_words(answer.json))
    if later := _later(answer, f"{resource} ({status})"):
        return later
    if status == 401:
        message = (
            "ModMed refuses a token that it has just given: the credentials or the API key need renewing."
        )
        return AuthError(message, vendor_words=words, status=status)
    if status == 403:
        message = (
            f"ModMed does not allow us to use {resource}: the practice asks ModMed Practice Solutions to allow "
            "it, or the API key is not this practice's."
        )
        return AuthError(message, vendor_words=words, status=status)
    if status in (404, 410) and is_one_record:
        return NotFoundError(f"ModMed has no such {resource} any more.", vendor_words=words, status=status)
    if status == 404:
        return _unknown_address(words)
    return RejectedError(
        f"ModMed refuses the request for {resource} ({status}).", vendor_words=words, status=status
    )


def grant_refusal(answer: Answer, grant: Grant) -> ContractError:
    """The error for a token answer that is no success."""
    status, words = answer.status, redact(outcome_words(answer.json))
    if later := _later(answer, f"the sign-in ({status})"):
        return later
    if status in (400, 401, 403):
        message = f"ModMed refuses the {grant.label}, or the API key: enter new ones."
        # Always 401: with 403 the engine would take it for one resource's.
        return AuthError(message, vendor_words=words, status=401)
    if status == 404:
        return _unknown_address(words)
    return ConfigError(f"ModMed refuses the sign-in ({status}).", vendor_words=words, status=status)


def _later(answer: Answer, what: str) -> ContractError | None:
    """The error when trying again later helps."""
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RateLimited(
            "ModMed asks us to slow down.", retry_after=DEFAULT_WAIT_SECONDS if wait is None else wait
        )
    if answer.status == 408 or answer.status >= 500:
        return TransientError(
            f"ModMed could not answer {what}.", retry_after=retry_after(answer.headers), status=answer.status
        )
    return None


def _unknown_address(words: str) -> ConfigError:
    message = "ModMed knows no practice at this address: check the prefix URL (and the base address, if one is set)."
    return ConfigError(message, vendor_words=words, status=404)
