"""Times, amounts and states as words; tasks per billing cycle; the menu; pages around the application."""

import zoneinfo
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from integrations.admin import labels, menu
from integrations.emrs import registry
from integrations.models import (
    Connection,
    EffectState,
    EventState,
    HeldFor,
    InboundEvent,
    LedgerState,
    ParkedAs,
    SubAccount,
)
from integrations.sync.tasks_used import cycle_start, tasks_used
from integrations.templatetags import human
from tenants.models import Location, Role, User
from tests.admin.conftest import World, make_event, person, signed_in

NEW_YORK = SimpleNamespace(time_zone="America/New_York", country="US")
LONDON = SimpleNamespace(time_zone="Europe/London", country="GB")
NOW = datetime(2026, 3, 12, 18, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "practice", "words"),
    [
        (NOW, NEW_YORK, "Today, 2:03 PM"),
        (datetime(2026, 3, 12, 3, 30, tzinfo=UTC), NEW_YORK, "Yesterday, 11:30 PM"),
        (datetime(2026, 3, 1, 17, 0, tzinfo=UTC), NEW_YORK, "Mar 1, 12:00 PM"),
        (datetime(2026, 3, 1, 0, 15, tzinfo=UTC), LONDON, "1 Mar, 12:15 AM"),
        (datetime(2024, 12, 31, 23, 0, tzinfo=UTC), NEW_YORK, "Dec 31, 2024"),
        (datetime(2024, 12, 31, 23, 0, tzinfo=UTC), LONDON, "31 Dec 2024"),
    ],
)
def test_a_moment_is_said_in_the_practices_zone(at: datetime, practice: SimpleNamespace, words: str) -> None:
    assert human.in_words(at, practice, now=NOW) == words


def test_the_exact_time_shows_on_hover() -> None:
    html = human.moment(NOW, NEW_YORK)
    assert 'title="Thursday, Mar 12, 2026, 2:03:07 PM EDT"' in html
    assert 'datetime="2026-03-12T18:03:07+00:00"' in html


def test_nothing_is_a_dash() -> None:
    assert "–" in human.moment(None)
    assert "–" in human.day(None)
    assert "–" in human.money(None)


def test_days_and_amounts_follow_the_country() -> None:
    assert human.day(date(2026, 3, 2), NEW_YORK) == "Mar 2, 2026"
    assert human.day(date(2026, 3, 2), LONDON) == "2 Mar 2026"
    assert human.money(Decimal("1250"), NEW_YORK) == "$1,250.00"
    assert human.money(Decimal("-12.5"), LONDON) == "−£12.50"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (240, "240 ms"),
        (3210, "3.2 s"),
        (61_000, "61 s"),
        (240_000, "4 min"),
        (6 * 3_600_000, "6 h"),
        (-5, "0 ms"),
    ],
)
def test_how_long_something_took_is_short(milliseconds: float, words: str) -> None:
    assert human.took(milliseconds) == words


def test_every_state_has_a_colour_and_every_stop_its_advice() -> None:
    assert set(labels.EVENT) == set(EventState.values)
    assert set(labels.EFFECT) == set(EffectState.values)
    assert set(labels.LEDGER) == set(LedgerState.values)
    assert set(labels.HELD_ADVICE) == set(HeldFor.values)
    assert set(labels.PARKED_ADVICE) == set(ParkedAs.values)


def test_a_state_says_why_it_stands_still() -> None:
    held = InboundEvent(state="held", held_for="category")
    assert labels.event_words(held) == "Held: category not confirmed"
    assert labels.event_words(InboundEvent(state="done")) == "Done"


# --- tasks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_day", "now", "start"),
    [
        (1, datetime(2026, 3, 12, 12, tzinfo=UTC), "2026-03-01"),
        (12, datetime(2026, 3, 12, 12, tzinfo=UTC), "2026-03-12"),
        (13, datetime(2026, 3, 12, 12, tzinfo=UTC), "2026-02-13"),
        (28, datetime(2026, 1, 3, 12, tzinfo=UTC), "2025-12-28"),
        (1, datetime(2026, 4, 1, 3, tzinfo=UTC), "2026-03-01"),  # still March 31 in New York
    ],
)
def test_a_billing_cycle_starts_at_midnight_in_the_practices_zone(
    first_day: int, now: datetime, start: str
) -> None:
    found = cycle_start(first_day, now, "America/New_York")
    assert found.date().isoformat() == start
    assert (found.hour, found.tzinfo) == (0, zoneinfo.ZoneInfo("America/New_York"))


