"""Many events put back to work at once: asked first, carried out in parts by upkeep, shown while it goes on."""

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import BulkItem, BulkKind, BulkRun, Effect, EventState, InboundEvent, Lane, Priority
from integrations.sync import bulk, upkeep
from integrations.sync.bulk import BulkProgress, Reason, begin, carry_on_bulk, progress
from integrations.views.long_work import in_words
from tenants.models import Role, User
from tests.admin.conftest import World, make_event, person, signed_in
from tests.engine.conftest import crm_url
from tests.engine.world import World as Engine
from tests.engine.world import at, visit

__all__ = ["crm_url"]

LIST = "admin:integrations_inboundevent_changelist"


def parked(world: World, count: int = 1, reason: str = "No answer.") -> list[InboundEvent]:
    return [
        make_event(world.practice, world.connection, state="parked", parked_as="exhausted", reason=reason)
        for _ in range(count)
    ]


def press(client: Client, action: str, events: list[InboundEvent], **more: Any) -> Any:
    data = {"action": f"{action}_selected", ACTION_CHECKBOX_NAME: [event.pk for event in events]}
    return client.post(reverse(LIST), data | {"index": "0", "select_across": "0"} | more)


def confirmed(client: Client, action: str, events: list[InboundEvent], **more: Any) -> Any:
    return press(client, action, events, confirmed="yes", **more)


def run_of(world: World) -> BulkRun:
    found: BulkRun = BulkRun.objects.for_practice(world.practice).get()
    return found


def state(event: InboundEvent) -> str:
    event.refresh_from_db()
    return event.state


def finish(*events: InboundEvent, state: str = "done", reason: str = "") -> None:
    """What a worker makes of events that wait."""
    InboundEvent.objects.across_practices().filter(pk__in=[event.pk for event in events]).update(
        state=state, reason=reason
    )


def begun(world: World, kind: BulkKind, events: list[InboundEvent]) -> BulkRun:
    (run,) = begin(kind, [(world.practice.pk, event.pk) for event in events], None)
    return run


# --- asking ---------------------------------------------------------------------------------------------------


def test_the_list_offers_both(world: World, agent: User) -> None:
    page = signed_in(agent).get(reverse(LIST)).content.decode()
    assert "Retry selected" in page
    assert "Replay selected" in page
    assert reverse("bulk-runs") in page


def test_a_replay_is_asked_for_first_and_says_how_many_and_what_it_does(world: World, agent: User) -> None:
    waiting = make_event(world.practice, world.connection, state="waiting")
    answer = press(signed_in(agent), "replay", [world.event, *parked(world, 2), waiting])
    page = answer.content.decode()
    assert "Replay 3 events?" in page
    assert "under today&#x27;s settings" in page
    assert "are not repeated" in page
    assert "1 of those selected is left out" in page
    assert not BulkRun.objects.for_practice(world.practice).exists()
    assert state(world.event) == EventState.DONE


def test_the_answer_begins_a_run_and_leads_to_its_page(world: World, agent: User) -> None:
    events = [world.event, *parked(world, 2)]
    answer = confirmed(signed_in(agent), "replay", events)
    run = run_of(world)
    assert answer["Location"] == reverse("bulk-run", args=[run.pk])
    assert (run.kind, run.made_by, run.total) == (BulkKind.REPLAY, agent, 3)
    assert set(run.items.values_list("event_id", flat=True)) == {event.pk for event in events}
    assert state(world.event) == EventState.DONE, "a worker carries it out"


def test_a_retry_takes_parked_events_only(world: World, agent: User) -> None:
    event, held = parked(world)[0], make_event(world.practice, world.connection, state="held")
    confirmed(signed_in(agent), "retry", [event, held, world.event])
    assert list(run_of(world).items.values_list("event_id", flat=True)) == [event.pk]


def test_nothing_to_do_is_said(world: World, agent: User) -> None:
    answer = signed_in(agent).post(
        reverse(LIST),
        {"action": "retry_selected", ACTION_CHECKBOX_NAME: [world.event.pk], "index": "0"},
        follow=True,
    )
    assert "the events selected are not parked" in answer.content.decode()
    assert not BulkRun.objects.for_practice(world.practice).exists()


def test_all_that_the_filters_show_can_be_taken(world: World, agent: User) -> None:
    events = parked(world, 60)
    client = signed_in(agent)
    address = f"{reverse(LIST)}?state=parked"
    data = {"action": "retry_selected", ACTION_CHECKBOX_NAME: [events[-1].pk], "index": "0"}
    assert "holds 60 such events" in client.post(address, data).content.decode()
    every = data | {"select_across": "1"}
    assert "Retry 60 events?" in client.post(address, every).content.decode()
    client.post(address, every | {"confirmed": "yes"})
    assert run_of(world).total == 60


