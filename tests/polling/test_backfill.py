"""Back-fills: asked for by a person, behind everything live, told once, and nobody is enrolled."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.contract.errors import AuthError, RejectedError, TransientError
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import (
    Backfill,
    BackfillState,
    Connection,
    KnownRow,
    PollRun,
    Priority,
    Source,
    Trigger,
)
from integrations.sync import lanes
from integrations.sync.polling import backfill, cursors, reading
from integrations.sync.profile import profiles
from tests.polling.lists import BY_PATIENT, BY_TIME, DAY, MINUTE, START, Lists, Polled
from tests.polling.offices import (
    Crm,
    crm_calls,
    cursor_of,
    events,
    incidents,
    people_at,
    poll_all,
    poll_and_work,
    practice_file,
    set_up,
    visit_at,
    work,
)

FLOW = "ModMed Appointments and Pipeline Update"
CATEGORY = {"connection": "modmed", "type": "Botox", "purpose": "", "category": "Non-Surgical Appointment"}


def since(days: int) -> date:
    return (timezone.now() - timedelta(days=days)).date()


def run_all(worker: str = "test") -> list[Backfill]:
    """What a worker does with every back-fill that waits."""
    claimed = backfill.claim(worker, 10)
    found = profiles({one.practice_id for one in claimed})
    for one in claimed:
        backfill.run(one, found[one.practice_id], lambda: False)
    return list(Backfill.objects.across_practices().order_by("pk"))


@pytest.fixture
def clinic(db: None, crm: Crm, firm: Firm) -> Connection:
    """A practice whose booked visits enrol, polled once; three visits stood in its book."""
    credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
    document = practice_file(
        "modmed",
        {"base_url": firm.base_url, "credentials": credentials},
        categories=[CATEGORY | {"confirmed": True}],
        workflows={FLOW: "WF1"},
    )
    found = set_up(document)
    people_at(firm, 4)
    visit_at(firm, 1, person=0, days_ahead=4, kind="Botox", changed_ago=timedelta(days=3))
    visit_at(
        firm, 2, person=1, days_ahead=-9, kind="Botox", status="fulfilled", changed_ago=timedelta(days=9)
    )
    visit_at(
        firm, 3, person=2, days_ahead=-70, kind="Botox", status="fulfilled", changed_ago=timedelta(days=70)
    )
    poll_all(found)
    return found


def enrolments(crm: Crm) -> int:
    return len(crm.door("GET", "/enrolments")["enrolments"])


def test_it_writes_the_notes_of_what_stood_and_enrols_nobody(
    clinic: Connection, firm: Firm, crm: Crm
) -> None:
    row = backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    (done,) = run_all()
    assert (done.pk, done.state, done.rows_seen, done.events) == (row.pk, BackfillState.DONE, 2, 2)
    assert {(one.source, one.priority) for one in events()} == {(Source.BACKFILL, Priority.BACKFILL)}
    work()
    contacts = {row["email"]: row for row in crm.contacts()}
    assert set(contacts) == {cast.patient(number).email for number in range(2)}
    for contact in contacts.values():
        assert len(crm.notes(contact["id"])) == 1
    assert crm.cards(contacts[cast.patient(0).email]["id"]) == {"P2": ("Booked", "open")}
    assert enrolments(crm) == 0
    run = PollRun.objects.across_practices().get(trigger=Trigger.BACKFILL)
    assert (run.rows_seen, run.events, run.error) == (2, 2, "")


def test_what_live_polls_told_gets_no_second_note_and_a_second_back_fill_none_either(
    clinic: Connection, firm: Firm, crm: Crm
) -> None:
    visit_at(firm, 4, person=3, days_ahead=6, kind="Botox")
    poll_and_work(clinic)
    assert enrolments(crm) == 1
    for _ in range(2):
        backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
        run_all()
        work()
    assert len(events()) == 1 + 3 + 3
    assert [len(crm.notes(contact["id"])) for contact in crm.contacts()] == [1, 1, 1]
    assert enrolments(crm) == 1


def test_further_back_more_is_found(clinic: Connection, crm: Crm) -> None:
    backfill.ask(cursor_of(clinic, "appointments"), since(90), None)
    (done,) = run_all()
    assert done.rows_seen == 3
    work()
    assert len(crm.contacts()) == 3


def test_live_events_go_first(clinic: Connection, firm: Firm) -> None:
    backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    run_all()
    visit_at(firm, 4, person=3, kind="Botox")
    poll_all(clinic)
    (first,) = lanes.claim(lanes.Picker(), "test", 1)
    assert first.priority == Priority.LIVE


def test_killed_and_started_again_it_makes_no_event_twice(
    clinic: Connection, firm: Firm, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    real = backfill.rows.store_events

    def store_half(door, resource, changed, reader):
        with transaction.atomic():
            real(door, resource, changed[:1], reader)
            raise KeyboardInterrupt

    monkeypatch.setattr(backfill.rows, "store_events", store_half)
    with pytest.raises(KeyboardInterrupt):
        run_all("dies")
    monkeypatch.setattr(backfill.rows, "store_events", real)
    assert events() == []
    assert backfill.claim("test", 5) == [], "its lease is not over yet"
    cursors.release_dead("dies")
    (done,) = run_all()
    assert (done.state, done.events) == (BackfillState.DONE, 2)
    Backfill.objects.across_practices().update(state=BackfillState.WAITING)
    (again,) = run_all()
    assert again.events == 0, "the keys carry the back-fill's id"
    assert len(events()) == 2


def test_it_is_stopped_by_a_person(clinic: Connection) -> None:
    row = backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    assert backfill.stop(row)
    assert not backfill.stop(row)
    (stopped,) = run_all()
    assert (stopped.state, events()) == (BackfillState.STOPPED, [])


def test_stopped_while_it_reads_it_stores_nothing(
    clinic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    real = reading.read_all

    def read(*parts, between_pages, **more):
        backfill.stop(row)
        return real(*parts, between_pages=between_pages, **more)

    monkeypatch.setattr(reading, "read_all", read)
    (stopped,) = run_all()
    assert (stopped.state, events()) == (BackfillState.STOPPED, [])


def test_one_at_a_time_for_a_resource(clinic: Connection) -> None:
    backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    with pytest.raises(IntegrityError):
        backfill.ask(cursor_of(clinic, "appointments"), since(60), None)
    backfill.ask(cursor_of(clinic, "patients"), since(60), None)


def test_patients_by_change_and_charges_by_patient(clinic: Connection, firm: Firm, crm: Crm) -> None:
    at = datetime.now(UTC) - timedelta(days=8)
    firm.save(shapes.charge(1, cast.patient(1).id, at, lines=["Botox"], amount="420.00"))
    firm.save(shapes.charge(2, cast.patient(3).id, at, lines=["Botox"], amount="420.00"))
    for name in ("patients", "charges"):
        backfill.ask(cursor_of(clinic, name), since(30), None)
    run_all()
    assert sorted(event.kind for event in events()) == ["charge", *["patient"] * 4]
    work()
    assert len(crm.contacts()) == 4
    assert [len(crm.notes(contact["id"])) for contact in crm.contacts()] == [0] * 4


def test_while_not_live_it_waits_like_everything(clinic: Connection, crm: Crm) -> None:
    practice = clinic.practice
    practice.refresh_from_db()
    practice.state = "onboarding"
    practice.save()
    before = crm_calls(crm)
    backfill.ask(cursor_of(clinic, "appointments"), since(30), None)
    run_all()
    work()
    assert {event.held_for for event in events()} == {"live"}
    assert crm_calls(crm) == before


# --- trouble -----------------------------------------------------------------------------------------------------


def pretend(bare: Connection) -> tuple[Polled, Backfill]:
    polled = Polled.of(bare, Lists(), BY_TIME, BY_PATIENT)
    for number in range(7):
        polled.lists.save(f"r{number}", "one", at=START - 5 * DAY, patient=f"p{number}")
    polled.poll(BY_TIME)
    with polled.clocks():
        return polled, backfill.ask(polled.cursor(BY_TIME), (START - 30 * DAY).date(), None)


def run_pretend(polled: Polled) -> Backfill:
    with polled.clocks():
        for one in backfill.claim("test", 5):
            backfill.run(one, polled.profile, lambda: False)
    return Backfill.objects.across_practices().order_by("pk").last()


def test_trouble_with_the_emr_puts_it_off(bare: Connection) -> None:
    polled, _ = pretend(bare)
    polled.lists.fault = lambda number: TransientError("Away.")
    row = run_pretend(polled)
    assert (row.state, row.error) == (BackfillState.READING, "Away.")
    assert polled.told() == []
    polled.lists.fault = lambda number: None
    assert run_pretend(polled).state == BackfillState.READING, "not at once"
    polled.lists.clock += 2 * MINUTE
    row = run_pretend(polled)
    assert (row.state, row.error, row.events) == (BackfillState.DONE, "", 7)


def remember(polled: Polled, days_ago: int) -> None:
    """A poll of so many days ago knew the seven rows."""
    for number in range(7):
        KnownRow.objects.create(
            cursor=polled.cursor(BY_TIME),
            external_id=f"r{number}",
            digest="x",
            patient_id=f"p{number}",
            updated_at=START - days_ago * DAY,
        )


def test_it_says_how_far_it_is_while_it_reads(bare: Connection) -> None:
    polled, row = pretend(bare)
    remember(polled, 29)
    seen: list[tuple[int, int, int]] = []

    def look(number: int) -> None:
        row.refresh_from_db()
        seen.append((row.steps, row.steps_expected, row.rows_seen))

    polled.lists.between = look
    done = run_pretend(polled)
    # Seven rows on three pages, read twice; told between two pages.
    assert seen == [(0, 0, 0), (1, 6, 3), (2, 6, 6), (3, 6, 7), (4, 6, 7), (5, 6, 7)]
    assert (done.rows_seen, done.events, done.state) == (7, 7, BackfillState.DONE)


def test_what_is_read_by_patient_is_counted_in_patients(bare: Connection) -> None:
    polled, _ = pretend(bare)
    remember(polled, 29)
    polled.lists.save("line1", "one", at=START - 5 * DAY, patient="p1")
    with polled.clocks():
        Backfill.objects.across_practices().update(state=BackfillState.STOPPED)
        row = backfill.ask(polled.cursor(BY_PATIENT), (START - 30 * DAY).date(), None)
    seen: list[tuple[int, int]] = []

    def look(number: int) -> None:
        row.refresh_from_db()
        seen.append((row.steps, row.steps_expected))

    polled.lists.between = look
    assert run_pretend(polled).state == BackfillState.DONE
    assert seen == [(done, 7) for done in range(7)]


def test_refused_credentials_put_it_off_until_there_are_new_ones(bare: Connection) -> None:
    polled, _ = pretend(bare)
    polled.lists.fault = lambda number: AuthError("Refused.", status=401)
    assert run_pretend(polled).state == BackfillState.READING
    assert [row.kind for row in incidents()] == ["needs_reauth"]
    polled.lists.clock += 5 * MINUTE
    start = len(polled.lists.requests)
    run_pretend(polled)
    assert len(polled.lists.requests) == start, "nobody asks"


def test_a_refusal_ends_it_and_says_why(bare: Connection) -> None:
    polled, _ = pretend(bare)
    polled.lists.fault = lambda number: RejectedError("Not like this.")
    row = run_pretend(polled)
    assert (row.state, row.error) == (BackfillState.FAILED, "Not like this.")
    assert row.finished_at is not None


def test_a_list_cut_short_is_not_called_done(bare: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_PAGES_UNFILTERED", 3)
    polled, _ = pretend(bare)
    for number in range(40):
        polled.lists.save(f"old {number:02}", "one", at=START - 500 * DAY)
    polled.lists.heeds_filter = False
    row = run_pretend(polled)
    assert row.state == BackfillState.FAILED
    assert row.error == "The EMR sends more than was asked for: reading stopped after 3 pages."


def test_one_patient_who_is_refused_does_not_end_it(bare: Connection) -> None:
    polled, first = pretend(bare)
    backfill.stop(first)
    with polled.clocks():
        known = KnownRow.objects.across_practices()
        polled.lists.save("r0", "two", patient="p0")
        polled.lists.save("r1", "two", patient="p1")
        polled.poll(BY_TIME)
        assert known.count() >= 2
        backfill.ask(polled.cursor(BY_PATIENT), (START - DAY).date(), None)
    polled.lists.save("line 1", "one", patient="p1")
    polled.lists.fault = lambda number: (
        RejectedError("No.") if polled.lists.requests[number]["patient"] == "p0" else None
    )
    row = run_pretend(polled)
    assert (row.state, row.events) == (BackfillState.DONE, 1)


# --- what it will cost -------------------------------------------------------------------------------------------


def test_the_estimate_goes_by_what_is_known(clinic: Connection, firm: Firm) -> None:
    resource = cursors.resources_of(
        profiles([clinic.practice_id])[clinic.practice_id].connections[clinic.pk].emr
    )
    cursor = cursor_of(clinic, "appointments")
    near = backfill.estimate(cursor, resource["appointments"], 2.0, since(5))
    assert near.rows == 1, "the visit ahead"
    far = backfill.estimate(cursor, resource["appointments"], 2.0, since(90))
    assert far.rows == 20, "two visits in nine days, for ninety"
    assert (far.emr_calls, far.crm_calls) == (1 + 1 + 20, 80)
    assert far.minutes == 1
    assert backfill.estimate(cursor, resource["appointments"], 2.0, since(3650)).minutes > 5


def test_the_estimate_of_a_new_connection_is_nothing(bare: Connection) -> None:
    polled = Polled.of(bare, Lists(), BY_TIME)
    assert backfill.estimate(polled.cursor(), BY_TIME, 2.0, since(30)).rows == 0
