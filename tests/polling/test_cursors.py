"""Who polls what and when: one at a time, each at its own moment, and never while there is no point."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connections
from django.utils import timezone

from integrations.models import Backfill, Connection, PollCursor
from integrations.sync.polling import cursors
from integrations.sync.polling.cursors import LeaseLost
from integrations.sync.polling.poll import poll
from tenants.models import Practice
from tests.polling.lists import BY_TIME, MINUTE, Lists, Polled

FIVE = timedelta(minutes=5)


@pytest.fixture
def things(bare: Connection) -> Polled:
    polled = Polled.of(bare, Lists(), BY_TIME)
    polled.poll()
    return polled


def connection_of(slug: str, practice: Practice, **more: object) -> Connection:
    return Connection.objects.create(practice=practice, key=slug, emr=slug, **more)


# --- which there are ---------------------------------------------------------------------------------------------


def test_a_connection_gets_a_cursor_for_each_resource_whose_switch_is_on(bare: Connection) -> None:
    nextech = connection_of("nextech_cloud", bare.practice)
    webhooks = connection_of("aestheticspro", bare.practice)
    cursors.set_up_cursors()

    def names(connection: Connection) -> list[str]:
        rows = PollCursor.objects.across_practices().filter(connection=connection)
        return sorted(rows.values_list("resource", flat=True))

    assert names(bare) == ["appointments", "charges", "patients"]
    assert names(nextech) == ["appointments", "patients", "payments"], (
        "payments are on by default at a med spa"
    )
    assert names(webhooks) == []
    assert cursors.set_up_cursors() == 0
    nextech.switches = {"payments": False}
    nextech.save()
    cursors.set_up_cursors(bare.practice_id)
    assert names(nextech) == ["appointments", "patients"]
    nextech.switches = {}
    nextech.save()
    assert cursors.set_up_cursors() == 1
    fresh = PollCursor.objects.across_practices().get(resource="payments")
    assert fresh.primed_at is None, "it begins anew"


# --- who holds which ---------------------------------------------------------------------------------------------


def test_a_cursor_is_claimed_by_one(things: Polled) -> None:
    cursors.poll_now([things.cursor().pk])
    now = timezone.now() + timedelta(seconds=1)
    assert len(cursors.claim("one", 5, now)) == 1
    assert cursors.claim("two", 5, now) == []
    assert cursors.claim_one(things.cursor().pk, "three") is None
    later = now + cursors.LEASE + timedelta(seconds=1)
    assert len(cursors.claim("two", 5, later)) == 1, "whose holder gave no sign of life is free"


def test_who_lost_the_lease_stores_nothing(things: Polled) -> None:
    things.lists.clock += 5 * MINUTE
    things.lists.save("a", "one")
    mark = things.cursor().watermark

    def taken_over(number: int) -> None:
        PollCursor.objects.across_practices().update(lease_owner="another/1")

    things.lists.between = taken_over
    assert things.poll() is None
    assert things.told() == []
    assert "a" not in things.known()
    cursor = things.cursor()
    assert (cursor.watermark, cursor.lease_owner) == (mark, "another/1")


def test_who_lost_the_lease_before_it_failed_writes_down_nothing(things: Polled) -> None:
    def taken_over(number: int) -> Exception:
        PollCursor.objects.across_practices().update(lease_owner="another/1")
        return ValueError("late")

    things.lists.fault = taken_over
    assert things.poll() is None
    assert things.cursor().failures == 0


def test_the_lease_is_kept_during_a_long_poll(things: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "KEEP_ALIVE_SECONDS", 0.0)
    things.lists.clock += 5 * MINUTE
    for number in range(30):
        things.lists.save(f"r{number}", "one")
    left = []

    def pass_a_minute(number: int) -> None:
        things.lists.clock += MINUTE
        left.append(things.cursor().lease_until - things.lists.clock)

    things.lists.between = pass_a_minute
    assert things.poll() is not None
    assert len(left) > 10, "longer than a lease"
    assert min(left) >= timedelta(seconds=50)


def test_a_worker_that_is_known_to_be_dead_gives_everything_back(things: Polled) -> None:
    cursor = things.cursor()
    assert cursors.claim_one(cursor.pk, "worker-1") is not None
    Backfill.objects.create(
        practice_id=cursor.practice_id,
        cursor=cursor,
        since=timezone.now().date(),
        state="reading",
        lease_owner="worker-1/abc",
        lease_until=timezone.now() + cursors.LEASE,
    )
    assert cursors.release_dead("worker-11") == 0
    assert cursors.release_dead("worker-1") == 1
    assert things.cursor().lease_owner == ""
    assert Backfill.objects.across_practices().get().lease_until is None
    assert len(cursors.claim("worker-2", 5)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        {"needs_reauth_since": datetime(2026, 3, 12, tzinfo=UTC)},
        {"circuit_open_until": datetime(2126, 3, 12, tzinfo=UTC)},
    ],
)
def test_nobody_polls_where_there_is_no_point(things: Polled, trouble: dict) -> None:
    cursors.poll_now([things.cursor().pk])
    later = timezone.now() + timedelta(seconds=1)
    assert PollCursor.objects.across_practices().filter(cursors.due(later)).exists()
    Connection.objects.across_practices().update(**trouble)
    assert not cursors.anything_due(later)
    assert cursors.claim("one", 5, later) == []


def test_who_was_quicker_has_polled_it_already(things: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker found it due as well, but only gets to it when the first one is done with it."""
    pk, now = things.cursor().pk, timezone.now()
    cursors.poll_now([pk])
    real = cursors._lease

    def quicker(rows, worker, at):
        PollCursor.objects.across_practices().filter(pk=pk).update(next_at=now + timedelta(minutes=5))
        return real(rows, worker, at)

    monkeypatch.setattr(cursors, "_lease", quicker)
    assert cursors.claim("slower", 5, now + timedelta(seconds=1)) == []