def test_no_more_than_the_most_are_taken_and_that_is_said(
    world: World, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.admin.bulk_ask.MOST_EVENTS", 2)
    events = parked(world, 3)
    assert "At most 2 events" in press(signed_in(agent), "retry", events).content.decode()
    confirmed(signed_in(agent), "retry", events)
    assert set(run_of(world).items.values_list("event_id", flat=True)) == {events[0].pk, events[1].pk}


def test_several_practices_get_a_run_each(world: World, other: World, root: User) -> None:
    answer = confirmed(signed_in(root), "retry", [*parked(world, 2), *parked(other)])
    assert answer["Location"] == reverse("bulk-runs")
    assert (run_of(world).total, run_of(other).total) == (2, 1)
    page = signed_in(root).get(reverse("bulk-runs")).content.decode()
    assert str(world.practice) in page
    assert str(other.practice) in page


def test_another_practices_events_are_not_touched(world: World, other: World, agent: User) -> None:
    confirmed(signed_in(agent), "replay", [world.event, other.event])
    assert run_of(world).total == 1
    assert not BulkRun.objects.for_practice(other.practice).exists()


def test_another_practices_run_does_not_exist(world: World, other: World, agent: User) -> None:
    run = begun(other, BulkKind.REPLAY, [other.event])
    client = signed_in(agent)
    for name in ("bulk-run", "bulk-run-progress"):
        assert client.get(reverse(name, args=[run.pk])).status_code == 404
    assert str(other.practice) not in client.get(reverse("bulk-runs")).content.decode()


def test_a_reviewer_and_a_stranger_are_sent_to_the_sign_in_page(world: World, reviewer: User) -> None:
    run = begun(world, BulkKind.REPLAY, [world.event])
    for client in (signed_in(reviewer), Client()):
        for address in (reverse("bulk-runs"), reverse("bulk-run", args=[run.pk])):
            assert client.get(address)["Location"].startswith(reverse("admin:login"))
        assert confirmed(client, "replay", [world.event]).status_code == 302
    assert BulkRun.objects.for_practice(world.practice).count() == 1


# --- carrying it out ------------------------------------------------------------------------------------------


def test_upkeep_replays_the_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_purged_on", None)
    run = begun(world, BulkKind.REPLAY, [world.event])
    assert bulk.anything_due(), "the tick rings for it"
    upkeep.run_upkeep()
    assert not bulk.anything_due()
    world.event.refresh_from_db()
    assert (world.event.state, world.event.priority, world.event.runs) == (
        EventState.WAITING,
        Priority.REPLAY,
        1,
    )
    run.refresh_from_db()
    assert run.prepared_at
    assert run.finished_at is None
    lane = Lane.objects.for_practice(world.practice).get(pk=world.event.lane_id)
    assert lane.next_at


def test_a_retry_tries_again_what_was_given_up(world: World) -> None:
    (event,) = parked(world)
    values: dict[str, Any] = {"kind": "tag", "target": "t", "position": 0, "state": "failed"}
    effect = Effect.objects.create(
        practice=world.practice, event=event, planned_at=event.received_at, **values
    )
    begun(world, BulkKind.RETRY, [event])
    assert carry_on_bulk() == 1
    effect.refresh_from_db()
    assert (state(event), effect.state, event.runs) == (EventState.WAITING, "planned", 0)


def test_a_worker_that_dies_leaves_the_rest_for_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "EVENTS_AT_ONCE", 2)
    events = parked(world, 5)
    run = begun(world, BulkKind.REPLAY, events)
    real, parts = bulk.replay_all, []

    def die(rows: Any) -> list[int]:
        parts.append(found := real(rows))
        if len(parts) == 2:
            raise SystemExit("killed")
        return found

    monkeypatch.setattr(bulk, "replay_all", die)
    with pytest.raises(SystemExit):
        carry_on_bulk()
    assert [state(event) for event in events].count(EventState.WAITING) == 2
    assert progress(run).queued == 3
    monkeypatch.setattr(bulk, "replay_all", real)
    assert carry_on_bulk() == 3
    for event in events:
        event.refresh_from_db()
    assert {(event.state, event.runs) for event in events} == {("waiting", 1)}, "each once"


