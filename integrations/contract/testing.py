"""What every EMR folder must hold to, as checks that return their findings in words. An EMR's own tests and
the project's tests call them; ``FolderChecks`` turns them into tests of one folder in four lines."""

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from integrations.contract.fixtures import EXPECTED, fixtures, outcome_of
from integrations.contract.manifest import DataType, Manifest, Way

PACKAGE = "integrations.emrs"

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,49}")
_FIXTURE_NAME = re.compile(r"[a-z0-9._-]+?__[a-z0-9_]+\.json")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\w")
_PHONES = (
    re.compile(r"(?<![\w.-])(?:\+?1[-. ]?)?\(?(\d{3})\)?[-. ]?(\d{3})[-. ](\d{4})(?!\d)"),
    re.compile(r"\+1(\d{3})(\d{3})(\d{4})(?!\d)"),
    re.compile(r'(?i)"\w*(?:phone|mobile)\w*":\s*"?1?(\d{3})(\d{3})(\d{4})(?!\d)'),
)
_EXAMPLE_HOSTS = ("example.com", "example.org", "example.net")
# These two talk to the outside, and the tests check: neither has to be pure.
_OUTWARD = {"client", "sandbox"}
_CLOCKS = {"now", "today", "utcnow"}
_IMPURE_STDLIB = {"os", "random", "secrets", "socket", "sqlite3", "subprocess", "threading", "time", "urllib"}


def fixture_faults(folder: Path) -> list[str]:
    """Fixtures that are read otherwise than expected, and declared events without a fixture."""
    manifest, found = _part(folder, "manifest").MANIFEST, fixtures(folder)
    receive = _part(folder, "webhook").receive if manifest.way is Way.WEBHOOK else None
    understand = _part(folder, "mapping").understand
    faults = []
    for fixture in found:
        outcome = outcome_of(fixture, receive, understand)
        expected = {key: value for key, value in fixture.expected.items() if key != "given"}
        faults += [f"{fixture.name}: {difference}" for difference in _differences(outcome, expected)]
    events = {fixture.event for fixture in found}
    return faults + [
        f'event "{kind.name}" has no fixture' for kind in manifest.events if kind.name not in events
    ]


