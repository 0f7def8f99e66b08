"""The sandbox CRM's pages: the board, a contact, and the buttons that send webhooks."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from integrations.contract.demo import NEW_PATIENT
from integrations.demo_sender import desk
from integrations.models import Contact, InboundEvent, PollCursor
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.book_desk import BUTTONS
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import demo_practices
from tenants.models import Membership, Practice, Role, User
from tests.demo.conftest import poll, work

HARBOR, BLUESTONE, NORTHLIGHT = "SandboxHarbor0000002", "SandboxBluestone0001", "SandboxNorthlight004"
POLLED = {"bluestone": BLUESTONE, "northlight": NORTHLIGHT}


@pytest.fixture
def staff(db):
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com", "secret"))
    return client


@pytest.fixture
def agent(seeded):
    """A support agent of Juniper only."""
    user = User.objects.create_user("agent@example.com", "secret", is_staff=True)
    practice = Practice.objects.across_practices().get(slug="juniper")
    Membership.objects.create(practice=practice, user=user, role=Role.SUPPORT)
    client = Client()
    client.force_login(user)
    return client


def press(client, button, **values):
    data = {"account": HARBOR, "button": button, "patient": "new", "service": "0"} | values
    return client.post("/sandbox/send/", data)


def contact_id(door, crm_id=HARBOR):
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
    assert tabs == [crm_id for one in demo_practices().values() for crm_id in one.crm_ids]
    assert "Juniper Foothills" in page
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
    assert "Juniper Old Town" in page
    assert "Harbor" not in page
    assert agent.get(f"/sandbox/?account={HARBOR}").status_code == 404
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
        before = running.summary(HARBOR)["opportunities"]
        page = press(staff, "book_visit").content.decode()
        event = InboundEvent.objects.across_practices().latest("pk")
        assert f"202 stored, event {event.pk}" in page
        assert f"/inboundevent/{event.pk}/change/" in page
        work()
        assert running.summary(HARBOR)["opportunities"] == before + 1
        assert "Booked" in staff.get(f"/sandbox/board/?account={HARBOR}").content.decode()

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

    @pytest.mark.parametrize("button", [one.name for one in BUTTONS])
    def test_every_button_sends_something_that_is_stored(self, running, staff, settings, button):
        with open_books(settings.DATA_DIR) as books:
            people = books.of("harbor").people
            patient = next(number for number, one in people.items() if one.appointments)
        page = press(staff, button, patient=str(patient)).content.decode()
        assert "ax-success" in page
        assert "ax-danger" not in page

    def test_a_late_cancellation_leaves_the_card_in_booked(self, running, staff, settings):
        press(staff, "late_cancellation")
        work()
        practice = demo_practices()["harbor"]
        with open_books(settings.DATA_DIR) as books:
            newest = max(books.of("harbor").people)
        found = [
            one for one in running.contacts(HARBOR, 100) if one["email"] == person(practice, newest).email
        ]
        contact = running.contact(found[0]["id"])
        assert [one["stage"] for one in contact["opportunities"]] == ["Booked"]
        assert any("Cancelled" in note["body"] for note in contact["notes"])

    def test_an_outage_holds_events_back_until_it_ends(self, running, staff):
        staff.post("/sandbox/outage/", {"account": HARBOR, "outage": "on"})
        assert running.has_outage()
        assert "The CRM is down" in staff.get(f"/sandbox/board/?account={HARBOR}").content.decode()
        page = staff.post("/sandbox/outage/", {"account": HARBOR, "outage": "off"}).content.decode()
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
        own = contact_id(running, demo_practices()["juniper"].crm_ids[0])
        assert agent.get(f"/sandbox/contacts/{own}/").status_code == 200


class TestOfPolledEmrs:
    """Presses that change a pretend EMR's book; the next poll brings them."""

    def test_a_press_on_a_clinics_tab_books_at_that_clinic(self, running, staff):
        crm_ids = demo_practices()["juniper"].crm_ids
        assert len(crm_ids) == 2
        work()
        before = {crm_id: running.summary(crm_id)["opportunities"] for crm_id in crm_ids}
        for count, crm_id in enumerate((crm_ids[1], crm_ids[1], crm_ids[0]), start=1):
            assert "Booked at" in press(staff, "book", account=crm_id).content.decode()
            work()
            added = {one: running.summary(one)["opportunities"] - before[one] for one in crm_ids}
            assert added == {crm_ids[0]: max(0, count - 2), crm_ids[1]: min(2, count)}

    @pytest.fixture(params=sorted(POLLED))
    def practice(self, request, seeded):
        poll(request.param)
        return demo_practices()[request.param]

    def board(self, staff, practice):
        return staff.get(f"/sandbox/board/?account={practice.crm_ids[0]}").content.decode()

    def stages(self, door, practice, patient):
        """Where a patient's cards stand."""
        email = next(one.email for one in desk(practice).state().patients if one.id == patient)
        rows = door.contacts(practice.crm_ids[0], 100)
        found = next(one for one in rows if one["email"] == email)
        return [one["stage"] for one in door.contact(found["id"])["opportunities"]]

    def pressed(self, staff, practice, button, patient=NEW_PATIENT, service="0"):
        page = press(staff, button, account=practice.crm_ids[0], patient=patient, service=service)
        return page.content.decode()

    def chosen(self, page):
        return re.findall(r'<option value="([^"]+)" selected>', page)[0]

    def test_the_board_says_which_emr_it_is_and_how_it_is_polled(self, staff, practice, settings):
        settings.POLL_SECONDS = 7
        page = self.board(staff, practice)
        assert practice.emr.manifest.name in page
        assert "polled every 7 s" in page
        assert "last polled 0 s ago" in page
        assert "posts webhooks" in self.board(staff, demo_practices()["harbor"])

    def test_a_booking_that_takes_place_moves_its_card(self, staff, practice, seeded):
        page = self.pressed(staff, practice, "book")
        assert "in the book, polled now" in page
        patient = self.chosen(page)
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == ["Consult Booked"]
        self.pressed(staff, practice, "complete", patient)
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == ["Consult Complete"]

    @pytest.mark.parametrize("button", ["cancel", "no_show"])
    def test_a_booking_that_does_not_take_place_moves_its_card(self, staff, practice, seeded, button):
        patient = self.chosen(self.pressed(staff, practice, "book"))
        self.pressed(staff, practice, button, patient)
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == ["Cancelled / No-Show"]

    def test_a_late_cancellation_leaves_the_card_where_it_was(self, staff, practice, seeded):
        patient = self.chosen(self.pressed(staff, practice, "late_cancellation"))
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == ["Consult Booked"]

    def test_a_new_type_is_held_until_somebody_says_what_it_is(self, staff, practice, seeded):
        patient = self.chosen(self.pressed(staff, practice, "new_type"))
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == []
        assert InboundEvent.objects.across_practices().filter(state="held").count() == 1
        assert "1 held for a decision" in self.board(staff, practice)

    def test_money_comes_in_and_is_taken_back(self, staff, seeded):
        practice = demo_practices()["northlight"]
        poll(practice.slug)
        menu = list(desk(practice).state().services)
        botox = str(menu.index("Injectables: Botox"))
        patient = self.chosen(self.pressed(staff, practice, "book", service=botox))
        values = []
        for button in ("complete", "pay", "refund", "pay", "void"):
            self.pressed(staff, practice, button, patient)
            poll(practice.slug)
            work()
            contact = seeded.contact(contact_id(seeded, NORTHLIGHT))
            values.append(contact["fields"].get("Patient Lifetime Value"))
        before = values[2]
        assert values[:3] == [None, 420, 210]
        assert values[3] > before
        assert values[4] == before

    def test_every_button_does_something_and_what_it_does_is_polled(self, staff, practice):
        names = [one.name for one in desk(practice).buttons]
        patient = self.chosen(self.pressed(staff, practice, "book"))
        poll(practice.slug)
        for name in names:
            self.pressed(staff, practice, "book", patient)
            if name in ("refund", "void"):
                self.pressed(staff, practice, "pay", patient)
            poll(practice.slug)
            before = InboundEvent.objects.across_practices().count()
            page = self.pressed(staff, practice, name, patient)
            assert "in the book, polled now" in page, name
            poll(practice.slug)
            assert InboundEvent.objects.across_practices().count() > before, name
        work()
        states = set(InboundEvent.objects.across_practices().values_list("state", flat=True))
        assert states <= {"done", "held"}

    def test_a_press_makes_the_lists_due_at_once(self, staff, practice):
        self.pressed(staff, practice, "book")
        rows = PollCursor.objects.across_practices().filter(connection__practice__slug=practice.slug)
        assert rows.filter(next_at__lte=timezone.now()).count() == 2 + (practice.slug == "northlight")

    def test_nobody_can_cancel_what_was_not_booked(self, staff, practice):
        assert "Press Book first" in self.pressed(staff, practice, "cancel")
        assert "There is no such button" not in self.pressed(staff, practice, "edit")

    def test_an_emr_that_is_down_is_told_and_what_happened_meanwhile_arrives_later(
        self, staff, practice, seeded
    ):
        order = {"account": practice.crm_ids[0]}
        page = staff.post("/sandbox/outage/", order | {"outage": "emr-on"}).content.decode()
        assert "is down until it is switched on again" in page
        patient = self.chosen(self.pressed(staff, practice, "book"))
        poll(practice.slug)
        assert not InboundEvent.objects.across_practices().exists()
        assert PollCursor.objects.across_practices().filter(failures__gt=0).exists()
        page = staff.post("/sandbox/outage/", order | {"outage": "emr-off"}).content.decode()
        assert "is down until" not in page
        poll(practice.slug)
        work()
        assert self.stages(seeded, practice, patient) == ["Consult Booked"]


def test_an_emr_that_posts_sends_nothing_while_it_is_down(seeded, staff):
    order = {"account": HARBOR}
    page = staff.post("/sandbox/outage/", order | {"outage": "emr-on"}).content.decode()
    assert "AestheticsPro is down" in page
    assert "sends nothing until it is back up" in press(staff, "book_visit").content.decode()
    assert not desk(demo_practices()["harbor"]).step()
    staff.post("/sandbox/outage/", order | {"outage": "emr-off"})
    assert desk(demo_practices()["harbor"]).step()


def test_an_unknown_outage_is_not_found(seeded, staff):
    assert staff.post("/sandbox/outage/", {"account": HARBOR, "outage": "x"}).status_code == 404
