"""Every query on a practice's rows states its scope. Read from the sources, so that nobody can forget it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Contact, Effect, InboundEvent, Visit
from tenants.models import Membership, Practice, Role, User
from tenants.scoping import ScopedManager
from tests.engine.world import at, visit

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tenants", "categorization", "integrations", "axconnect")
SCOPES = {"for_practice", "for_user", "across_practices"}
# Rows that are made carry their practice, or hang on something that has one.
MAKES = {"create", "get_or_create", "update_or_create"}
OWNERS = {"practice", "connection", "sub_account", "patient", "contact", "event", "location", "pipeline"}
MANY = {"bulk_create", "bulk_update"}
# Files that go round the managers: encryption and retention work on every row there is.
PAST_MANAGERS = {"integrations/sync/rotation.py", "integrations/sync/retention.py"}
# The only places that speak SQL: the hot path, by ids, and a look whether the database answers.
SPEAK_SQL = {
    "axconnect/bench/volume/copying.py",
    "axconnect/health.py",
    "axconnect/readiness.py",
    "integrations/sync/hot.py",
}

OWNED = {
    model.__name__: model
    for model in apps.get_models()
    if isinstance(getattr(model, "objects", None), ScopedManager)
}


def sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name and "/tests/" not in name:
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def model_named(node: ast.expr) -> str:
    """The model before ``.objects``: ``Visit`` or ``identity.ContactLink``; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def gives_owner(call: ast.Call) -> bool:
    """Whether a call that makes a row says whose it is (or takes its values from a mapping)."""
    names = {(keyword.arg or "**").removesuffix("_id") for keyword in call.keywords}
    return bool(names & OWNERS) or "**" in names


def unscoped(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, expression) of each use of a scoped manager that does not state its scope."""
    followed: set[int] = set()
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if not is_call or not _is_manager(node.func.value):
            continue
        method = node.func.attr
        followed.add(id(node.func.value))
        if method in SCOPES or method in MANY or (method in MAKES and gives_owner(node)):
            continue
        yield node.lineno, f"{model_named(node.func.value.value)}.objects.{method}"
    for node in ast.walk(tree):
        if _is_manager(node) and id(node) not in followed:
            yield node.lineno, f"{model_named(node.value)}.objects"


def _is_manager(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "objects" and model_named(node.value) in OWNED


def test_every_practice_owned_model_uses_the_scoped_manager():
    """Whatever reaches a practice by a foreign key is the practice's."""
    reach = {"practice", "connection", "sub_account", "patient", "contact", "event", "lane", "pipeline"}
    for model in apps.get_models():
        ours = model.__module__.split(".")[0] in FOLDERS and not model.__name__.startswith("Historical")
        if ours and reach & {field.name for field in model._meta.fields}:
            assert model.__name__ in OWNED, model
    assert {"Practice", "Membership", "InboundEvent", "Contact", "ContactLink", "Stage"} <= OWNED.keys()


def test_every_query_on_a_practices_rows_states_its_scope():
    found = [f"{name}:{line} {words}" for name, tree in sources() for line, words in unscoped(tree)]
    assert found == []


UNSCOPED = [
    "Visit.objects.filter(patient=patient)",
    "Visit.objects.all()",
    "models.Visit.objects.get(pk=1)",
    "rows = Visit.objects",
    "Visit.objects.create(external_id='1')",
    "Contact.objects.exclude(crm_id='')",
]
SCOPED = [
    "Visit.objects.for_practice(practice).filter(patient=patient)",
    "Visit.objects.across_practices()",
    "Visit.objects.create(practice=practice, external_id='1')",
    "ContactLink.objects.update_or_create(patient=patient, defaults={})",
    "User.objects.filter(email='x')",
]


@pytest.mark.parametrize("code", UNSCOPED)
def test_a_query_without_a_scope_is_noticed(code):
    assert len(list(unscoped(ast.parse(code)))) == 1


@pytest.mark.parametrize("code", SCOPED)
def test_a_query_with_a_scope_is_let_through(code):
    assert list(unscoped(ast.parse(code))) == []


def attributes(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def called(tree: ast.AST) -> set[str]:
    """Names of methods that are called: ``connection.cursor()``, not a row's ``cursor``."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.attr for function in calls if isinstance(function, ast.Attribute)}


def test_nobody_goes_round_the_managers():
    base = {name for name, tree in sources() if "_base_manager" in attributes(tree)}
    assert base <= PAST_MANAGERS
    raw = {name for name, tree in sources() if "cursor" in called(tree)}
    assert raw <= SPEAK_SQL


# And it works


def two_practices(world):
    other = Practice.objects.create(slug="other", name="Other", kind="med_spa")
    world.take(apro.booked(visit(), at(0)))
    return world.practice, other


@pytest.mark.parametrize("model", [InboundEvent, Visit, Contact, Effect])
def test_a_practices_people_see_their_practice_only(world, model):
    ours, other = two_practices(world)
    assert model.objects.for_practice(ours).exists()
    assert not model.objects.for_practice(other).exists()
    assert not model.objects.for_practice(other.pk).exists()
    reviewer = User.objects.create_user("reviewer@example.com")
    assert not model.objects.for_user(reviewer).exists()
    Membership.objects.create(practice=other, user=reviewer, role=Role.REVIEWER)
    assert not model.objects.for_user(User.objects.get(pk=reviewer.pk)).exists()
    Membership.objects.create(practice=ours, user=reviewer, role=Role.REVIEWER)
    assert model.objects.for_user(User.objects.get(pk=reviewer.pk)).exists()
    assert model.objects.for_user(User.objects.create_superuser("boss@example.com")).exists()


def test_nobody_who_left_sees_anything(world):
    two_practices(world)
    left = User.objects.create_user("left@example.com", company_role="support", is_active=False)
    assert not InboundEvent.objects.for_user(left).exists()
