"""What waits for a person: categories, locations, going live, pauses. It goes on by itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import TestCase
from django.utils import timezone

from categorization.models import AppointmentType
from integrations import emrs
from integrations.emrs import Emr
from integrations.emrs.aestheticspro import mapping
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Connection, ConnectionState, InboundEvent, Lane
from integrations.sync.upkeep import release_overlooked
from tenants.models import Location, Practice, PracticeState
from tests.engine.world import STAGES, SURGICAL, WORKFLOWS, World, at, committed, practice_file, story, visit

APPOINTMENTS = WORKFLOWS["APro Appointments Update"]
VISIT = visit()


class DualEmr(Emr):
    """AestheticsPro as an EMR of practices with surgery would be: two pipelines, a category in each note."""

    def __init__(self) -> None:
        super().__init__("aestheticspro")
        self.manifest = replace(self.manifest, has_surgical_pipeline=True)

    @property
    def understand(self) -> Any:
        def read(*given: Any) -> list[Any]:
            records = self.part("mapping").understand(*given)
            return [replace(one, note=(*one.note, ("Category", ""))) for one in records]

        return read


@pytest.fixture
def surgical(monkeypatch: pytest.MonkeyPatch, world: World) -> Iterator[World]:
    """A plastic surgeon's practice with both pipelines and mapped workflows; no category confirmed."""
    monkeypatch.setattr(emrs, "registry", lambda: {"aestheticspro": DualEmr()})
    world.redo_sub_account(
        custom_fields=[{"id": "CFC", "name": "Appointment Category", "dataType": "TEXT"}],
        settings={"allowDuplicateOpportunity": True},
    )
    confirm(world)
    return world


def confirm(world: World, **categories: str) -> None:
    """Import the practice with these confirmed categories by type ("" as value: seen, not confirmed)."""
    document = practice_file()
    document["practice"]["kind"] = "plastic_surgery"
    document["sub_accounts"][0] |= {
        "workflows": WORKFLOWS,
        "pipelines": {
            "surgical": {"id": "P1", "stages": dict(SURGICAL)},
            "non_surgical": {"id": "P2", "stages": dict(STAGES)},
        },
    }
    document["categories"] = [
        {"connection": "apro", "type": name, "purpose": "", "category": category, "confirmed": True}
        for name, category in categories.items()
    ]
    world.setup(**document)


def cards(world: World) -> dict[str, tuple[str, str]]:
    """Stage and status by pipeline."""
    found = world.contact()["opportunities"]
    return {card["pipeline"]: (card["stage"], card["status"]) for card in found}


# Categories


def test_an_uncategorized_event_writes_contact_and_note_and_holds_its_pipeline_step(surgical):
    event = surgical.take(apro.booked(VISIT, at(0)))
    assert (event.state, event.held_for) == ("held", "category")
    assert "nobody has confirmed a category" in event.reason
    contact = surgical.contact()
    assert contact["fields"]["APro Appt Status"] == "Booked"
    assert "Appointment Category" not in contact["fields"]
    assert contact["opportunities"] == []
    assert surgical.notes()[0].splitlines()[-1] == "Category: not yet set"
    assert surgical.enrolments() == []


def test_confirming_the_type_releases_what_was_held_and_nobody_replays_anything(surgical):
    surgical.take(apro.booked(VISIT, at(0)))
    confirm(surgical, Botox="Surgical Consult")
    surgical.work()
    assert surgical.states() == {"done": 1}
    assert cards(surgical) == {"Surgical": ("Consult Booked", "open")}
    assert surgical.contact()["fields"]["Appointment Category"] == "Surgical Consult"
    assert len(surgical.notes()) == 1
    assert surgical.enrolments() == [APPOINTMENTS]
    (event,) = surgical.events()
    assert "confirmed by" in story(event, "category")


def test_only_the_confirmed_type_is_released(surgical):
    surgical.take(apro.booked(VISIT, at(0)), apro.booked(visit(2, day=20, service=3), at(1)))
    confirm(surgical, **{"Lip Filler": "Non-Surgical Appointment"})
    surgical.work()
    assert surgical.states() == {"held": 1, "done": 1}
    assert cards(surgical) == {"Non-Surgical": ("Booked", "open")}


def test_a_type_that_is_only_known_and_not_confirmed_releases_nothing(surgical):
    surgical.take(apro.booked(VISIT, at(0)))
    known = AppointmentType.objects.for_practice(surgical.practice).get(name="Botox")
    known.category = "Surgical Consult"
    known.save()
    assert release_overlooked() == 0
    assert surgical.states() == {"held": 1}


def test_all_held_steps_are_released_by_the_rule_and_only_the_current_one_enrols(surgical):
    bodies = [apro.booked(VISIT, at(0)), apro.cancelled(VISIT, at(5)), apro.booked(visit(2, day=9), at(2))]
    surgical.take(*bodies)
    assert surgical.states() == {"held": 3}
    confirm(surgical, Botox="Non-Surgical Appointment")
    surgical.work()
    assert surgical.states() == {"done": 3}
    assert cards(surgical) == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert len(surgical.notes()) == 3
    assert surgical.enrolments() == [APPOINTMENTS, APPOINTMENTS], "the booking that was cancelled is not news"


def test_a_type_that_moves_nothing_releases_too(surgical):
    surgical.take(apro.booked(VISIT, at(0)))
    confirm(surgical, Botox="Blocked")
    surgical.work()
    assert surgical.states() == {"done": 1}
    assert surgical.contact()["opportunities"] == []
    assert surgical.contact()["fields"]["Appointment Category"] == "Blocked"


