"""How we sign in to ModMed: which of the two grants, what is sent, and what of the answer is kept. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import ConfigError, MalformedPayload, TransientError
from integrations.contract.reading import text

GRANT_PATH = "/ws/oauth2/grant"
# The newer grant has one address for all practices.
SSO_URL = "https://sso.ema.md/auth/realms/ema-fhir/protocol/openid-connect/token"
UNKNOWN_LIFETIME = timedelta(minutes=10)  # the older grant's answer does not say how long its token lasts
LONGEST_LIFETIME = timedelta(hours=24)
MARGIN = timedelta(seconds=60)

_LABELS = {
    "username": "the FHIR user name",
    "password": "the FHIR password",
    "client_id": "the client id",
    "client_secret": "the client secret",
}
_PREFIX_IN_PATH = re.compile(r"/firm/([A-Za-z0-9_-]+)")
_PREFIX = re.compile(r"(?:https?://)?([A-Za-z0-9_-]+)(?:[./].*)?")

Tokens = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """One way to sign in: its form, whether it is the newer one, and its name in messages."""

    form: Mapping[str, str]
    is_client: bool
    label: str

    @property
    def made_for(self) -> str:
        """A fingerprint of the credentials: a token made with others is not used."""
        return hashlib.sha256("\x1f".join(self.form.values()).encode()).hexdigest()


def grant_of(credentials: Mapping[str, Any]) -> Grant:
    """The grant that the credentials allow: client id and secret where both are there, else user name and
    password. Raises ConfigError saying what is missing."""
    found = {name: str(credentials.get(name) or "").strip() for name in _LABELS}
    if found["client_id"] and found["client_secret"]:
        form = {"grant_type": "client_credentials", **_some(found, "client_id", "client_secret")}
        return Grant(form, is_client=True, label="client id and secret")
    if found["username"] and found["password"]:
        form = {"grant_type": "password", **_some(found, "username", "password")}
        return Grant(form, is_client=False, label="FHIR user name and password")
    raise ConfigError(_missing(found))


def _some(found: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: found[name] for name in names}


def _missing(found: Mapping[str, str]) -> str:
    for one, other in (("client_id", "client_secret"), ("username", "password")):
        if found[one] or found[other]:
            here, gone = (one, other) if found[one] else (other, one)
            return f"ModMed cannot be called: {_LABELS[here]} is there, {_LABELS[gone]} is missing."
    return (
        "ModMed cannot be called: enter the FHIR user name and password, or the client id and client secret."
    )


def api_key_of(credentials: Mapping[str, Any]) -> str:
    """The key that every call carries. Raises ConfigError without one."""
    key = str(credentials.get("api_key") or "").strip()
    if not key:
        raise ConfigError("ModMed cannot be called: the API key is missing.")
    return key


def prefix_of(written: Any) -> str:
    """The firm prefix in what a practice hands over: ``bluestone``, ``https://bluestone.ema.md/…`` or an API
    address. Raises ConfigError when it is missing or no prefix."""
    raw = text(written)
    found = _PREFIX_IN_PATH.search(raw) or _PREFIX.fullmatch(raw)
    if not found:
        raise ConfigError(
            "The prefix URL is missing or wrong: enter what stands before .ema.md in the practice's address."
        )
    return found[1].lower()


def usable(stored: Tokens, grant: Grant, now: datetime, refused: str = "") -> str:
    """The stored access token, when it was made with these credentials, lasts a while and is not the one
    that ModMed just ``refused``; else ""."""
    token = str(stored.get("access_token") or "")
    if not token or token == refused or stored.get("made_for") != grant.made_for:
        return ""
    try:
        expires_at = moment(stored.get("expires_at"), "expires_at")
    except MalformedPayload:
        return ""
    return token if expires_at and now < expires_at else ""


def refresh_form(stored: Tokens, grant: Grant) -> dict[str, str]:
    """The form that renews a stored token without the password; {} when there is none to renew."""
    token = str(stored.get("refresh_token") or "")
    if grant.is_client or not token or stored.get("made_for") != grant.made_for:
        return {}
    return {"grant_type": "refresh_token", "refresh_token": token}


def kept(answer: Any, stored: Tokens, grant: Grant, now: datetime) -> dict[str, Any]:
    """What is stored of a token answer. A renewal may leave the refresh token out: it stays the same then.

    Raises TransientError when the answer holds no token.
    """
    found = answer if isinstance(answer, Mapping) else {}
    token = found.get("access_token")
    if not isinstance(token, str) or not token:
        raise TransientError("ModMed's sign-in answered without a token.")
    return {
        "access_token": token,
        "refresh_token": _refresh_token(found.get("refresh_token"), stored, grant),
        "expires_at": (now + lifetime(found.get("expires_in"))).isoformat(),
        "made_for": grant.made_for,
    }


def _refresh_token(fresh: Any, stored: Tokens, grant: Grant) -> str:
    """The refresh token of an answer, else the one that we have."""
    if isinstance(fresh, str) and fresh:
        return fresh
    return str(stored.get("refresh_token") or "") if stored.get("made_for") == grant.made_for else ""


def lifetime(expires_in: Any) -> timedelta:
    """How long we use a token: a minute less than ModMed says (at least half of it), ten minutes when it says
    nothing."""
    raw = text(expires_in)
    if not (raw.isascii() and raw.isdecimal() and len(raw) < 10 and int(raw)):
        return UNKNOWN_LIFETIME
    told = min(timedelta(seconds=int(raw)), LONGEST_LIFETIME)
    return max(told - MARGIN, told / 2)