def test_what_was_put_to_work_otherwise_meanwhile_is_left_out(world: World) -> None:
    first, second = parked(world, 2)
    run = begun(world, BulkKind.RETRY, [first, second])
    finish(first)
    carry_on_bulk()
    found = progress(run)
    assert (found.left_out, found.waiting) == (1, 1)
    assert state(first) == EventState.DONE
    assert "1 left out" in in_words(found)


def test_a_run_is_over_when_nothing_of_it_waits_and_its_result_stays(world: World) -> None:
    events = parked(world, 4)
    run = begun(world, BulkKind.RETRY, events)
    carry_on_bulk()
    finish(*events[:2])
    finish(events[2], state="parked", reason="The CRM refused it.")
    carry_on_bulk()
    run.refresh_from_db()
    assert run.finished_at is None
    assert progress(run).percent == 75
    finish(events[3], state="held", reason="Held: not mapped.")
    carry_on_bulk()
    run.refresh_from_db()
    assert run.finished_at is not None
    finish(*events)
    found = progress(run)
    assert in_words(found) == "2 done, 1 parked again: The CRM refused it, 1 held: Held: not mapped"
    assert (found.percent, found.is_finished, found.over) == (100, True, 4)


def test_a_finished_run_is_not_looked_at_again(world: World) -> None:
    begun(world, BulkKind.REPLAY, [world.event])
    carry_on_bulk()
    finish(world.event)
    carry_on_bulk()
    with CaptureQueriesContext(database) as captured:
        assert carry_on_bulk() == 0
    assert len(captured) == 1


def test_an_event_stands_once_in_a_run(world: World) -> None:
    pair = (world.practice.pk, world.event.pk)
    (run,) = begin(BulkKind.REPLAY, [pair, pair], None)
    assert run.total == BulkItem.objects.for_practice(world.practice).filter(run=run).count() == 1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            BulkProgress(
                40, counts={"done": 38, "parked": 2}, again=2, reasons=(Reason("parked", "No.", 2),)
            ),
            "38 done, 2 parked again: No",
        ),
        (
            BulkProgress(3, counts={"parked": 3}, again=1),
            "1 parked again and 2 for the first time",
        ),
        (BulkProgress(3, counts={"parked": 3}), "3 parked"),
        (
            BulkProgress(5, queued=2, waiting=3, reasons=(Reason("waiting", "It is paused.", 3),)),
            "3 waiting: It is paused, 2 to come",
        ),
        (BulkProgress(0), "Nothing to do"),
    ],
)
def test_a_result_is_said_in_words(found: BulkProgress, words: str) -> None:
    assert in_words(found) == words


def test_a_run_without_events_is_whole(world: World) -> None:
    assert begin(BulkKind.REPLAY, [], None) == []
    assert BulkProgress(0).percent == 100


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_asks_again_until_it_is_over(world: World, agent: User) -> None:
    events = parked(world, 2, reason="It is gone.")
    run = begun(world, BulkKind.RETRY, events)
    client = signed_in(agent)
    address, part = reverse("bulk-run", args=[run.pk]), reverse("bulk-run-progress", args=[run.pk])
    page = client.get(address).content.decode()
    assert f'hx-get="{part}"' in page
    assert "2 to come" in page
    carry_on_bulk()
    finish(events[0])
    assert "1 done, 1 waiting" in client.get(part).content.decode()
    finish(events[1], state="parked", reason="It is gone.")
    done = client.get(part).content.decode()
    assert "hx-get" not in done
    assert "1 done, 1 parked again: It is gone." in done
    assert "1 done, 1 parked again" in client.get(reverse("bulk-runs")).content.decode()


def test_the_list_of_runs_is_for_those_who_may_operate_somewhere(world: World) -> None:
    nobody = person("nobody@example.com")
    assert signed_in(nobody).get(reverse("bulk-runs")).status_code == 403


# --- all of it ------------------------------------------------------------------------------------------------


def test_events_replayed_in_bulk_write_nothing_twice(db: None, crm_url: str) -> None:
    engine = Engine(crm_url)
    first = engine.take(apro.booked(visit(), at(0)))
    second = engine.take(apro.invoice_paid(visit(), 41, at(20)))
    before = engine.contact()
    user = person("helper@example.com", engine.practice, Role.SUPPORT)
    confirmed(signed_in(user), "replay", [first, second])
    carry_on_bulk()
    engine.work()
    carry_on_bulk()
    run = BulkRun.objects.for_practice(engine.practice).get()
    assert run.finished_at is not None
    assert in_words(progress(run)) == "2 done"
    after = engine.contact()
    assert len(after["notes"]) == len(before["notes"]) == 2
    assert after["fields"] == before["fields"]