def test_a_category_confirmed_at_the_very_moment_of_holding_is_picked_up_by_the_upkeep(surgical):
    surgical.take(apro.booked(VISIT, at(0)))
    with TestCase.captureOnCommitCallbacks():
        known = AppointmentType.objects.for_practice(surgical.practice).get(name="Botox")
        known.category, known.confirmed_at = "Surgical Consult", timezone.now()
        known.save()
    assert surgical.states() == {"held": 1}
    assert release_overlooked() == 1
    surgical.work()
    assert cards(surgical) == {"Surgical": ("Consult Booked", "open")}


def test_each_pipeline_has_its_own_card_and_a_patient_of_one_is_won_in_both(surgical):
    confirm(surgical, Botox="Surgical Appointment", **{"Lip Filler": "Non-Surgical Appointment"})
    surgical.take(apro.booked(VISIT, at(0)), apro.booked(visit(2, day=20, service=3), at(1)))
    assert cards(surgical) == {"Surgical": ("Surgery Scheduled", "open"), "Non-Surgical": ("Booked", "open")}
    surgical.take(apro.invoice_paid(visit(2, day=20, service=3), 900, at(5)))
    assert cards(surgical)["Non-Surgical"] == ("Patient", "won")
    surgical.take(apro.no_show(VISIT, at(9)))
    assert cards(surgical)["Surgical"] == ("Cancelled / No-Show", "won")


# Locations


def without_default() -> dict[str, Any]:
    document = practice_file(locations=[])
    document["sub_accounts"][0]["default"] = False
    return document


def test_a_location_that_is_not_mapped_holds_everything_when_there_is_no_default(world):
    world.setup(**without_default())
    world.connection.refresh_from_db()
    remove_location(world)
    event = world.take(apro.booked(VISIT, at(0)))
    assert (event.state, event.held_for) == ("held", "location")
    assert '"Downtown" is not mapped to a sub-account' in event.reason
    assert world.contacts() == []
    world.setup(**practice_file())
    world.work()
    assert world.states() == {"done": 1}
    assert world.opportunity()["stage"] == "Booked"


def remove_location(world: World) -> None:
    with committed():
        Location.objects.for_practice(world.practice).delete()
        account = world.account
        account.is_default = False
        account.save()


def test_an_unmapped_location_uses_the_default_and_says_so(world):
    world.door("POST", "/sub-accounts", world._sub_account("LOC2", "pit-two", name="Riverside"))
    document = practice_file()
    river = {"key": "river", "default": False, "crm_location_id": "LOC2", "token": "pit-two"}
    document["sub_accounts"].append(document["sub_accounts"][0] | river)
    world.setup(**document)
    event = world.take(apro.booked(replace(VISIT, site=apro.SITES[1]), at(0)))
    assert event.state == "done"
    assert world.contact()["location_id"] == "LOC1"
    assert "not mapped yet" in story(event, "location")


# Going live, pauses


def change(world: World, state: PracticeState) -> None:
    with committed():
        practice = Practice.objects.across_practices().get(pk=world.practice.pk)
        practice.state = state
        practice.save()


def test_before_a_practice_is_live_events_are_recorded_and_released_in_order_when_it_is(world):
    change(world, PracticeState.ONBOARDING)
    world.forget_calls()
    for body in (apro.booked(VISIT, at(0)), apro.cancelled(VISIT, at(5))):
        event = world.take(body)
        assert (event.state, event.held_for) == ("held", "live")
    assert world.calls() == {}
    change(world, PracticeState.LIVE)
    world.work()
    assert world.states() == {"done": 2}
    assert [note.splitlines()[1] for note in world.notes()] == ["Status: Booked", "Status: Cancelled"]


def pause_practice(world: World, is_paused: bool) -> None:
    change(world, PracticeState.PAUSED if is_paused else PracticeState.LIVE)


def pause_connection(world: World, is_paused: bool) -> None:
    with committed():
        connection = Connection.objects.for_practice(world.practice).get()
        connection.state = ConnectionState.PAUSED if is_paused else ConnectionState.ACTIVE
        connection.save()


@pytest.mark.parametrize("pause", [pause_practice, pause_connection])
def test_while_paused_events_are_received_and_wait_and_then_go_on_in_order(world, pause):
    pause(world, True)
    world.forget_calls()
    for body in (apro.booked(VISIT, at(0)), apro.cancelled(VISIT, at(5))):
        assert world.post(body).status_code == 202
    world.work()
    assert world.states() == {"waiting": 2}
    assert world.calls() == {}
    lane = Lane.objects.for_practice(world.practice).get()
    assert "is paused" in lane.waits_because
    assert lane.attempts == 0
    pause(world, False)
    world.work()
    assert world.states() == {"done": 2}
    assert [note.splitlines()[1] for note in world.notes()] == ["Status: Booked", "Status: Cancelled"]


# Internal errors


def test_our_own_mistake_parks_the_event_with_a_reference_and_the_lane_goes_on(world, monkeypatch, caplog):
    broken = {"appointment.created": lambda delivery: {}[delivery.text("email")]}
    monkeypatch.setattr(mapping, "_READERS", mapping._READERS | broken)
    event = world.take(apro.booked(VISIT, at(0)))
    assert (event.state, event.parked_as) == ("parked", "internal")
    assert f"reference {event.pk}-1" in event.reason
    assert f"reference {event.pk}-1" in caplog.text
    assert "alba.winter" not in caplog.text + event.reason
    assert world.take(apro.client_saved(VISIT.client, at(5))).state == "done"
    assert InboundEvent.objects.for_practice(world.practice).count() == 2
