"""What the documents say of variables, commands, addresses, figures, files and practice files is so."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from axconnect.health import Pulse, _from_database, _from_redis
from integrations.practice_file.importing import import_practice
from tenants.models import Practice

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PACKAGES = ("axconnect", "tenants", "categorization", "integrations")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\"")
ROW = re.compile(r"^\| `([^`]+)`([^|]*)\|(?: `?([^|`]*)`? \|)?", re.MULTILINE)


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return [
        path
        for path in sorted(ROOT.rglob("*.md"))
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """A document without its code blocks."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """One section of the README."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def anchors(path: Path) -> set[str]:
    """The fragments by which the headings of a document are reached."""
    titles = re.findall(r"^#+ (.+)$", prose(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.casefold()).replace(" ", "-") for title in titles}


def test_every_link_in_a_document_leads_somewhere() -> None:
    wrong = []
    for path in documents():
        for target in (a or b for a, b in LINK.findall(prose(path.read_text()))):
            place, _, fragment = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            found = (path.parent / place).resolve() if place else path
            if not found.exists() or (fragment and fragment not in anchors(found)):
                wrong.append(f"{name_of(path)}: {target}")
    assert wrong == []


def test_the_index_leads_to_every_document() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve() for target, _ in LINK.findall(index.read_text())
    }
    assert {path for path in (ROOT / "docs").rglob("*.md") if path != index} <= linked


def read_by_settings() -> set[str]:
    """Names of the environment variables that the settings read."""
    source = (ROOT / "axconnect" / "settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))


def test_the_readme_explains_every_variable_with_the_default_of_the_example_file() -> None:
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    example = {name: value or "unset" for name, value in lines}
    table = {name: default.strip() for name, _, default in ROW.findall(section("Configuration"))}
    assert set(table) == read_by_settings()
    assert table == example


def test_the_readme_names_every_other_variable_that_the_settings_look_at() -> None:
    source = (ROOT / "axconnect" / "settings.py").read_text()
    others = set(re.findall(r'os\.environ\.get\(\s*"([A-Z_]+)"', source))
    assert others
    assert {name for name in others if f"`{name}`" not in section("Configuration")} == set()


def our_commands() -> set[str]:
    return {
        path.stem
        for package in PACKAGES
        for path in (ROOT / package / "management" / "commands").glob("[!_]*.py")
    }


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = {words.split()[0] for words, _, _ in ROW.findall(section("Commands"))}
    assert listed == our_commands()


def test_every_option_that_the_readme_gives_a_command_exists() -> None:
    from django.core.management import load_command_class

    wrong = []
    for words, _, _ in ROW.findall(section("Commands")):
        command = words.split()[0]
        app = next(p for p in PACKAGES if (ROOT / p / "management" / "commands" / f"{command}.py").exists())
        known = load_command_class(app, command).create_parser("manage.py", command).format_help()
        wrong += [f"{command} {option}" for option in re.findall(r"--[a-z-]+", words) if option not in known]
    assert wrong == []


def test_every_make_target_named_in_a_document_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for path in documents()
        for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", path.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= targets


def files_named(text: str) -> Iterator[str]:
    """Files and folders of the project that stand in a text as code."""
    tops = "|".join([*PACKAGES, "tests", "templates", "docs"])
    for found in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
        yield found.rstrip("/")


def test_every_file_named_in_a_document_exists() -> None:
    missing = [
        f"{name_of(path)}: {found}"
        for path in documents()
        for found in files_named(path.read_text())
        if not ((ROOT / found).exists() or any(path.parent.glob(f"*/{found}")))
    ]
    assert missing == []


@pytest.mark.django_db
def test_the_operators_page_names_every_figure_and_no_other() -> None:
    metrics = [*_from_redis(Pulse(scheduler_age=1.0, worker_ages=(1.0,))), *_from_database()]
    known = {metric.name + ("_total" if metric.type == "counter" else "") for metric in metrics}
    source = (ROOT / "axconnect" / "health.py").read_text()
    known |= set(re.findall(r'MetricFamily\("(ax_database_up)"', source))
    text = (ROOT / "docs" / "operators.md").read_text()
    assert set(re.findall(r"\bax_[a-z_]+", text)) == known


def practice_files() -> list[tuple[str, str]]:
    """(document, text) of every practice file that stands in a document."""
    return [
        (name_of(path), textwrap.dedent(block))
        for path in documents()
        for block in re.findall(r"^ *```json\n(.*?)^ *```", path.read_text(), re.DOTALL | re.MULTILINE)
        if '"format"' in block
    ]


def test_the_documents_show_practice_files() -> None:
    assert {name for name, _ in practice_files()} >= {"README.md", "docs/onboarding/aestheticspro.md"}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text"), practice_files(), ids=[name for name, _ in practice_files()])
def test_a_practice_file_shown_in_a_document_can_be_imported(name: str, text: str) -> None:
    imported = import_practice(text.encode())
    assert imported.webhooks
    assert Practice.objects.across_practices().get().slug == json.loads(text)["practice"]["slug"]
    assert import_practice(text.encode()).changes == []


def test_the_scopes_in_the_documents_are_those_that_the_client_needs() -> None:
    source = (ROOT / "integrations" / "crm" / "calls.py").read_text()
    needed = set(
        re.findall(r'"((?:contacts|opportunities|locations|workflows)[\w/]*\.(?:readonly|write))"', source)
    )
    assert needed
    for name in ("README.md", "docs/onboarding/aestheticspro.md"):
        text = (ROOT / name).read_text()
        assert {scope for scope in needed if f"`{scope}`" not in text} == set(), name


def test_the_webhook_answers_in_the_readme_are_those_that_the_door_gives() -> None:
    source = (ROOT / "integrations" / "views" / "webhooks.py").read_text()
    given = {int(code) for code in re.findall(r"(?:Refused|refusal)\((\d{3})", source)} | {200, 202}
    listed = {int(code) for code in re.findall(r"^\| (\d{3}) \|", section("Webhooks"), re.MULTILINE)}
    assert listed == given


def test_the_flow_can_be_seen_in_light_and_dark() -> None:
    picture = (ROOT / "docs" / "img" / "flow.svg").read_text()
    assert "prefers-color-scheme: dark" in picture
    assert "<title" in picture
