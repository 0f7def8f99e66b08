"""System checks: every setting that can be wrong, in the words of the person who must put it right.

E... stop every command, W... are printed; the functions marked ``deploy`` run with `check --deploy` only.
No message repeats a value: it may be a secret.
"""

import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from integrations.crm.signature import is_public_key

REDIS_SCHEMES = {"redis", "rediss", "unix"}
LIMITS = {
    "POLL_SECONDS": (1, 86_400),
    "PAYLOAD_DAYS": (1, 3_650),
    "CRM_WEBHOOK_SECONDS": (60, 604_800),
    "WORKERS": (1, 64),
    "LANES": (1, 64),
    "POLLS_AT_ONCE": (1, 64),
}
SHORTEST_TOKEN = 16
GENTLE_POLL_SECONDS = 60


@register()
def readable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Values that are not of their kind at all."""
    return [
        Error(f"{wrong.name} cannot be read.", hint=f"Write {wrong.expected}.", id="axconnect.E001")
        for wrong in settings.WRONG_VALUES
    ]


@register()
def field_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each key that encrypts patient data is a Fernet key."""
    make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    return [
        Error(
            f"FIELD_KEYS: key {place} is not a Fernet key.",
            hint=f"Make one with: {make}",
            id="axconnect.E002",
        )
        for place, key in enumerate(settings.FIELD_KEYS, start=1)
        if not _is_fernet_key(key)
    ]


