"""The practice page: going live, pausing, locations and where they go."""

import pytest
from django.urls import reverse

from integrations.admin import live_state
from integrations.models import LocationRoute
from integrations.sync.golive import Check, State
from tenants.models import Location, Practice, PracticeState, Role, User
from tests.admin.conftest import World, person, signed_in
from tests.admin.test_roles import people_tab, practice_url

YES = {"_form_submitted": "True"}


def button(world: World, name: str) -> str:
    return reverse(f"admin:tenants_practice_{name}", args=[world.practice.pk])


@pytest.fixture
def onboarding(world: World) -> World:
    world.practice.state = PracticeState.ONBOARDING
    world.practice.save()
    return world


def checks(monkeypatch: pytest.MonkeyPatch, *states: State) -> None:
    found = [Check(f"c{number}", f"Check {number}", state, "Do it.") for number, state in enumerate(states)]
    monkeypatch.setattr(live_state, "checklist", lambda practice: found)


def state_of(world: World) -> str:
    return Practice.objects.across_practices().get(pk=world.practice.pk).state


def test_a_green_practice_goes_live(
    onboarding: World, specialist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks(monkeypatch, State.GREEN, State.MANUAL)
    signed_in(specialist).post(button(onboarding, "go_live"), YES)
    practice = Practice.objects.across_practices().get(pk=onboarding.practice.pk)
    assert (practice.state, practice.live_by, practice.live_reason) == (PracticeState.LIVE, specialist, "")
    assert practice.live_at is not None


def test_a_red_practice_needs_an_administrator_with_a_reason(
    onboarding: World, specialist: User, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks(monkeypatch, State.GREEN, State.RED)
    answer = signed_in(specialist).post(
        button(onboarding, "go_live"), {**YES, "reason": "in a hurry"}, follow=True
    )
    assert "Only an administrator" in answer.content.decode()
    client = signed_in(administrator)
    assert "Say why" in client.post(button(onboarding, "go_live"), YES, follow=True).content.decode()
    assert state_of(onboarding) == PracticeState.ONBOARDING
    client.post(button(onboarding, "go_live"), {**YES, "reason": "agreed with the practice"})
    assert state_of(onboarding) == PracticeState.LIVE


def test_a_support_agent_cannot_take_it_live(
    onboarding: World, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks(monkeypatch, State.GREEN)
    assert signed_in(agent).post(button(onboarding, "go_live"), YES).status_code == 403
    assert state_of(onboarding) == PracticeState.ONBOARDING


def test_pausing_and_resuming(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    client.post(button(world, "pause"), YES)
    assert state_of(world) == PracticeState.PAUSED
    client.post(button(world, "resume"), YES)
    assert state_of(world) == PracticeState.LIVE


def test_only_buttons_that_make_sense_now_are_there(world: World, specialist: User) -> None:
    page = signed_in(specialist).get(practice_url(world)).content.decode()
    assert button(world, "pause") in page
    assert button(world, "resume") not in page
    assert button(world, "go_live") not in page


def test_the_checklist_names_what_is_missing(onboarding: World, specialist: User) -> None:
    page = signed_in(specialist).get(practice_url(onboarding)).content.decode()
    assert "To go live" in page
    assert "Webhooks enabled" in page


def test_a_location_is_mapped_and_unmapped_on_the_practice_page(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    row = {"id": str(world.location.pk), "name": "Downtown", "external_id": "827", "time_zone": ""}
    new = {"id": "", "name": "Uptown", "external_id": "828", "sub_account": str(world.sub_account.pk)}
    data = people_tab(world) | {"locations-TOTAL_FORMS": "2", "locations-INITIAL_FORMS": "1"}
    for number, values in enumerate((row, new)):
        data |= {f"locations-{number}-{name}": value for name, value in values.items()}
        data[f"locations-{number}-practice"] = str(world.practice.pk)
    assert client.post(practice_url(world), data).status_code == 302
    routes = LocationRoute.objects.for_practice(world.practice).values_list(
        "location__name", "sub_account__key"
    )
    assert list(routes) == [("Uptown", "main")]


def test_a_location_cannot_be_mapped_to_a_sub_account_of_another_practice(
    world: World, other: World, specialist: User
) -> None:
    data = people_tab(world) | {
        "locations-TOTAL_FORMS": "1",
        "locations-INITIAL_FORMS": "1",
        "locations-0-id": str(world.location.pk),
        "locations-0-practice": str(world.practice.pk),
        "locations-0-name": "Downtown",
        "locations-0-external_id": "827",
        "locations-0-sub_account": str(other.sub_account.pk),
    }
    assert signed_in(specialist).post(practice_url(world), data).status_code == 200


def test_a_wrong_time_zone_is_said_in_words(world: World, specialist: User) -> None:
    data = people_tab(world) | {"time_zone": "Mars/Base"}
    answer = signed_in(specialist).post(practice_url(world), data)
    assert "is not a time zone" in answer.content.decode()


def test_company_staff_make_a_practice_and_others_do_not(world: World, specialist: User) -> None:
    olive = person("olive@example.com", company_role=Role.ONBOARDING)
    data = people_tab(world) | {"name": "New Practice", "slug": "new-practice", "kind": "med_spa"}
    assert signed_in(specialist).post(reverse("admin:tenants_practice_add"), data).status_code == 403
    assert signed_in(olive).post(reverse("admin:tenants_practice_add"), data).status_code == 302
    made = Practice.objects.across_practices().get(slug="new-practice")
    assert made.state == PracticeState.ONBOARDING


def test_adding_a_connection_starts_with_the_practice_chosen(world: World, specialist: User) -> None:
    answer = signed_in(specialist).get(button(world, "add_connection"))
    assert answer["Location"].endswith(f"?practice={world.practice.pk}")


def test_locations_say_where_they_go(world: World, agent: User) -> None:
    Location.objects.create(practice=world.practice, external_id="9", name="Somewhere")
    page = signed_in(agent).get(reverse("admin:tenants_location_changelist")).content.decode()
    assert "Default sub-account" in page
    assert "main" in page


def test_the_history_says_who_changed_what(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    client.post(practice_url(world), people_tab(world) | {"name": "Renamed"})
    page = client.get(reverse("admin:tenants_practice_history", args=[world.practice.pk])).content.decode()
    assert "Renamed" in page
    assert str(specialist) in page
