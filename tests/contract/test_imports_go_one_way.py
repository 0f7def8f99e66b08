"""tenants ← categorization ← integrations ← axconnect, and inside integrations nobody reaches upwards."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.contract.testing import imported
from integrations.emrs import registry

ROOT = Path(__file__).resolve().parents[2]
OURS = ("tenants", "categorization", "integrations", "axconnect")


def modules(*folders: str) -> list[Path]:
    """Every Python file under these folders of the project (or these files), without tests."""
    found = []
    for folder in folders:
        path = ROOT / folder
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path for path in found if "tests" not in path.relative_to(ROOT).parts]


def imports(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, relative imports resolved."""
    package = path.relative_to(ROOT).parent.parts
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        level = len(name) - len(name.lstrip("."))
        start = package[: len(package) - level + 1] if level else ()
        yield ".".join((*start, name.lstrip(".")))


def is_under(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def reaching(folder: str, *, allowed: tuple[str, ...] = (), forbidden: tuple[str, ...] = OURS) -> list[str]:
    """Imports under ``folder`` of something of ours that is forbidden and not allowed."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if is_under(name, *forbidden) and not is_under(name, folder.replace("/", "."), *allowed)
    ]


def test_tenants_import_nothing_of_ours():
    assert reaching("tenants") == []


def test_categorization_imports_tenants_only():
    assert reaching("categorization", allowed=("tenants",)) == []


def test_integrations_never_import_the_project():
    assert reaching("integrations", forbidden=("axconnect",)) == []


def test_the_contract_imports_nothing_of_ours():
    assert reaching("integrations/contract") == []


def test_the_crm_imports_the_contract_only():
    assert reaching("integrations/crm", allowed=("integrations.contract",)) == []


@pytest.mark.parametrize("slug", sorted(registry()))
def test_an_emr_imports_the_contract_only(slug):
    assert reaching(f"integrations/emrs/{slug}", allowed=("integrations.contract",)) == []


def test_the_registry_imports_the_contract_only():
    assert reaching("integrations/emrs/__init__.py", allowed=("integrations.contract",)) == []


def test_models_never_import_what_works_on_them():
    upper = tuple(
        f"integrations.{name}" for name in ("sync", "admin", "views", "crm", "sandbox", "management")
    )
    assert reaching("integrations/models", forbidden=upper) == []


@pytest.mark.parametrize("package", ["sync", "models", "crm"])
def test_no_engine_part_names_an_emr(package):
    named = [
        f"{path.relative_to(ROOT)} names {word}"
        for path in modules(f"integrations/{package}")
        for slug, emr in registry().items()
        for word in (slug, emr.manifest.name, f"{emr.manifest.field_prefix} ")
        if word in path.read_text(encoding="utf-8")
    ]
    assert named == []


def test_the_reader_of_imports_sees_every_kind(tmp_path):
    tree = ast.parse("import a.b\nfrom c import d, e\ndef f():\n    from .g import h\n    from .. import i\n")
    assert list(imported(tree)) == ["a.b", "c.d", "c.e", ".g.h", "...i"]


def test_relative_imports_are_resolved():
    path = ROOT / "integrations" / "emrs" / "__init__.py"
    assert "integrations.contract.errors.ConfigError" in imports(path)
    assert is_under("integrations.sync.lanes", "integrations.sync")
    assert not is_under("integrations.synchrony", "integrations.sync")
