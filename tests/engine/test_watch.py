"""Connections that have gone quiet are told once, and forgotten when they are back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Connection, EventState, InboundEvent, Incident, PollCursor, Source
from integrations.sync import watch
from tenants.models import Practice, PracticeState

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def connection() -> Connection:
    practice = Practice(
        slug="bluestone",
        name="Bluestone",
        kind="med_spa",
        time_zone="America/New_York",
        state=PracticeState.LIVE,
    )
    practice.save()
    found: Connection = Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    return found


def cursor(connection, **changes):
    return PollCursor.objects.create(
        practice=connection.practice, connection=connection, resource="appointments", **changes
    )


def events(connection, *ages):
    InboundEvent.objects.bulk_create(
        InboundEvent(
            practice=connection.practice,
            connection=connection,
            source=Source.WEBHOOK,
            dedupe_key=f"event {number}",
            received_at=NOW - age,
            state=EventState.DONE,
        )
        for number, age in enumerate(ages)
    )


def standing():
    return list(Incident.objects.across_practices().filter(closed_at=None).values_list("kind", flat=True))


def comes_again(connection, at):
    """An event ends the silence."""
    InboundEvent.objects.create(
        practice=connection.practice,
        connection=connection,
        source=Source.WEBHOOK,
        dedupe_key="again",
        received_at=at,
    )
    assert watch.watch_silence(at) == 0
    assert standing() == []


def test_a_poll_that_does_not_happen_is_told_once_and_closed_when_it_does(connection):
    row = cursor(connection, next_at=NOW - timedelta(minutes=10))
    assert watch.watch_polls(NOW) == 1
    assert watch.watch_polls(NOW) == 1
    assert standing() == ["polls_missed"]
    row.next_at = NOW + timedelta(minutes=1)
    row.save()
    assert watch.watch_polls(NOW) == 0
    assert standing() == []


@pytest.mark.parametrize(
    "why",
    [
        {"next_at": NOW - timedelta(seconds=30)},
        {"next_at": NOW - timedelta(minutes=10), "lease_until": NOW + timedelta(minutes=1)},
        {"next_at": None},
    ],
)
def test_a_poll_with_a_reason_is_not_late(connection, why):
    cursor(connection, **why)
    assert watch.watch_polls(NOW) == 0


@pytest.mark.parametrize("column", ["needs_reauth_since", "circuit_open_until"])
def test_a_connection_that_cannot_be_polled_is_not_late(connection, column):
    setattr(connection, column, NOW + timedelta(minutes=1))
    connection.save(update_fields=[column])
    cursor(connection, next_at=NOW - timedelta(minutes=10))
    assert watch.watch_polls(NOW) == 0


def test_a_connection_that_is_silent_for_longer_than_usual_is_told_once(connection):
    busy = [timedelta(days=3, hours=n) for n in range(30)]
    events(connection, *busy)
    assert watch.usual_gap(connection.pk, NOW) == timedelta(hours=24)
    assert watch.watch_silence(NOW) == 1
    assert watch.watch_silence(NOW) == 1
    assert standing() == ["silent"]
    comes_again(connection, NOW)


def test_a_gap_that_is_usual_is_no_silence(connection):
    """Closed from Friday to Monday, every week."""
    week = [timedelta(days=2, hours=n) for n in range(20)] + [timedelta(days=6, hours=n) for n in range(20)]
    events(connection, *week)
    usual = watch.usual_gap(connection.pk, NOW)
    assert usual > timedelta(days=4)
    assert watch.watch_silence(NOW) == 0


def test_few_events_say_nothing_about_what_is_usual(connection):
    events(connection, *(timedelta(days=3, hours=n) for n in range(19)))
    assert watch.usual_gap(connection.pk, NOW) is None
    assert watch.watch_silence(NOW) == 0


def test_a_practice_that_is_not_live_may_be_silent(connection):
    events(connection, *(timedelta(days=3, hours=n) for n in range(30)))
    connection.practice.state = PracticeState.ONBOARDING
    connection.practice.save()
    assert watch.watch_silence(NOW) == 0


def test_refused_access_is_over_when_an_event_got_through(connection):
    watch.open_incident(
        connection.practice_id,
        "access_refused",
        "ModMed does not allow Patient.",
        connection_id=connection.pk,
    )
    assert watch.watch_access() == 0
    events(connection, timedelta(0))
    InboundEvent.objects.across_practices().update(planned_at=timezone.now() + timedelta(seconds=1))
    assert watch.watch_access() == 1
    assert standing() == []


@pytest.mark.parametrize("days", [2, 11, 13, 20, 60])
def test_silence_is_told_as_long_as_it_lasts(connection, days):
    """The longer it lasts, the less is known of what is usual: that is no reason to think that it is over."""
    events(connection, *(timedelta(days=3, hours=n) for n in range(30)))
    assert watch.watch_silence(NOW) == 1
    later = NOW + timedelta(days=days)
    assert watch.watch_silence(later) == 1
    assert standing() == ["silent"]
    comes_again(connection, later)


def test_silence_of_a_paused_connection_is_expected(connection):
    events(connection, *(timedelta(days=3, hours=n) for n in range(30)))
    assert watch.watch_silence(NOW) == 1
    connection.state = "paused"
    connection.save()
    assert watch.watch_silence(NOW + timedelta(days=20)) == 0
    assert standing() == []