@register()
def addresses(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Addresses are whole and of the right kind."""
    return list(_wrong_addresses())


def _wrong_addresses() -> Iterator[CheckMessage]:
    if not _is_web_address(settings.PUBLIC_URL) or urlsplit(settings.PUBLIC_URL).path:
        yield Error(
            "PUBLIC_URL is not the address of a server.",
            hint="Write scheme and host only, such as https://connect.example.com",
            id="axconnect.E003",
        )
    if not _is_web_address(settings.CRM_API_BASE_URL):
        yield Error(
            "CRM_API_BASE_URL is not a web address.",
            hint="Leave it unset for the CRM itself, or write one such as http://127.0.0.1:8001/crm",
            id="axconnect.E004",
        )
    if settings.GOOGLE_API_BASE_URL and not _is_web_address(settings.GOOGLE_API_BASE_URL):
        yield Error(
            "GOOGLE_API_BASE_URL is not a web address.",
            hint="Leave it unset for Google itself, or write one such as http://127.0.0.1:8002",
            id="axconnect.E015",
        )
    if urlsplit(settings.REDIS_URL).scheme not in REDIS_SCHEMES:
        yield Error(
            "REDIS_URL is not the address of a Redis.",
            hint="Write one such as redis://:password@127.0.0.1:6379/0",
            id="axconnect.E005",
        )
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", settings.CRM_API_VERSION):
        yield Error(
            "CRM_API_VERSION is not a version of the CRM's API.",
            hint="Leave it unset, or write a date such as 2021-07-28",
            id="axconnect.E006",
        )


@register()
def limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Numbers are within what works."""
    found: list[CheckMessage] = [
        Error(
            f"{name} is out of range.",
            hint=f"Write a whole number from {low} to {high}.",
            id="axconnect.E007",
        )
        for name, (low, high) in LIMITS.items()
        if not low <= getattr(settings, name) <= high
    ]
    if 0 < settings.POLL_SECONDS < GENTLE_POLL_SECONDS and not (settings.DEMO or settings.DEBUG):
        found.append(
            Warning(
                "POLL_SECONDS is under a minute.",
                hint="EMRs limit how often they may be asked. Unset it for every five minutes.",
                id="axconnect.W007",
            )
        )
    return found


@register()
def service_account(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The Google key file, where one is named, is there and is one."""
    name = settings.GOOGLE_SERVICE_ACCOUNT_FILE
    if not name or _is_service_account(Path(name)):
        return []
    return [
        Error(
            "GOOGLE_SERVICE_ACCOUNT_FILE does not name the key file of a service account.",
            hint="Google Cloud console: the account, Keys, Add key, JSON. Write the path of that file.",
            id="axconnect.E008",
        )
    ]


@register()
def webhook_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each key that app webhooks are checked with is an Ed25519 public key."""
    found: list[CheckMessage] = [
        Error(
            f"CRM_APP_PUBLIC_KEYS: key {place} is not an Ed25519 public key.",
            hint="Write the lines between BEGIN and END PUBLIC KEY as one, or unset it for the vendor's own key.",
            id="axconnect.E013",
        )
        for place, key in enumerate(settings.CRM_APP_PUBLIC_KEYS, start=1)
        if not is_public_key(key)
    ]
    if settings.CRM_APP_ALLOW_RSA:
        found.append(
            Warning(
                "CRM_APP_ALLOW_RSA takes webhooks that are signed in the older way.",
                hint="Unset it: the CRM signs every webhook with Ed25519 since September 2026.",
                id="axconnect.W014",
            )
        )
    return found


@register()
def exposure(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Conveniences of a trial are not left on where strangers can reach them."""
    return list(_exposed())


def _exposed() -> Iterator[CheckMessage]:
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        yield Error(
            "METRICS_TOKEN is short enough to be guessed.",
            hint=f"Write {SHORTEST_TOKEN} or more random characters, or unset it to switch /metrics off.",
            id="axconnect.E009",
        )
    if settings.DEBUG and not _is_inside(urlsplit(settings.PUBLIC_URL).hostname):
        yield Error(
            "DEBUG is on at a public address: its error pages show stored data.",
            hint="Set DEBUG=false, or PUBLIC_URL to a loopback address.",
            id="axconnect.E010",
        )
    if settings.DEMO and not settings.SANDBOX_URL:
        yield Error(
            "DEMO is on without a sandbox.",
            hint="Unset DEMO, and start a demo with `python manage.py up --demo`.",
            id="axconnect.E011",
        )
    if settings.ALLOW_PRIVATE_HOSTS and not (settings.DEMO or settings.DEBUG):
        yield Warning(
            "ALLOW_PRIVATE_HOSTS lets whoever sets up a practice reach addresses inside your network.",
            hint="Unset it, unless every EMR and CRM of this trial is a local server.",
            id="axconnect.W012",
        )


@register(deploy=True)
def ready_for_patients(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is fine for a trial and not for real patients."""
    return list(_not_ready_for_patients())


def _not_ready_for_patients() -> Iterator[CheckMessage]:
    if settings.GENERATED_KEYS:
        yield Warning(
            f"{' and '.join(settings.GENERATED_KEYS)} not set: DATA_DIR/keys.json is used instead.",
            hint="Set both and keep a copy elsewhere: whoever loses them loses what is encrypted.",
            id="axconnect.W101",
        )
    if urlsplit(settings.PUBLIC_URL).scheme != "https":
        yield Warning(
            "PUBLIC_URL is not https: webhooks and sign-ins travel in clear.",
            hint="Put a proxy that does https in front, and write its https address.",
            id="axconnect.W102",
        )
    if settings.REDIS_URL == settings.NO_REDIS_URL:
        yield Warning(
            "REDIS_URL is not set.",
            hint="Set it, or let `python manage.py up` run a private Redis on this machine.",
            id="axconnect.W103",
        )
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        yield Warning(
            "EMAIL_URL is not set: invitations and alerts are printed instead of sent.",
            hint="Write your mail server, such as smtp+tls://user:password@host:587",
            id="axconnect.W104",
        )
    if settings.DEMO:
        yield Warning(
            "DEMO is on.", hint="Unset it: a demo fills itself with made-up people.", id="axconnect.W105"
        )


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or " " in address)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain


def _is_inside(host: str | None) -> bool:
    if not host or host == "localhost" or "." not in host.strip("."):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host.endswith((".localhost", ".local", ".test", ".internal"))


def _is_service_account(path: Path) -> bool:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("type") == "service_account" and "private_key" in found
