"""`purge`: old payloads go, what somebody still needs stays."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations.models import (
    Backfill,
    BulkItem,
    BulkRun,
    Connection,
    Effect,
    InboundEvent,
    Incident,
    KnownRow,
    Patient,
    PatientRound,
    PollCursor,
    PollRun,
    ProvisionRun,
    SubAccount,
    Visit,
)
from integrations.sync.retention import Purged, purge
from tenants.models import Practice
from tests.commands import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fourteen_days(settings: Any) -> None:
    settings.PAYLOAD_DAYS = 14


def with_payload() -> set[str]:
    return {event.dedupe_key for event in InboundEvent.objects.across_practices() if event.payload}


def incident(connection: Any, name: str, days_closed: float | None) -> None:
    closed_at = None if days_closed is None else timezone.now() - timedelta(days=days_closed)
    row = Incident.objects.create(
        practice=connection.practice, kind="k", subject=name, words="w", closed_at=closed_at
    )
    Incident.objects.across_practices().filter(pk=row.pk).update(
        opened_at=timezone.now() - timedelta(days=200)
    )


def test_payloads_of_finished_events_go_after_their_days() -> None:
    connection = rows.connection()
    for state in ("done", "skipped", "ignored", "waiting", "held", "parked"):
        rows.event(connection, f"old {state}", days_old=15, state=state)
        rows.event(connection, f"new {state}", days_old=13, state=state)
    assert purge() == Purged(payloads=3, bodies=0, incidents=0)
    gone = {"old done", "old skipped", "old ignored"}
    assert (
        with_payload()
        == {
            f"{age} {state}"
            for age in ("old", "new")
            for state in ("done", "skipped", "ignored", "waiting", "held", "parked")
        }
        - gone
    )
    assert InboundEvent.objects.across_practices().count() == 12, "the events themselves stay"


def test_bodies_go_except_notes_and_writes_that_are_open() -> None:
    connection = rows.connection()
    old, waiting = (
        rows.event(connection, "old", days_old=15),
        rows.event(connection, "w", days_old=15, state="held"),
    )
    rows.effect(old, "contact")
    rows.effect(old, "note")
    rows.effect(old, "opportunity", state="failed")
    rows.effect(old, "enrol", state="in_doubt")
    rows.effect(waiting, "contact")
    rows.effect(rows.event(connection, "new"), "contact")
    assert purge().bodies == 2
    emptied = [row.kind for row in Effect.objects.across_practices().order_by("pk") if not row.body]
    assert emptied == ["contact", "opportunity"]
    assert old.effects.get(kind="note").body == {"what": "note"}


def test_incidents_go_ninety_days_after_they_were_closed() -> None:
    connection = rows.connection()
    for name, days in (("open", None), ("old", 91), ("new", 89)):
        incident(connection, name, days)
    assert purge().incidents == 1
    assert set(Incident.objects.across_practices().values_list("subject", flat=True)) == {"open", "new"}


def test_a_second_purge_finds_nothing() -> None:
    old = rows.event(rows.connection(), "old", days_old=15)
    rows.effect(old, "contact")
    assert purge() == Purged(payloads=1, bodies=1, incidents=0)
    assert purge() == Purged(payloads=0, bodies=0, incidents=0)


def test_small_batches_reach_every_row() -> None:
    connection = rows.connection()
    for number in range(5):
        rows.effect(rows.event(connection, str(number), days_old=15), "contact")
    assert purge(batch=2) == Purged(payloads=5, bodies=5, incidents=0)
    assert with_payload() == set()


def test_a_dry_run_counts_and_deletes_nothing() -> None:
    rows.effect(rows.event(rows.connection(), "old", days_old=15), "contact")
    out = StringIO()
    call_command("purge", dry_run=True, stdout=out)
    assert out.getvalue().splitlines() == [
        "payloads: 1 would be deleted",
        "bodies of writes: 1 would be deleted",
        "incidents: 0 would be deleted",
        "polls: 0 would be deleted",
        "known rows: 0 would be deleted",
        "long work: 0 would be deleted",
    ]
    assert with_payload() == {"old"}


def test_the_command_prints_what_it_deleted() -> None:
    rows.event(rows.connection(), "old", days_old=15)
    out = StringIO()
    call_command("purge", stdout=out)
    assert out.getvalue().splitlines()[0] == "payloads: 1 deleted"


# Polls


@pytest.fixture
def polled() -> PollCursor:
    """A book that was read up to now, with a patient-by-patient resource beside it."""
    practice = Practice.objects.create(slug="polled", name="Polled", kind="med_spa")
    connection = Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    at = {"watermark": timezone.now(), "primed_at": timezone.now()}
    PollCursor.objects.create(practice=practice, connection=connection, resource="charges", **at)
    return PollCursor.objects.create(practice=practice, connection=connection, resource="appointments", **at)


def known(cursor: PollCursor, row_id: str, days_old: float | None) -> None:
    at = None if days_old is None else timezone.now() - timedelta(days=days_old)
    KnownRow.objects.create(cursor=cursor, external_id=row_id, updated_at=at, digest="x")


def left(model: Any, field: str = "external_id") -> set[str]:
    return set(model.objects.across_practices().values_list(field, flat=True))


def test_rows_that_no_poll_reads_again_are_forgotten_and_money_never(polled: PollCursor) -> None:
    charges = PollCursor.objects.across_practices().get(resource="charges")
    for name, days in (("old", 401), ("recent", 399), ("undated", None), ("still booked", 500)):
        known(polled, name, days)
    known(charges, "CHG|1", 4000)
    patient = Patient.objects.create(practice=polled.practice, connection=polled.connection, external_id="1")
    Visit.objects.create(
        practice=polled.practice,
        connection=polled.connection,
        patient=patient,
        external_id="still booked",
        visit_on=timezone.now().date() + timedelta(days=20),
    )
    assert purge(dry_run=True).rows == 1
    assert purge(batch=1).rows == 1
    assert left(KnownRow) == {"recent", "undated", "still booked", "CHG|1"}


def test_polls_go_after_three_days(polled: PollCursor) -> None:
    for hours in (1, 71, 73, 500):
        PollRun.objects.create(cursor=polled, started_at=timezone.now() - timedelta(hours=hours))
    assert purge(dry_run=True).polls == 2
    assert purge(batch=1).polls == 2
    assert PollRun.objects.across_practices().count() == 2


def test_patients_whose_turn_does_not_come_again_are_forgotten(polled: PollCursor) -> None:
    charges = PollCursor.objects.across_practices().get(resource="charges")
    for name, days in (("recent", 30), ("old", 38)):
        at = timezone.now() - timedelta(days=days)
        PatientRound.objects.create(cursor=charges, patient_id=name, read_at=at)
    assert purge().rows == 1
    assert left(PatientRound, "patient_id") == {"recent"}


def test_the_command_says_how_many(polled: PollCursor) -> None:
    PollRun.objects.create(cursor=polled, started_at=timezone.now() - timedelta(days=9))
    known(polled, "old", 401)
    out = StringIO()
    call_command("purge", stdout=out)
    assert "polls: 1 deleted\nknown rows: 1 deleted" in out.getvalue()


# --- long work ------------------------------------------------------------------------------------------------


def works(cursor: PollCursor, days: float | None) -> None:
    """A replay, a back-fill and a making of fields that were over so many days ago; None: they go on."""
    over = None if days is None else timezone.now() - timedelta(days=days)
    practice = cursor.practice
    event = rows.event(cursor.connection, f"of {days}", days_old=1)
    run = BulkRun.objects.create(practice=practice, kind="replay", total=1, finished_at=over)
    BulkItem.objects.create(run=run, event=event)
    Backfill.objects.create(
        practice=practice,
        cursor=cursor,
        since=(timezone.now() - timedelta(days=400)).date(),
        state="waiting" if over is None else "done",
        finished_at=over,
    )
    account = SubAccount.objects.create(practice=practice, key=f"of {days}", crm_subaccount_id=f"LOC{days}")
    ProvisionRun.objects.create(practice=practice, sub_account=account, finished_at=over)


def over_for(model: Any) -> list[int | None]:
    """Of those that are left, days since they were over."""
    found = model.objects.across_practices().order_by("pk").values_list("finished_at", flat=True)
    return [None if at is None else (timezone.now() - at).days for at in found]


def test_long_work_goes_ninety_days_after_it_was_over_and_never_before(polled: PollCursor) -> None:
    for days in (89, 91, None):
        works(polled, days)
    for model in (BulkRun, Backfill, ProvisionRun):
        past = timezone.now() - timedelta(days=400)
        moment = {"asked_at": past} if model is Backfill else {"made_at": past}
        model.objects.across_practices().update(**moment)
    assert purge(dry_run=True).long_work == 3
    assert BulkItem.objects.across_practices().count() == 3
    assert purge(batch=1).long_work == 3
    for model in (BulkRun, Backfill, ProvisionRun):
        assert over_for(model) == [89, None]
    assert BulkItem.objects.across_practices().count() == 2
    assert InboundEvent.objects.across_practices().count() == 3, "its events stay"
    assert purge().long_work == 0
