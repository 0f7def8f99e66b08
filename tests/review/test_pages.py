"""What stands on the review page: order, words, choices, and how far one has come."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from categorization.review.lines import today_at
from tenants.models import Membership, Practice, Role, User
from tests.review.conftest import confirmed, make_type, person, signed_in
from tests.review.engines import APRO, NEXTECH, PretendEngine


def page(client: Client, practice: Practice, **filters: str) -> str:
    answer = client.get(reverse("review:types", args=[practice.slug]), filters)
    assert answer.status_code == 200
    return answer.content.decode()


def names(html: str) -> list[str]:
    return re.findall(r'<div class="rv-type" role="cell">\s*<strong>([^<]*)', html)


def row_of(html: str, name: str) -> str:
    """The markup of one type."""
    parts = re.split(r"(?=<div class=\"rv-row)", html)
    return next(part for part in parts if f"<strong>{name}</strong>" in part)


def test_with_one_practice_the_way_goes_straight_to_it(client: Client, practice: Practice) -> None:
    assert client.get("/review/")["Location"] == f"/review/{practice.slug}/"


def test_with_several_practices_one_chooses(client: Client, reviewer: User, elsewhere: Practice) -> None:
    Membership.objects.create(practice=elsewhere, user=reviewer, role=Role.REVIEWER)
    html = client.get("/review/").content.decode()
    assert 'href="/review/bluestone/"' in html
    assert 'href="/review/harbor/"' in html


def test_staff_who_may_confirm_can_open_it_and_support_cannot(practice: Practice, specialist: User) -> None:
    assert signed_in(specialist).get(f"/review/{practice.slug}/").status_code == 200
    support = signed_in(person("agent@example.com", practice, Role.SUPPORT))
    assert support.get(f"/review/{practice.slug}/").status_code == 404
    assert support.get("/review/").status_code == 403


def test_those_to_review_come_first_and_among_them_those_booked_soonest(
    client: Client, practice: Practice, reviewer: User
) -> None:
    today = today_at(practice)
    confirmed(practice, reviewer, name="Done", next_on=today)
    make_type(practice, name="Never booked, seen often", times_seen=99)
    make_type(practice, name="Booked long ago", next_on=today - timedelta(days=9), times_seen=3)
    make_type(practice, name="Booked later", next_on=today + timedelta(days=9))
    make_type(practice, name="Booked today", next_on=today)
    order = ["Booked today", "Booked later", "Never booked, seen often", "Booked long ago", "Done"]
    assert names(page(client, practice)) == order


def test_the_chips_choose_what_is_shown(client: Client, practice: Practice, reviewer: User) -> None:
    confirmed(practice, reviewer, name="Done")
    make_type(practice, name="Open")
    assert names(page(client, practice, show="review")) == ["Open"]
    assert names(page(client, practice, show="confirmed")) == ["Done"]
    assert names(page(client, practice, show="nonsense")) == ["Open", "Done"]


def test_progress_is_in_words_and_as_a_bar(client: Client, practice: Practice, reviewer: User) -> None:
    confirmed(practice, reviewer)
    make_type(practice)
    html = page(client, practice)
    assert "1 of 2 reviewed" in html
    assert '<progress max="2" value="1"' in html
    assert 'id="rv-progress" class="rv-progress" role="status"' in html


@pytest.mark.parametrize(
    ("confidence", "suggested", "words", "is_ticked"),
    [
        (0.95, "Blocked", "very likely", True),
        (0.7, "Blocked", "likely", True),
        (0.6, "Blocked", "likely", True),
        (0.59, "Blocked", "please look", False),
        (None, "", "please look", False),
        (0.99, "Online Appointment", "please look", False),
    ],
)
def test_how_sure_a_suggestion_is_stands_in_words_and_only_sure_ones_are_ticked(
    client: Client, practice: Practice, confidence: float, suggested: str, words: str, is_ticked: bool
) -> None:
    make_type(practice, name="One", confidence=confidence, suggested=suggested, reason="because")
    row = row_of(page(client, practice), "One")
    assert re.search(r'class="rv-mark is-\w+">([^<]*)', row)[1] == words  # type: ignore[index]
    assert "because" in row
    assert (" checked" in row) is is_ticked


def test_a_type_has_seven_choices_and_one_of_nextech_eight(
    client: Client, practice: Practice, pretend: PretendEngine
) -> None:
    pretend.known[practice.pk] = {"aestheticspro": APRO, "nextech": NEXTECH}
    make_type(practice, name="Seven")
    make_type(practice, name="Eight", connection_key="nextech", offers_online=True)
    html = page(client, practice)
    assert re.findall(r'data-number="(\d)"', row_of(html, "Seven")) == list("1234567")
    assert re.findall(r'data-number="(\d)"', row_of(html, "Eight")) == list("12345678")
    assert ">Nextech<" in row_of(html, "Eight")
    assert "AestheticsPro" in row_of(html, "Seven")


def test_the_emr_is_not_named_where_there_is_one(client: Client, practice: Practice) -> None:
    make_type(practice)
    assert "AestheticsPro" not in page(client, practice)


def test_every_choice_is_explained_in_the_legend_and_beside_the_choice(
    client: Client, practice: Practice
) -> None:
    make_type(practice, name="One")
    html = page(client, practice)
    for words in ("Surgery Scheduled, then Surgery Complete", "Time without a patient"):
        assert words in html[html.index('id="legend"') :]
        assert words in row_of(html, "One")
    assert 'href="#legend"' in html
    assert "Online Appointment" not in html


def test_a_confirmed_type_says_by_whom_and_when(client: Client, practice: Practice, specialist: User) -> None:
    row = confirmed(practice, specialist, name="Done", category="Blocked")
    row.confirmed_at = timezone.datetime(2026, 3, 2, 18, 30, tzinfo=timezone.get_current_timezone())
    row.save()
    html = row_of(page(client, practice), "Done")
    assert "Sam Specialist, Mar 2, 2026, 11:30 AM" in html
    assert 'data-state="confirmed"' in html
    assert "data-agree" not in html


def test_a_type_that_the_emr_dropped_before_any_visit_is_not_asked_for(
    client: Client, practice: Practice
) -> None:
    make_type(practice, name="Unused", times_seen=0, gone_at=timezone.now())
    make_type(practice, name="Used", times_seen=1, gone_at=timezone.now())
    html = page(client, practice)
    assert names(html) == ["Used"]
    assert "No longer offered" in html


def test_without_types_the_page_says_what_comes(client: Client, practice: Practice) -> None:
    assert "no appointment types yet" in page(client, practice)


def test_what_the_keyboard_needs_stands_in_the_markup(client: Client, practice: Practice) -> None:
    make_type(practice, name="One", suggested="Blocked")
    html = page(client, practice)
    row = row_of(html, "One")
    assert 'data-state="review"' in row
    assert 'data-suggested="Blocked"' in row
    assert re.search(r'value="Blocked" data-agree', row)
    assert 'aria-label="One, suggestion Blocked, very likely"' in row
    assert 'id="rv-hint"' in html
    assert "<kbd>7</kbd>" in html
    assert "agree with the suggestion" in html


def test_a_card_on_a_phone_names_its_values(client: Client, practice: Practice) -> None:
    make_type(practice, name="One", times_seen=1, next_on=today_at(practice))
    row = row_of(page(client, practice), "One")
    assert '<span class="rv-label">Seen </span>1<span class="rv-label"> time</span>' in row
    assert '<span class="rv-label">Next booking </span>' in row
    assert 'name="viewport" content="width=device-width' in page(client, practice)


def test_there_is_neither_a_logo_nor_a_script_or_style_in_the_page(
    client: Client, practice: Practice
) -> None:
    make_type(practice)
    html = page(client, practice)
    assert "<img" not in html
    assert "<svg" not in html
    assert " style=" not in html
    assert "<style" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert not re.search(r" on\w+=", html)


def test_the_page_asks_the_database_no_more_for_sixty_types_than_for_one(
    client: Client, practice: Practice, django_assert_max_num_queries
) -> None:
    for _ in range(60):
        make_type(practice)
    with django_assert_max_num_queries(12):
        page(client, practice)


def test_a_browser_keeps_nothing_of_the_page(client: Client, practice: Practice) -> None:
    answer = client.get(f"/review/{practice.slug}/")
    assert "no-store" in answer["Cache-Control"]
