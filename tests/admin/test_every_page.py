"""Every registered list, form and page, for each role, and for somebody of another practice."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tenants.models import Role, User
from tests.admin.conftest import EMAIL, LAST_NAME, SECRET, TOKEN, World, person, signed_in

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Who may add a row of a model in the practice where they work; a practice itself is made by company staff.
ADDS = {
    Role.ADMINISTRATOR: {"Connection", "SubAccount", "Location", "AppointmentType", "User"},
    Role.ONBOARDING: {"Connection", "SubAccount", "Location", "AppointmentType", "User"},
    Role.SUPPORT: set(),
}
CHANGES = {
    Role.ADMINISTRATOR: {"Practice", "Connection", "SubAccount", "Location", "AppointmentType", "User"},
    Role.ONBOARDING: {"Practice", "Connection", "SubAccount", "Location", "AppointmentType", "User"},
    Role.SUPPORT: set(),
}
FOR_THOSE_WHO_MANAGE_PEOPLE = {"User", "PayloadReveal"}


def url(model: type, page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)  # type: ignore[attr-defined]


def rows(world: World, user: User) -> Iterator[tuple[type, object]]:
    for model in MODELS:
        yield model, user if model is User else world.row_of(model)


def test_only_our_own_pages_are_registered() -> None:
    assert {model.__name__ for model in MODELS} == {
        "AppointmentType",
        "CategoryBatch",
        "Connection",
        "Contact",
        "CreateRequest",
        "IdentityQuestion",
        "InboundEvent",
        "Incident",
        "LedgerRow",
        "Location",
        "Patient",
        "PayloadReveal",
        "Practice",
        "SubAccount",
        "User",
    }


def test_a_superuser_opens_every_list_form_and_page(world: World, other: World, root: User) -> None:
    client = signed_in(root)
    for model, row in rows(world, root):
        assert client.get(url(model, "changelist")).status_code == 200, model
        assert row is not None, model
        assert client.get(url(model, "change", row.pk)).status_code == 200, model  # type: ignore[attr-defined]
        assert client.get(url(model, "history", row.pk)).status_code == 200, model  # type: ignore[attr-defined]
        may_add = model.__name__ in ADDS[Role.ADMINISTRATOR] | {"Practice"}
        assert client.get(url(model, "add")).status_code == (200 if may_add else 403), model


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT])
def test_a_role_opens_what_it_may_read_in_its_practice(world: World, role: Role) -> None:
    user = person("somebody@example.com", world.practice, role)
    client = signed_in(user)
    for model, row in rows(world, user):
        hidden = role == Role.SUPPORT and model.__name__ in FOR_THOSE_WHO_MANAGE_PEOPLE
        expected = 403 if hidden else 200
        assert client.get(url(model, "changelist")).status_code == expected, model
        answer = client.get(url(model, "change", row.pk))  # type: ignore[union-attr,attr-defined]
        assert answer.status_code == expected or (hidden and answer.status_code == 302), model


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT])
def test_a_role_gets_the_forms_that_it_may_save_and_no_others(world: World, role: Role) -> None:
    client = signed_in(person("somebody@example.com", world.practice, role))
    for model in MODELS:
        expected = 200 if model.__name__ in ADDS[role] else 403
        assert client.get(url(model, "add")).status_code == expected, model


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT])
def test_a_role_cannot_post_what_it_may_not_change(world: World, role: Role) -> None:
    user = person("somebody@example.com", world.practice, role)
    client = signed_in(user)
    for model, row in rows(world, user):
        if model.__name__ not in CHANGES[role]:
            answer = client.post(url(model, "change", row.pk), {})  # type: ignore[union-attr,attr-defined]
            assert answer.status_code in (302, 403), model
            assert "/login/" not in answer.get("Location", ""), model
            assert client.post(url(model, "add"), {}).status_code == 403, model


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT])
def test_a_row_of_another_practice_does_not_exist(world: World, other: World, role: Role) -> None:
    client = signed_in(person("somebody@example.com", world.practice, role))
    for model in MODELS:
        row = other.row_of(model)
        if row is None:
            continue
        for page in ("change", "history", "delete"):
            answer = client.get(url(model, page, row.pk))
            assert answer.status_code in (302, 403, 404), (model, page)
            assert str(other.practice) not in answer.content.decode(), (model, page)
        listed = client.get(url(model, "changelist"))
        assert str(other.practice) not in listed.content.decode(), model


def test_own_pages_of_another_practice_do_not_exist(world: World, other: World) -> None:
    client = signed_in(person("somebody@example.com", world.practice, Role.ADMINISTRATOR))
    for name, row in (
        ("event-payload", other.event),
        ("connection-fields", other.connection),
        ("identity-answer", other.question),
        ("identity-candidates", other.question),
        ("identity-change", other.question),
    ):
        assert client.get(reverse(f"admin:{name}", args=[row.pk])).status_code == 404, name
        assert client.post(reverse(f"admin:{name}", args=[row.pk]), {}).status_code == 404, name


def test_a_person_of_another_practice_does_not_exist(world: World, other: World, administrator: User) -> None:
    stranger = person("stranger@example.com", other.practice, Role.SUPPORT)
    client = signed_in(administrator)
    assert client.get(url(User, "change", stranger.pk)).status_code == 302
    assert client.get(reverse("admin:auth_user_password_change", args=[stranger.pk])).status_code in (
        403,
        404,
    )
    assert "stranger@example.com" not in client.get(url(User, "changelist")).content.decode()


def test_a_reviewer_and_a_stranger_are_sent_to_the_sign_in_page(world: World, reviewer: User) -> None:
    for client in (signed_in(reviewer), Client()):
        for model in MODELS:
            answer = client.get(url(model, "changelist"))
            assert answer.status_code == 302, model
            assert answer["Location"].startswith(reverse("admin:login")), model
        assert client.get(reverse("admin:find-patient")).status_code == 302


def test_no_page_shows_a_secret(world: World, root: User, specialist: User, agent: User) -> None:
    for user in (root, specialist, agent):
        client = signed_in(user)
        for model, row in rows(world, user):
            for address in (url(model, "changelist"), url(model, "change", row.pk)):  # type: ignore[union-attr,attr-defined]
                text = client.get(address).content.decode()
                assert TOKEN not in text, address
                assert SECRET not in text, address


def test_names_stand_only_on_the_pages_that_are_about_the_person(world: World, root: User) -> None:
    client = signed_in(root)
    allowed = {"Contact", "Patient", "IdentityQuestion", "CreateRequest"}
    for model, row in rows(world, root):
        page = client.get(url(model, "change", row.pk)).content.decode()  # type: ignore[union-attr,attr-defined]
        title = page[page.index("<title>") : page.index("</title>")]
        assert LAST_NAME not in title, model
        if model.__name__ not in allowed:
            assert LAST_NAME not in page, model
            assert EMAIL not in page, model
        # Whose patient was not created has to stand in the list: it is what the front desk asks about.
        if model.__name__ != "CreateRequest":
            assert LAST_NAME not in client.get(url(model, "changelist")).content.decode(), model


def test_somebody_switched_off_sees_nothing(world: World, agent: User) -> None:
    client = signed_in(agent)
    agent.is_active = False
    agent.save()
    assert client.get(url(type(world.event), "changelist")).status_code == 302
