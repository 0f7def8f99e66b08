"""The first poll records what stands and writes nothing; from then on every change is told once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.contract.errors import RejectedError
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection, EventState, HeldFor, KnownRow, Trigger, Visit
from integrations.sync.polling import first
from integrations.sync.release import settings_changed
from tenants.models import Practice, PracticeState
from tests.polling.lists import BY_DAY, BY_TIME, DAY, MINUTE, START, Lists, Polled
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

CATEGORY = {"connection": "modmed", "type": "Botox", "purpose": "", "category": "Non-Surgical Appointment"}


def visits() -> dict[str, str]:
    return dict(Visit.objects.across_practices().values_list("external_id", "outcome"))


def test_it_records_visits_and_writes_nothing(modmed: Connection, firm: Firm, crm: Crm) -> None:
    people_at(firm, 3, changed_ago=timedelta(hours=1))
    visit_at(firm, 1, person=0, days_ahead=3)
    visit_at(firm, 2, person=1, days_ahead=-20, status="fulfilled", changed_ago=timedelta(days=20))
    visit_at(firm, 3, person=1, days_ahead=-40, status="fulfilled", changed_ago=timedelta(days=40))
    visit_at(firm, 4, person=2, days_ahead=5, status="arrived")
    before = crm_calls(crm)
    firm.forget_calls()
    runs = poll_all(modmed)
    work()
    assert events() == []
    assert crm_calls(crm) == before
    assert visits() == {"9001": "booked", "9002": "completed"}, (
        "dated from 30 days ago on; arrived is no outcome"
    )
    assert {run.trigger for name, run in runs.items() if run and name != "charges"} == {Trigger.FIRST}
    calls = firm.calls()
    assert not any(route.startswith("GET /fhir/v2/Patient/") for route in calls), "nobody is asked for"
    assert calls["GET /fhir/v2/Practitioner"] == calls["GET /fhir/v2/Location"] == 1
    cursor = cursor_of(modmed, "appointments")
    assert cursor.primed_at is not None
    assert timedelta() <= timezone.now() - cursor.watermark <= timedelta(minutes=10, seconds=5)


def test_a_change_after_it_is_one_note_for_the_new_state(modmed: Connection, firm: Firm, crm: Crm) -> None:
    people_at(firm, 1)
    visit_at(firm, 1, days_ahead=3)
    poll_all(modmed)
    visit_at(firm, 1, days_ahead=3, status="cancelled")
    poll_and_work(modmed)
    (note,) = crm.notes(crm.contact()["id"])
    assert note.splitlines()[0] == "ModMed: appointment cancelled"


def test_a_booked_visit_that_it_recorded_keeps_the_stage(db: None, firm: Firm, crm: Crm) -> None:
    connection = {"base_url": firm.base_url, "credentials": firm_credentials()}
    modmed = set_up(practice_file("modmed", connection, categories=[CATEGORY | {"confirmed": True}]))
    people_at(firm, 1)
    visit_at(firm, 1, days_ahead=9, kind="Botox", changed_ago=timedelta(days=2))
    visit_at(firm, 2, days_ahead=3, kind="Botox", changed_ago=timedelta(days=2))
    poll_all(modmed)
    visit_at(firm, 2, days_ahead=3, kind="Botox", status="cancelled")
    poll_and_work(modmed)
    contact = crm.contact()
    assert len(crm.notes(contact["id"])) == 1
    assert crm.cards(contact["id"]) == {"P2": ("Booked", "open")}
    assert any("stage kept" in row["text"].lower() for row in events()[0].story)


def firm_credentials() -> dict[str, str]:
    return {"username": "fhir_x", "password": "pw", "api_key": "key-1"}


def test_what_changed_just_before_it_makes_no_event_in_the_next_poll(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    """The next poll asks for a whole day and more again: also for visits that are long over, and patients."""
    people_at(firm, 2, changed_ago=timedelta(hours=20))
    visit_at(firm, 1, days_ahead=-60, status="fulfilled", changed_ago=timedelta(hours=20))
    poll_all(modmed)
    assert visits() == {}, "it is dated too long ago"
    poll_and_work(modmed)
    assert events() == []
    visit_at(firm, 1, days_ahead=-60, status="noshow")
    poll_and_work(modmed)
    assert len(events()) == 1, "but it is known, and its next change is told"


@pytest.mark.parametrize("ours", [timedelta(), timedelta(hours=5), timedelta(hours=-5)])
@pytest.mark.parametrize("resource", [BY_TIME, BY_DAY])
@pytest.mark.parametrize("tells_time", [True, False])
def test_our_own_clock_does_not_matter(bare: Connection, resource, ours, tells_time) -> None:
    polled = Polled.of(bare, Lists(tells_time=tells_time), resource)
    polled.ours = ours
    for minutes in (1, 9, 19, 50, 500, 3000):
        polled.lists.save(f"old {minutes}", "one", at=START - minutes * MINUTE)
    polled.poll()
    assert polled.told() == []
    for number in range(3):
        polled.lists.clock += 5 * MINUTE
        polled.lists.save(f"r{number}", "one")
        polled.poll()
    assert polled.told() == [(f"r{number}", "one") for number in range(3)]


def test_an_emr_whose_clock_is_ahead_of_its_own_rows_loses_none(bare: Connection) -> None:
    """The server that answers and the one that writes differ by less than what is asked again."""
    polled = Polled.of(bare, Lists(), BY_TIME)
    polled.poll()
    polled.lists.clock += 5 * MINUTE
    polled.lists.save("a", "one", at=START - 9 * MINUTE)
    polled.poll()
    assert polled.told() == [("a", "one")]


def test_killed_before_it_was_stored_it_begins_again(bare: Connection) -> None:
    polled = Polled.of(bare, Lists(), BY_TIME)
    for number in range(5):
        polled.lists.save(f"r{number}", "one")
    polled.lists.fault = lambda number: RejectedError("no") if number == 1 else None
    polled.poll()
    assert polled.cursor().primed_at is None
    assert polled.known() == {}
    polled.poll()
    assert polled.cursor().primed_at is not None
    assert len(polled.known()) == 5
    assert polled.told() == []


def test_patients_and_payments_are_read_by_their_mark_only(nextech: Connection, office: Office) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(4):
        person = sandbox.patient(number)
        office.save(sandbox.patient_saved(person, now - timedelta(days=number)))
        payment = sandbox.Payment(f"P{number}", person, sandbox.TYPES[5].purposes[0].price, now.date())
        office.save(sandbox.paid(payment, now - timedelta(days=number)))
    office.forget_requests()
    poll_all(nextech)
    assert events() == []
    asked = [
        row["query"] for row in office.requests() if row["path"] in ("/Patient", "/PaymentReconciliation")
    ]
    assert len(asked) == 2
    assert all("_lastUpdated=ge" in query for query in asked)
    known = KnownRow.objects.across_practices().filter(cursor__resource__in=("patients", "payments"))
    assert known.count() == 2, "those of the last twenty minutes"


def test_one_row_that_cannot_be_read_does_not_stop_the_others(
    modmed: Connection, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_at(firm, 2)
    visit_at(firm, 1, person=0)
    visit_at(firm, 2, person=1)
    real = first.enriched

    def enriched(connection, kind, body, **more):
        if body["id"] == "9001":
            raise ZeroDivisionError
        return real(connection, kind, body, **more)

    monkeypatch.setattr(first, "enriched", enriched)
    poll_all(modmed)
    assert visits() == {"9002": "booked"}
    assert cursor_of(modmed, "appointments").primed_at is not None


def test_odd_appointments_do_not_stop_it(modmed: Connection, firm: Firm) -> None:
    now = datetime.now(UTC)
    people_at(firm, 1)
    visit_at(firm, 1)
    kind = cast.TYPES[0]
    firm.save(
        shapes.appointment("no-patient", "", now + timedelta(days=1), now, type=kind),
        shapes.appointment("x" * 90, "p" * 300, now + timedelta(days=1), now, type=kind),
        shapes.appointment("odd-type", "385001", now + timedelta(days=1), now, type=kind)
        | {"appointmentType": 5, "created": "soon"},
        shapes.appointment("half", "385001", now + timedelta(days=1), now, type=kind)
        | {"description": "half \ud83d and \x00"},
    )
    poll_all(modmed)
    assert cursor_of(modmed, "appointments").last_error == ""
    assert "9001" in visits()
    assert incidents() == []


def test_before_the_practice_is_live_events_are_held_and_released_at_go_live(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    practice = Practice.objects.across_practices().get(pk=modmed.practice_id)
    practice.state = PracticeState.ONBOARDING
    practice.save()
    people_at(firm, 1)
    poll_all(modmed)
    before = crm_calls(crm)
    visit_at(firm, 1)
    poll_and_work(modmed)
    visit_at(firm, 1, status="booked")
    poll_and_work(modmed)
    assert [(event.state, event.held_for) for event in events()] == [(EventState.HELD, HeldFor.LIVE)] * 2
    assert crm_calls(crm) == before

    practice.refresh_from_db()
    practice.state = PracticeState.LIVE
    practice.save()
    settings_changed(practice.pk)
    work()
    notes = crm.notes(crm.contact()["id"])
    assert ["Status: Pending" in notes[0], "Status: Confirmed" in notes[1], len(notes)] == [True, True, 2]


def test_first_polls_see_the_whole_book_although_it_changes_meanwhile(bare: Connection) -> None:
    """A visit that only changes its page while the book is read must not look new later."""
    polled = Polled.of(bare, Lists(page_size=2), BY_TIME)
    for number in range(6):
        polled.lists.save(f"r{number}", "one")
    polled.lists.between = lambda number: polled.lists.remove("r0") if number == 0 else None
    polled.poll()
    assert set(polled.known()) == {f"r{number}" for number in range(6)}
    polled.lists.clock += DAY
    polled.poll()
    assert polled.told() == []
