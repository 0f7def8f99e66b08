"""Nothing is lost and nothing doubled, however lists change between and during polls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from integrations.contract.errors import TransientError
from integrations.contract.protocols import Resource, Row
from integrations.models import Connection, Incident, PollCursor
from integrations.sync import circuit
from integrations.sync.polling import reading
from integrations.sync.polling.rows import digest_of
from tests.polling.lists import BOOK, BY_DAY, BY_TIME, DAY, MINUTE, START, Lists, Polled, Version

SAYINGS = ("a", "b", "c")
KEYS = tuple(f"r{number}" for number in range(8))
UNDATED = KEYS[-1]
# Late by as much as is promised, and not a second more.
LATEST = 10


@pytest.fixture
def things(bare: Connection) -> Polled:
    return Polled.of(bare, Lists(), BY_TIME)


# --- any list, any change, any moment ----------------------------------------------------------------------------

Op = tuple[str, str, str, int]
ops = some.tuples(
    some.sampled_from(("save", "save", "save", "bump", "remove")),
    some.sampled_from(KEYS),
    some.sampled_from(SAYINGS),
    some.sampled_from((0, 0, 1, 5, LATEST)),
)


@dataclass(frozen=True)
class Step:
    """Time passes, things happen, and a poll is made in whose course more things happen."""

    minutes: int
    before: list[Op]
    during: dict[int, list[Op]] = field(default_factory=dict)
    fails_at: int | None = None


steps = some.builds(
    Step,
    minutes=some.sampled_from((0, 1, 5, 5, 9, 11, 45, 8 * 60, 30 * 60)),
    before=some.lists(ops, max_size=3),
    during=some.dictionaries(some.integers(0, 4), some.lists(ops, min_size=1, max_size=2), max_size=3),
    fails_at=some.sampled_from((None, None, None, None, 0, 1, 2)),
)
lists_of_any_kind = some.fixed_dictionaries(
    {
        "page_size": some.sampled_from((1, 2, 3, 50)),
        "order": some.sampled_from(("id", "newest", "oldest")),
        "following": some.sampled_from(("exact", "always", "self", "repeat")),
        "skew": some.sampled_from((timedelta(), timedelta(hours=-2), timedelta(hours=2))),
        "tells_time": some.sampled_from((True, True, True, False)),
        "heeds_filter": some.sampled_from((True, True, True, False)),
    }
)


def happen(lists: Lists, happenings: Sequence[Op]) -> None:
    for what, key, says, late in happenings:
        if what == "save":
            more: dict[str, Any] = {"at": None} if key == UNDATED else {}
            lists.save(key, says, late=timedelta(minutes=late), **more)
        elif what == "remove":
            lists.remove(key)
        elif key != UNDATED:
            lists.bump(key)


def play(polled: Polled, step: Step) -> None:
    """One step; whatever is left of its happenings comes after the poll."""
    lists = polled.lists
    lists.clock += timedelta(minutes=step.minutes)
    happen(lists, step.before)
    start, left = len(lists.requests), dict(step.during)

    def between(number: int) -> None:
        happen(lists, left.pop(number - start, ()))

    def fault(number: int) -> Exception | None:
        return TransientError("gone") if number - start == step.fails_at else None

    lists.between, lists.fault = between, fault
    polled.poll()
    lists.between, lists.fault = lambda number: None, lambda number: None
    for happenings in left.values():
        happen(lists, happenings)


def says_by_digest(key: str) -> dict[str, str]:
    return {digest_of(Row(key, {"id": key, "says": says}), BY_TIME): says for says in SAYINGS}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=lists_of_any_kind,
    resource=some.sampled_from((BY_TIME, BY_TIME, BY_DAY, BOOK)),
    ours=some.sampled_from((timedelta(), timedelta(hours=-3), timedelta(hours=3))),
    standing=some.lists(ops, max_size=5),
    first=steps,
    course=some.lists(steps, min_size=1, max_size=5),
)
@example(  # more rows than a page with one time, all of them late
    kind={"page_size": 2, "order": "oldest", "following": "exact"},
    resource=BY_TIME,
    ours=timedelta(),
    standing=[],
    first=Step(0, []),
    course=[Step(5, [("save", key, "a", LATEST) for key in KEYS]), Step(5, []), Step(5, [])],
)
@example(  # a row leaves its place while the first page is read: the next one moves onto it
    kind={"page_size": 1, "order": "oldest", "following": "always"},
    resource=BY_TIME,
    ours=timedelta(),
    standing=[],
    first=Step(0, []),
    course=[Step(45, [("save", key, "a", 0) for key in KEYS[:3]], {0: [("remove", KEYS[0], "", 0)]})],
)
@example(  # a whole page of rows comes in before the one that was read
    kind={"page_size": 2, "order": "newest", "following": "exact"},
    resource=BY_TIME,
    ours=timedelta(),
    standing=[],
    first=Step(0, []),
    course=[
        Step(30, [("save", key, "a", 0) for key in KEYS[:4]]),
        Step(
            45, [("save", key, "b", 0) for key in KEYS[:4]], {0: [("save", key, "c", 0) for key in KEYS[4:6]]}
        ),
    ],
)
def test_every_state_that_stays_becomes_one_event(
    bare: Connection,
    kind: dict[str, Any],
    resource: Resource,
    ours: timedelta,
    standing: list[Op],
    first: Step,
    course: list[Step],
) -> None:
    with transaction.atomic():
        run_course(bare, Lists(**kind), resource, ours, standing, first, course)
        transaction.set_rollback(True)
    circuit.forget()


def run_course(
    connection: Connection,
    lists: Lists,
    resource: Resource,
    ours: timedelta,
    standing: list[Op],
    first: Step,
    course: list[Step],
) -> None:
    polled = Polled.of(connection, lists, resource)
    polled.ours = ours
    happen(lists, standing)
    lists.clock += MINUTE
    play(polled, first)
    while polled.cursor().primed_at is None:
        lists.clock += MINUTE
        polled.poll()
    known_at_first = polled.known()
    baseline = {key: says_by_digest(key)[row.digest] for key, row in known_at_first.items()}
    began = lists.clock
    assert polled.told() == [], "a first poll writes nothing"

    mark = polled.cursor().watermark
    for step in course:
        play(polled, step)
        moved = polled.cursor().watermark
        assert moved is not None
        assert mark is not None
        assert moved >= mark, "a mark never goes back"
        assert moved <= max(lists.clock + lists.skew, mark), "nor ahead of the EMR's clock"
        mark = moved
    for _ in range(2):
        lists.clock += timedelta(minutes=LATEST)
        polled.poll()

    told = polled.told()
    for key, versions in lists.rows.items():
        shown = lists.shown(key)
        assert shown is not None
        said = [says for row, says in told if row == key]
        if versions[-1].shows_at > began:
            assert [baseline.get(key), *said][-1] == shown.says, f"{key} is lost"
        if key in baseline:
            said = [baseline[key], *said]
        assert all(one != other for one, other in pairwise(said)), f"{key} is doubled"
    lists.clock += 5 * MINUTE
    polled.poll()
    assert polled.told() == told, "what stands still is told once"


# --- told one by one ---------------------------------------------------------------------------------------------


def test_a_state_seen_again_and_again_is_one_event(things: Polled) -> None:
    things.poll()
    things.lists.save("a", "one")
    for _ in range(6):
        things.lists.clock += 5 * MINUTE
        things.poll()
    assert things.told() == [("a", "one")]


def test_a_newer_time_alone_is_no_event_but_is_remembered(things: Polled) -> None:
    things.lists.save("a", "one")
    things.poll()
    things.lists.clock += 5 * MINUTE
    things.lists.bump("a")
    things.poll()
    assert things.told() == []
    assert things.known()["a"].updated_at == things.lists.rows["a"][-1].at
    assert things.known()["a"].revision == 1


def test_a_row_that_returns_to_a_former_state_is_an_event_again(things: Polled) -> None:
    things.poll()
    for says in ("one", "two", "one"):
        things.lists.clock += 5 * MINUTE
        things.lists.save("a", says)
        things.poll()
    assert things.told() == [("a", "one"), ("a", "two"), ("a", "one")]


def test_a_copy_that_lags_behind_does_not_take_a_state_back(things: Polled) -> None:
    things.poll()
    things.lists.clock += 5 * MINUTE
    things.lists.save("a", "one")
    older = things.lists.rows["a"][-1]
    things.lists.clock += MINUTE
    things.lists.save("a", "two")
    newer = things.lists.rows["a"][-1]
    things.poll()
    things.lists.rows["a"] = [older]
    things.poll()
    things.lists.rows["a"] = [newer]
    things.poll()
    assert things.told() == [("a", "two")]


def test_events_come_in_the_order_of_their_times(things: Polled) -> None:
    things.lists.order = "newest"
    things.poll()
    for key in ("c", "a", "b"):
        things.lists.clock += MINUTE
        things.lists.save(key, "one")
    things.poll()
    assert [key for key, _ in things.told()] == ["c", "a", "b"]


@pytest.mark.parametrize("minutes", [1, 5, 9, 10])
def test_a_row_that_shows_late_is_found_although_newer_ones_were_seen_before(
    things: Polled, minutes: int
) -> None:
    things.poll()
    things.lists.clock += 5 * MINUTE
    things.lists.save("late", "one", late=minutes * MINUTE)
    for number in range(4):
        things.lists.clock += 4 * MINUTE
        things.lists.save(f"newer {number}", "one")
        things.poll()
    assert ("late", "one") in things.told()
    assert len(things.told()) == 5


def test_a_row_dated_in_the_future_hides_nothing(things: Polled) -> None:
    things.poll()
    things.lists.save("future", "one", at=START + 30 * DAY)
    things.poll()
    assert things.cursor().watermark <= things.lists.clock
    things.lists.clock += 5 * MINUTE
    things.lists.save("present", "one")
    things.poll()
    assert things.told() == [("future", "one"), ("present", "one")]


def test_without_rows_the_mark_stays_behind_the_emrs_clock(things: Polled) -> None:
    things.poll()
    things.lists.clock += 60 * MINUTE
    asked_at = things.lists.clock
    things.poll()
    assert things.cursor().watermark == asked_at - 10 * MINUTE


@pytest.mark.parametrize("by", [timedelta(minutes=12), timedelta(hours=1), timedelta(days=2)])
@pytest.mark.parametrize("away", [5, 90])
def test_an_emr_that_puts_its_clock_back_loses_nothing(things: Polled, by: timedelta, away: int) -> None:
    things.lists.skew = by
    things.poll()
    things.lists.clock += 20 * MINUTE
    things.poll()
    things.lists.skew = timedelta()
    for number in range(3):
        things.lists.clock += away * MINUTE / 3
        things.lists.save(f"r{number}", "one")
    for _ in range(3):
        things.lists.clock += 5 * MINUTE
        things.poll()
    assert things.told() == [("r0", "one"), ("r1", "one"), ("r2", "one")]
    assert things.cursor().watermark <= things.lists.clock


def test_a_poll_that_fails_between_pages_leaves_the_mark_and_stores_nothing(things: Polled) -> None:
    things.poll()
    mark = things.cursor().watermark
    things.lists.clock += 5 * MINUTE
    for number in range(5):
        things.lists.save(f"r{number}", "one")
    first = len(things.lists.requests)
    things.lists.fault = lambda number: TransientError("gone") if number == first + 1 else None
    things.poll()
    assert things.told() == []
    assert things.cursor().watermark == mark
    assert "r0" not in things.known()
    things.poll()
    assert len(things.told()) == 5


# --- lists without an end ----------------------------------------------------------------------------------------


def test_a_list_that_never_ends_is_given_up_with_words(
    things: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_PAGES", 20)
    things.poll()
    mark = things.cursor().watermark
    numbers = iter(range(10**6))
    things.lists.following = "always"
    things.lists.between = lambda number: things.lists.save(f"new {next(numbers):06}", "one")
    things.lists.page_size = 1
    things.lists.save("new", "one")
    run = things.poll()
    assert run is not None
    assert run.error == "The list of things has no end (20 pages)."
    assert run.calls == 20
    assert things.cursor().watermark == mark
    row = things.connection.__class__.objects.across_practices().get(pk=things.connection.pk)
    assert row.failures_in_a_row == 0, "the EMR answers: its circuit stays closed"


def test_a_list_that_never_stands_still_makes_its_events_and_keeps_the_mark(things: Polled) -> None:
    things.poll()
    things.lists.order, things.lists.page_size = "oldest", 2
    for number in range(6):
        things.lists.save(f"r{number}", "0")
    changes = iter(range(1, 10**6))
    things.lists.between = lambda number: things.lists.save("r0", f"{next(changes)}")
    mark = things.cursor().watermark
    things.lists.clock += 5 * MINUTE
    things.poll()
    assert {key for key, _ in things.told()} == {f"r{number}" for number in range(6)}
    assert things.cursor().watermark == mark
    things.lists.between = lambda number: None
    things.lists.clock += 5 * MINUTE
    things.poll()
    assert things.cursor().watermark > mark


@pytest.mark.parametrize("following", ["exact", "always", "self", "repeat"])
def test_pages_end_whatever_their_links_say(things: Polled, following: str) -> None:
    things.poll()
    things.lists.following = following
    things.lists.clock += 5 * MINUTE
    for number in range(7):
        things.lists.save(f"r{number}", "one")
    before = len(things.lists.requests)
    things.poll()
    assert len(things.told()) == 7
    assert len(things.lists.requests) - before <= 8, "two readings of three or four pages"


def test_one_page_is_read_once(things: Polled) -> None:
    things.poll()
    things.lists.clock += 5 * MINUTE
    things.lists.save("a", "one")
    before = len(things.lists.requests)
    things.poll()
    assert len(things.lists.requests) - before == 1


def test_a_days_window_is_read_once_a_poll_and_twice_once_a_day(bare: Connection) -> None:
    polled = Polled.of(bare, Lists(following="always"), BY_DAY)
    polled.poll()
    requests = []
    for number in range(24 * 6):
        polled.lists.clock += 10 * MINUTE
        polled.lists.save(f"r{number}", "one")
        before = len(polled.lists.requests)
        polled.poll()
        pages = -(-len(polled.known()) // 3) + 1
        requests.append((len(polled.lists.requests) - before) / pages)
    assert sum(one > 1.5 for one in requests) <= 2
    assert len(polled.told()) == 24 * 6


# --- an EMR that sends everything --------------------------------------------------------------------------------


def test_an_ignored_filter_is_told_once_and_what_changed_is_still_found(
    things: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_PAGES_UNFILTERED", 4)
    for number in range(6):
        things.lists.save(f"old {number}", "one", at=START - 100 * DAY)
    things.poll()
    things.lists.heeds_filter = False
    things.lists.clock += 5 * MINUTE
    things.lists.save("a", "one")
    for _ in range(3):
        things.lists.clock += 5 * MINUTE
        things.poll()
    assert things.told() == [("a", "one")]
    incident = Incident.objects.across_practices().get()
    assert (incident.kind, incident.closed_at) == ("filter_ignored", None)
    assert "does not heed the filter" in incident.words
    assert things.cursor().filter_ignored

    things.lists.heeds_filter = True
    things.poll()
    incident.refresh_from_db()
    assert incident.closed_at is not None
    assert not things.cursor().filter_ignored


def test_an_ignored_filter_reads_so_many_pages_and_no_more(
    things: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_PAGES_UNFILTERED", 4)
    things.poll()
    mark = things.cursor().watermark
    for number in range(60):
        things.lists.save(f"old {number:02}", "one", at=START - 100 * DAY)
    things.lists.heeds_filter = False
    before = len(things.lists.requests)
    things.lists.clock += 5 * MINUTE
    things.poll()
    assert len(things.lists.requests) - before == 4
    assert things.cursor().watermark == mark
    assert "Reading stopped after 4 pages" in Incident.objects.across_practices().get().words


# --- rows as no database likes them ------------------------------------------------------------------------------


def test_no_row_keeps_the_others_from_being_stored(things: Polled) -> None:
    things.poll()
    things.lists.clock += 5 * MINUTE
    odd = {
        "x" * 500: "too long",
        "x" * 499 + "y": "too long as well",
        "nul\x00here": "nul \x00 \\u0000 \\\x00 end",
        "half \ud83d": "half \ud83d",
        "": "without an id",
        "plain": "one",
    }
    for key, says in odd.items():
        things.lists.save(key, says, patient="p" * 300 if key == "plain" else "p\x00\ud800")
    things.lists.rows["ancient"] = [Version(START.min.replace(tzinfo=START.tzinfo), START, "one")]
    things.poll()
    told = dict(things.told())
    assert len(told) == 5, "all but the one without an id, and the one long past"
    assert told["plain"] == "one"
    assert told["nulhere"] == "nul  \\u0000 \\ end"
    assert told["half ?"] == "half ?"
    before = len(things.told())
    things.lists.clock += 5 * MINUTE
    things.poll()
    assert len(things.told()) == before
    assert PollCursor.objects.across_practices().get(pk=things.cursor().pk).failures == 0


def test_two_ids_that_differ_only_at_their_end_stay_two(things: Polled) -> None:
    things.poll()
    things.lists.save("x" * 300 + "1", "one")
    things.lists.save("x" * 300 + "2", "one")
    things.poll()
    assert len(things.known()) == 2
    things.lists.clock += MINUTE
    things.lists.save("x" * 300 + "2", "two")
    things.poll()
    assert [says for _, says in things.told()] == ["one", "one", "two"]
