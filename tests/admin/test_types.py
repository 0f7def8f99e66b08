"""Appointment types: a category that a person chooses is confirmed, with who and when."""

from django.urls import reverse

from categorization.models import AppointmentType
from tenants.models import User
from tests.admin.conftest import World, signed_in

LIST = "admin:categorization_appointmenttype_changelist"


def inline(row: AppointmentType, category: str) -> dict[str, str]:
    return {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(row.pk),
        "form-0-category": category,
        "_save": "Save",
    }


def test_choosing_a_category_in_the_list_confirms_it(world: World, specialist: User) -> None:
    answer = signed_in(specialist).post(reverse(LIST), inline(world.type, "Non-Surgical Appointment"))
    assert answer.status_code == 302
    world.type.refresh_from_db()
    assert world.type.is_confirmed
    assert (world.type.confirmed_by, world.type.confirmed_via) == (specialist, "page")


def test_taking_the_category_away_takes_the_confirmation_away(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    client.post(reverse(LIST), inline(world.type, "Blocked"))
    client.post(reverse(LIST), inline(world.type, ""))
    world.type.refresh_from_db()
    assert (world.type.confirmed_at, world.type.confirmed_by, world.type.confirmed_via) == (None, None, "")


def test_the_action_confirms_only_what_has_a_category(world: World, specialist: User) -> None:
    ready = AppointmentType.objects.create(
        practice=world.practice,
        connection_key="aestheticspro",
        name="Facial",
        category="Non-Surgical Appointment",
    )
    data = {"action": "confirm_selected", "_selected_action": [str(ready.pk), str(world.type.pk)]}
    answer = signed_in(specialist).post(reverse(LIST), data, follow=True)
    assert "1 confirmed." in answer.content.decode()
    assert "1 have no category yet" in answer.content.decode()
    ready.refresh_from_db()
    world.type.refresh_from_db()
    assert (ready.is_confirmed, ready.confirmed_by) == (True, specialist)
    assert not world.type.is_confirmed


def test_a_support_agent_changes_no_category(world: World, agent: User) -> None:
    client = signed_in(agent)
    client.post(reverse(LIST), inline(world.type, "Blocked"))
    client.post(reverse(LIST), {"action": "confirm_selected", "_selected_action": [str(world.type.pk)]})
    world.type.refresh_from_db()
    assert world.type.category == ""


def test_what_is_to_be_confirmed_can_be_listed_alone(world: World, specialist: User) -> None:
    done = AppointmentType.objects.create(
        practice=world.practice, connection_key="aestheticspro", name="Facial"
    )
    client = signed_in(specialist)
    client.post(
        reverse("admin:categorization_appointmenttype_change", args=[done.pk]), {"category": "Blocked"}
    )
    done.refresh_from_db()
    assert done.is_confirmed
    listed = client.get(reverse(LIST), {"confirmed": "no"})
    assert [row.pk for row in listed.context["cl"].result_list] == [world.type.pk]
