"""Every address of the project, opened by a reviewer, and by a reviewer of another practice."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from integrations.sync import bell
from tenants.models import Practice, User
from tests.admin.conftest import World, make_world
from tests.review.conftest import make_type, person, signed_in

PART = re.compile(r"<(?:(\w+):)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
# What everybody may open, signed in or not.
FOR_ALL = {"/healthz", "/readyz", "/login/", "/logout/", "/review/sign-in/", "/review/forgotten/"}
CLOSED = {400, 401, 403, 404, 405, 410}
SIGN_INS = ("/login/", "/review/sign-in/")
OTHERS = ("harbor", "Harbor", "Quay Special Peel")


def routes(patterns: list[Any], before: str = "") -> Iterator[str]:
    """The route of every pattern, as it is written."""
    for one in patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        elif isinstance(one, URLPattern):
            yield route


def addresses(ids: list[int], slugs: list[str]) -> list[str]:
    """Every address that there is, with these values put in."""
    found = []
    for route in routes(get_resolver().url_patterns):
        parts = list(PART.finditer(route))
        values = [_values(part, ids, slugs) for part in parts]
        for chosen in itertools.product(*values):
            rest = iter(chosen)
            path = PART.sub(lambda _, rest=rest: next(rest), route)
            found.append("/" + re.sub(r"[\^$\\]|\?$", "", path).replace("//", "/"))
    return list(dict.fromkeys(found))


def _values(part: re.Match[str], ids: list[int], slugs: list[str]) -> list[str]:
    kind, name = part[1] or "", part[2] or part[3]
    if kind == "slug":
        return slugs
    if kind == "int" or name.endswith(("_id", "pk", "number", "index")):
        return [str(one) for one in ids]
    return ["none"]


@pytest.fixture
def worlds(db: None, monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """Two practices with a row of everything."""
    monkeypatch.setattr(bell, "ring", lambda *args, **kwargs: None)
    root = User.objects.create_superuser("root@example.com")
    made = [make_world("bluestone", root), make_world("harbor", root)]
    make_type(made[0].practice, name="Bluestone Facial")
    make_type(made[1].practice, name="Quay Special Peel")
    return made


@pytest.fixture
def every_address(worlds: list[World]) -> list[str]:
    ids = {getattr(world, name).pk for world in worlds for name in World.__dataclass_fields__}
    return addresses(sorted(ids), [world.practice.slug for world in worlds])


def is_own(path: str, slug: str) -> bool:
    return path.startswith(f"/review/{slug}/") or path == "/review/"


def leads_in_order(path: str, target: str, slug: str) -> bool:
    """Whether a redirect goes to a sign-in, to an own page, or only adds the slash that the admin wants."""
    goes_to = target.split("#")[0].split("?")[0]
    return goes_to in SIGN_INS or is_own(goes_to, slug) or goes_to == f"{path}/" or path in FOR_ALL


def complaint(client: Client, method: str, path: str, slug: str, names: tuple[str, ...]) -> str:
    """What is wrong with an answer; "" if nothing is."""
    answer = getattr(client, method)(path)
    status, text = answer.status_code, answer.content.decode(errors="replace")
    if any(name in text for name in names if name not in path):
        return f"{method} {path}: names another practice"
    if status in (301, 302):
        target = answer["Location"]
        return "" if leads_in_order(path, target, slug) else f"{method} {path}: leads to {target}"
    may_be_open = path in FOR_ALL or (is_own(path, slug) and status == 200)
    return "" if status in CLOSED or may_be_open else f"{method} {path}: {status}"


def test_the_walk_finds_every_kind_of_address(every_address: list[str]) -> None:
    assert len(every_address) > 150
    known = {
        "/review/bluestone/",
        "/review/harbor/agree/",
        "/metrics",
        "/queues/",
        "/patients/find/",
        "/login/",
    }
    assert {one for one in known if one not in every_address} <= {"/patients/find/"}
    assert any(one.startswith("/integrations/contact/") for one in every_address)
    assert not any("<" in one or "(" in one for one in every_address)


def test_a_reviewer_reaches_their_own_pages_and_nothing_else(
    worlds: list[World], every_address: list[str]
) -> None:
    client = signed_in(person("rita@example.com", worlds[0].practice))
    wrong = [complaint(client, "get", path, "bluestone", OTHERS) for path in every_address]
    assert [one for one in wrong if one] == []
    assert client.get("/review/bluestone/").status_code == 200


def test_a_reviewer_of_another_practice_reaches_theirs_only(
    worlds: list[World], every_address: list[str]
) -> None:
    client = signed_in(person("olga@example.com", worlds[1].practice))
    names = ("Practice bluestone", "Bluestone")
    wrong = [complaint(client, "get", path, "harbor", names) for path in every_address]
    assert [one for one in wrong if one] == []


def test_a_reviewer_can_post_nowhere_else(worlds: list[World], every_address: list[str]) -> None:
    client = signed_in(person("rita@example.com", worlds[0].practice))
    paths = [path for path in every_address if not is_own(path, "bluestone") and path != "/review/sign-out/"]
    wrong = [complaint(client, "post", path, "bluestone", OTHERS) for path in paths]
    assert [one for one in wrong if one] == []


def test_nobody_reaches_a_practice_without_signing_in(worlds: list[World], every_address: list[str]) -> None:
    client = Client()
    own = [path for path in every_address if path.startswith(("/review/bluestone/", "/review/harbor/"))]
    assert len(own) > 10
    for path in own:
        assert client.get(path).status_code in (302, 405), path


def test_another_practices_types_and_changes_cannot_be_touched(
    worlds: list[World], reviewer_of_ours: Client
) -> None:
    foreign = worlds[1].type
    for path in (f"/review/harbor/types/{foreign.pk}/", f"/review/bluestone/types/{foreign.pk}/"):
        assert reviewer_of_ours.post(path, {"category": "Blocked"}).status_code == 404
    foreign.refresh_from_db()
    assert foreign.category == ""


@pytest.fixture
def reviewer_of_ours(worlds: list[World]) -> Client:
    return signed_in(person("rita@example.com", worlds[0].practice))


def test_somebody_switched_off_or_taken_off_is_out_at_once(worlds: list[World]) -> None:
    practice: Practice = worlds[0].practice
    rita = person("rita@example.com", practice)
    client = signed_in(rita)
    rita.memberships.all().delete()
    assert client.get("/review/bluestone/").status_code == 404
    rita.is_active = False
    rita.save()
    assert client.get("/review/bluestone/").status_code == 302
