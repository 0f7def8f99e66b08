"""A person settles a doubt, or puts an event to work, while a worker has that event in its hands."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Effect, InboundEvent, LedgerRow
from integrations.sync import lanes, settle, standstill
from integrations.sync import replay as replaying
from integrations.sync.deliver import Delivery
from integrations.sync.replay import replay
from integrations.sync.retention import purge
from tests.engine.test_effects import VISIT, pay_in_doubt
from tests.engine.world import World, at, visit


@pytest.fixture
def linked(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(standstill, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr("integrations.sync.deliver.DOUBT_PAUSE_SECONDS", 0.0)
    world.take(apro.booked(visit(9), at(0)))
    world.forget_calls()
    return world


def doubtful(world: World) -> Effect:
    (effect,) = Effect.objects.for_practice(world.practice).filter(kind="contact", state="in_doubt")
    return effect


def test_a_payment_that_is_to_be_written_again_is_also_when_its_event_is_still_in_work(linked, monkeypatch):
    pay_in_doubt(linked, done=False)
    linked.write_field(linked.contact()["id"], "Patient Lifetime Value", 77)
    really, said = CrmClient.create_note, []

    def note(client: CrmClient, *given: Any) -> Any:
        if not said:
            said.append("asked")
            try:
                settle.settle(doubtful(linked), is_there=False)
            except standstill.Busy:
                said.append("busy")
        return really(client, *given)

    monkeypatch.setattr(CrmClient, "create_note", note)
    linked.work(hurry=True)
    if "busy" in said:
        assert settle.settle(doubtful(linked), is_there=False)
    linked.work(hurry=True)
    assert said
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 77 + 350
    assert LedgerRow.objects.for_practice(linked.practice).get().state == "written"


def test_a_payment_whose_ledger_row_is_closed_needs_nobody_although_its_worker_died_and_another_payment_came(
    linked, monkeypatch
):
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Delivery, "_confirm", dies)
        with pytest.raises(KeyboardInterrupt):
            linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    lanes.release_dead("test")
    contact = linked.contact()["id"]  # another payment of a patient who is this contact too
    linked.write_field(contact, "Patient Lifetime Value", 400)
    linked.write_field(contact, "APro Invoice ID", "901")
    linked.work(hurry=True)
    assert LedgerRow.objects.for_practice(linked.practice).get().state == "written"
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 400


def test_what_is_put_to_work_just_when_retention_comes_by_keeps_what_it_needs(linked):
    """The rows were chosen before; what they are by the time they are emptied counts."""
    linked.map_workflows()
    event = linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    (effect,) = linked.effects(event=event, kind="contact")
    InboundEvent.objects.across_practices().update(received_at=timezone.now() - timedelta(days=400))
    replayed: list[bool] = []

    def just_before(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if sql.startswith("UPDATE") and not replayed:
            replayed.append(True)
            replay(event)
            Effect.objects.across_practices().filter(pk=effect.pk).update(state="planned")
        return execute(sql, *given)

    with database.execute_wrapper(just_before):
        purge()
    assert replayed
    event.refresh_from_db()
    effect.refresh_from_db()
    assert (event.state, bool(event.payload), bool(effect.body)) == ("waiting", True, True)
    linked.work()
    event.refresh_from_db()
    assert event.state == "done"


def test_an_event_that_two_people_replay_at_once_runs_once_more(linked, monkeypatch):
    """The second press is carried out while a worker has the event for the first one."""
    event = linked.take(apro.booked(VISIT, at(5)))
    really, pressed = replaying.requeue, []

    def requeue(events: Any, *, again: bool) -> int:
        if not pressed:
            pressed.append(True)
            replay(event)
        return really(events, again=again)

    monkeypatch.setattr(replaying, "requeue", requeue)
    replay(event)
    event.refresh_from_db()
    assert (pressed, event.runs, event.state) == ([True], 1, "waiting")
    linked.work()
    event.refresh_from_db()
    assert (event.runs, event.state) == (1, "done")
