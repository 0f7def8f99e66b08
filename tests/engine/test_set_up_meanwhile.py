"""The set-up changes in the very moment in which an event is put aside for it: the event goes on by itself."""

from typing import Any

import pytest
from django.db import OperationalError

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import InboundEvent, SubAccount
from integrations.signals import raise_config_version
from integrations.sync import lanes, provision, release
from integrations.sync.crm_access import client_for
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from integrations.sync.upkeep import release_overlooked
from tenants.models import Practice, PracticeState
from tests.engine.test_effects import forget_field, make_field
from tests.engine.world import STAGES, World, at, committed, practice_file, visit

VISIT = visit()


def onboarding(world: World) -> None:
    Practice.objects.across_practices().filter(pk=world.practice.pk).update(state=PracticeState.ONBOARDING)
    raise_config_version(world.practice.pk)


def nowhere(world: World) -> None:
    document = practice_file()
    document["locations"][0]["sub_account"] = None
    document["sub_accounts"][0]["default"] = False
    world.setup(**document)


def without_booked(world: World) -> None:
    document = practice_file()
    stages = {name: pk for name, pk in STAGES.items() if name != "Booked"}
    document["sub_accounts"][0]["pipelines"]["non_surgical"]["stages"] = stages
    world.setup(**document)


def read_crm(world: World) -> None:
    """Somebody looks at the sub-account's fields: our copy of the CRM's lists is made anew."""
    provision.store_listing(world.account, provision.fetch_listing(client_for(world.account)))


def event_of(world: World) -> InboundEvent:
    (event,) = world.events()
    return event


SET_UPS = pytest.mark.parametrize(
    ("incomplete", "kept_as"),
    [(onboarding, "held live"), (nowhere, "held location"), (without_booked, "parked config")],
)


@SET_UPS
def test_an_event_that_a_worker_puts_aside_just_after_the_set_up_was_completed_goes_on(
    world, incomplete, kept_as
):
    read_crm(world)
    incomplete(world)
    world.post(apro.booked(VISIT, at(0)))
    (lane,) = lanes.claim(lanes.Picker(), "test", 50)
    read_before = profiles([lane.practice_id])[lane.practice_id]
    world.setup()
    work_lane(lane, read_before, lambda: False)
    world.work()
    assert event_of(world).state == "done", kept_as


@SET_UPS
def test_an_event_stays_aside_while_the_set_up_is_incomplete(world, incomplete, kept_as):
    incomplete(world)
    event = world.take(apro.booked(VISIT, at(0)))
    assert f"{event.state} {event.held_for or event.parked_as}" == kept_as
    assert release_overlooked() == 0


@pytest.mark.parametrize("incomplete", [onboarding, nowhere])
def test_what_was_held_goes_on_although_whoever_completed_the_set_up_died_before_releasing_it(
    world, incomplete, monkeypatch
):
    incomplete(world)
    world.take(apro.booked(VISIT, at(0)))

    def dies(*_: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(release.lanes, "wake", dies)
        with pytest.raises(OperationalError):
            world.setup()
    world.work()
    assert event_of(world).state == "held"
    assert release_overlooked() == 1
    world.work()
    assert event_of(world).state == "done"


@pytest.mark.parametrize("by_us", [True, False])
def test_an_event_that_lacks_a_field_goes_on_once_the_field_is_there_whoever_made_it(world, by_us):
    read_crm(world)
    forget_field(world, "APro Provider")
    SubAccount.objects.for_practice(world.practice).update(fields_fetched_at=None)
    world.account.custom_fields.filter(name="APro Provider").delete()
    profiles([world.practice.pk])
    event = world.take(apro.booked(VISIT, at(1)))
    assert (event.state, event.parked_as) == ("parked", "config")
    with committed():
        if by_us:
            provision.begin(world.account, None)
            provision.carry_on_provisioning()
        else:
            make_field(world, "APro Provider", "NEWID")
            read_crm(world)
    world.work()
    event.refresh_from_db()
    assert event.state == "done"