@pytest.fixture
def shared(transactional_db: None, bare: Connection) -> Iterator[Connection]:
    yield bare
    connections.close_all()


def test_many_workers_at_once_share_the_cursors_without_two_on_one(shared: Connection) -> None:
    for number in range(12):
        PollCursor.objects.create(
            practice_id=shared.practice_id, connection=shared, resource=f"r{number}", next_at=timezone.now()
        )
    together, taken = threading.Barrier(4), []

    def work(name: str) -> None:
        together.wait()
        try:
            for _ in range(6):
                taken.extend(one.cursor_id for one in cursors.claim(name, 3))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 12
    assert len(set(taken)) == 12


# --- when --------------------------------------------------------------------------------------------------------


def test_each_cursor_has_its_own_moment_of_the_interval() -> None:
    now = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
    slots = [cursors.next_slot(number, FIVE, now) for number in range(2000)]
    assert all(now + FIVE / 2 <= slot <= now + FIVE * 1.5 for slot in slots)
    per_minute = [
        sum(minute <= (slot.timestamp() % 300) / 60 < minute + 1 for slot in slots) for minute in range(5)
    ]
    assert min(per_minute) > 300, "spread over the five minutes"


def test_a_cursors_turns_are_an_interval_apart() -> None:
    turns = [datetime(2026, 3, 12, 15, 0, tzinfo=UTC)]
    for _ in range(50):
        # A poll that takes a while does not move the next ones.
        turns.append(cursors.next_slot(4711, FIVE, turns[-1] + timedelta(seconds=20)))
    assert {later - earlier for earlier, later in pairwise(turns[1:])} == {FIVE}


def test_poll_now_makes_it_due_and_a_poll_sets_the_next_turn(things: Polled) -> None:
    assert things.cursor().next_at > things.lists.clock
    with things.clocks():
        assert cursors.poll_now([things.cursor().pk]) == 1
    assert things.cursor().next_at == things.lists.clock
    things.poll()
    assert things.cursor().next_at - things.lists.clock >= FIVE / 2


def test_a_stopping_worker_gives_the_cursor_back_at_once(things: Polled) -> None:
    things.lists.clock += 5 * MINUTE
    for number in range(9):
        things.lists.save(f"r{number}", "one")
    with things.clocks():
        claimed = cursors.claim_one(things.cursor().pk, "test")
        assert poll(claimed, things.profile, is_stopping=lambda: True) is None
    cursor = things.cursor()
    assert (cursor.lease_owner, cursor.next_at) == ("", things.lists.clock)
    assert things.told() == []


def test_a_cursor_of_a_resource_that_is_no_more_is_left_alone(things: Polled) -> None:
    PollCursor.objects.across_practices().update(resource="gone")
    gone = replace(BY_TIME, name="gone")
    assert things.poll(gone) is None
    assert things.cursor(gone).next_at is None


def test_releasing_a_lease_that_is_lost_says_so(things: Polled) -> None:
    claimed = cursors.claim_one(things.cursor().pk, "one")
    PollCursor.objects.across_practices().update(lease_owner="two/1")
    with pytest.raises(LeaseLost):
        cursors.keep(claimed)
    with pytest.raises(LeaseLost):
        cursors.release(claimed)
