"""From the text of a practice file to its parts, with every mistake of the whole file at once."""

from collections.abc import Hashable, Iterable
from typing import Any

from categorization.categories import name_key
from integrations.practice_file.parts import CategoryPart, LocationPart, PracticeFile, PracticePart
from integrations.practice_file.read_connections import read_connection
from integrations.practice_file.read_sub_accounts import read_sub_account
from integrations.practice_file.sections import Section, flag, kind_of, parse, text, text_of
from integrations.practice_file.values import (
    category,
    one_of,
    practice_slug,
    slug,
    time_zone,
    time_zone_or_none,
)
from tenants.models import COUNTRIES, PracticeKind

FORMAT = 1


def read(raw: bytes) -> tuple[PracticeFile, list[str]]:
    """The parts that could be read, and what is wrong with the rest.

    Raises PracticeFileError when the text is not JSON at all.
    """
    problems: list[str] = []
    root = Section(parse(raw), "", problems)
    root.only("format", "practice", "sub_accounts", "locations", "connections", "categories")
    _check_format(root)
    if "practice" not in root:
        root.wrong("practice", "is missing")
    file = PracticeFile(
        practice=_practice(root.section("practice")) if "practice" in root else PracticePart(slug=""),
        sub_accounts=[
            read_sub_account(part, _own_workflow_names(root)) for part in root.sections("sub_accounts")
        ],
        locations=[_location(s) for s in root.sections("locations")] if "locations" in root else None,
        connections=[read_connection(section) for section in root.sections("connections")],
        categories=[_category(section) for section in root.sections("categories")],
    )
    problems += _twice(file)
    return file, problems


def _own_workflow_names(root: Section) -> set[str]:
    """What the file's connections call their workflows; wrong forms are told when the connections are read."""
    listed = root.values.get("connections")
    parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    named = [part["workflow_names"] for part in parts if isinstance(part.get("workflow_names"), dict)]
    return {name for names in named for name in names.values() if isinstance(name, str)}


def _check_format(root: Section) -> None:
    found = root.values.get("format")
    if "format" not in root:
        root.wrong("format", f"is missing; write {FORMAT}")
    elif isinstance(found, bool) or found != FORMAT:
        shown = found if isinstance(found, int | str) else kind_of(found)
        root.wrong("format", f"must be {FORMAT}, not {shown}")


def _practice(section: Section) -> PracticePart:
    section.only("slug", "name", "kind", "country", "time_zone", "live", "live_reason")
    readers: dict[str, Any] = {
        "name": ("name", text_of(200)),
        "kind": ("kind", one_of(PracticeKind.values)),
        "country": ("country", one_of(code for code, _ in COUNTRIES)),
        "time_zone": ("time_zone", time_zone),
    }
    return PracticePart(
        slug=section.read("slug", practice_slug, "", required=True),
        values=section.said(readers, required=("name", "kind", "time_zone")),
        live=section.read("live", flag, None),
        live_reason=section.read("live_reason", text, ""),
    )


def _location(section: Section) -> LocationPart:
    section.only("external_id", "name", "time_zone", "sub_account")
    readers: dict[str, Any] = {"name": ("name", text_of(200)), "time_zone": ("time_zone", time_zone_or_none)}
    return LocationPart(
        path=section.path,
        external_id=section.read("external_id", text_of(100), "", required=True),
        values=section.said(readers, required=("name",)),
        sub_account=section.read("sub_account", lambda value: "" if value is None else slug(value), ""),
        says_route="sub_account" in section,
    )


def _category(section: Section) -> CategoryPart:
    section.only("connection", "type", "purpose", "category", "confirmed")
    part = CategoryPart(
        path=section.path,
        connection=section.read("connection", slug, "", required=True),
        type=section.read("type", text_of(255), "", required=True),
        purpose=section.read("purpose", text_of(255, may_be_empty=True), ""),
        category=section.read("category", category, "", required=True),
        confirmed=section.read("confirmed", flag, None),
    )
    if part.confirmed and "category" in section and section.values["category"] in (None, ""):
        section.wrong("confirmed", "cannot be true without a category")
    return part


def _twice(file: PracticeFile) -> Iterable[str]:
    """What may stand only once in a file and stands twice."""
    yield from _repeated("key", ((part.path, part.key, part.key) for part in file.sub_accounts))
    yield from _repeated("key", ((part.path, part.key, part.key) for part in file.connections))
    yield from _repeated(
        "external_id", ((p.path, p.external_id, p.external_id) for p in file.locations or [])
    )
    containers = ((part.path, part.values.get("crm_subaccount_id", "")) for part in file.sub_accounts)
    yield from _repeated("crm_location_id", ((path, crm_id, crm_id) for path, crm_id in containers))
    yield from _repeated("type", ((p.path, p.type and _type_key(p), p.type) for p in file.categories))
    defaults = [part for part in file.sub_accounts if part.values.get("is_default")]
    for part in defaults[1:]:
        yield f"{part.path}.default: {defaults[0].path} is the default already; only one can be"


def _type_key(part: CategoryPart) -> tuple[str, str, str]:
    return part.connection, name_key(part.type), name_key(part.purpose)


def _repeated(field: str, rows: Iterable[tuple[str, Hashable, str]]) -> Iterable[str]:
    seen: dict[Hashable, str] = {}
    for path, key, shown in rows:
        if key and key in seen:
            yield f'{path}.{field}: "{shown}" stands already at {seen[key]}'
        seen.setdefault(key, path)
