"""`manage.py sandbox_day`: real webhooks, without end and without growth."""

import signal
from io import StringIO

import pytest
import requests
from django.core.management import CommandError, call_command

from integrations import demo_sender
from integrations.contract.demo import RemoteDesk
from integrations.demo_sender import begin_outage, demo_connection, outage_seconds_left
from integrations.management.commands import sandbox_day
from integrations.models import InboundEvent
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import demo_practices
from integrations.sandbox.demo.stories import FULL_STORY, MOST_PEOPLE
from tests.demo.conftest import poll, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def signals():
    """The command takes SIGTERM for itself; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_outside_the_demo_there_is_no_day(settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="up --demo"):
        call_command("sandbox_day", events=1)


def test_every_event_arrives_through_the_door_and_is_worked_off(running):
    before = InboundEvent.objects.across_practices().count()
    call_command("sandbox_day", events=25, pause=0)
    rows = InboundEvent.objects.across_practices()
    assert rows.count() >= before + 25, "somebody new is a notice of their own, beside what they book"
    assert set(rows.values_list("source", flat=True)) == {"webhook"}
    work()
    assert set(rows.values_list("state", flat=True)) == {"done"}


def test_a_day_that_starts_again_goes_on_where_it_was(running, settings):
    call_command("sandbox_day", events=5, pause=0)
    with open_books(settings.DATA_DIR) as books:
        before = {slug: book.next_person for slug, book in books.by_slug.items()}
    call_command("sandbox_day", events=5, pause=0)
    with open_books(settings.DATA_DIR) as books:
        after = {slug: book.next_person for slug, book in books.by_slug.items()}
    assert all(after[slug] >= before[slug] for slug in before)
    keys = InboundEvent.objects.across_practices().values_list("connection", "dedupe_key")
    assert len(set(keys)) == len(keys)
    assert set(InboundEvent.objects.across_practices().values_list("deliveries", flat=True)) == {1}


def test_a_day_begins_with_the_opening_where_seeding_could_not_send_it(seeded, live_server, settings):
    assert not InboundEvent.objects.across_practices().exists()
    settings.PUBLIC_URL = live_server.url
    call_command("sandbox_day", events=0, pause=0)
    sent = InboundEvent.objects.across_practices().filter(practice__slug="harbor")
    assert sent.count() == 11
    everything = InboundEvent.objects.across_practices().count()
    call_command("sandbox_day", events=0, pause=0)
    assert InboundEvent.objects.across_practices().count() == everything


def test_whoever_sends_a_secret_sends_it(running):
    assert demo_connection(demo_practices()["harbor"]).credential("header_secret")
    states = InboundEvent.objects.across_practices().filter(practice__slug="harbor")
    assert states.count() == 11


def test_what_could_not_be_stored_comes_again(running, monkeypatch):
    practice = demo_practices()["juniper"]
    happenings = demo_sender.desk(practice).step()
    refusal, taken = requests.Response(), requests.Response()
    refusal.status_code, taken.status_code = 429, 202
    answers = iter([refusal, refusal, taken])
    monkeypatch.setattr(sandbox_day, "deliver", lambda *_: next(answers))
    monkeypatch.setattr(sandbox_day, "RETRY_SECONDS", 0)
    command = sandbox_day.Command(stderr=StringIO())
    command._patiently(lambda: sandbox_day._accepted(practice, happenings[0]))
    assert next(answers, None) is None


def test_somebody_whose_story_is_told_leaves_a_full_practice_with_their_contact(running, settings):
    work()
    practice = demo_practices()["harbor"]
    with open_books(settings.DATA_DIR) as books:
        book = books.of("harbor")
        told = next(number for number, one in book.people.items() if not one.appointments)
        book.people[told].events = FULL_STORY
        while len(book.people) < MOST_PEOPLE:
            book.new_person()
    gone = person(practice, told).email
    sent = InboundEvent.objects.across_practices().filter(practice__slug="harbor")
    sent.filter(pk=sent.first().pk).update(state="waiting")
    sandbox_day.make_room(practice)
    assert gone in {one["email"] for one in running.contacts(practice.crm_ids[0], 100)}
    sent.update(state="done")
    before = {one["email"] for one in running.contacts(practice.crm_ids[0], 100)}
    assert gone in before
    sandbox_day.make_room(practice)
    assert {one["email"] for one in running.contacts(practice.crm_ids[0], 100)} == before - {gone}


def test_an_outage_ends_by_itself(seeded, settings):
    begin_outage()
    assert seeded.has_outage()
    assert 0 < outage_seconds_left() <= 30
    with open_books(settings.DATA_DIR) as books:
        books.outage_until = 1.0
    assert outage_seconds_left() == 0
    assert not seeded.has_outage()


def test_sigterm_ends_the_day_at_once(running):
    handler = signal.getsignal(signal.SIGTERM)
    call_command("sandbox_day", events=0, pause=0)
    assert signal.getsignal(signal.SIGTERM) is not handler
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0


@pytest.mark.parametrize("slug", ["bluestone", "northlight"])
def test_the_day_of_a_polled_practice_goes_on_in_its_emrs_book(running, slug, monkeypatch):
    poll(slug)
    monkeypatch.setattr(sandbox_day, "demo_practices", lambda: {slug: demo_practices()[slug]})
    call_command("sandbox_day", events=30, pause=0)
    before = InboundEvent.objects.across_practices().filter(practice__slug=slug).count()
    poll(slug)
    rows = InboundEvent.objects.across_practices().filter(practice__slug=slug)
    assert rows.count() > before
    assert set(rows.values_list("source", flat=True)) == {"poll"}
    work()
    assert set(rows.values_list("state", flat=True)) <= {"done", "held"}
    assert running.summary(demo_practices()[slug].crm_ids[0])["opportunities"] > 8


def test_a_practice_that_was_never_polled_sleeps_on(running, monkeypatch):
    monkeypatch.setattr(sandbox_day, "demo_practices", lambda: {"bluestone": demo_practices()["bluestone"]})
    call_command("sandbox_day", events=0, pause=0)
    assert demo_sender.desk(demo_practices()["bluestone"]).opening()


def test_whoever_leaves_a_polled_practice_takes_their_contact_along(running, monkeypatch):
    practice = demo_practices()["bluestone"]
    poll("bluestone")
    demo_sender.send_opening(practice)
    poll("bluestone")
    work()
    contacts = {one["email"] for one in running.contacts(practice.crm_ids[0], 100)}
    leaving = sorted(contacts)[0]
    monkeypatch.setattr(RemoteDesk, "let_go", lambda self: frozenset(contacts - {leaving}))
    sandbox_day.make_room(practice)
    assert {one["email"] for one in running.contacts(practice.crm_ids[0], 100)} == contacts - {leaving}