def test_every_delivery_of_this_cycle_counts_and_what_is_beyond_costs(world: World) -> None:
    connection = Connection.objects.for_practice(world.practice).get()
    manifest = registry()["aestheticspro"].manifest
    InboundEvent.objects.for_practice(world.practice).update(
        received_at=datetime(2026, 3, 5, tzinfo=UTC), deliveries=4999
    )
    make_event(world.practice, connection, received_at=datetime(2026, 3, 6, tzinfo=UTC), deliveries=3)
    make_event(world.practice, connection, received_at=datetime(2026, 2, 6, tzinfo=UTC), deliveries=100)
    used = tasks_used(connection, manifest, NOW)
    assert (used.used, used.free, used.beyond, used.percent) == (5002, 5000, 2, 100)
    assert used.cost == Decimal("0.04")


# --- around the application -----------------------------------------------------------------------------------


def test_badges_count_what_waits_in_the_own_practices(world: World, other: World, agent: User) -> None:
    make_event(world.practice, world.connection, state="parked", parked_as="config")
    make_event(other.practice, other.connection, state="parked", parked_as="config")
    page = signed_in(agent).get(reverse("admin:integrations_incident_changelist")).content.decode()
    shown = page[page.index('id="nav-sidebar-apps"') : page.index('class="ax-me"')]
    assert shown.count('<span class="ax-badge ax-danger">1</span>') == 2  # parked events and incidents
    assert "ax-badge ax-warning" in shown


def test_nothing_waiting_shows_no_badge(world: World, other: World) -> None:
    page = (
        signed_in(person("new@example.com", company_role=Role.SUPPORT)).get("/integrations/incident/").content
    )
    assert b'ax-badge ax-danger">0' not in page


def test_the_menu_offers_only_what_a_role_opens(world: World, agent: User, root: User) -> None:
    page = signed_in(agent).get(reverse("admin:integrations_incident_changelist")).content.decode()
    assert reverse("admin:tenants_user_changelist") not in page
    assert reverse("django_rq:home") not in page
    page = signed_in(root).get(reverse("admin:integrations_incident_changelist")).content.decode()
    assert reverse("django_rq:home") in page


def test_the_search_box_finds_practices_and_pages_of_the_own_practices(
    world: World, other: World, agent: User
) -> None:
    client = signed_in(agent)
    found = client.get(reverse("admin:search"), {"s": "practice", "extended": "1"}).content.decode()
    assert world.practice.name in found
    assert other.practice.name not in found
    assert (
        "Find a patient"
        in client.get(reverse("admin:search"), {"s": "phone", "extended": "1"}).content.decode()
    )


def test_the_sign_in_page_is_ours_and_says_what_went_wrong(world: World) -> None:
    client = Client()
    page = client.get(reverse("admin:login")).content.decode()
    assert "axconnect/logo.svg" in page
    assert 'type="email"' in page
    answer = client.post(reverse("admin:login"), {"username": "nobody@example.com", "password": "wrong"})
    assert "do not fit together" in answer.content.decode()


def test_people_sign_in_by_e_mail_whatever_the_case(world: World) -> None:
    user = person("agent@example.com", world.practice, Role.SUPPORT)
    user.set_password("a-long-password-1")
    user.save()
    answer = Client().post(
        reverse("admin:login"), {"username": "Agent@Example.COM", "password": "a-long-password-1"}
    )
    assert answer.status_code == 302


def test_too_many_attempts_are_answered_in_words(world: World) -> None:
    client = Client()
    for _ in range(7):
        answer = client.post(reverse("admin:login"), {"username": "agent@example.com", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many attempts" in answer.content.decode()


def test_an_empty_list_says_what_to_do_next(db: None, root: User) -> None:
    page = signed_in(root).get(reverse("admin:integrations_connection_changelist")).content.decode()
    assert "No connections yet." in page
    assert "Add connection" in page


def test_a_page_that_does_not_exist_is_answered_in_words(world: World, agent: User) -> None:
    answer = signed_in(agent).get("/no/such/page/")
    assert answer.status_code == 404
    assert "AX Connect" in answer.content.decode()


def test_a_location_counts_as_unmapped_only_where_there_is_a_choice(world: World, specialist: User) -> None:
    Location.objects.create(practice=world.practice, external_id="99", name="Annex")
    SubAccount.objects.for_practice(world.practice).update(is_default=True)
    request = RequestFactory().get("/")
    request.user = specialist
    assert menu.unmapped(request) == ""
    SubAccount.objects.create(practice=world.practice, key="spa", crm_subaccount_id="SPA1")
    assert menu.unmapped(request) == "1"


@pytest.mark.parametrize(
    ("raw", "practice", "shown"),
    [
        ("+12125550100", NEW_YORK, "(212) 555-0100"),
        ("212.555.0100", NEW_YORK, "(212) 555-0100"),
        ("+442071234567", NEW_YORK, "+44 20 7123 4567"),
        ("+442071234567", LONDON, "020 7123 4567"),
        ("none", NEW_YORK, "none"),
        ("", NEW_YORK, human.NOTHING),
    ],
)
def test_phone_numbers_of_two_systems_read_alike(raw: str, practice: SimpleNamespace, shown: str) -> None:
    assert human.telephone(raw, practice) == shown
