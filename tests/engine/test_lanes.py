"""Lanes: one worker at a time, in order, fairly, and nothing that arrives is lost."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Contact, InboundEvent, Lane, Priority
from integrations.sync import lanes, process
from integrations.sync.lanes import Claimed, Picker, claim
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tenants.models import Practice
from tests.engine.world import World, at, visit

NOW = datetime.fromisoformat("2026-03-10T15:00:00+00:00")
ALBA, BO = apro.CLIENTS[:2]


def practice(slug: str = "one") -> Practice:
    return Practice.objects.create(slug=slug, name=slug.title(), kind="med_spa", state="live")


def lane(owner: Practice, key: str, **values: Any) -> Lane:
    return Lane.objects.create(practice=owner, key=key, **{"next_at": NOW, "arrivals": 1} | values)


def make_lanes(owner: Practice, count: int, **values: Any) -> None:
    values = {"next_at": NOW, "arrivals": 1} | values
    Lane.objects.bulk_create([Lane(practice=owner, key=f"{owner.slug}:{n}", **values) for n in range(count)])


def ids(claimed: list[Claimed]) -> set[int]:
    return {one.id for one in claimed}


# One worker at a time


@pytest.mark.django_db
def test_a_claimed_lane_is_nobody_elses():
    make_lanes(practice(), 5)
    first = claim(Picker(), "w1", 3, NOW)
    second = claim(Picker(), "w2", 10, NOW)
    assert (len(first), len(second)) == (3, 2)
    assert not ids(first) & ids(second)
    assert claim(Picker(), "w3", 10, NOW) == []


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_claim_at_once_each_lane_goes_to_one():
    make_lanes(practice(), 60)
    taken: list[int] = []
    begin = threading.Barrier(3)

    def work(name: str) -> None:
        begin.wait()
        while claimed := claim(Picker(), name, 4, NOW):
            taken.extend(one.id for one in claimed)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60


@pytest.mark.django_db
def test_a_lease_that_ran_out_is_taken_over_and_one_kept_alive_is_not():
    owner = practice()
    make_lanes(owner, 2)
    dead, alive = claim(Picker(), "w1", 1, NOW) + claim(Picker(), "w1", 1, NOW)
    just_before = NOW + lanes.LEASE - timedelta(seconds=1)
    assert claim(Picker(), "w2", 10, just_before) == []
    Lane.objects.for_practice(owner).filter(pk=dead.id).update(lease_until=timezone.now())
    lanes.keep_alive([alive])
    later = timezone.now() + timedelta(seconds=30)
    (taken,) = claim(Picker(), "w2", 10, later)
    assert taken.id == dead.id
    assert taken.owner != dead.owner


@pytest.mark.django_db
def test_keeping_alive_does_not_take_back_what_another_worker_has():
    owner = practice()
    make_lanes(owner, 1)
    (old,) = claim(Picker(), "w1", 1, NOW)
    (new,) = claim(Picker(), "w2", 1, NOW + timedelta(minutes=2))
    before = Lane.objects.for_practice(owner).get()
    lanes.keep_alive([old])
    assert Lane.objects.for_practice(owner).get().lease_until == before.lease_until
    assert before.lease_owner == new.owner


@pytest.mark.django_db
def test_a_worker_that_lost_its_lane_neither_releases_nor_postpones_it():
    owner = practice()
    make_lanes(owner, 1)
    (old,) = claim(Picker(), "w1", 1, NOW)
    (new,) = claim(Picker(), "w2", 1, NOW + timedelta(minutes=2))
    lanes.release(old)
    lanes.postpone(old, 3600, "Late.", is_failure=True)
    row = Lane.objects.for_practice(owner).get()
    assert (row.lease_owner, row.attempts, row.waits_because) == (new.owner, 0, "")


@pytest.mark.django_db
def test_what_a_dead_worker_held_is_given_back_and_nothing_else(world):
    world.take(apro.booked(visit(), at(0)))
    contact = world.our_contact()
    make_lanes(world.practice, 3)
    one, ten = claim(Picker(), "w1", 1, NOW) + claim(Picker(), "w10", 2, NOW)[:1]
    until = timezone.now() + lanes.LEASE
    Contact.objects.for_practice(world.practice).update(lease_owner=one.contact_token, lease_until=until)
    assert lanes.release_dead("w1") == 1
    held = Lane.objects.for_practice(world.practice).exclude(lease_owner="")
    assert {row.lease_owner for row in held} == {ten.owner}
    contact.refresh_from_db()
    assert (contact.lease_owner, contact.lease_until) == ("", None)


# A zombie: a worker that slept past its lease


def hold(world: World, worker: str) -> Claimed:
    (claimed,) = claim(Picker(), worker, 1)
    return claimed


def work_on(world: World, claimed: Claimed, is_stopping: Any = lambda: False) -> int:
    profile = profiles([world.practice.pk])[world.practice.pk]
    return work_lane(claimed, profile, is_stopping)


def lose(world: World) -> None:
    """Every lease runs out, as if its worker had slept."""
    past = timezone.now() - timedelta(seconds=1)
    Lane.objects.for_practice(world.practice).exclude(lease_owner="").update(lease_until=past)
    Contact.objects.for_practice(world.practice).exclude(lease_owner="").update(lease_until=past)


def test_a_zombie_writes_nothing(world):
    world.take(apro.booked(visit(), at(0)))
    world.post(apro.booked(visit(2, day=20), at(5)))
    zombie = hold(world, "w1")
    lose(world)
    heir = hold(world, "w2")
    world.forget_calls()
    work_on(world, zombie)
    assert world.calls() == {}
    work_on(world, heir)
    assert world.nothing_waits()
    assert len(world.notes()) == 2


def test_a_worker_that_becomes_a_zombie_half_way_stops_before_its_next_write(world, monkeypatch):
    world.take(apro.booked(visit(), at(0)))
    world.post(apro.booked(visit(2, day=20), at(5)))
    zombie, heirs = hold(world, "w1"), []
    real = CrmClient.update_contact

    def slow(client: CrmClient, contact_id: str, values: Any) -> Any:
        monkeypatch.setattr(CrmClient, "update_contact", real)
        answer = real(client, contact_id, values)
        lose(world)
        heirs.append(hold(world, "w2"))
        return answer

    monkeypatch.setattr(CrmClient, "update_contact", slow)
    work_on(world, zombie)
    assert len(world.notes()) == 1, "the zombie stopped before its note"
    work_on(world, heirs[0])
    assert world.nothing_waits()
    assert len(world.notes()) == 2
    assert Lane.objects.for_practice(world.practice).get().lease_owner == ""


def test_a_worker_that_ends_does_not_give_back_the_contact_that_its_heir_leased(world, monkeypatch):
    """The lane is free a moment before its contacts are: whoever takes it in between keeps them."""
    world.take(apro.booked(visit(), at(0)))
    world.post(apro.booked(visit(2, day=20), at(5)))
    first, heirs = hold(world, "w1"), []
    real = lanes.release

    def release_and_be_late(claimed: Claimed) -> bool:
        released = real(claimed)
        world.post(apro.booked(visit(3, day=25), at(6)))
        heirs.append(hold(world, "w2"))
        until = timezone.now() + lanes.LEASE
        contacts = Contact.objects.for_practice(world.practice)
        contacts.update(lease_owner=heirs[0].contact_token, lease_until=until)
        return released

    monkeypatch.setattr(lanes, "release", release_and_be_late)
    work_on(world, first)
    assert world.our_contact().lease_owner == heirs[0].contact_token


# Order and arrivals


def test_events_of_a_patient_run_in_the_order_of_arrival(world):
    bodies = [apro.booked(visit(n, day=10 + n), at(n)) for n in range(1, 6)]
    for body in bodies:
        world.post(body)
    assert Lane.objects.for_practice(world.practice).count() == 0, "workers put them into lanes"
    world.work()
    dates = [line for note in world.notes() for line in note.splitlines() if line.startswith("Date")]
    assert dates == [f"Date: 3/{10 + n}/2026" for n in range(1, 6)]
    assert Lane.objects.for_practice(world.practice).count() == 1


def test_patients_have_lanes_of_their_own_and_so_have_events_of_nobody_known(world):
    nameless = apro.booked(visit(3), at(0))
    del nameless["data"]["client"]["client_id"]
    for body in (apro.booked(visit(), at(0)), apro.booked(visit(2, client=1), at(0)), nameless):
        world.post(body)
    world.post(nameless | {"event_id": "another"})
    world.work()
    assert Lane.objects.for_practice(world.practice).count() == 4


def test_an_event_that_arrives_while_its_lane_is_worked_on_is_not_lost(world, monkeypatch):
    world.take(apro.booked(visit(), at(0)))
    real = CrmClient.update_contact

    def meanwhile(client: CrmClient, contact_id: str, values: Any) -> Any:
        monkeypatch.setattr(CrmClient, "update_contact", real)
        world.post(apro.booked(visit(3, day=25), at(6)))
        lanes.take_in()
        return real(client, contact_id, values)

    monkeypatch.setattr(CrmClient, "update_contact", meanwhile)
    world.post(apro.booked(visit(2, day=20), at(5)))
    work_on(world, hold(world, "w1"))
    row = Lane.objects.for_practice(world.practice).get()
    assert row.next_at is not None
    assert world.work() == 1
    assert len(world.notes()) == 3
    assert Lane.objects.for_practice(world.practice).get().next_at is None


def test_a_lane_with_more_events_than_one_claim_takes_stays_due(world, monkeypatch):
    monkeypatch.setattr(process, "EVENTS_PER_CLAIM", 2)
    for n in range(5):
        world.post(apro.booked(visit(n, day=11 + n), at(n)))
    assert work_on(world, hold(world, "w1")) == 2
    assert world.work() == 3
    assert world.states() == {"done": 5}


def test_a_worker_that_is_told_to_stop_finishes_its_event_and_gives_the_lane_back(world):
    for n in range(3):
        world.post(apro.booked(visit(n, day=11 + n), at(n)))
    answers = iter([False, True])
    assert work_on(world, hold(world, "w1"), lambda: next(answers)) == 1
    assert world.states() == {"done": 1, "waiting": 2}
    assert world.work() == 2


# Back-off


def test_back_off_belongs_to_the_lane_and_later_events_wait_behind_it(world):
    world.take(apro.booked(visit(), at(0)))
    world.faults({"route": "PUT /contacts/{id}", "status": 503})
    world.take(apro.booked(visit(2, day=20), at(5)))
    row = Lane.objects.for_practice(world.practice).get()
    assert (row.attempts, row.next_at > timezone.now()) == (1, True)
    world.take(apro.cancelled(visit(2, day=20), at(6)))
    assert world.states() == {"done": 1, "waiting": 2}, "the newer one does not overtake"
    assert Lane.objects.for_practice(world.practice).get().next_at == row.next_at
    assert world.take(apro.booked(visit(9, client=1), at(7))).state == "done", "other lanes go on"
    world.work(hurry=True)
    assert world.states() == {"done": 4}
    assert Lane.objects.for_practice(world.practice).filter(attempts__gt=0).count() == 0


def test_a_success_forgets_earlier_failures(world):
    world.take(apro.booked(visit(), at(0)))
    for n in range(2):
        world.faults({"route": "PUT /contacts/{id}", "status": 503})
        world.take(apro.booked(visit(2 + n, day=20 + n), at(5 + n)))
        assert Lane.objects.for_practice(world.practice).get().attempts == 1
        world.work(hurry=True)


def test_a_changed_setting_wakes_lanes_that_back_off(world):
    world.take(apro.booked(visit(), at(0)))
    world.faults({"route": "PUT /contacts/{id}", "status": 503})
    world.take(apro.booked(visit(2, day=20), at(5)))
    assert lanes.wake(world.practice.pk) == 1
    assert world.work() == 1


# Fairness and priority


@pytest.mark.django_db
def test_a_practice_with_hundreds_of_lanes_does_not_starve_one_with_a_single_lane():
    big, small = practice("big"), practice("small")
    make_lanes(big, 500, next_at=NOW - timedelta(hours=1))
    late = lane(small, "late", next_at=NOW)
    picker = Picker()
    assert late.pk in ids(claim(picker, "w", 8, NOW))


@pytest.mark.django_db
def test_practices_take_turns_when_there_is_room_for_fewer():
    owners = [practice(f"p{n}") for n in range(5)]
    for owner in owners:
        make_lanes(owner, 10)
    picker, served = Picker(), []
    for _ in range(5):
        served += [one.practice_id for one in claim(picker, "w", 2, NOW)]
    assert sorted(served) == sorted(owner.pk for owner in owners for _ in range(2))


@pytest.mark.django_db
def test_room_that_one_practice_leaves_goes_to_the_others():
    make_lanes(practice("big"), 50)
    make_lanes(practice("small"), 1)
    picker = Picker()
    assert len(claim(picker, "w", 10, NOW) + claim(picker, "w", 10, NOW)) >= 15


@pytest.mark.django_db
def test_live_events_come_before_creates_before_replays_before_back_fills():
    owner = practice()
    order = [Priority.BACKFILL, Priority.REPLAY, Priority.LIVE, Priority.CREATE_BACK]
    made = {
        priority: lane(owner, priority.label, priority=priority, next_at=NOW - timedelta(hours=priority))
        for priority in order
    }
    picked = [claim(Picker(), "w", 1, NOW)[0].id for _ in order]
    assert picked == [made[priority].pk for priority in sorted(order)]


@pytest.mark.django_db
def test_of_one_priority_who_waited_longest_comes_first():
    owner = practice()
    made = [lane(owner, f"k{n}", next_at=NOW - timedelta(minutes=n)) for n in range(4)]
    picked = [claim(Picker(), "w", 1, NOW)[0].id for _ in made]
    assert picked == [row.pk for row in made[::-1]]


def test_a_live_event_makes_a_back_fills_lane_live(world):
    world.take(apro.booked(visit(), at(0)))
    Lane.objects.for_practice(world.practice).update(priority=Priority.BACKFILL, next_at=NOW)
    world.post(apro.booked(visit(2, day=20), at(5)))
    lanes.take_in()
    assert Lane.objects.for_practice(world.practice).get().priority == Priority.LIVE


@pytest.mark.django_db
def test_what_is_not_due_yet_is_left():
    lane(practice(), "later", next_at=NOW + timedelta(seconds=1))
    lane(practice("two"), "idle", next_at=None)
    assert claim(Picker(), "w", 5, NOW) == []


# Two lanes that meet in one contact


def two_charts(world: World) -> list[dict[str, Any]]:
    """One person, kept twice by the EMR: two lanes, one contact. An event for each."""
    twice = replace(ALBA, client_id=9001)
    world.take(apro.booked(visit(), at(0)), apro.booked(replace(visit(2), client=twice), at(1)))
    assert len(world.contacts()) == 1
    return [
        apro.booked(visit(3, day=20), at(5)),
        apro.booked(replace(visit(4, day=25), client=twice), at(6)),
    ]


def test_delivery_to_a_contact_is_one_at_a_time(world, monkeypatch):
    first, second = two_charts(world)
    world.post(first)
    world.post(second)
    (mine,) = claim(Picker(), "w1", 1)
    (other,) = claim(Picker(), "w2", 1)
    real = CrmClient.update_contact

    def meanwhile(client: CrmClient, contact_id: str, values: Any) -> Any:
        monkeypatch.setattr(CrmClient, "update_contact", real)
        assert work_on(world, other) == 0
        row = Lane.objects.for_practice(world.practice).get(pk=other.id)
        assert row.waits_because == "The contact is being written by another lane."
        assert row.attempts == 0
        assert timedelta() < row.next_at - timezone.now() < timedelta(seconds=1)
        return real(client, contact_id, values)

    monkeypatch.setattr(CrmClient, "update_contact", meanwhile)
    assert work_on(world, mine) == 1
    assert world.our_contact().lease_owner == ""
    world.work(hurry=True)
    assert world.nothing_waits()
    assert len(world.notes()) == 4


def test_a_contact_whose_lease_ran_out_is_free(world):
    first, _ = two_charts(world)
    Contact.objects.for_practice(world.practice).update(
        lease_owner="lane:0:dead", lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert world.take(first).state == "done"


def test_what_is_known_of_a_contact_is_read_again_under_its_lease(world, monkeypatch):
    """The other lane made a patient of it: this one's booking must not open the card again."""
    _, second = two_charts(world)
    world.take(apro.invoice_paid(visit(3, day=20), 900, at(5)))
    world.take(second)
    assert world.opportunity()["status"] == "won"


# Arrivals before workers


def test_what_arrived_is_put_into_lanes_once_whoever_looks(world):
    for n in range(3):
        world.post(apro.booked(visit(n, day=11 + n), at(n)))
    assert lanes.anything_due(timezone.now())
    assert (lanes.take_in(), lanes.take_in()) == (3, 0)
    row = Lane.objects.for_practice(world.practice).get()
    assert (row.arrivals, row.next_at is not None) == (3, True)
    assert InboundEvent.objects.for_practice(world.practice).filter(lane=row).count() == 3
    world.work()
    assert not lanes.anything_due(timezone.now())
