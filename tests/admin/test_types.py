"""Appointment types: a category that a person chooses is confirmed, with who and when."""

from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from categorization.admin.changes import words_of
from categorization.confirming import confirm
from categorization.engine import Progress
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from integrations.sync.categories.moving import release_categories_due
from tenants.models import Practice, PracticeState, User
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
    assert "1 type confirmed." in answer.content.decode()
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
    client.post(reverse("admin:category-choose", args=[done.pk]), {"category": "Blocked"})
    done.refresh_from_db()
    assert done.is_confirmed
    listed = client.get(reverse(LIST), {"confirmed": "no"})
    assert [row.pk for row in listed.context["cl"].result_list] == [world.type.pk]


# --- what changes somebody's word -------------------------------------------------------------------------------


def confirmed(world: World, category: str = "Non-Surgical Appointment") -> AppointmentType:
    """The world's type, confirmed."""
    world.type.category, world.type.confirmed_at = category, timezone.now()
    world.type.save()
    return world.type


def choose(client: Client, row: AppointmentType, category: str) -> Any:
    return client.post(reverse("admin:category-choose", args=[row.pk]), {"category": category})


def test_a_change_of_a_confirmed_type_is_shown_before_it_is_taken(world: World, specialist: User) -> None:
    row = confirmed(world)
    client = signed_in(specialist)
    answer = client.post(reverse(LIST), inline(row, "Surgical Consult"))
    assert answer.status_code == 200
    assert "1 confirmed type would change" in answer.content.decode()
    row.refresh_from_db()
    assert row.category == "Non-Surgical Appointment"
    apply = {"proposal": answer.context["proposal"], "moves": "no"}
    after = client.post(reverse("categories-import-confirm", args=[world.practice.slug]), apply)
    row.refresh_from_db()
    assert row.category == "Surgical Consult"
    batch = CategoryBatch.objects.for_practice(world.practice).latest("pk")
    assert after["Location"] == reverse("admin:categorization_categorybatch_change", args=[batch.pk])
    assert (batch.made_by, batch.via, batch.moves_contacts) == (specialist, "page", False)


def test_what_is_new_is_confirmed_at_once_beside_what_is_asked_about(world: World, specialist: User) -> None:
    row = confirmed(world)
    fresh = AppointmentType.objects.create(
        practice=world.practice, connection_key="aestheticspro", name="Facial"
    )
    data = {
        "form-TOTAL_FORMS": "2",
        "form-0-id": str(row.pk),
        "form-0-category": "Blocked",
        "form-1-id": str(fresh.pk),
        "form-1-category": "Blocked",
        "_save": "Save",
    }
    assert "would change" in signed_in(specialist).post(reverse(LIST), data).content.decode()
    row.refresh_from_db()
    fresh.refresh_from_db()
    assert (row.category, fresh.category) == ("Non-Surgical Appointment", "Blocked")


def test_sure_suggestions_are_agreed_with_in_bulk_and_the_others_are_named(
    world: World, specialist: User
) -> None:
    sure, unsure = (
        AppointmentType.objects.create(
            practice=world.practice,
            connection_key="aestheticspro",
            name=name,
            suggested="Blocked",
            confidence=confidence,
        )
        for name, confidence in (("Lunch", 0.95), ("Hold", 0.4))
    )
    data = {"action": "confirm_suggestions", "_selected_action": [str(sure.pk), str(unsure.pk)]}
    page = signed_in(specialist).post(reverse(LIST), data, follow=True).content.decode()
    assert "1 type confirmed." in page
    assert "choose yourself: Hold" in page
    sure.refresh_from_db()
    unsure.refresh_from_db()
    assert (sure.category, unsure.category) == ("Blocked", "")


