"""What support does all day, on the demo's practices: read a story, find a person, confirm a type, watch a board."""

import re

import pytest
from playwright.sync_api import Page, expect

from categorization.models import AppointmentType, CategoryBatch
from integrations.models import Contact, EventState, InboundEvent, PayloadReveal
from integrations.sandbox.demo.practices import demo_practices
from integrations.sync.categories.moving import release_categories_due
from integrations.views.crm_links import CRM_APP
from tests.browser.conftest import in_a_thread
from tests.demo.conftest import poll, work


@pytest.fixture
def live(running) -> None:
    """The opening stands on the boards."""
    for slug, practice in demo_practices().items():
        if practice.is_polled:
            in_a_thread(lambda slug=slug: poll(slug))
    in_a_thread(work)


def press(tab: Page, button: str) -> str:
    """Press a button of the sandbox; where the story of what came of it stands."""
    answers = tab.locator("#axs-answers .axs-answer")
    before = answers.count()  # somebody new may be told of twice: the patient, then the visit
    tab.get_by_role("button", name=button, exact=True).click()
    expect(answers.nth(before)).to_be_visible()
    return answers.first.get_by_role("link", name="Its story").get_attribute("href") or ""


def open_board(tab: Page, account: str) -> None:
    tab.goto(f"/sandbox/?account={account}")


def test_the_story_of_an_event_reads_from_receipt_to_each_write(live, tab):
    open_board(tab, demo_practices()["harbor"].crm_ids[0])
    story = press(tab, "Book")
    in_a_thread(work)
    tab.goto(story)
    expect(tab.locator(".ax-head")).to_contain_text("Appointment booked")
    titles = tab.locator(".ax-chapter h2").all_inner_texts()
    assert [title.split("\n")[0] for title in titles[:3]] == ["Received", "Understood", "Decided, and why"]
    expect(tab.locator(".ax-write strong").first).to_have_text("Contact")
    for write in tab.locator(".ax-write").all():
        expect(write.locator(".ax-label")).to_have_text("Done")


def test_a_payload_is_shown_for_a_reason_that_is_kept(live, tab, boss):
    event = (
        InboundEvent.objects.across_practices().filter(state=EventState.DONE, source="webhook").latest("pk")
    )
    tab.goto(f"/integrations/inboundevent/{event.pk}/change/")
    tab.get_by_role("link", name="Reveal the payload").click()
    expect(tab.locator(".ax-payload")).to_have_count(0)
    tab.get_by_role("button", name="Reveal").click()
    expect(tab.locator(".ax-payload")).to_have_count(0)
    tab.get_by_label("Why do you need to see it?").fill("The practice asks about this visit")
    tab.get_by_role("button", name="Reveal").click()
    expect(tab.locator(".ax-payload").first).to_contain_text("{")
    kept = PayloadReveal.objects.across_practices().get()
    assert (kept.user, kept.reason) == (boss, "The practice asks about this visit")
    tab.get_by_role("link", name="Back to the event").click()
    expect(tab.locator(".ax-story")).to_contain_text("Revealed by Bo Boss")


def test_a_type_confirmed_in_the_table_lets_go_of_what_it_held(live, tab):
    open_board(tab, demo_practices()["juniper"].crm_ids[0])
    press(tab, "New type")
    in_a_thread(work)
    event = InboundEvent.objects.across_practices().filter(state=EventState.HELD).latest("pk")
    waits = AppointmentType.objects.for_practice(event.practice_id).filter(category="").latest("pk")
    tab.goto(f"/categorization/appointmenttype/?practice={event.practice_id}")
    row = tab.locator("#result_list tr", has=tab.get_by_role("link", name=waits.name, exact=True))
    row.locator("select").select_option("Non-Surgical Appointment")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Save").click()
    tab.goto(
        f"/categorization/categorybatch/{CategoryBatch.objects.for_practice(event.practice_id).get().pk}/change/"
    )
    expect(tab.locator("#ax-progress")).to_contain_text("What followed")
    in_a_thread(carry_out)
    # The page asks again by itself.
    expect(tab.locator("#ax-progress")).to_contain_text("Done.")
    tab.goto(f"/integrations/inboundevent/{event.pk}/change/")
    expect(tab.locator(".ax-head .ax-label").first).to_have_text("Done")


def carry_out() -> None:
    """What workers do about a change of categories."""
    release_categories_due()
    work()
    release_categories_due()


WAYS = ("name", "e-mail", "last four digits", "CRM link")


def test_a_person_is_found_by_whatever_one_has_in_hand(live, running, tab, boss):
    account = demo_practices()["harbor"].crm_ids[0]
    who = running.contacts(account, 1)[0]["id"]
    known = running.contact(who)["native"]
    shown = Contact.objects.across_practices().get(crm_id=who)
    link = f"{CRM_APP}/v2/location/{account}/contacts/detail/{who}"
    words = (f"{known['firstName']} {known['lastName']}".upper(), known["email"], known["phone"][-4:], link)
    for way, said in zip(WAYS, words, strict=True):
        tab.goto("/integrations/patient/find/")
        tab.get_by_role("textbox").and_(tab.locator("#id_words")).fill(said)
        tab.get_by_role("button", name="Find", exact=True).click()
        expect(tab.get_by_role("link", name=f"Why is contact {shown.pk} here?"), way).to_have_count(1)
        assert known["lastName"] not in tab.url
    tab.get_by_role("link", name=f"Why is contact {shown.pk} here?").click()
    expect(tab.locator(".ax-head")).to_contain_text(known["lastName"])


def test_a_press_moves_a_card_in_the_sub_account_of_its_clinic_alone(live, tab):
    one, other = demo_practices()["juniper"].crm_ids
    open_board(tab, one)
    press(tab, "Book")
    in_a_thread(work)
    clinic = re.findall(r"Booked at (.+?):", tab.locator("#axs-answers").inner_text())[0]
    chosen = tab.locator("#axs-patients")
    number, (last, first) = chosen.input_value(), chosen_name(tab)
    tab.locator(".axs-tabs a", has_text=clinic).click()
    stages = tab.locator(".axs-stage", has_text=f"{first} {last}").locator("h3")
    expect(stages).to_have_text([re.compile("Booked")])
    chosen.select_option(number)
    press(tab, "Check out")
    in_a_thread(work)
    # The board looks again by itself.
    expect(stages).to_have_text([re.compile("Patient|Complete")])
    open_board(tab, other if tab.url.endswith(one) else one)
    expect(tab.locator("#axs-board")).to_contain_text("opportunities")
    expect(stages).to_have_count(0)


def chosen_name(tab: Page) -> list[str]:
    """Last and first name of the patient for the next press."""
    return tab.locator("#axs-patients option:checked").inner_text().partition(" (")[0].split(", ")
