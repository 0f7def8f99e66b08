"""What can go wrong between us and another system: one class per answer to "what now?".

Messages never carry patient data: they name fields, codes and ids. ``vendor_words`` is the other side's
own text after redaction, for the person who reads the event's page.
"""


class ContractError(Exception):
    """Base of all of them. ``str(error)`` is a sentence that a person can act on."""

    def __init__(self, message: str, *, vendor_words: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.vendor_words = vendor_words
        self.status = status


class TransientError(ContractError):
    """Timeout, connection trouble, 408 or 5xx: trying again later helps. ``retry_after`` in seconds, or None.

    ``may_have_happened`` says that the request left our side, so that a write could have been done.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        may_have_happened: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened


class RateLimited(ContractError):
    """429, or our own budget is spent: wait ``retry_after`` seconds. Not a failure."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, status=429)
        self.retry_after = retry_after


class AuthError(ContractError):
    """401, 403 or a refused refresh: the connection or sub-account needs new credentials."""


class ConfigError(ContractError):
    """Somebody must change a setting here or in the other system; the work goes on by itself afterwards."""


class RejectedError(ContractError):
    """The other side refuses this one record (other 4xx). ``details`` is its parsed answer."""

    def __init__(
        self,
        message: str,
        *,
        vendor_words: str = "",
        status: int | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, vendor_words=vendor_words, status=status)
        self.details = details or {}


class NotFoundError(RejectedError):
    """404: the record is gone (deleted or merged over there)."""


class MalformedPayload(ContractError):
    """A body that is not of the declared shape. ``field`` is the dotted path that was wrong."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class IgnoredEvent(ContractError):
    """A known event that we do not use, such as a test ping. The message says why."""