def test_a_category_that_the_emr_does_not_offer_is_refused_in_words(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    answer = choose(client, world.type, "Online Appointment")
    page = client.get(answer["Location"]).content.decode()
    assert "cannot count as Online Appointment" in page
    world.type.refresh_from_db()
    assert world.type.category == ""


def test_the_chosen_practice_has_its_ways_out_and_in(world: World, specialist: User, agent: User) -> None:
    page = signed_in(specialist).get(reverse(LIST), {"practice": world.practice.pk}).content.decode()
    for name in ("categories-export", "categories-import", "categories-sheet", "review:invite"):
        assert reverse(name, args=[world.practice.slug]) in page
    seen = signed_in(agent).get(reverse(LIST), {"practice": world.practice.pk}).content.decode()
    assert reverse("categories-import", args=[world.practice.slug]) not in seen


def test_the_table_takes_a_fixed_number_of_queries(
    world: World, specialist: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(45):
        AppointmentType.objects.create(
            practice=world.practice, connection_key="aestheticspro", name=f"Type {number}"
        )
    client = signed_in(specialist)
    with django_assert_max_num_queries(32):
        assert client.get(reverse(LIST)).status_code == 200


def test_sixty_types_are_confirmed_in_fewer_than_twenty_queries(
    world: World, specialist: User, django_assert_max_num_queries: Any
) -> None:
    rows = [
        AppointmentType.objects.create(
            practice=world.practice, connection_key="aestheticspro", name=f"Type {number}"
        )
        for number in range(60)
    ]
    with django_assert_max_num_queries(19):
        confirm(world.practice, {row.pk: "Blocked" for row in rows}, user=specialist, via=ConfirmedVia.PAGE)
    assert AppointmentType.objects.for_practice(world.practice).filter(category="Blocked").count() == 60


# --- every change and its undo ----------------------------------------------------------------------------------


def test_a_change_is_undone_as_a_whole_and_says_so(world: World, specialist: User) -> None:
    row = confirmed(world)
    batch = confirm(world.practice, {row.pk: "Surgical Consult"}, user=specialist, via=ConfirmedVia.PAGE)
    assert batch is not None
    client = signed_in(specialist)
    page = client.get(reverse("admin:categorization_categorybatch_change", args=[batch.pk])).content.decode()
    assert "Undo this change" in page
    answer = client.post(reverse("admin:category-undo", args=[batch.pk]), follow=True)
    assert "Taken back" in answer.content.decode()
    row.refresh_from_db()
    assert (row.category, row.is_confirmed) == ("Non-Surgical Appointment", True)
    again = client.post(reverse("admin:category-undo", args=[batch.pk]), follow=True)
    assert "undone already" in again.content.decode()


def test_a_type_that_was_changed_again_since_is_left_alone(world: World, specialist: User) -> None:
    row = confirmed(world)
    first = confirm(world.practice, {row.pk: "Surgical Consult"}, user=specialist, via=ConfirmedVia.PAGE)
    confirm(world.practice, {row.pk: "Blocked"}, user=specialist, via=ConfirmedVia.PAGE)
    assert first is not None
    answer = signed_in(specialist).post(reverse("admin:category-undo", args=[first.pk]), follow=True)
    assert "Changed again since" in answer.content.decode()
    row.refresh_from_db()
    assert row.category == "Blocked"


def test_who_only_reads_undoes_nothing_and_strangers_see_nothing(
    world: World, other: World, agent: User
) -> None:
    client = signed_in(agent)
    assert client.post(reverse("admin:category-undo", args=[world.batch.pk])).status_code == 403
    for name in ("category-undo", "category-progress"):
        assert client.get(reverse(f"admin:{name}", args=[other.batch.pk])).status_code == 404
    page = client.get(reverse("admin:categorization_categorybatch_change", args=[world.batch.pk]))
    assert "Undo this change" not in page.content.decode()


def test_the_progress_says_what_came_of_it(world: World, specialist: User) -> None:
    row = world.type
    batch = confirm(world.practice, {row.pk: "Blocked"}, user=specialist, via=ConfirmedVia.PAGE)
    assert batch is not None
    client = signed_in(specialist)
    address = reverse("admin:category-progress", args=[batch.pk])
    assert "hx-get" in client.get(address).content.decode()
    release_categories_due()
    page = client.get(address).content.decode()
    assert "hx-get" not in page
    assert "No event waited for it" in page


def test_results_are_told_as_people_say_them() -> None:
    told = words_of(Progress(46, 46, 41, {"another visit is booked": 3}, 0, 2, True))
    assert told == "41 contacts moved, 3 kept: another visit is booked, 2 stopped: see the parked events"


def test_the_list_of_a_practice_that_is_being_set_up_leads_back_there(
    world: World, specialist: User, agent: User
) -> None:
    def page_of(person: User, query: str) -> str:
        answer = signed_in(person).get(reverse(LIST) + query)
        assert answer.status_code == 200
        return answer.content.decode()

    own = f"?practice={world.practice.pk}"
    back = reverse("setup-step", args=[world.practice.slug, "categories"])
    assert back not in page_of(specialist, own)
    Practice.objects.across_practices().update(state=PracticeState.ONBOARDING)
    page = page_of(specialist, f"{own}&confirmed=no")
    assert f'href="{back}"' in page
    assert "Back to the set-up" in page
    assert back not in page_of(specialist, "")
    assert back not in page_of(agent, own)
    assert signed_in(specialist).get(back).status_code == 200
