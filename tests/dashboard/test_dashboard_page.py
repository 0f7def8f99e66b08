"""The home page of the staff application, as a person gets it."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrations.models import Connection, Effect, InboundEvent, Incident, Patient
from tenants.models import Membership, Practice, Role, User

QUERIES_OF_THE_DASHBOARD = 16
PARTS = ("axd-first-step", "axd-figures", "axd-attention", "axd-health", "axd-notes", "axd-chart-data")


@pytest.fixture
def staff(admin_user):
    client = Client()
    client.force_login(admin_user)
    return client


def write_note(event, reference="AX-1", story=()):
    event.story = [{"step": step, "text": text} for step, text in story]
    event.save(update_fields=["story"])
    return Effect.objects.create(
        practice=event.practice,
        event=event,
        kind="note",
        target="note",
        position=1,
        state="done",
        reference=reference,
        body={"text": "Patient Alma Quint came"},
        planned_at=timezone.now(),
        confirmed_at=timezone.now(),
    )


def test_the_home_page_shows_figures_practices_and_notes(staff, bluestone, make_event):
    story = [("decided", "Seen."), ("pipeline", '"Booked" because of the visit of 3/12/2026.')]
    write_note(make_event(bluestone), reference="AX-77", story=story)
    page = staff.get("/").content.decode()
    for words in ("Events today", "Delivered in under a minute", "Waiting", "Needs attention"):
        assert words in page
    assert "Nothing needs you." in page
    assert "Bluestone Med Spa" in page
    assert "Appointment booked" in page
    assert "because of the visit of 3/12/2026" in page
    assert "AX-77" in page


def test_no_word_of_a_note_or_of_a_patient_is_shown(staff, bluestone, make_event):
    event = make_event(bluestone)
    event.patient = Patient.objects.create(
        practice=bluestone,
        connection=event.connection,
        external_id="5501",
        demographics={"first_name": "Alma", "last_name": "Quint"},
    )
    event.payload = '{"first_name": "Alma"}'
    event.save()
    write_note(event)
    assert b"Alma" not in staff.get("/").content


def test_the_live_part_replaces_every_part_by_its_id(staff, bluestone, make_event):
    make_event(bluestone)
    answer = staff.get("/dashboard/live/")
    assert answer.status_code == 200
    swapped = re.findall(r'<\w+ id="([\w-]+)"[^>]*hx-swap-oob="true"', answer.content.decode())
    assert tuple(swapped) == PARTS
    assert "no-store" in answer["Cache-Control"]


def test_the_page_has_every_part_that_the_live_part_replaces(staff, bluestone):
    page = staff.get("/").content.decode()
    assert all(page.count(f'id="{part}"') == 1 for part in PARTS)
    assert "hx-swap-oob" not in page


def test_strangers_are_asked_to_sign_in(client, db):
    for address in ("/", "/dashboard/live/"):
        answer = client.get(address)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


def test_a_reviewer_of_a_practice_does_not_get_in(client, bluestone):
    reviewer = User.objects.create_user("reviewer@example.com", "secret")
    Membership.objects.create(practice=bluestone, user=reviewer, role=Role.REVIEWER)
    client.force_login(reviewer)
    assert client.get("/dashboard/live/").status_code == 302


def test_an_agent_sees_their_own_practice_only(client, agent, bluestone, harbor, make_event):
    make_event(bluestone, state="parked", reason="Ours.")
    write_note(make_event(harbor, state="parked", reason="Theirs."), reference="AX-THEIRS")
    client.force_login(agent)
    page = client.get("/").content.decode()
    assert "Ours." in page
    assert not any(words in page for words in ("Harbor Aesthetics", "Theirs.", "AX-THEIRS"))


def test_the_number_of_queries_does_not_grow_with_the_events(
    admin_user, bluestone, harbor, make_event, django_assert_num_queries
):
    from integrations.views.dashboard import dashboard

    def look():
        cache.clear()
        with django_assert_num_queries(QUERIES_OF_THE_DASHBOARD):
            dashboard(admin_user)

    states = ["done", "parked", "held", "waiting", "skipped"]
    for number in range(10):
        make_event(bluestone, state=states[number % 5], reason=f"Reason {number}", held_for="live")
    look()
    template = make_event(harbor)
    copies = [
        InboundEvent(
            practice=[bluestone, harbor][number % 2],
            connection=template.connection,
            source="webhook",
            dedupe_key=f"copy-{number}",
            received_at=timezone.now() - timedelta(minutes=number),
            state=states[number % 5],
            reason=f"Reason {number}",
        )
        for number in range(1000)
    ]
    InboundEvent.objects.bulk_create(copies)
    for event in InboundEvent.objects.across_practices().filter(state="done")[:100]:
        write_note(event)
    look()


def test_an_empty_installation_says_what_to_do_first(staff):
    page = staff.get("/").content.decode()
    assert "Add the first practice" in page
    assert 'href="/setup/"' in page


def test_a_practice_without_events_is_told_to_send_one(staff, bluestone, make_event):
    assert "Send the first event" in staff.get("/").content.decode()
    make_event(bluestone, timezone.now() - timedelta(days=90))
    assert "Send the first event" not in staff.get("/").content.decode()


def test_a_practice_in_trouble_is_marked_and_its_delay_told(staff, bluestone, harbor, make_event):
    make_event(bluestone, timezone.now() - timedelta(minutes=12), state="waiting", after=None)
    make_event(harbor)
    page = staff.get("/").content.decode()
    assert "Oldest for 12 min" in page
    lines = re.findall(r'axd-dot axd-(\w+)"></i>\s*<a[^>]*>([^<]+)', page)
    assert lines == [("danger", "Bluestone Med Spa"), ("success", "Harbor Aesthetics")]


def test_every_link_of_the_dashboard_opens(staff, bluestone, make_event):
    write_note(make_event(bluestone))
    for number in range(8):
        make_event(bluestone, state="parked", parked_as="config", reason=f"Reason {number % 7}")
    make_event(bluestone, state="held", held_for="location")
    make_event(bluestone, state="held", held_for="live")
    connection = Connection.objects.for_practice(bluestone).get()
    for number in range(7):
        Incident.objects.create(
            practice=bluestone,
            kind="unreachable",
            subject=str(number),
            words="Silent.",
            connection=connection,
        )
    page = staff.get("/").content.decode()
    content = page[page.index('class="ax-page"') :]
    links = {link.replace("&amp;", "&") for link in re.findall(r'<a[^>]+href="(/[^"]*)"', content)}
    assert len(links) > 10
    for link in sorted(links):
        assert staff.get(link).status_code == 200, link


def test_only_the_practices_with_most_trouble_have_a_line(staff, make_event, admin_user):
    from integrations.views.practice_health import SHOWN, health, practices_of

    made = [
        Practice.objects.create(slug=f"p{number}", name=f"Practice {number:02}", kind="med_spa")
        for number in range(SHOWN + 4)
    ]
    make_event(made[-1], state="parked")
    lines = health(practices_of(admin_user))
    assert len(lines) == SHOWN
    assert lines[-1].practice == made[-1]
