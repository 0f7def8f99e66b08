"""Adding an EMR is one new folder: nothing else is edited and no migration is made."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from integrations import emrs
from integrations.contract import testing
from integrations.contract.errors import ConfigError
from integrations.contract.fixtures import fixtures
from integrations.contract.protocols import Context
from integrations.emrs import emr_for, registry
from integrations.models import Connection, InboundEvent
from integrations.practice_file.importing import import_practice
from integrations.practice_file.problems import PracticeFileError

ROOT = Path(__file__).resolve().parents[2]
SLUG = "fakechart"
PRACTICE = {
    "slug": "elm",
    "name": "Elm Med Spa",
    "kind": "med_spa",
    "country": "US",
    "time_zone": "America/New_York",
}


@pytest.fixture
def fakechart(tmp_path, monkeypatch):
    """A new EMR folder outside the project, found like every other."""
    call_command("new_emr", SLUG, name="Fake Chart", prefix="FakeC", directory=tmp_path)
    monkeypatch.setattr(emrs, "__path__", [*emrs.__path__, str(tmp_path)])
    registry.cache_clear()
    yield tmp_path / SLUG
    registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith(f"integrations.emrs.{SLUG}")]:
        del sys.modules[name]


def practice_file(**connection):
    connections = [{"key": "chart", "emr": SLUG, "base_url": None, **connection}]
    return json.dumps({"format": 1, "practice": PRACTICE, "connections": connections}).encode()


def test_the_folder_alone_makes_it_known(fakechart):
    assert "aestheticspro" in registry()
    assert emr_for(SLUG).manifest.name == "Fake Chart"
    assert emr_for(SLUG).manifest.patient_id_field == "FakeC Patient ID"


def test_an_unknown_emr_is_refused_with_the_known_ones(fakechart):
    with pytest.raises(ConfigError, match="Known: aestheticspro, fakechart"):
        emr_for("nochart")


def test_its_events_are_read(fakechart):
    emr = emr_for(SLUG)
    (fixture,) = fixtures(fakechart)
    receipt = emr.receive(fixture.body, {})
    (record,) = emr.understand(receipt.kind, fixture.body, Context(received_at=datetime.now(UTC)))
    assert (receipt.patient_id, record.external_id) == ("1001", "88")


def test_a_field_path_override_repairs_a_body_of_another_shape(fakechart):
    (fixture,) = fixtures(fakechart)
    body = {**fixture.body, "data": {**fixture.body["data"], "patient": {"number": 7}}}
    paths = {"patient_id": ["data.patient.number"]}
    assert emr_for(SLUG).receive(body, paths).patient_id == "7"
    (record,) = emr_for(SLUG).understand("", body, Context(received_at=datetime.now(UTC), field_paths=paths))
    assert record.person.external_id == "7"


@pytest.mark.django_db
def test_a_practice_file_connects_it_with_the_credentials_that_its_manifest_declares(fakechart):
    imported = import_practice(practice_file(credentials={"header_secret": "s3cret"}))
    connection = Connection.objects.across_practices().get(emr=SLUG)
    assert connection.credential("header_secret") == "s3cret"
    assert imported.webhooks == {"chart": connection.webhook_url}


@pytest.mark.django_db
def test_a_practice_file_with_other_credentials_is_refused(fakechart):
    with pytest.raises(PracticeFileError, match="api_key"):
        import_practice(practice_file(credentials={"api_key": "x"}))


@pytest.mark.django_db(transaction=True)
def test_its_webhooks_come_in_by_the_same_door(fakechart, client):
    import_practice(practice_file())
    address = urlsplit(Connection.objects.across_practices().get(emr=SLUG).webhook_url).path
    (fixture,) = fixtures(fakechart)
    answers = [
        client.post(address, body, content_type="application/json")
        for body in (fixture.body, fixture.body, {"event": "shift.started"})
    ]
    assert [answer.json()["result"] for answer in answers] == ["stored", "duplicate", "ignored"]
    stored, ignored = InboundEvent.objects.across_practices().order_by("id")
    assert (stored.kind, stored.state, stored.deliveries) == ("appointment.created", "waiting", 2)
    assert "Fake Chart" in ignored.reason


@pytest.mark.django_db
def test_no_migration_is_needed(fakechart):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_the_new_folder_keeps_the_contract(fakechart, check):
    assert check(fakechart) == []


def test_the_new_folder_s_own_tests_pass_at_once(fakechart):
    conftest = f"import integrations.emrs\nintegrations.emrs.__path__.append({str(fakechart.parent)!r})\n"
    (fakechart.parent / "conftest.py").write_text(conftest)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:django", "--import-mode=importlib", "-c", os.devnull]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(fakechart.parent), str(fakechart)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout


def test_the_new_folder_is_in_the_house_style(fakechart):
    for command in (["check"], ["format", "--check"]):
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--config",
                str(ROOT / "pyproject.toml"),
                str(fakechart),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "slug", ["Zenoti", "zenoti-2", "2chart", "z", "", "class", "a" * 51, "../up", "é_chart"]
)
def test_a_slug_that_cannot_be_one_is_refused(tmp_path, slug):
    with pytest.raises(CommandError, match="cannot be a slug: use 2 to 50 lower-case letters"):
        call_command("new_emr", slug, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["name", "prefix"])
@pytest.mark.parametrize("label", ['Chart "Pro"', "Chart\\", "$slug", "a\nb", " "])
def test_a_label_that_would_break_the_files_is_refused(tmp_path, option, label):
    with pytest.raises(CommandError, match=f"cannot be the {option}"):
        call_command("new_emr", "somechart", directory=tmp_path, **{option: label})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    call_command("new_emr", "somechart", directory=tmp_path)
    (tmp_path / "somechart" / "manifest.py").write_text("mine")
    with pytest.raises(CommandError, match="is there already: choose another slug"):
        call_command("new_emr", "somechart", directory=tmp_path)
    assert (tmp_path / "somechart" / "manifest.py").read_text() == "mine"


def test_a_directory_that_is_missing_is_said(tmp_path):
    with pytest.raises(CommandError, match="There is no directory"):
        call_command("new_emr", "somechart", directory=tmp_path / "missing")


def test_name_and_prefix_follow_from_the_slug(tmp_path, capsys):
    call_command("new_emr", "next_chart_plus", directory=tmp_path)
    manifest = (tmp_path / "next_chart_plus" / "manifest.py").read_text()
    assert 'name="Next Chart Plus"' in manifest
    assert 'field_prefix="Next"' in manifest
    assert f"Made {tmp_path / 'next_chart_plus'}." in capsys.readouterr().out
