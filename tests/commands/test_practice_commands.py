"""import_practice, export_practice and check_practice as a person or a script meets them."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command

from integrations import emrs
from tenants.models import Practice
from tests.practice_file.documents import REGISTRY, document, raw

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def pretend_emrs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emrs, "registry", lambda: REGISTRY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "bluestone.json"
    file.write_bytes(raw(document()))
    return file


def run(name: str, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *words, stdout=out, stderr=err)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_import_prints_exactly_one_json_object(path: Path) -> None:
    code, out, err = run("import_practice", str(path))
    answer = json.loads(out)
    assert (code, answer["practice"]) == (0, "bluestone")
    assert set(answer) == {"practice", "webhooks", "crm_webhooks"}
    assert answer["webhooks"]["cw"].startswith("http")
    assert set(answer["crm_webhooks"]["main"]) == {"url", "secret"}
    assert "connection cw: new" in err


def test_a_second_import_prints_the_same(path: Path) -> None:
    first = run("import_practice", str(path))
    second = run("import_practice", str(path))
    assert second[1] == first[1]
    assert second[2] == "Nothing to change.\n"


def test_import_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw(document()))))
    assert json.loads(run("import_practice", "-")[1])["practice"] == "bluestone"


def test_mistakes_go_to_standard_error_one_a_line_with_exit_code_1(path: Path) -> None:
    file = document()
    file["practice"]["country"] = "XX"
    file["sub_accounts"][0]["pipelines"]["surgical"]["stages"]["Booked"] = "S9"
    path.write_bytes(raw(file))
    code, out, err = run("import_practice", str(path))
    assert (code, out) == (1, "")
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "practice.country",
        'sub_accounts[0].pipelines.surgical.stages."Booked"',
    ]


def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    code, _, err = run("import_practice", str(tmp_path / "none.json"))
    assert (code, err.strip()) == (1, f"{tmp_path}/none.json cannot be read: No such file or directory.")


def test_a_dry_run_says_what_would_change(path: Path) -> None:
    code, out, err = run("import_practice", str(path), "--dry-run")
    assert (code, json.loads(out)) == (0, {"practice": "bluestone", "webhooks": {}, "crm_webhooks": {}})
    assert err.startswith("Nothing was changed; an import would change:\n  practice: new\n")
    assert not Practice.objects.across_practices().exists()


def test_export_gives_the_file_back(path: Path) -> None:
    run("import_practice", str(path))
    assert json.loads(run("export_practice", "bluestone", "--with-secrets")[1]) == document()
    masked = run("export_practice", "bluestone")[1]
    assert "secret" not in masked
    assert '"***"' in masked


@pytest.mark.parametrize("command", ["export_practice", "check_practice"])
def test_an_unknown_practice_is_said_in_words(command: str, path: Path) -> None:
    run("import_practice", str(path))
    code, out, err = run(command, "bluestne")
    assert (code, out, err) == (1, "", 'There is no practice "bluestne", did you mean "bluestone"?\n')


def test_check_exits_with_1_while_something_is_red(path: Path) -> None:
    run("import_practice", str(path))
    code, out, _ = run("check_practice", "bluestone")
    assert code == 1
    assert (
        "red     Chartwell: test event seen: Nothing has arrived from Chartwell yet: send a test event."
        in out
    )
    assert "green   Every location goes to a sub-account\n" in out


def test_check_as_json_is_one_object(path: Path) -> None:
    run("import_practice", str(path))
    answer = json.loads(run("check_practice", "bluestone", "--json")[1])
    assert (answer["practice"], answer["ready"]) == ("bluestone", False)
    assert {"name", "label", "state", "reason", "link", "proof", "by", "at"} == set(answer["checks"][0])


def test_check_exits_with_0_when_nothing_is_red(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from integrations.management.commands import check_practice
    from integrations.sync.golive import Check, State

    checks: list[Any] = [Check("a", "A", State.GREEN), Check("b", "B", State.MANUAL, "look")]
    monkeypatch.setattr(check_practice, "checklist", lambda _: checks)
    run("import_practice", str(path))
    assert run("check_practice", "bluestone")[:2] == (0, "green   A\nmanual  B: look\n")
