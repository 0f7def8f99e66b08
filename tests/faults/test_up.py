"""`manage.py up` under fire: its parts are killed, it is ended or killed itself in the middle of a burst."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from integrations.emrs.aestheticspro import sandbox as apro
from tests.faults.conftest import database_for_processes
from tests.faults.programs import Program, children_of, environment_of, eventually
from tests.faults.stack import Stack
from tests.faults.stories import Body, long_story, story

pytestmark = pytest.mark.faults

NOTE = "POST /contacts/{id}/notes"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with database_for_processes() as url:
        stack = Stack(tmp_path_factory.mktemp("up"), url)
        try:
            stack.build()
            yield stack
        finally:
            stack.close()


@pytest.fixture
def up(built: Stack) -> Program:
    """`manage.py up` with two workers, an empty CRM, no faults."""
    running = built.programs.get("up")
    if running is None or not running.is_running:
        running = built.start_up()
    built.fresh()
    return running


def _part(up: Program, words: str) -> dict[int, str]:
    return {pid: command for pid, command in children_of(up.pid).items() if words in command}


def test_a_killed_worker_is_replaced_and_its_lanes_are_free_at_once(up: Program, built: Stack) -> None:
    clean, who = _clean(built), built.patient()
    built.reaches({"route": NOTE, "kind": "hang", "seconds": 100, "after": True, "skip": 1}, "note_created")
    built.tell(*story(who))
    built.reached("note_created")
    (owner,) = built.ask("leases")
    workers = _part(up, "manage.py worker --queues events")
    victim = next(pid for pid in workers if owner.startswith(environment_of(pid)["AX_WORKER_NAME"]))
    seconds = built.ask("seconds_left_on_leases")

    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: built.ask("unfinished") == 0, seconds), "nobody gave the lanes back"
    built.settle()
    assert built.picture(who) == clean
    assert built.totals()["contacts"] == 1
    built.until(
        lambda: len(_part(up, "manage.py worker --queues events")) == 2, "there are two workers again"
    )
    assert victim not in _part(up, "manage.py worker --queues events")


def test_a_killed_redis_comes_back_and_meanwhile_events_are_accepted(up: Program, built: Stack) -> None:
    clean, everybody = _clean(built), [built.patient() for _ in range(3)]
    built.faults(latency_ms=20)
    first, *later = zip(*(story(who) for who in everybody), strict=True)
    built.tell(*first)
    (redis,) = _part(up, "redis-server")
    os.kill(redis, signal.SIGKILL)
    for events in later:
        built.tell(*events)
    built.settle(hurry=True)
    assert [built.picture(who) for who in everybody] == [clean] * 3
    assert built.totals()["contacts"] == 3
    assert list(_part(up, "redis-server")) != [redis]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["asked to end", "killed"])
def test_a_burst_that_is_cut_off_is_delivered_once_after_the_next_start(
    up: Program, built: Stack, how: signal.Signals
) -> None:
    clean = _burst(built)
    built.settle()
    pictures = [built.picture(who) for who in clean]
    built.fresh()

    built.faults({"route": NOTE, "kind": "hang", "seconds": 100, "after": True, "skip": 7}, latency_ms=30)
    everybody = _burst(built)
    built.until(lambda: not built.rules_left(), "the burst is in full swing and one call hangs")
    children = children_of(up.pid)
    if how == signal.SIGTERM:
        assert up.end(30) < 10
        assert up.process.returncode == 0
    else:
        up.send(how)
        up.process.wait()
    assert eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 30)
    assert built.ask("waiting") > 0

    built.door("DELETE", "/faults")
    built.ask("end_leases")
    built.start_up()
    built.settle(hurry=True)
    assert built.totals()["contacts"] == 4
    _are_alike([built.picture(who) for who in everybody], pictures, built.effects("in_doubt"))
    assert built.effects("planned") + built.effects("sending") == []


def _are_alike(found: list[Body], clean: list[Body], in_doubt: list[Body]) -> None:
    """The same, but for enrolments that the end cut off: at most those that are shown as in doubt."""
    missing = 0
    for one, other in zip(found, clean, strict=True):
        assert one | {"enrolments": []} == other | {"enrolments": []}
        assert Counter(one["enrolments"]) <= Counter(other["enrolments"])
        missing += len(other["enrolments"]) - len(one["enrolments"])
    assert missing <= len(in_doubt)
    assert {effect["kind"] for effect in in_doubt} <= {"enrol"}


def _clean(stack: Stack) -> Body:
    """What a story ends in when nothing goes wrong."""
    who = stack.patient()
    stack.tell(*story(who))
    stack.settle()
    clean = stack.picture(who)
    stack.fresh()
    return clean


def _burst(stack: Stack) -> list[apro.Client]:
    """Four new patients with twelve events each, posted at once."""
    everybody = [stack.patient() for _ in range(4)]
    told = [long_story(who, variant) for variant, who in enumerate(everybody)]
    for events in zip(*told, strict=True):
        stack.tell(*events)
    return everybody
