"""Tokens from Azure. Every renewal gives a new pair and ends the old refresh token, so a pair is stored before
it is used, and one worker at a time renews (``TokenStore.renew``)."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    MalformedPayload,
    TransientError,
)
from integrations.contract.http import Answer, call
from integrations.contract.protocols import Access
from integrations.contract.reading import text
from integrations.emrs.nextech_cloud.answers import checked
from integrations.emrs.nextech_cloud.manifest import MANIFEST

AZURE = "https://login.microsoftonline.com/nextech-api.com/oauth2/token"
# What the token is asked for. It names the API, whatever address the API is called at.
RESOURCE = "https://select.nextech-api.com/api"
# A token is renewed a little before its end, and every ten minutes where its end is not said.
EARLY = timedelta(seconds=60)
UNSAID_SECONDS = 600

_REASONS = {
    "invalid_grant": "Azure does not take the user name and password. They expire with the first sign-in and "
    "from time to time after: reset the password in Azure as the API user, then enter the new one here.",
    "invalid_client": "Azure does not know the client ID: compare it with the one that Nextech sent.",
    "unauthorized_client": "Azure does not let this client ID sign in with a password: ask Nextech.",
    "interaction_required": "Azure asks for a second factor, which only a person can give: ask Nextech to leave "
    "it off for the API user.",
    "invalid_resource": "Azure does not know Nextech's API for this user: ask Nextech.",
}
_REFUSED = "Azure refuses the sign-in: check client ID, user name and password."


def base_url(access: Access) -> str:
    """What stands before ``/Appointment``, without a slash at the end."""
    return (access.base_url or MANIFEST.default_base_url).rstrip("/")


def token_url(access: Access) -> str:
    """Azure's address, or ``<base>/oauth2/token`` where the connection has a base address of its own."""
    base = base_url(access)
    return AZURE if base == MANIFEST.default_base_url else f"{base}/oauth2/token"


class SignIn:
    """The access token of one connection."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._held: Mapping[str, Any] = {}

    def token(self, now: datetime, refused: str = "") -> str:
        """An access token that is good now and is not the ``refused`` one. Raises AuthError when Azure gives none."""
        if not self._is_good(self._held, now, refused):
            self._held = self._access.tokens.read()
        if not self._is_good(self._held, now, refused):
            self._held = self._access.tokens.renew(lambda stored: self._renewed(stored, now, refused))
        return text_of(self._held, "access_token")

    def again(self, now: datetime) -> None:
        """Sign in with user name and password whatever is stored: proves that they work. Raises AuthError."""
        self._held = self._access.tokens.renew(lambda _stored: self._by_password(now))

    def _is_good(self, stored: Mapping[str, Any], now: datetime, refused: str) -> bool:
        token = text_of(stored, "access_token")
        if not token or token == refused or stored.get("for") != self._whose():
            return False
        try:
            ends = moment(stored.get("ends"), "ends")
        except MalformedPayload:
            return False
        return ends is not None and now < ends - EARLY

    def _renewed(self, stored: Mapping[str, Any], now: datetime, refused: str) -> Mapping[str, Any]:
        """Called under the store's lock: another worker may have been quicker, and then its pair is good."""
        if self._is_good(stored, now, refused):
            return stored
        refresh = text_of(stored, "refresh_token")
        if refresh and stored.get("for") == self._whose():
            try:
                return self._granted({"grant_type": "refresh_token", "refresh_token": refresh}, now)
            except AuthError:
                pass  # two weeks old, or used by somebody else: the password still counts
        return self._by_password(now)

    def _by_password(self, now: datetime) -> Mapping[str, Any]:
        credentials = self._access.credentials
        form = {name: str(credentials.get(name) or "") for name in ("username", "password")}
        return self._granted({"grant_type": "password", **form}, now)

    def _granted(self, form: Mapping[str, str], now: datetime) -> Mapping[str, Any]:
        self._access.wait_turn()
        answer = call(
            "POST",
            token_url(self._access),
            headers={},
            data={
                "client_id": str(self._access.credentials.get("client_id") or ""),
                "resource": RESOURCE,
                **form,
            },
            allow_private=self._access.allow_private,
        )
        if not 200 <= answer.status < 300:
            raise _refusal(answer)
        body = checked(answer, "the sign-in")
        token = text_of(body, "access_token")
        if not token:
            raise ConfigError(
                "The sign-in was answered without a token: check the connection's base address."
            )
        return {
            "access_token": token,
            "refresh_token": text_of(body, "refresh_token"),
            "ends": (now + timedelta(seconds=_seconds(body.get("expires_in")))).isoformat(),
            "for": self._whose(),
        }

    def _whose(self) -> str:
        """Marks a pair with the credentials it was got with: new ones must not go on with the old pair."""
        names = ("client_id", "username", "password")
        said = [base_url(self._access), *(str(self._access.credentials.get(name) or "") for name in names)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def text_of(values: Mapping[str, Any], name: str) -> str:
    """A token as it is: never cut, unlike the texts of records."""
    found = values.get(name)
    return found if isinstance(found, str) else ""


def _seconds(raw: Any) -> int:
    """``expires_in``: Azure writes the number as a text."""
    found = text(raw)
    return int(found) if found.isascii() and found.isdecimal() and len(found) < 9 else UNSAID_SECONDS


def _refusal(answer: Answer) -> ContractError:
    code = text(answer.json.get("error")) if isinstance(answer.json, Mapping) else ""
    if code == "temporarily_unavailable":
        return TransientError("Azure cannot answer now.", status=answer.status)
    if answer.status in (400, 401, 403):
        words = code if code.replace("_", "").isalpha() and len(code) < 60 else ""
        # Always 401: a 403 would say that one resource is refused, and this is about the sign-in.
        return AuthError(_REASONS.get(code, _REFUSED), vendor_words=words, status=401)
    if answer.status == 404:
        return ConfigError("There is no sign-in at this base address: check the connection's base address.")
    try:
        checked(answer, "the sign-in")
    except ContractError as fault:
        return fault
    return ConfigError("The sign-in was answered in a way that we do not know.")
