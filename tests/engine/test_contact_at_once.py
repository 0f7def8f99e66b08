"""Two patients meet in one contact while it is being made: what is written to it is written one at a time."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import InboundEvent
from integrations.sync import hot, identity, lanes, process
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tests.engine.test_ledger import ALBA, lifetime_value, sale
from tests.engine.world import World, at, visit

AGAIN = replace(ALBA, client_id=77_001)


def work_another_lane(world: World) -> None:
    """Another worker takes what is due and works on it."""
    for lane in lanes.claim(lanes.Picker(), "another", 50):
        work_lane(lane, profiles([lane.practice_id])[lane.practice_id], lambda: False)


def test_payments_of_one_person_under_two_ids_both_count_when_the_contact_turns_up_in_the_making(
    world, monkeypatch
):
    world.take(sale("100.00", 900, 0, AGAIN))
    world.post(sale("30.00", 901, 1, ALBA))
    monkeypatch.setattr(identity, "_candidates", lambda *_: {})  # the CRM's search lags behind
    really, meanwhile = CrmClient.update_contact, []

    def update(client: CrmClient, *given: Any) -> Any:
        if not meanwhile:
            meanwhile.append(world.post(sale("50.00", 902, 2, AGAIN)))
            work_another_lane(world)
        return really(client, *given)

    monkeypatch.setattr(CrmClient, "update_contact", update)
    world.work()
    world.work(hurry=True)
    assert meanwhile
    assert world.states() == {"done": 3}
    assert lifetime_value(world) == Decimal("180.00")


def test_a_contact_that_turns_up_in_the_making_is_not_written_to_while_another_lane_has_it(
    world, monkeypatch
):
    world.take(sale("100.00", 900, 0, AGAIN))
    contact, now = world.our_contact(), timezone.now()
    assert hot.lease_contact(contact, "another", now, now + lanes.LEASE)
    world.post(sale("30.00", 901, 1, ALBA))
    with monkeypatch.context() as lagging:
        lagging.setattr(identity, "_candidates", lambda *_: {})
        world.work()
    assert (world.states(), lifetime_value(world)) == ({"done": 1, "waiting": 1}, Decimal("100.00"))
    hot.release_contacts([contact.pk], "another")
    world.work(hurry=True)
    assert (world.states(), lifetime_value(world)) == ({"done": 2}, Decimal("130.00"))


def test_what_was_planned_before_another_patients_event_is_decided_again_also_when_that_is_through_in_between(
    world, monkeypatch
):
    """Whether an event was overtaken is asked when nobody else can write to the contact any more."""
    first, second = visit(1, day=12), replace(visit(2, day=20), client=AGAIN)
    world.take(apro.booked(first, at(0)), apro.booked(second, at(1)))
    world.take(apro.cancelled(second, at(2)))
    world.faults({"route": "PUT /opportunities/{id}", "status": 503})
    event = world.take(apro.cancelled(first, at(3)))
    assert (event.state, len(world.contacts())) == ("waiting", 1)
    really, meanwhile = process._is_overtaken, []

    def is_overtaken(put_aside: InboundEvent) -> bool:
        found = really(put_aside)
        if not meanwhile:
            third = replace(visit(3, day=28), client=AGAIN)
            meanwhile.append(world.post(apro.booked(third, at(4))))
            work_another_lane(world)
        return found

    monkeypatch.setattr(process, "_is_overtaken", is_overtaken)
    world.work(hurry=True)
    world.work(hurry=True)
    assert meanwhile
    assert set(world.states()) == {"done"}
    assert world.opportunity()["stage"] == "Booked"
