"""Each setting that can be wrong is caught, with a hint and without repeating its value."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import CheckMessage

from axconnect import checks
from axconnect.environment import WrongValue

CHECKS = [
    checks.readable,
    checks.field_keys,
    checks.addresses,
    checks.limits,
    checks.service_account,
    checks.exposure,
]
GOOD = {
    "WRONG_VALUES": [],
    "FIELD_KEYS": [Fernet.generate_key().decode()],
    "GENERATED_KEYS": [],
    "PUBLIC_URL": "https://connect.example.com",
    "CRM_API_BASE_URL": "https://crm.example.com",
    "CRM_API_VERSION": "2021-07-28",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "POLL_SECONDS": 300,
    "PAYLOAD_DAYS": 14,
    "WORKERS": 2,
    "LANES": 8,
    "GOOGLE_SERVICE_ACCOUNT_FILE": "",
    "GOOGLE_API_BASE_URL": "",
    "METRICS_TOKEN": "",
    "DEBUG": False,
    "DEMO": False,
    "SANDBOX_URL": "",
    "ALLOW_PRIVATE_HOSTS": False,
}


def found_with(settings: Any, **changes: Any) -> list[CheckMessage]:
    for name, value in {**GOOD, **changes}.items():
        setattr(settings, name, value)
    return [message for check in CHECKS for message in check(None)]


def test_good_settings_are_not_complained_about(settings: Any) -> None:
    assert found_with(settings) == []
    assert checks.ready_for_patients(None) == []


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"WRONG_VALUES": [WrongValue("POLL_SECONDS", "a whole number")]}, "axconnect.E001"),
        ({"FIELD_KEYS": ["not-a-key-but-a-secret"]}, "axconnect.E002"),
        ({"FIELD_KEYS": [*GOOD["FIELD_KEYS"], "short"]}, "axconnect.E002"),  # type: ignore[misc]
        ({"PUBLIC_URL": "clinic.example.net"}, "axconnect.E003"),
        ({"PUBLIC_URL": "https://clinic.example.net/app"}, "axconnect.E003"),
        ({"PUBLIC_URL": "ftp://clinic.example.net"}, "axconnect.E003"),
        ({"CRM_API_BASE_URL": "https://user:pw@crm.example.com"}, "axconnect.E004"),
        ({"CRM_API_BASE_URL": "http://crm.example.com:99999"}, "axconnect.E004"),
        ({"REDIS_URL": "http://127.0.0.1:6379"}, "axconnect.E005"),
        ({"CRM_API_VERSION": "v2"}, "axconnect.E006"),
        ({"POLL_SECONDS": 0}, "axconnect.E007"),
        ({"PAYLOAD_DAYS": 0}, "axconnect.E007"),
        ({"WORKERS": 0}, "axconnect.E007"),
        ({"LANES": 1000}, "axconnect.E007"),
        ({"POLL_SECONDS": 10}, "axconnect.W007"),
        ({"GOOGLE_SERVICE_ACCOUNT_FILE": "/nowhere/key.json"}, "axconnect.E008"),
        ({"GOOGLE_API_BASE_URL": "sheets.example.net"}, "axconnect.E015"),
        ({"METRICS_TOKEN": "guessable"}, "axconnect.E009"),
        ({"DEBUG": True}, "axconnect.E010"),
        ({"DEMO": True}, "axconnect.E011"),
        ({"ALLOW_PRIVATE_HOSTS": True}, "axconnect.W012"),
    ],
)
def test_a_wrong_setting_is_named_with_a_hint(settings: Any, changes: dict[str, Any], id: str) -> None:
    messages = found_with(settings, **changes)
    assert [message.id for message in messages] == [id]
    assert messages[0].hint
    for value in changes.values():
        if isinstance(value, str):
            assert value not in f"{messages[0].msg} {messages[0].hint}"


@pytest.mark.parametrize(
    "changes",
    [
        {"DEBUG": True, "PUBLIC_URL": "http://127.0.0.1:8000"},
        {"DEBUG": True, "PUBLIC_URL": "http://192.168.1.20:8000"},
        {
            "DEBUG": True,
            "PUBLIC_URL": "http://localhost:8000",
            "ALLOW_PRIVATE_HOSTS": True,
            "POLL_SECONDS": 5,
        },
        {
            "DEMO": True,
            "SANDBOX_URL": "http://127.0.0.1:8001",
            "ALLOW_PRIVATE_HOSTS": True,
            "POLL_SECONDS": 5,
        },
        {"METRICS_TOKEN": "sixteen-characters"},
        {"REDIS_URL": "unix:///run/redis.sock"},
    ],
)
def test_what_is_fine_is_not_complained_about(settings: Any, changes: dict[str, Any]) -> None:
    assert found_with(settings, **changes) == []


def test_a_service_account_file_must_be_one(settings: Any, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"type": "authorized_user"}))
    assert [m.id for m in found_with(settings, GOOGLE_SERVICE_ACCOUNT_FILE=str(file))] == ["axconnect.E008"]
    file.write_text(json.dumps({"type": "service_account", "private_key": "made up"}))
    assert found_with(settings, GOOGLE_SERVICE_ACCOUNT_FILE=str(file)) == []


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"GENERATED_KEYS": ["SECRET_KEY", "FIELD_KEYS"]}, "axconnect.W101"),
        ({"PUBLIC_URL": "http://connect.example.com"}, "axconnect.W102"),
        ({"REDIS_URL": "unix:///nothing", "NO_REDIS_URL": "unix:///nothing"}, "axconnect.W103"),
        ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, "axconnect.W104"),
        ({"DEMO": True}, "axconnect.W105"),
    ],
)
def test_what_is_only_fine_for_a_trial_is_said_before_deployment(
    settings: Any, changes: dict[str, Any], id: str
) -> None:
    found_with(settings, **changes)
    assert [message.id for message in checks.ready_for_patients(None)] == [id]