def _differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in sorted(found.keys() | expected.keys()):
            yield from _differences(found.get(key), expected.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, pair in enumerate(zip(found, expected, strict=True)):
            yield from _differences(*pair, f"{path}.{number}")
    elif found != expected:
        yield f"{path} is {found!r}, expected {expected!r}"


def manifest_faults(folder: Path) -> list[str]:
    """What is wrong with the declaration itself."""
    manifest: Manifest = _part(folder, "manifest").MANIFEST
    field_names = [declared.name for declared in manifest.fields]
    faults = [] if manifest.slug == folder.name else [f'slug "{manifest.slug}" is not the folder\'s name']
    if not _SLUG.fullmatch(manifest.slug):
        faults.append(f'slug "{manifest.slug}" is not lower-case letters, digits and underscores')
    for what, names in _unique_names(manifest):
        faults += [
            f'{what} "{name}" is declared twice' for name in sorted({n for n in names if names.count(n) > 1})
        ]
        faults += [f"{what} without a name"] if not all(name.strip() for name in names) else []
    for what in ("patient_id_field", "birthday_field", "payment_id_field", "create_location_field"):
        name = getattr(manifest, what)
        faults += [f'{what} "{name}" is not among the fields'] if name and name not in field_names else []
    faults += [
        f'field "{declared.name}" has no CRM type'
        for declared in manifest.fields
        if not isinstance(declared.data_type, DataType)
    ]
    faults += [
        f'switch "{switch.name}" has the default {switch.default!r}, which is not among its choices'
        for switch in manifest.switches
        if switch.choices and switch.default not in switch.choices
    ]
    texts = ("name", "field_prefix", "folder", "patient_id_field", "appointment_workflow")
    faults += [f"{name} is empty" for name in texts if not getattr(manifest, name).strip()]
    return faults + ([] if any(kind.used for kind in manifest.events) else ["no event is used"])


def _unique_names(manifest: Manifest) -> list[tuple[str, list[str]]]:
    return [
        ("field", [declared.name for declared in manifest.fields]),
        ("event", [kind.name for kind in manifest.events]),
        ("workflow", list(manifest.workflows)),
        ("credential", [credential.name for credential in manifest.credentials]),
        ("switch", [switch.name for switch in manifest.switches]),
        ("checklist item", [item.name for item in manifest.checklist]),
        ("payload field", [declared.name for declared in manifest.payload_fields]),
    ]


def shape_faults(folder: Path) -> list[str]:
    """Missing parts, and fixture files that nobody reads."""
    wanted = ["__init__.py", "manifest.py", "mapping.py", "sandbox.py", "README.md", "fixtures", "tests"]
    if _part(folder, "manifest").MANIFEST.way is Way.WEBHOOK:
        wanted.append("webhook.py")
        callables = [("webhook", "receive"), ("mapping", "understand")]
    else:
        wanted.append("client.py")
        callables = [("mapping", "understand")]
    faults = [f"{name} is missing" for name in wanted if not (folder / name).exists()]
    for module, name in callables:
        if (folder / f"{module}.py").exists() and not callable(getattr(_part(folder, module), name, None)):
            faults.append(f"{module}.py has no function {name}")
    for path in sorted((folder / "fixtures").glob("*")):
        plain = path.with_name(path.name.replace(EXPECTED, ".json"))
        if not _FIXTURE_NAME.fullmatch(plain.name):
            faults.append(
                f"fixtures/{path.name} is not named <event>__<case>.json or <event>__<case>{EXPECTED}"
            )
        elif not plain.exists() or not plain.with_suffix(EXPECTED).exists():
            faults.append(f"fixtures/{path.name} has no counterpart")
    return faults


def import_faults(folder: Path) -> list[str]:
    """Imports that a folder may not have, and clocks in the parts that must be pure."""
    faults = []
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if inside.parts[0] == "tests":
            continue
        is_pure = path.stem not in _OUTWARD
        tree = ast.parse(path.read_text(encoding="utf-8"))
        faults += [
            f"{inside} imports {name}"
            for name in imported(tree)
            if not _may_import(name, folder.name, is_pure)
        ]
        faults += [f"{inside} reads the clock ({name})" for name in _clock_reads(tree) if is_pure]
    return faults


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module named by an import anywhere in a parsed file; ``from x import y`` gives ``x.y``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _may_import(name: str, slug: str, is_pure: bool) -> bool:
    if name.startswith(("integrations.contract.", f"{PACKAGE}.{slug}.")):
        return not name.startswith("integrations.contract.testing")
    top = name.split(".")[0]
    if top == "requests":
        return not is_pure
    return top in sys.stdlib_module_names and not (is_pure and top in _IMPURE_STDLIB)


def _clock_reads(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLOCKS:
            yield ast.unparse(node.func)


def privacy_faults(folder: Path) -> list[str]:
    """E-mail addresses and phone numbers that could be somebody's, in every file of the folder."""
    faults = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".json", ".py", ".md"}):
        content = path.read_text(encoding="utf-8")
        faults += [f"{path.relative_to(folder)} holds {what}" for what in _personal(content)]
    return faults


def _personal(content: str) -> Iterator[str]:
    for email in _EMAIL.findall(content):
        if not email.lower().endswith(_EXAMPLE_HOSTS):
            yield f'the e-mail address "{email}", which is not at example.com'
    for form in _PHONES:
        for area, exchange, line in form.findall(content):
            if exchange != "555":
                yield f'the phone number "{area}-{exchange}-{line}", which is not a 555 number'


def _part(folder: Path, name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{folder.name}.{name}")


CHECKS: tuple[Callable[[Path], list[str]], ...] = (
    manifest_faults,
    shape_faults,
    import_faults,
    privacy_faults,
    fixture_faults,
)


class FolderChecks:
    """Subclass as ``TestFolder`` with ``folder`` set: every check becomes a test of that EMR folder."""

    folder: Path

    def test_the_manifest_is_consistent(self) -> None:
        _none(manifest_faults(self.folder))

    def test_every_part_is_there(self) -> None:
        _none(shape_faults(self.folder))

    def test_only_the_contract_is_imported(self) -> None:
        _none(import_faults(self.folder))

    def test_nobody_real_is_in_it(self) -> None:
        _none(privacy_faults(self.folder))

    def test_every_fixture_is_read_as_expected(self) -> None:
        _none(fixture_faults(self.folder))


def _none(faults: list[str]) -> None:
    if faults:
        raise AssertionError("\n".join(faults))
