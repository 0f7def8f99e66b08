"""The same state seen in any number of polls: one note, and no call that it does not need. Over HTTP."""

from datetime import UTC, datetime, timedelta

from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection
from tests.polling.offices import Crm, crm_calls, events, people_at, poll_all, poll_and_work, visit_at

# What a round of three resources asks a firm in whose book something is: a page and the empty one behind it.
QUIET_ROUND = {"GET /fhir/v2/Appointment": 2, "GET /fhir/v2/Patient": 1}


def test_a_state_seen_in_five_polls_is_one_note_and_no_crm_call_after(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    people_at(firm, 1)
    poll_all(modmed)
    visit_at(firm)
    poll_and_work(modmed)
    assert len(crm.notes(crm.contact()["id"])) == 1
    before = crm_calls(crm)
    firm.forget_calls()
    for _ in range(4):
        poll_and_work(modmed)
    assert crm_calls(crm) == before
    assert len(events()) == 1
    calls = firm.calls()
    assert {route for route in calls if "Patient/" in route} == set(), "nobody is asked for by id"
    assert calls.pop("GET /fhir/v2/ChargeItem") == 4, "whom something changed of, once a poll"
    assert calls == {route: 4 * count for route, count in QUIET_ROUND.items()}
    assert len(crm.notes(crm.contact()["id"])) == 1


def test_a_new_version_time_alone_is_no_event_and_no_call(
    nextech: Connection, office: Office, crm: Crm
) -> None:
    person, now = sandbox.patient(0), datetime.now(UTC).replace(microsecond=0)
    visit = sandbox.Visit("V1", person, now + timedelta(days=2))
    office.save(sandbox.patient_saved(person, now - timedelta(minutes=5)))
    office.save(sandbox.pending(visit, now - timedelta(hours=2)))
    poll_all(nextech)
    before = crm_calls(crm)
    for minutes in (3, 2, 1):
        office.save(sandbox.pending(visit, now - timedelta(minutes=minutes)))
        office.save(sandbox.patient_saved(person, now - timedelta(minutes=minutes)))
        poll_and_work(nextech)
    assert events() == []
    assert crm_calls(crm) == before


def test_a_nextech_state_seen_in_five_polls_is_one_note(
    nextech: Connection, office: Office, crm: Crm
) -> None:
    person = sandbox.patient(0)
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    office.save(sandbox.patient_saved(person, datetime.now(UTC) - timedelta(days=9)))
    poll_all(nextech)
    visit = sandbox.Visit("V1", person, starts)
    office.save(sandbox.pending(visit))
    poll_and_work(nextech)
    contact = crm.contact()["id"]
    assert len(crm.notes(contact)) == 1
    before = crm_calls(crm)
    office.forget_requests()
    for _ in range(4):
        poll_and_work(nextech)
    assert crm_calls(crm) == before
    paths = [row["path"] for row in office.requests()]
    assert sorted(set(paths)) == ["/Appointment", "/Patient", "/PaymentReconciliation"]
    assert len(paths) == 12, "one page each"
    assert len(crm.notes(contact)) == 1


def test_there_and_back_is_three_events_and_three_notes(
    nextech: Connection, office: Office, crm: Crm
) -> None:
    person = sandbox.patient(0)
    now = datetime.now(UTC).replace(microsecond=0)
    visit = sandbox.Visit("V1", person, now + timedelta(days=2))
    office.save(sandbox.patient_saved(person, now - timedelta(days=9)))
    poll_all(nextech)
    for number, write in enumerate((sandbox.pending, sandbox.confirmed, sandbox.pending)):
        office.save(write(visit, now - timedelta(minutes=3 - number)))
        poll_and_work(nextech)
    assert len(events()) == 3
    assert {event.state for event in events()} == {"held"}, "its type is not confirmed"
    assert len(crm.notes(crm.contact()["id"])) == 3
