"""Settings as a fresh process reads them from its environment."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from axconnect.environment import Environment, read_env_file

ROOT = Path(__file__).resolve().parents[2]
READ = """
import json, sys
from axconnect import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1].split()}, default=str))
"""


def settings_with(data_dir: Path, names: str, **variables: str) -> dict[str, Any]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**keep, "DATA_DIR": str(data_dir), "AX_ENV_FILE": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", READ, names],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_set_gives_a_trial_on_this_machine(tmp_path: Path) -> None:
    found = settings_with(
        tmp_path,
        "DEBUG DEMO DATABASES REDIS_URL NO_REDIS_URL CRM_API_BASE_URL CRM_API_VERSION ALLOW_PRIVATE_HOSTS "
        "POLL_SECONDS PAYLOAD_DAYS PUBLIC_URL ALLOWED_HOSTS SECURE_SSL_REDIRECT WRONG_VALUES FIELD_KEYS",
    )
    database = found["DATABASES"]["default"]
    assert database["NAME"] == str(tmp_path / "axconnect.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert found["REDIS_URL"] == found["NO_REDIS_URL"]
    assert found["CRM_API_BASE_URL"] == "https://services.leadconnectorhq.com"
    assert (found["POLL_SECONDS"], found["PAYLOAD_DAYS"], found["CRM_API_VERSION"]) == (300, 14, "2021-07-28")
    assert found["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert not any(found[name] for name in ("DEBUG", "DEMO", "ALLOW_PRIVATE_HOSTS", "SECURE_SSL_REDIRECT"))
    assert found["WRONG_VALUES"] == []
    assert Fernet(found["FIELD_KEYS"][0])


def test_a_redis_that_up_started_is_found_through_its_file(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text("redis://:secret@127.0.0.1:7001/0\n")
    found = settings_with(tmp_path, "REDIS_URL RQ_QUEUES")
    assert found["REDIS_URL"] == "redis://:secret@127.0.0.1:7001/0"
    assert {queue["URL"] for queue in found["RQ_QUEUES"].values()} == {found["REDIS_URL"]}
    assert set(found["RQ_QUEUES"]) == {"events", "polls", "upkeep"}


def test_an_https_address_switches_secure_cookies_redirect_and_hsts_on(tmp_path: Path) -> None:
    names = "ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_SSL_REDIRECT "
    found = settings_with(tmp_path, names + "SECURE_HSTS_SECONDS", PUBLIC_URL="https://connect.example.com/")
    assert "connect.example.com" in found["ALLOWED_HOSTS"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://connect.example.com"]
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] > 0


def test_postgresql_and_given_keys_leave_the_data_folder_alone(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    found = settings_with(
        tmp_path / "never",
        "DATABASES FIELD_KEYS SECRET_KEY GENERATED_KEYS",
        DATABASE_URL="postgres://ax:p%40ss@db.example.com:5433/ax",
        SECRET_KEY="given",
        FIELD_KEYS=f"{key}, {key}",
    )
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["PASSWORD"], database["HOST"], database["PORT"]) == ("p@ss", "db.example.com", 5433)
    assert found["FIELD_KEYS"] == [key, key]
    assert (found["SECRET_KEY"], found["GENERATED_KEYS"]) == ("given", [])
    assert not (tmp_path / "never").exists()


def test_values_that_cannot_be_read_are_listed_and_their_defaults_count(tmp_path: Path) -> None:
    found = settings_with(
        tmp_path,
        "WRONG_VALUES DEBUG POLL_SECONDS DATABASES EMAIL_BACKEND",
        DEBUG="maybe",
        POLL_SECONDS="five",
        DATABASE_URL="nonsense",
        EMAIL_URL="carrier-pigeon://coop",
    )
    for name in ("DEBUG", "POLL_SECONDS", "DATABASE_URL", "EMAIL_URL"):
        assert any(name in str(wrong) for wrong in found["WRONG_VALUES"]), name
    assert found["DEBUG"] is False
    assert found["POLL_SECONDS"] == 300
    assert found["DATABASES"]["default"]["ENGINE"].endswith("sqlite3")
    assert found["EMAIL_BACKEND"].endswith("console.EmailBackend")


def test_the_example_file_names_every_variable_that_is_read_and_no_other() -> None:
    source = (ROOT / "axconnect" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read == example


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("1", True), ("On", True), ("no", False), ("0", False)]
)
def test_a_flag_is_read_in_the_usual_spellings(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("AX_TEST_FLAG", value)
    assert Environment().flag("AX_TEST_FLAG", default=not expected) is expected


def test_the_env_file_never_overrules_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AX_TEST_GIVEN", "environment")
    monkeypatch.setenv("AX_TEST_NEW", "")
    monkeypatch.delenv("AX_TEST_NEW")
    file = tmp_path / ".env"
    file.write_text("AX_TEST_GIVEN=file\nAX_TEST_NEW='from $file'\n")

    assert read_env_file(file) == {"AX_TEST_NEW"}
    assert os.environ["AX_TEST_GIVEN"] == "environment"
    assert os.environ["AX_TEST_NEW"] == "from $file"
