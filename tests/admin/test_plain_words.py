"""What people read in place of the names of tables, and times as they write them."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from integrations.templatetags.human import moment_within, number, seconds_each
from integrations.templatetags.own_words import at_dots, kind_found, menu_name
from tenants.models import Practice, User
from tests.admin.conftest import World, signed_in


def test_lists_are_called_as_in_the_menu(root: User, world: World) -> None:
    client = signed_in(root)
    for name, title in (("tenants_user", "People"), ("integrations_ledgerrow", "Ledger")):
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        heading = page[page.index("<h1") : page.index("</h1>")]
        assert f">{title}<" in heading


@pytest.mark.parametrize(
    ("given", "shown"),
    [("users", "People"), ("payload reveals", "Payload log"), ("events", "Events"), ("", "")],
)
def test_a_title_starts_with_a_capital(given: str, shown: str) -> None:
    assert menu_name(given) == shown


def test_the_search_box_says_what_it_found_without_the_names_of_applications(
    root: User, world: World
) -> None:
    assert kind_found("Tenants - User") == "Person"
    page = signed_in(root).get(reverse("admin:search"), {"s": "bluestone", "extended": "1"}).content.decode()
    assert "Practice bluestone: AestheticsPro" in page
    assert "Integrations" not in page


def test_a_connection_is_called_by_its_emr_and_by_its_key_where_that_says_more(world: World) -> None:
    connection = world.connection
    assert str(connection) == "Practice bluestone: AestheticsPro"
    connection.key = "second-site"
    assert connection.name == "AestheticsPro (second-site)"


def test_a_path_breaks_at_its_dots_and_is_escaped() -> None:
    assert at_dots("data.<b>.id") == "data.<wbr>&lt;b&gt;.<wbr>id"


def test_numbers_and_times_within_a_sentence() -> None:
    assert number(5000) == "5,000"
    assert (seconds_each(0.04), seconds_each(1.24)) == ("40 ms", "1.2 s")
    now = datetime.now(UTC)
    assert ">today, " in moment_within(now)
    assert "Today" not in moment_within(now)


def test_the_history_says_times_as_the_practice_writes_them(root: User, world: World) -> None:
    practice = Practice.objects.across_practices().get(pk=world.practice.pk)
    practice.live_at = datetime(2026, 3, 12, 18, 3, 7, tzinfo=UTC)
    practice.time_zone = "America/Denver"
    practice.save()
    page = signed_in(root).get(reverse("admin:tenants_practice_history", args=[practice.pk])).content.decode()
    assert "12:03 PM" in page or "Mar 12, 2026" in page
    assert "2026-03-12" not in page
