"""What a press leads to, with axe-core at a desk and on a phone: forms with mistakes, dialogs, differences, and the
pages that say what went wrong."""

from collections.abc import Callable, Iterator

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from playwright.sync_api import Page, expect

from categorization.models import AppointmentType
from integrations.models import IdentityQuestion
from tenants.models import Practice
from tests.admin.conftest import World, make_world
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import BEYOND, COLOURS, NIGHT, violations

WRONG_PAGES = ("400.html", "403.html", "403_csrf.html", "404.html", "500.html", "locked_out.html")
# What the browser itself would refuse must reach the server: its answer is what is looked at.
NO_OWN_CHECKS = "document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })"
State = tuple[str, str, Callable[[Page], None]]


def look(tab: Page) -> list[str]:
    """What hinders somebody on the page as it stands now, by day and by night."""
    tab.emulate_media(color_scheme="light")
    wrong = violations(tab)
    beyond = tab.evaluate(BEYOND)
    wrong += [f"scrolls sideways by {beyond} px"] if beyond > 0 else []
    tab.emulate_media(color_scheme="dark")
    tab.evaluate(NIGHT)
    return wrong + [f"dark: {one}" for one in violations(tab, COLOURS)]


@pytest.fixture
def world(boss) -> World:
    """A practice with one row of everything, and a type whose category stands."""
    made = make_world("lakeside", boss)
    names = {"connection_key": "aestheticspro", "name": "Facial", "category": "Non-Surgical Consult"}
    AppointmentType.objects.create(practice=made.practice, **names, confirmed_at=made.event.received_at)
    Practice.objects.create(slug="newfield", name="Newfield", kind="med_spa")
    answered = {"answer": "ignore", "answered_by": boss, "answered_at": made.event.received_at}
    IdentityQuestion.objects.for_practice(made.practice).update(**answered)
    return made


def mistaken(button: str, box: str, value: str) -> Callable[[Page], None]:
    """Fill a box with something wrong and press; the page that comes back names a mistake."""

    def do(tab: Page) -> None:
        tab.evaluate(NO_OWN_CHECKS)
        tab.locator(box).first.fill(value)
        with tab.expect_navigation():
            tab.get_by_role("button", name=button, exact=True).first.click()
        expect(tab.locator(MISTAKES).first).to_be_visible()

    return do


MISTAKES = ".errorlist, .axw-wrong, .text-red-600, .errornote"


def dialog(address: str) -> Callable[[Page], None]:
    """Open what a button asks."""

    def do(tab: Page) -> None:
        # On a phone the button stands in a menu.
        tab.locator(f"[hx-get*='{address}']").first.dispatch_event("click")
        expect(tab.locator("#modal-content").get_by_role("button").first).to_be_visible()

    return do


def other_category(tab: Page) -> None:
    """Change what somebody confirmed: the table asks first."""
    row = tab.locator("#result_list tr", has=tab.get_by_role("link", name="Facial", exact=True))
    row.locator("select").select_option("Blocked")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Save").click()
    expect(
        tab.get_by_role("heading", name="Facial").or_(tab.get_by_text("Non-Surgical Consult")).first
    ).to_be_visible()


def another_answer(tab: Page) -> None:
    """Who a patient is, said otherwise: what that does is shown first."""
    tab.get_by_role("link", name="Change the answer").click()
    with tab.expect_navigation():
        tab.get_by_role("button", name="Somebody else").click()
    expect(tab.get_by_role("heading", name="Change the answer?")).to_be_visible()


def override(tab: Page) -> None:
    tab.get_by_text("Go live all the same").click()
    expect(tab.get_by_role("textbox").last).to_be_visible()


def states(world: World) -> Iterator[State]:
    """Name, where it starts, and what is pressed."""

    def page(model: str, row) -> str:
        return reverse(f"admin:{model}_change", args=[row.pk])

    event, connection = (
        page("integrations_inboundevent", world.event),
        page("integrations_connection", world.connection),
    )
    yield "new practice without a name", "/setup/", mistaken("Add the practice", "#id_name", "")
    yield (
        "location without an id",
        reverse("setup-step", args=["lakeside", "locations"]),
        mistaken("Save", "#id_places-0-external_id", ""),
    )
    yield "connection", connection, mistaken("Save", "#id_base_url", "no address")
    yield "mapping", page("integrations_subaccount", world.sub_account), mistaken("Save", "#id_key", "")
    yield (
        "payload without a reason",
        reverse("admin:event-payload", args=[world.event.pk]),
        mistaken("Reveal", "textarea", ""),
    )
    yield "password", "/password_change/", mistaken("Change password", "#id_old_password", "wrong")
    yield "retry", event, dialog(reverse("admin:integrations_inboundevent_retry", args=[world.event.pk]))
    yield "replay", event, dialog(reverse("admin:integrations_inboundevent_replay", args=[world.event.pk]))
    yield (
        "pause",
        connection,
        dialog(reverse("admin:integrations_connection_pause", args=[world.connection.pk])),
    )
    yield "another answer", page("integrations_identityquestion", world.question), another_answer
    yield "override", reverse("setup-step", args=["newfield", "go-live"]), override
    yield "differences", f"/categorization/appointmenttype/?practice={world.practice.pk}", other_category


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_a_press_leads_to_can_be_used_by_everybody_and_fits(world, open_tab, boss, size):
    tab, wrong = open_tab(boss, size), {}
    for name, address, press in states(world):
        tab.goto(address)
        press(tab)
        wrong[name] = look(tab)
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_pages_that_say_what_went_wrong_can_be_used_by_everybody_and_fit(open_tab, live_server, size):
    tab, wrong = open_tab(None, size), {}
    for name in WRONG_PAGES:
        tab.goto("/login/")
        tab.set_content(render_to_string(name, {"failure_limit": 6}))
        # These follow the system's choice of night.
        tab.emulate_media(color_scheme="light")
        by_day = violations(tab)
        tab.emulate_media(color_scheme="dark")
        beyond = tab.evaluate(BEYOND)
        wrong[name] = by_day + violations(tab) + ([f"scrolls sideways by {beyond} px"] if beyond > 0 else [])
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_category_chosen_on_a_types_own_page_is_confirmed(world, tab):
    tab.goto(reverse("admin:categorization_appointmenttype_change", args=[world.type.pk]))
    tab.get_by_label("Category").select_option("Non-Surgical Appointment")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Confirm", exact=True).click()
    expect(tab.get_by_text("1 type confirmed")).to_be_visible()
    world.type.refresh_from_db()
    assert (world.type.category, world.type.is_confirmed) == ("Non-Surgical Appointment", True)
