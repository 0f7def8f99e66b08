"""Incidents of one resource stand as long as there is a reason, whoever is killed, overtaken or switched off."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from integrations.contract.errors import AuthError, ConfigError
from integrations.models import Connection, IncidentKind, PollCursor
from integrations.sync.polling import cursors, nightly
from integrations.sync.polling import poll as polling
from tests.polling.lists import BOOK, BY_TIME, DAY, MINUTE, Lists, Polled
from tests.polling.offices import incidents


@pytest.fixture
def things(bare: Connection) -> Polled:
    polled = Polled.of(bare, Lists(), BY_TIME)
    polled.poll()
    return polled


def standing() -> list[str]:
    return [row.kind for row in incidents()]


def lose_the_lease() -> None:
    PollCursor.objects.across_practices().update(lease_owner="another/1")


def once(does: Callable[..., Any]) -> Callable[..., Any]:
    """``does``, but the database goes away in its place the first time."""
    calls: list[int] = []

    def instead(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("gone")
        return does(*given, **named)

    return instead


@pytest.mark.parametrize("error", [ConfigError("wrong"), AuthError("not allowed", status=403)])
def test_who_was_overtaken_opens_no_incident_that_nobody_would_close(things: Polled, error) -> None:
    def overtaken(number: int) -> Exception:
        lose_the_lease()
        return error

    things.lists.fault = overtaken
    assert things.poll() is None
    assert standing() == []


def test_who_dies_while_a_failure_is_written_down_leaves_no_incident_behind(
    things: Polled, monkeypatch
) -> None:
    things.lists.fault = lambda number: ConfigError("wrong")
    monkeypatch.setattr(cursors, "release", once(cursors.release))
    with pytest.raises(OperationalError):
        things.poll()
    PollCursor.objects.across_practices().update(lease_owner="", lease_until=None)
    things.lists.fault = lambda number: None
    assert things.poll() is not None
    assert standing() == []


def test_who_dies_while_a_filter_is_heeded_again_leaves_the_telling_to_the_next(
    things: Polled, monkeypatch
) -> None:
    def polled() -> None:
        things.lists.clock += 5 * MINUTE
        for number in range(3):
            things.lists.save(f"late{number}", str(things.lists.clock))
        things.poll()

    things.lists.clock += DAY
    for number in range(9):
        things.lists.save(f"old{number}", "one", at=things.lists.stamp - 3 * DAY)
    things.lists.heeds_filter = False
    polled()
    assert standing() == [IncidentKind.FILTER_IGNORED]
    things.lists.heeds_filter = True
    monkeypatch.setattr(polling, "close_incidents", once(polling.close_incidents))
    with pytest.raises(OperationalError):
        polled()
    polled()
    assert standing() == []


@pytest.mark.parametrize(
    "kind",
    [
        IncidentKind.POLL_FAILING,
        IncidentKind.RESOURCE_REFUSED,
        IncidentKind.FILTER_IGNORED,
        IncidentKind.ROWS_MISSING,
    ],
)
def test_what_was_wrong_with_a_resource_is_over_when_it_is_switched_off(bare: Connection, kind) -> None:
    nextech = Connection.objects.create(practice=bare.practice, key="n", emr="nextech_cloud")
    cursors.set_up_cursors()
    for resource in ("payments", "patients"):
        polling.open_incident(
            nextech.practice_id,
            kind,
            "Something is wrong.",
            subject=cursors.subject_of(resource, nextech.pk),
            connection_id=nextech.pk,
        )
    nextech.switches = {"payments": False}
    nextech.save()
    cursors.set_up_cursors()
    assert [row.subject for row in incidents()] == [cursors.subject_of("patients", nextech.pk)]


def test_a_poll_under_way_tells_nothing_of_a_resource_that_was_switched_off(things: Polled) -> None:
    things.lists.clock += DAY
    for number in range(12):
        things.lists.save(f"old{number}", "one", at=things.lists.stamp - 3 * DAY)
    things.lists.heeds_filter = False
    really = polling._tell_about_filter

    def switched_off(*given: Any) -> None:
        PollCursor.objects.across_practices().all().delete()
        really(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "_tell_about_filter", switched_off)
        things.poll()
    assert standing() == []


def test_a_comparison_that_was_overtaken_names_no_visit(bare: Connection, monkeypatch) -> None:
    monkeypatch.setattr("integrations.sync.polling.first.standing_visits", lambda *parts: [])
    monkeypatch.setattr(nightly, "mark_missing", lambda *parts: 1)
    book = Polled.of(bare, Lists(), BOOK)
    book.poll()
    book.lists.clock += 3 * DAY
    book.lists.between = lambda number: lose_the_lease()
    assert book.poll() is None
    assert standing() == []


def test_a_worker_that_does_not_know_the_connection_yet_leaves_the_poll_to_the_next(things: Polled) -> None:
    """A cursor may be there a moment before the set-up that a worker holds is read anew."""
    known = things.profile
    things.profile = replace(known, connections={})
    assert things.poll() is None
    next_at = things.cursor().next_at
    assert next_at is not None, "it would never be polled again"
    assert next_at <= things.lists.clock + 2 * MINUTE


def test_cursors_made_while_others_are_looked_at_stay(bare: Connection, monkeypatch) -> None:
    """A connection is added between two looks of the scheduler."""
    cursors.set_up_cursors()
    really = cursors._wanted

    def meanwhile(practice_id: int | None) -> Any:
        found = list(really(practice_id))
        monkeypatch.setattr(cursors, "_wanted", really)
        Connection.objects.create(practice=bare.practice, key="n", emr="nextech_cloud")
        cursors.set_up_cursors(bare.practice_id)
        PollCursor.objects.across_practices().filter(connection__key="n").update(lease_owner="polled already")
        return found

    monkeypatch.setattr(cursors, "_wanted", meanwhile)
    cursors.set_up_cursors()
    rows = PollCursor.objects.across_practices().filter(connection__key="n")
    assert set(rows.values_list("lease_owner", flat=True)) == {"polled already"}
