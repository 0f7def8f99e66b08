"""What an EMR answers instead of rows: who is told, how often it is asked again, and that nothing is lost."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from integrations.contract.errors import AuthError, ConfigError, RateLimited, RejectedError, TransientError
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection, PollCursor, PollRun
from integrations.practice_file.importing import import_practice
from integrations.practice_file.provisioning import Provisioning
from integrations.sync import circuit
from integrations.sync.emr_access import StoredTokens
from integrations.sync.polling import cursors, rows
from integrations.sync.polling.poll import poll
from tests.polling.lists import BY_TIME, MINUTE, Lists, Polled
from tests.polling.offices import (
    Crm,
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

GRANT = "POST /ws/oauth2/grant"
OTHER = replace(BY_TIME, name="others", label="Others")


@pytest.fixture
def things(bare: Connection) -> Polled:
    polled = Polled.of(bare, Lists(), BY_TIME, OTHER)
    polled.poll(BY_TIME)
    polled.poll(OTHER)
    return polled


def fail_with(polled: Polled, error: Exception | None, resource=BY_TIME) -> None:
    polled.lists.fault = lambda number: (
        error if polled.lists.requests[number]["resource"] == resource.name else None
    )


def connection(polled: Polled) -> Connection:
    return Connection.objects.across_practices().get(pk=polled.connection.pk)


def due(connection: Connection) -> list[str]:
    """Resources that a worker would take now."""
    PollCursor.objects.across_practices().update(next_at=timezone.now() - timedelta(seconds=1))
    return sorted(one.resource for one in cursors.claim("test", 10))


# --- credentials are refused -------------------------------------------------------------------------------------


def test_revoked_credentials_are_tried_once_more_and_then_left_alone(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    people_at(firm, 1)
    poll_all(modmed)
    firm.set_up(revoked=True)
    visit_at(firm)
    firm.forget_calls()
    poll_all(modmed)
    assert firm.calls() == {"GET /fhir/v2/Appointment": 1, GRANT: 1}, "refused, one sign-in, and no more"
    modmed.refresh_from_db()
    assert modmed.needs_reauth_since is not None
    (incident,) = incidents()
    assert (incident.kind, incident.connection_id) == ("needs_reauth", modmed.pk)
    assert "Enter new credentials" in incident.words

    assert due(modmed) == [], "nobody polls it now"
    before = firm.calls()
    poll_all(modmed)
    assert firm.calls() == before, "and whoever had begun makes no request"
    assert len(incidents()) == 1
    assert events() == []


def test_new_credentials_let_it_go_on_and_nothing_is_lost(modmed: Connection, firm: Firm, crm: Crm) -> None:
    people_at(firm, 1)
    poll_all(modmed)
    firm.set_up({"password": "new"}, revoked=True)
    visit_at(firm)
    poll_all(modmed)
    assert len(incidents("needs_reauth")) == 1
    firm.set_up(revoked=False)
    StoredTokens(modmed.pk).renew(lambda stored: {"access_token": "of the old credentials"})

    credentials = {"username": "fhir_x", "password": "new", "api_key": "key-1"}
    document = practice_file("modmed", {"base_url": firm.base_url, "credentials": credentials})
    PollCursor.objects.across_practices().update(next_at=timezone.now() + timedelta(hours=1))
    import_practice(json.dumps(document).encode(), prepare=Provisioning())
    assert StoredTokens(modmed.pk).read() == {}
    assert incidents() == []
    claimed = {one.resource for one in cursors.claim("test", 10)}
    assert claimed == {"appointments", "patients", "charges"}, "due at once"
    cursors.release_dead("test")
    poll_and_work(modmed)
    assert [event.kind for event in events()] == ["appointment"]
    assert len(crm.notes(crm.contact()["id"])) == 1


def test_other_connections_do_not_notice(nextech: Connection, office: Office, firm: Firm) -> None:
    document = practice_file(
        "modmed",
        {
            "base_url": firm.base_url,
            "credentials": {"username": "x", "password": "wrong", "api_key": "key-1"},
        },
    )
    document["practice"]["slug"] = "other"
    document["sub_accounts"] = []
    other = set_up(document)
    poll_all(other)
    poll_all(nextech)
    assert [row.connection_id for row in incidents("needs_reauth")] == [other.pk]
    nextech.refresh_from_db()
    assert nextech.needs_reauth_since is None
    assert all(row.last_read_at for row in PollCursor.objects.across_practices().filter(connection=nextech))
    assert due(nextech) == ["appointments", "patients", "payments"]


def test_a_nextech_password_that_expired_asks_for_new_credentials(
    nextech: Connection, office: Office
) -> None:
    poll_all(nextech)
    office.set_user(expired=True)
    office.end_tokens(refresh=True)
    office.forget_requests()
    poll_all(nextech)
    paths = [row["path"] for row in office.requests()]
    # Refused, then the refresh token, then the password, and nothing more for any resource.
    assert paths == ["/Appointment", "/oauth2/token", "/oauth2/token"]
    (incident,) = incidents()
    assert incident.kind == "needs_reauth"
    assert "reset the password in Azure" in incident.words


def test_a_token_that_ended_is_replaced_once_and_nobody_is_told(nextech: Connection, office: Office) -> None:
    poll_all(nextech)
    office.end_tokens()
    office.forget_requests()
    runs = poll_all(nextech)
    paths = [row["path"] for row in office.requests()]
    assert paths.count("/oauth2/token") == 1
    assert all(run and not run.error for run in runs.values())
    assert incidents() == []


def test_a_poll_that_has_begun_stops_when_another_learned_of_the_refusal(things: Polled) -> None:
    things.lists.clock += 5 * MINUTE
    for number in range(9):
        things.lists.save(f"r{number}", "one")
    start = len(things.lists.requests)

    def refused(number: int) -> None:
        if number == start:
            circuit.refused(Connection, things.connection.pk, things.profile.id, "Refused.")

    things.lists.between = refused
    assert things.poll() is None
    assert len(things.lists.requests) == start + 1
    assert things.told() == []
    cursor = things.cursor()
    assert (cursor.lease_owner, cursor.failures) == ("", 0)


# --- one resource is refused -------------------------------------------------------------------------------------


def test_a_resource_that_is_not_allowed_stops_alone_and_is_tried_hourly(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    people_at(firm, 1)
    firm.set_up(forbidden=["Patient"])
    runs = poll_all(modmed)
    assert runs["patients"].error.startswith("ModMed does not allow us to use Patient")
    assert runs["appointments"].error == ""
    (incident,) = incidents()
    assert incident.kind == "resource_refused"
    cursor = cursor_of(modmed, "patients")
    assert cursor.refused_since is not None
    assert timedelta(minutes=59) < cursor.next_at - timezone.now() < timedelta(minutes=61)
    modmed.refresh_from_db()
    assert modmed.needs_reauth_since is None
    assert cursor_of(modmed, "charges").primed_at is not None, (
        "it does not wait for a resource that is refused"
    )
    poll_all(modmed)
    assert len(incidents()) == 1

    firm.set_up(forbidden=[])
    poll_all(modmed)
    assert incidents() == []
    assert cursor_of(modmed, "patients").refused_since is None


def test_a_nextech_resource_that_is_not_licensed_stops_alone(nextech: Connection, office: Office) -> None:
    poll_all(nextech)
    office.set_knobs(refused=["PaymentReconciliation"])
    runs = poll_all(nextech)
    assert "does not let this API user read PaymentReconciliation" in runs["payments"].error
    assert [row.kind for row in incidents()] == ["resource_refused"]
    office.set_knobs(refused=[])
    poll_all(nextech)
    assert incidents() == []


# --- slow down ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retry_after", "seconds"), [(42.0, 42), (0.0, 1), (10.0**12, 86_400)])
def test_a_429_waits_as_told_and_is_no_failure(things: Polled, retry_after: float, seconds: int) -> None:
    fail_with(things, RateLimited("Slow down.", retry_after=retry_after))
    mark = things.cursor().watermark
    for _ in range(6):
        things.poll()
    cursor = things.cursor()
    assert abs((cursor.next_at - things.lists.clock).total_seconds() - seconds) < 2
    assert (cursor.failures, cursor.watermark) == (0, mark)
    assert incidents() == []
    assert connection(things).failures_in_a_row == 0


def test_a_429_without_retry_after_is_waited_out(modmed: Connection, firm: Firm) -> None:
    poll_all(modmed)
    firm.set_up(throttle=1)
    poll_all(modmed, "patients")
    cursor = cursor_of(modmed, "patients")
    assert 8 < (cursor.next_at - timezone.now()).total_seconds() <= 10
    assert cursor.failures == 0
    assert not poll_all(modmed, "patients")["patients"].error


# --- down --------------------------------------------------------------------------------------------------------


def test_a_page_of_html_instead_of_rows_is_tried_again_soon(modmed: Connection, firm: Firm) -> None:
    poll_all(modmed)
    mark = cursor_of(modmed, "appointments").watermark
    people_at(firm, 1)
    visit_at(firm)
    firm.set_up(html_500=1)
    run = poll_all(modmed, "appointments")["appointments"]
    assert run.error.startswith("ModMed could not answer")
    cursor = cursor_of(modmed, "appointments")
    assert (cursor.failures, cursor.watermark) == (1, mark)
    assert (cursor.next_at - timezone.now()).total_seconds() <= 10
    poll_all(modmed, "appointments")
    assert len(events()) == 1
    assert incidents() == []


def test_an_emr_that_is_down_opens_the_circuit_with_one_incident_and_closes_it(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    people_at(firm, 1)
    poll_all(modmed)
    visit_at(firm)
    firm.set_up(down=True)
    for _ in range(4):
        poll_all(modmed)
    modmed.refresh_from_db()
    assert modmed.circuit_open_until > timezone.now()
    assert [row.kind for row in incidents()] == ["unreachable"]
    assert due(modmed) == []

    firm.set_up(down=False)
    poll_and_work(modmed)
    modmed.refresh_from_db()
    assert modmed.circuit_open_until is None
    assert incidents() == []
    assert len(crm.notes(crm.contact()["id"])) == 1


def test_many_failures_of_everything_are_still_one_incident(things: Polled) -> None:
    things.lists.fault = lambda number: TransientError("It does not answer.")
    for _ in range(12):
        things.poll(BY_TIME)
        things.poll(OTHER)
    assert [row.kind for row in incidents()] == ["unreachable"]


def test_one_resource_that_fails_for_long_is_told_although_the_others_answer(things: Polled) -> None:
    fail_with(things, TransientError("It does not answer."))
    for _ in range(5):
        things.poll(BY_TIME)
        things.poll(OTHER)
    assert incidents() == []
    things.poll(BY_TIME)
    (incident,) = incidents()
    assert (incident.kind, incident.words) == ("poll_failing", "Things: It does not answer.")
    assert connection(things).circuit_open_until is None
    fail_with(things, None)
    things.poll(BY_TIME)
    assert incidents() == []


def test_the_pauses_between_failures_grow(things: Polled) -> None:
    fail_with(things, RejectedError("No."))
    pauses = []
    for _ in range(4):
        things.poll()
        pauses.append((things.cursor().next_at - things.lists.clock).total_seconds())
    assert pauses == [300, 300, 300, 300]
    fail_with(things, TransientError("No.", retry_after=5000))
    things.poll()
    assert (things.cursor().next_at - things.lists.clock).total_seconds() == 5000
    assert [cursors.after_failure(count, None, timezone.now()) - timezone.now() for count in (1, 2)] == [
        pytest.approx(timedelta(seconds=10), abs=timedelta(seconds=1)),
        pytest.approx(timedelta(seconds=60), abs=timedelta(seconds=1)),
    ]


# --- anything else -----------------------------------------------------------------------------------------------


def test_a_wrong_setting_is_told_at_once_and_closed_when_it_is_right(things: Polled) -> None:
    fail_with(things, ConfigError("The base address is wrong."))
    things.poll()
    (incident,) = incidents()
    assert incident.words == "Things: The base address is wrong."
    fail_with(things, None)
    cursors.poll_now([things.cursor().pk])
    things.poll()
    assert incidents() == [], "also when somebody pressed Poll now in between"


def test_a_bug_of_ours_is_told_without_a_word_of_the_row(
    things: Polled, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(things, KeyError("Adele Brook"))
    for _ in range(3):
        things.poll()
    (incident,) = incidents()
    assert "Something went wrong on our side (KeyError" in incident.words
    assert "Adele" not in caplog.text + incident.words
    assert PollRun.objects.across_practices().filter(error__contains="Adele").count() == 0


def test_an_unknown_sign_in_trouble_is_no_403(things: Polled) -> None:
    fail_with(things, AuthError("The sign-in is refused.", status=400))
    things.poll()
    assert [row.kind for row in incidents()] == ["needs_reauth"]
    assert things.cursor().refused_since is None


def test_while_paused_it_is_read_and_the_events_wait_in_order(
    nextech: Connection, office: Office, crm: Crm
) -> None:
    person, now = sandbox.patient(0), timezone.now().replace(microsecond=0)
    visit = sandbox.Visit("V1", person, now + timedelta(days=2))
    office.save(sandbox.patient_saved(person, now - timedelta(days=9)))
    poll_all(nextech)
    nextech.state = "paused"
    nextech.save()
    for number, write in enumerate((sandbox.pending, sandbox.confirmed)):
        office.save(write(visit, now - timedelta(minutes=3 - number)))
        poll_all(nextech)
    work(0.2)
    assert [event.state for event in events()] == ["waiting"] * 2
    assert crm.contacts() == []
    nextech.state = "active"
    nextech.save()
    work()
    notes = crm.notes(crm.contact()["id"])
    assert ["Pending" in notes[0], "Confirmed" in notes[1], len(notes)] == [True, True, 2]


def test_the_database_being_away_is_not_written_down_as_the_emrs_fault(things: Polled, monkeypatch) -> None:
    def away(*parts: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(rows, "compared", away)
    with things.clocks():
        claimed = cursors.claim_one(things.cursor().pk, "test")
        with pytest.raises(OperationalError):
            poll(claimed, things.profile)
    assert things.cursor().failures == 0
    assert incidents() == []
