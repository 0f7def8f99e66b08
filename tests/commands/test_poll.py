"""`poll`: one poll of a connection by hand, or what it would store."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import Connection, KnownRow, PollCursor, PollRun, Visit
from integrations.sync import circuit
from integrations.sync.polling import cursors
from tests.polling.offices import cursor_of, events, people_at, visit_at

NAME = "bluestone/modmed"


def poll(*words: str) -> list[str]:
    out = StringIO()
    call_command("poll", *words, stdout=out)
    return out.getvalue().splitlines()


def why_not(*words: str) -> list[str]:
    with pytest.raises(CommandError) as caught:
        poll(*words)
    return str(caught.value).splitlines()


def test_each_resource_is_polled_and_said_in_a_line(modmed: Connection, firm: Firm) -> None:
    people_at(firm, 1)
    visit_at(firm, 1)
    assert poll(NAME) == [
        # One to sign in, and two readings of the book and of the changes, each of a page and an empty one.
        "Appointments: 1 row seen, 9 requests. First poll: recorded, nothing written.",
        "Patients: 0 rows seen, 1 request. First poll: recorded, nothing written.",
        "Charges: 0 rows seen, 1 request, 0 events.",
    ]
    visit_at(firm, 1, status="booked")
    lines = poll(NAME)
    assert lines[0].startswith("Appointments: 1 row seen, 2 requests, 1 event.")
    assert len(events()) == 1


def test_a_dry_run_says_what_would_be_stored_and_stores_nothing(
    modmed: Connection,
    firm: Firm,
) -> None:
    people_at(firm, 1)
    visit_at(firm, 1)
    lines = poll(NAME, "--dry-run")
    assert lines[0] == "Appointments: 1 row seen, 3 requests, 1 new or changed. Nothing was stored."
    assert lines[1].startswith("  appointments 9001 ")
    assert lines[1].endswith(" recorded")
    assert lines[2:] == [
        "Patients: 0 rows seen, 1 request, 0 new or changed. Nothing was stored.",
        "Charges: 0 rows seen, 0 requests, 0 new or changed. Nothing was stored.",
    ]
    assert not KnownRow.objects.across_practices().exists()
    assert not Visit.objects.across_practices().exists()
    assert not PollRun.objects.across_practices().exists()

    poll(NAME)
    visit_at(firm, 1, status="booked")
    mark = cursor_of(modmed, "appointments").watermark
    assert poll(NAME, "--dry-run")[1].endswith(" event")
    assert events() == []
    assert cursor_of(modmed, "appointments").watermark == mark


def test_what_goes_wrong_is_said_and_the_others_are_polled(
    modmed: Connection,
    firm: Firm,
) -> None:
    firm.set_up(forbidden=["Patient"])
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("poll", NAME, stdout=out)
    assert str(caught.value).startswith("Patients: ModMed does not allow us to use Patient")
    assert out.getvalue().startswith("Appointments: ")
    assert "Charges: " in out.getvalue()
    assert why_not(NAME, "--dry-run")[0].startswith("Patients: ModMed does not allow us to use Patient")


def test_while_another_worker_polls_it_it_says_so(modmed: Connection, firm: Firm) -> None:
    cursors.claim_one(cursor_of(modmed, "appointments").pk, "another")
    (line,) = why_not(NAME)
    assert line == "Appointments: another worker is polling it right now. Try again in a moment."
    assert cursor_of(modmed, "patients").primed_at is not None


def test_refused_credentials_are_said(modmed: Connection, firm: Firm) -> None:
    firm.set_up(revoked=True)
    lines = why_not(NAME)
    assert lines[0].startswith("Appointments: ModMed refuses the FHIR user name and password")
    assert lines[1:] == ["Patients: not polled. The connection needs new credentials."]
    (line,) = why_not(NAME)
    assert line.startswith(f"{NAME} needs new credentials: ModMed refuses")
    assert line.endswith("Enter them on the connection's page.")
    circuit.reauthenticated(Connection, modmed.pk, modmed.practice_id)


def test_a_connection_that_is_not_there(modmed: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    assert why_not("modmed") == [
        '"modmed" is not a connection: write practice/key, such as bluestone/modmed.'
    ]
    assert why_not("bluestone/modmde")[0].startswith('Bluestone Plastic Surgery has no connection "modmde"')
    with pytest.raises(SystemExit) as caught:
        poll("blustone/modmed")
    assert caught.value.code == 1
    assert 'There is no practice "blustone"' in capsys.readouterr().err
    Connection.objects.create(practice_id=modmed.practice_id, key="apro", emr="aestheticspro")
    assert why_not("bluestone/apro") == [
        "AestheticsPro is not polled: it sends its events to the webhook address."
    ]


def test_cursors_that_are_missing_are_made(modmed: Connection, firm: Firm) -> None:
    PollCursor.objects.across_practices().delete()
    assert len(poll(NAME)) == 3
    assert timezone.now() - cursor_of(modmed, "patients").primed_at < timedelta(minutes=1)
