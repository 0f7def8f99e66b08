"""The way to Google: a service account's key, gspread's client with patience and a deadline, errors in words."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import gspread
import requests
from django.conf import settings
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.oauth2.service_account import Credentials
from gspread.auth import DEFAULT_SCOPES
from gspread.exceptions import APIError, GSpreadException, SpreadsheetNotFound

log = logging.getLogger(__name__)

# All of it happens while a person looks at the page: together no longer than this, one answer no longer than that.
SECONDS = 30.0
SECONDS_FOR_ONE = 10.0
PAUSES = (1.0, 2.0, 4.0, 8.0)
_PASSING = {429, 503}
_OPERATOR = "Tell whoever runs AX Connect"


class SheetError(Exception):
    """Something with Google did not work. ``str`` says what, and who must do what about it."""


class OutOfTime(Exception):
    """The deadline passed before Google had answered everything."""


class PatientClient(gspread.HTTPClient):
    """gspread's client; it waits, longer each time, where Google asks for that, and stops at the deadline."""

    def __init__(self, auth: Any, session: Any = None) -> None:
        super().__init__(auth, session)
        self.ends_at = time.monotonic() + SECONDS

    def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> requests.Response:
        """As gspread's. Raises APIError, OutOfTime and what requests and google-auth raise."""
        for wait in (*PAUSES, None):
            left = self.ends_at - time.monotonic()
            if left <= 0:
                raise OutOfTime
            self.timeout = min(SECONDS_FOR_ONE, left)
            try:
                return super().request(method, address(endpoint), *args, **kwargs)
            except APIError as error:
                if wait is None or not _is_passing(error) or wait >= self.ends_at - time.monotonic():
                    raise
            pause(wait)
        raise OutOfTime


def pause(seconds: float) -> None:
    """Wait before the next attempt."""
    time.sleep(seconds)


def address(endpoint: str) -> str:
    """Where a call goes: to Google, or below GOOGLE_API_BASE_URL where that is set."""
    base = settings.GOOGLE_API_BASE_URL
    if not base:
        return endpoint
    return base + urlunsplit(("", "", *urlsplit(endpoint)[2:]))


def connected() -> gspread.Client:
    """A client that is signed in with the service account. Raises SheetError."""
    if reason := why_off():
        raise SheetError(reason)
    return gspread.Client(auth=_credentials(), http_client=PatientClient)


def why_off() -> str:
    """Why Google Sheets cannot be used here, in words; "" where they can."""
    if not settings.GOOGLE_SERVICE_ACCOUNT_FILE:
        return f"Google Sheets are not set up here. {_OPERATOR}: GOOGLE_SERVICE_ACCOUNT_FILE is not set."
    try:
        _credentials()
    except OSError:
        return f"The key file of the Google service account is not there. {_OPERATOR}: GOOGLE_SERVICE_ACCOUNT_FILE."
    except (ValueError, TypeError, GoogleAuthError):
        return (
            "The key file of the Google service account cannot be read as one. "
            f"{_OPERATOR}: GOOGLE_SERVICE_ACCOUNT_FILE must name the JSON key as Google made it."
        )
    return ""


def account_email() -> str:
    """The service account's address, with which sheets are shared; "" where there is none."""
    return "" if why_off() else str(_credentials().service_account_email)


def _credentials() -> Credentials:
    """Raises OSError, ValueError (what google-auth raises too) and TypeError for a file that is no key."""
    info = json.loads(Path(settings.GOOGLE_SERVICE_ACCOUNT_FILE).read_text(encoding="utf-8"))
    if not isinstance(info, dict):
        raise ValueError("not an object")
    found: Credentials = Credentials.from_service_account_info(info, scopes=DEFAULT_SCOPES)
    return found


@contextmanager
def in_words() -> Iterator[None]:
    """Whatever goes wrong between us and Google inside is raised as SheetError."""
    try:
        yield
    except (SpreadsheetNotFound, PermissionError) as error:
        cause = error.__cause__
        raise SheetError(_refusal(cause) if isinstance(cause, APIError) else _GONE) from None
    except APIError as error:
        raise SheetError(_refusal(error)) from None
    except RefreshError as error:
        raise SheetError(_SILENT if error.retryable else _BAD_KEY) from None
    except (GSpreadException, GoogleAuthError, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, TransportError):
            raise SheetError(_SILENT) from None
        # What does not look like an answer at all breaks gspread anywhere; the log says where.
        log.warning("An answer of Google could not be understood", exc_info=True)
        raise SheetError("Google answered something that could not be understood. Try again later.") from None
    except (OutOfTime, requests.RequestException):
        raise SheetError(_SILENT) from None


_SILENT = "Google did not answer in time. Nothing was changed here. Try again."
_BAD_KEY = (
    "Google does not accept the service account's key: it was deleted, the account is switched off, or this server's "
    f"clock is wrong. {_OPERATOR}: make a new key."
)
_GONE = (
    "Google knows no such sheet: it was deleted. Restore it from the bin of Google Drive, or make a new one."
)


def _refusal(error: APIError) -> str:
    """An answer of Google that is no success, in words."""
    status, reasons = error.response.status_code, _reasons(error)
    if _is_passing(error):
        return "Google is busy or its quota for this minute is used up. Try again in a few minutes."
    if status == 404:
        return _GONE
    if "storageQuotaExceeded" in reasons:
        return (
            "The service account has no room in Google Drive, as is usual for new ones. Make an empty sheet yourself, "
            f"share it with {account_email()} as editor, and enter its address here."
        )
    if reasons & {"SERVICE_DISABLED", "accessNotConfigured"}:
        return f"The Google Sheets API or the Drive API is not switched on. {_OPERATOR}: enable both in the project."
    if status == 403:
        return (
            f"The sheet is not shared with AX Connect any more. Share it with {account_email()} as editor, or create "
            "a new one."
        )
    if status == 401:
        return f"Google does not accept the service account's sign-in. {_OPERATOR}: make a new key."
    return (
        f"Google refused with the answer {status}. Try again; if it stays so, tell whoever runs AX Connect."
    )


def _is_passing(error: APIError) -> bool:
    """Whether waiting helps: too many calls (Drive says so with 403), or Google is down for a moment."""
    status = error.response.status_code
    return status in _PASSING or (
        status == 403 and bool(_reasons(error) & {"rateLimitExceeded", "userRateLimitExceeded"})
    )


def _reasons(error: APIError) -> set[str]:
    """The reasons that Drive (``errors``) and Sheets (``details``) give beside the status."""
    found = [*(error.error.get("errors") or []), *(error.error.get("details") or [])]
    return {str(one.get("reason", "")) for one in found if isinstance(one, dict)}
