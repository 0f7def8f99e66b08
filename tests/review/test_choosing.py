"""Choosing a category confirms it; what was confirmed is changed only after its effect was shown; undo; bulk."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from categorization import confirming
from categorization.engine import Preview
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from tenants.models import Practice, User
from tests.review.conftest import AGREED, confirmed, make_type, person, signed_in
from tests.review.engines import PretendEngine

LIVE = {"HX-Request": "true"}


def choose_url(row: AppointmentType) -> str:
    return reverse("review:choose", args=[row.practice.slug, row.pk])


def agree(client: Client, practice: Practice, rows: list[AppointmentType]) -> str:
    url = reverse("review:agree", args=[practice.slug])
    return client.post(url, {"agree": [row.pk for row in rows]}, follow=True).content.decode()


def fresh(row: AppointmentType) -> AppointmentType:
    return AppointmentType.objects.across_practices().get(pk=row.pk)


def batches(practice: Practice) -> list[CategoryBatch]:
    return list(CategoryBatch.objects.for_practice(practice))


def test_one_press_confirms_without_a_script(client: Client, practice: Practice, reviewer: User) -> None:
    row = make_type(practice)
    answer = client.post(choose_url(row), {"category": "Blocked"})
    assert answer["Location"] == f"/review/bluestone/#type-{row.pk}"
    now = fresh(row)
    assert (now.category, now.confirmed_by, now.confirmed_via) == ("Blocked", reviewer, "review")


def test_one_press_answers_with_the_row_and_what_changed_around_it(
    client: Client, practice: Practice
) -> None:
    row = make_type(practice, name="Peel")
    make_type(practice)
    html = client.post(choose_url(row), {"category": "Blocked"}, headers=LIVE).content.decode()
    assert html.startswith('<div class="rv-row is-confirmed"')
    assert "1 of 2 reviewed" in html
    assert "“Peel” counts as Blocked." in html
    assert ">Undo</button>" in html
    assert "1 type is still to review" in html
    assert html.count("hx-swap-oob=") == 6
    assert '"innerHTML:#rv-count-review">1<' in html


@pytest.mark.parametrize("category", ["", "Nonsense", "Online Appointment"])
def test_what_cannot_be_chosen_is_refused_in_words(client: Client, practice: Practice, category: str) -> None:
    row = make_type(practice, name="Peel")
    live = client.post(choose_url(row), {"category": category}, headers=LIVE).content.decode()
    plain = client.post(choose_url(row), {"category": category}, follow=True).content.decode()
    assert 'role="alert">' in live
    assert "&quot;Peel&quot;" in plain
    assert not fresh(row).is_confirmed


def test_a_change_of_a_confirmed_type_first_shows_what_would_change(
    client: Client, practice: Practice, reviewer: User, pretend: PretendEngine
) -> None:
    row = confirmed(practice, reviewer, name="Peel")
    for headers in ({}, LIVE):
        html = client.post(
            choose_url(row), {"category": "Surgical Consult"}, headers=headers
        ).content.decode()
        assert "Change it to Surgical Consult?" in html
        assert "14 visits of 9 contacts have this type. 4 contacts would move:" in html
        assert "3 in the surgical pipeline: no card yet → Consult Booked" in html
        assert "1 in the surgical pipeline: Consult Complete (stays: a later visit keeps it)" in html
        assert "2 steps that wait for it would go on." in html
        assert "Move them" in html
        assert "Only from now on" in html
    assert pretend.asked == [{row.pk: "Surgical Consult"}] * 2
    assert fresh(row).category == AGREED
    assert batches(practice) == []


@pytest.mark.parametrize(("moves", "expected"), [("yes", True), ("no", False)])
def test_the_answer_decides_whether_contacts_move(
    client: Client, practice: Practice, reviewer: User, moves: str, expected: bool
) -> None:
    row = confirmed(practice, reviewer)
    client.post(choose_url(row), {"category": "Surgical Consult", "moves": moves})
    [batch] = batches(practice)
    assert batch.moves_contacts is expected
    assert fresh(row).category == "Surgical Consult"


def test_a_change_can_be_left_alone(client: Client, practice: Practice, reviewer: User) -> None:
    row = confirmed(practice, reviewer)
    html = client.post(choose_url(row), {"category": "Blocked", "leave": "1"}, headers=LIVE).content.decode()
    assert 'data-state="confirmed"' in html
    assert fresh(row).category == AGREED


def test_where_nobody_would_move_nobody_is_asked_about_moving(
    client: Client, practice: Practice, reviewer: User, pretend: PretendEngine
) -> None:
    pretend.answer = Preview()
    row = confirmed(practice, reviewer)
    html = client.post(choose_url(row), {"category": "Blocked"}, headers=LIVE).content.decode()
    assert "nobody would move" in html
    assert "Move them" not in html
    assert "Change it" in html


def test_what_counts_so_already_stays_without_a_question(
    client: Client, practice: Practice, reviewer: User, pretend: PretendEngine
) -> None:
    row = confirmed(practice, reviewer)
    client.post(choose_url(row), {"category": AGREED}, headers=LIVE)
    assert pretend.asked == []
    assert batches(practice) == []


# Agreeing with many


def test_ticked_suggestions_are_confirmed_and_unticked_ones_are_not(
    client: Client, practice: Practice
) -> None:
    ticked, unticked = make_type(practice), make_type(practice)
    html = agree(client, practice, [ticked])
    assert "1 of 2 reviewed" in html
    assert fresh(ticked).category == AGREED
    assert not fresh(unticked).is_confirmed


def test_an_unsure_suggestion_cannot_be_agreed_with_in_bulk(client: Client, practice: Practice) -> None:
    unsure = make_type(practice, confidence=0.59)
    html = agree(client, practice, [unsure])
    assert "Nothing was ticked" in html
    assert not fresh(unsure).is_confirmed


def test_what_somebody_confirmed_meanwhile_is_left_as_it_is(
    client: Client, practice: Practice, specialist: User
) -> None:
    row = confirmed(practice, specialist, category="Blocked")
    agree(client, practice, [row])
    assert fresh(row).category == "Blocked"


def test_types_of_another_practice_and_rubbish_are_not_agreed_with(
    client: Client, practice: Practice, elsewhere: Practice
) -> None:
    foreign = AppointmentType.objects.for_practice(elsewhere).get()
    client.post(reverse("review:agree", args=[practice.slug]), {"agree": [foreign.pk, "x", "-1", "²"]})
    assert not fresh(foreign).is_confirmed


def test_sixty_types_are_saved_with_few_queries(
    client: Client, practice: Practice, django_assert_max_num_queries
) -> None:
    rows = [make_type(practice) for _ in range(60)]
    with django_assert_max_num_queries(19):
        client.post(reverse("review:agree", args=[practice.slug]), {"agree": [row.pk for row in rows]})
    [batch] = batches(practice)
    assert batch.changes.count() == 60
    assert AppointmentType.objects.for_practice(practice).filter(confirmed_at__isnull=False).count() == 60
    assert AppointmentType.history.filter(category=AGREED).count() == 60


def test_one_choice_is_saved_with_few_queries(
    client: Client, practice: Practice, django_assert_max_num_queries
) -> None:
    rows = [make_type(practice) for _ in range(60)]
    with django_assert_max_num_queries(24):
        client.post(choose_url(rows[0]), {"category": "Blocked"}, headers=LIVE)


# Two at once


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch, specialist: User) -> Callable[[AppointmentType], None]:
    """Somebody else confirms a type just when a choice of ours is taken."""

    def confirms(row: AppointmentType) -> None:
        really = confirming.confirm

        def confirm(*given: Any, **named: Any) -> Any:
            really(row.practice, {row.pk: "Blocked"}, user=specialist, via=ConfirmedVia.PAGE)
            return really(*given, **named)

        monkeypatch.setattr(confirming, "confirm", confirm)

    return confirms


def test_agreeing_leaves_alone_what_somebody_else_confirms_at_that_moment(
    client: Client, practice: Practice, meanwhile: Callable[[AppointmentType], None]
) -> None:
    rows = [make_type(practice) for _ in range(3)]
    meanwhile(rows[1])
    agree(client, practice, rows)
    assert [fresh(row).category for row in rows] == [AGREED, "Blocked", AGREED]


def test_a_choice_that_meets_somebody_elses_shows_it_and_asks_before_it_changes_it(
    client: Client, practice: Practice, meanwhile: Callable[[AppointmentType], None]
) -> None:
    row = make_type(practice)
    meanwhile(row)
    client.post(choose_url(row), {"category": AGREED}, headers=LIVE)
    assert fresh(row).category == "Blocked"
    client.post(choose_url(row), {"category": AGREED, "moves": "yes"}, headers=LIVE)
    assert fresh(row).category == AGREED


# Undo


def test_the_last_change_can_be_undone_and_then_the_one_before(client: Client, practice: Practice) -> None:
    first, second = make_type(practice, name="First"), make_type(practice, name="Second")
    client.post(choose_url(first), {"category": "Blocked"})
    client.post(choose_url(second), {"category": "Blocked"})
    for row in (second, first):
        shown = client.get("/review/bluestone/").content.decode()
        assert f"“{row.name}” counts as Blocked." in shown
        last = CategoryBatch.objects.for_practice(practice).filter(undone_by=None, via="review").first()
        answer = client.post(reverse("review:undo", args=[practice.slug, last.pk]))
        assert answer["Location"].endswith(f"#type-{row.pk}")
        assert not fresh(row).is_confirmed
    assert ">Undo</button>" not in client.get("/review/bluestone/").content.decode()


def test_a_bulk_change_is_undone_at_once(client: Client, practice: Practice) -> None:
    rows = [make_type(practice) for _ in range(3)]
    assert "3 suggestions confirmed." in agree(client, practice, rows)
    [batch] = batches(practice)
    client.post(reverse("review:undo", args=[practice.slug, batch.pk]))
    assert not any(fresh(row).is_confirmed for row in rows)


def test_an_undo_pressed_twice_says_so(client: Client, practice: Practice) -> None:
    agree(client, practice, [make_type(practice)])
    [batch] = batches(practice)
    url = reverse("review:undo", args=[practice.slug, batch.pk])
    client.post(url)
    assert "undone already" in client.post(url, follow=True).content.decode()


def test_an_undo_leaves_alone_what_was_changed_since(client: Client, practice: Practice) -> None:
    row = make_type(practice, name="Peel")
    client.post(choose_url(row), {"category": "Blocked"})
    [batch] = batches(practice)
    client.post(choose_url(row), {"category": AGREED, "moves": "no"})
    html = client.post(reverse("review:undo", args=[practice.slug, batch.pk]), follow=True).content.decode()
    assert "left as it is: Peel." in html
    assert fresh(row).category == AGREED


def test_nobody_undoes_what_somebody_else_did(client: Client, practice: Practice) -> None:
    row = make_type(practice)
    client.post(choose_url(row), {"category": "Blocked"})
    [batch] = batches(practice)
    colleague = signed_in(person("colleague@example.com", practice))
    assert ">Undo</button>" not in colleague.get("/review/bluestone/").content.decode()
    assert colleague.post(reverse("review:undo", args=[practice.slug, batch.pk])).status_code == 404
    assert fresh(row).is_confirmed
