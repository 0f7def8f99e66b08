"""The contract's checks over every EMR folder that is found, and faults that they must find."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from integrations import emrs
from integrations.contract import testing
from integrations.contract.manifest import EventKind, FolderField, Manifest, Switch, Way
from integrations.emrs import registry
from integrations.management.scaffold import make_emr_folder

SLUGS = sorted(registry())


def test_the_first_emr_is_found():
    assert "aestheticspro" in SLUGS


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("slug", SLUGS)
def test_every_folder_keeps_the_contract(slug, check):
    assert check(Path(registry()[slug].part("manifest").__file__).parent) == []


@pytest.mark.parametrize("slug", SLUGS)
def test_every_folder_tests_itself(slug):
    folder = Path(registry()[slug].part("manifest").__file__).parent
    assert any("FolderChecks" in path.read_text() for path in (folder / "tests").glob("test_*.py"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A faultless EMR folder, importable, in which a test may break something."""
    monkeypatch.setattr(emrs, "__path__", [*emrs.__path__, str(tmp_path)])
    slug = f"broken_{abs(hash(tmp_path)):x}"
    return make_emr_folder(tmp_path, slug)


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("mapping.py", "import django.db", "mapping.py imports django.db"),
        ("mapping.py", "from integrations.sync import jobs", "mapping.py imports integrations.sync.jobs"),
        ("mapping.py", "import requests", "mapping.py imports requests"),
        ("webhook.py", "import time", "webhook.py imports time"),
        (
            "sandbox.py",
            "from integrations.models import Visit",
            "sandbox.py imports integrations.models.Visit",
        ),
        ("fields.py", "from integrations.emrs.aestheticspro import fields", "aestheticspro.fields"),
        ("fields.py", "from ..aestheticspro import fields", "fields.py imports ..aestheticspro.fields"),
        ("mapping.py", "def late():\n    import os", "mapping.py imports os"),
        ("mapping.py", "TODAY = date.today()", "mapping.py reads the clock (date.today)"),
    ],
)
def test_an_import_or_a_clock_that_a_folder_may_not_have_is_found(folder, module, line, fault):
    with (folder / module).open("a") as source:
        source.write(f"\n\n{line}\n")
    (found,) = {found for found in testing.import_faults(folder) if fault in found}
    assert found.startswith(module)


def test_the_folder_s_own_tests_may_import_what_they_like(folder):
    (folder / "tests" / "test_more.py").write_text("import pytest\nimport django\n")
    assert testing.import_faults(folder) == []


@pytest.mark.parametrize(
    "text",
    [
        "somebody@mail.net",
        "(212) 444-0101",
        "212-444-0101",
        "+1 212 444 0101",
        "+12124440101",
        '"mobile_phone": "2124440101"',
        '"homePhone": 12124440101',
    ],
)
def test_a_real_looking_address_or_number_is_found(folder, text):
    (folder / "README.md").write_text(f"Call {text} now")
    (found,) = testing.privacy_faults(folder)
    assert found.startswith("README.md holds")


@pytest.mark.parametrize(
    "text", ["iris@example.com", "(212) 555-0101", "+12125550101", "2026-03-18", "10.0.0.99"]
)
def test_made_up_ones_are_fine(folder, text):
    (folder / "README.md").write_text(text)
    assert testing.privacy_faults(folder) == []


def test_a_fixture_read_otherwise_than_expected_is_found(folder):
    rewrite(folder / "fixtures" / "appointment.created__usual.json", "Consultation", "Peel")
    (first, *_) = testing.fixture_faults(folder)
    assert first.startswith("appointment.created__usual: records.0.")
    assert "'Peel', expected 'Consultation'" in first


def test_a_declared_event_without_a_fixture_is_found(folder):
    for path in (folder / "fixtures").glob("*"):
        path.unlink()
    assert testing.fixture_faults(folder) == ['event "appointment.created" has no fixture']


def test_a_fixture_expected_to_be_refused_is_found_when_it_is_read(folder):
    expected = folder / "fixtures" / "appointment.created__usual.expected.json"
    plain = json.loads(expected.read_text())
    expected.write_text(json.dumps({"receipt": plain["receipt"], "malformed": "data.id"}))
    assert {fault.split(" is ")[0].split(": ")[1] for fault in testing.fixture_faults(folder)} == {
        "malformed",
        "records",
    }


@pytest.mark.parametrize("name", ["README.md", "sandbox.py", "webhook.py", "__init__.py"])
def test_a_missing_part_is_found(folder, name):
    testing.shape_faults(folder)
    (folder / name).unlink()
    assert f"{name} is missing" in testing.shape_faults(folder)


def test_a_part_without_its_function_is_found(folder):
    (folder / "webhook.py").write_text('"""Nothing yet."""\n')
    assert testing.shape_faults(folder) == ["webhook.py has no function receive"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("appointment.json", "not named"),
        ("appointment.created__other.json", "no counterpart"),
        ("appointment.created__other.expected.json", "no counterpart"),
    ],
)
def test_a_fixture_file_that_nobody_reads_is_found(folder, name, fault):
    (folder / "fixtures" / name).write_text("{}")
    (found,) = testing.shape_faults(folder)
    assert fault in found


MANIFEST = {
    "slug": "some_emr",
    "name": "Some EMR",
    "way": Way.WEBHOOK,
    "field_prefix": "Some",
    "folder": "Some",
    "fields": (FolderField("Some ID"), FolderField("Some DOB")),
    "events": (EventKind("booked", "Booked"),),
    "patient_id_field": "Some ID",
    "birthday_field": "Some DOB",
    "appointment_workflow": "Some Appointments",
}


def manifest_faults(monkeypatch, **changes):
    manifest = Manifest(**{**MANIFEST, **changes})
    monkeypatch.setattr(testing, "_part", lambda folder, name: SimpleNamespace(MANIFEST=manifest))
    return testing.manifest_faults(Path("/anywhere/some_emr"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slug": "other"}, 'slug "other" is not the folder\'s name'),
        ({"fields": (*MANIFEST["fields"], FolderField("Some ID"))}, 'field "Some ID" is declared twice'),
        ({"fields": (*MANIFEST["fields"], FolderField("Some", "NUMBER"))}, 'field "Some" has no CRM type'),
        ({"patient_id_field": "Else"}, 'patient_id_field "Else" is not among the fields'),
        ({"payment_id_field": "Else"}, 'payment_id_field "Else" is not among the fields'),
        ({"birthday_workflow": "Some Appointments"}, 'workflow "Some Appointments" is declared twice'),
        ({"events": (EventKind("test", "Test", used=False),)}, "no event is used"),
        ({"switches": (Switch("how", "How", "a", choices=("b",)),)}, "switch \"how\" has the default 'a'"),
        ({"folder": " "}, "folder is empty"),
    ],
)
def test_an_inconsistent_declaration_is_found(monkeypatch, changes, fault):
    (found,) = manifest_faults(monkeypatch, **changes)
    assert found.startswith(fault)


def test_a_consistent_declaration_has_no_faults(monkeypatch):
    assert manifest_faults(monkeypatch) == []


def test_a_test_of_a_folder_fails_with_every_fault_in_words(folder):
    (folder / "README.md").unlink()
    (folder / "sandbox.py").unlink()
    checks = testing.FolderChecks()
    checks.folder = folder
    with pytest.raises(AssertionError, match=r"sandbox\.py is missing\nREADME\.md is missing"):
        checks.test_every_part_is_there()
