"""The sandbox CRM's pages: the board, a contact, and the buttons that send webhooks."""

import re

import pytest
from django.test import Client

from integrations.models import Contact, InboundEvent
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import demo_practices
from integrations.views.sandbox import BUTTONS
from tenants.models import Membership, Practice, Role, User
from tests.demo.conftest import work

BLUESTONE = "SandboxBluestone0001"


@pytest.fixture
def staff(db):
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com", "secret"))
    return client


@pytest.fixture
def agent(seeded):
    """A support agent of Harbor only."""
    user = User.objects.create_user("agent@example.com", "secret", is_staff=True)
    practice = Practice.objects.across_practices().get(slug="harbor")
    Membership.objects.create(practice=practice, user=user, role=Role.SUPPORT)
    client = Client()
    client.force_login(user)
    return client


def press(client, button, **values):
    data = {"account": BLUESTONE, "button": button, "patient": "new", "service": "0"} | values
    return client.post("/sandbox/send/", data)


def contact_id(door, crm_id=BLUESTONE):
    return door.contacts(crm_id, 1)[0]["id"]


def test_outside_the_demo_there_is_no_sandbox(staff, settings):
    settings.DEMO = False
    for address in ("/sandbox/", "/sandbox/board/", "/sandbox/contacts/x/", "/sandbox/contacts/x/live/"):
        assert staff.get(address).status_code == 404
    assert press(staff, "ping").status_code == 404


def test_strangers_are_asked_to_sign_in(seeded, client):
    answer = client.get("/sandbox/")
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_the_board_shows_a_tab_per_sub_account_and_the_stages(seeded, staff):
    page = staff.get("/sandbox/").content.decode()
    tabs = re.findall(r'href="\?account=(\w+)"', page)
    assert tabs == [one.crm_id for one in demo_practices().values()]
    assert "Non-Surgical" in page
    assert "Surgical" in page


def test_a_sandbox_that_does_not_answer_is_told_in_words(seeded, staff, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    answer = staff.get("/sandbox/")
    assert answer.status_code == 200
    assert "does not answer" in answer.content.decode()
    assert staff.get("/sandbox/board/").status_code == 200


def test_an_unknown_sub_account_is_not_found(seeded, staff):
    assert staff.get("/sandbox/?account=nobody").status_code == 404


def test_an_agent_sees_the_board_of_their_own_practice_only(agent):
    page = agent.get("/sandbox/").content.decode()
    assert "Harbor Aesthetics" in page
    assert "Bluestone" not in page
    assert agent.get(f"/sandbox/?account={BLUESTONE}").status_code == 404
    assert press(agent, "ping").status_code == 404


def test_sending_needs_a_post_with_the_token_of_the_page(seeded):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("boss@example.com", "secret"))
    assert client.get("/sandbox/send/").status_code == 405
    assert press(client, "ping").status_code == 403


def test_a_press_without_a_web_server_says_that_it_was_not_delivered(seeded, staff):
    assert "not delivered" in press(staff, "ping").content.decode()


def test_an_unknown_button_is_not_found(seeded, staff):
    assert press(staff, "explode").status_code == 404


@pytest.mark.django_db(transaction=True)
class TestWithOurWebServer:
    """Presses that really post."""

    def test_a_booking_becomes_a_card(self, running, staff):
        work()
        before = running.summary(BLUESTONE)["opportunities"]
        page = press(staff, "book_visit").content.decode()
        event = InboundEvent.objects.across_practices().latest("pk")
        assert f"202 stored, event {event.pk}" in page
        assert f"/inboundevent/{event.pk}/change/" in page
        work()
        assert running.summary(BLUESTONE)["opportunities"] == before + 1
        assert "Booked" in staff.get(f"/sandbox/board/?account={BLUESTONE}").content.decode()

    def test_whoever_was_new_is_chosen_for_the_next_press(self, running, staff):
        page = press(staff, "book_visit").content.decode()
        chosen = re.findall(r'<option value="(\d+)" selected>', page)
        assert len(chosen) == 1
        paid = press(staff, "pay", patient=chosen[0]).content.decode()
        assert "Paid $350.00: Botox" in paid
        assert "202 stored" in paid

    def test_without_an_appointment_the_press_says_what_to_do_first(self, running, staff):
        before = InboundEvent.objects.across_practices().count()
        assert "Press Book first" in press(staff, "cancel").content.decode()
        assert InboundEvent.objects.across_practices().count() == before

    def test_a_test_ping_is_ignored(self, running, staff):
        assert "200 ignored" in press(staff, "ping").content.decode()

    @pytest.mark.parametrize("button", [name for name, *_ in BUTTONS])
    def test_every_button_sends_something_that_is_stored(self, running, staff, settings, button):
        with open_books(settings.DATA_DIR) as books:
            people = books.of("bluestone").people
            patient = next(number for number, one in people.items() if one.appointments)
        page = press(staff, button, patient=str(patient)).content.decode()
        assert "ax-success" in page
        assert "ax-danger" not in page

    def test_a_late_cancellation_leaves_the_card_in_booked(self, running, staff, settings):
        press(staff, "late_cancellation")
        work()
        practice = demo_practices()["bluestone"]
        with open_books(settings.DATA_DIR) as books:
            newest = max(books.of("bluestone").people)
        found = [
            one for one in running.contacts(BLUESTONE, 100) if one["email"] == person(practice, newest).email
        ]
        contact = running.contact(found[0]["id"])
        assert [one["stage"] for one in contact["opportunities"]] == ["Booked"]
        assert any("Cancelled" in note["body"] for note in contact["notes"])

    def test_an_outage_holds_events_back_until_it_ends(self, running, staff):
        staff.post("/sandbox/outage/", {"account": BLUESTONE, "outage": "on"})
        assert running.has_outage()
        assert "The CRM is down" in staff.get(f"/sandbox/board/?account={BLUESTONE}").content.decode()
        page = staff.post("/sandbox/outage/", {"account": BLUESTONE, "outage": "off"}).content.decode()
        assert "The CRM is down" not in page
        assert not running.has_outage()

    def test_a_contact_shows_fields_by_folder_notes_and_opportunities(self, running, staff):
        work()
        found = running.contact(contact_id(running))
        page = staff.get(f"/sandbox/contacts/{found['id']}/").content.decode()
        headings = re.findall(r"<h2>([^<]+)</h2>", page)
        assert headings[0] == "Opportunities"
        assert {"Contact", "Aesthetics Pro", "Notes", "Workflow enrolments"} <= set(headings)
        assert found["native"]["email"] in page
        assert found["notes"][0]["body"].splitlines()[0] in page
        ours = Contact.objects.across_practices().get(crm_id=found["id"])
        assert f"/contact/{ours.pk}/change/" in page
        assert staff.get(f"/sandbox/contacts/{found['id']}/live/").status_code == 200

    def test_a_contact_that_is_gone_is_told_in_words(self, running, staff):
        answer = staff.get("/sandbox/contacts/nobody/")
        assert answer.status_code == 404
        assert "is gone from the CRM" in answer.content.decode()

    def test_an_agent_cannot_open_a_contact_of_another_practice(self, running, agent):
        work()
        assert agent.get(f"/sandbox/contacts/{contact_id(running)}/").status_code == 404
        own = contact_id(running, demo_practices()["harbor"].crm_id)
        assert agent.get(f"/sandbox/contacts/{own}/").status_code == 200
