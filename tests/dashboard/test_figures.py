"""The figures of the day: counted by hour and outcome, beside yesterday."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.views import figures
from integrations.views.figures import SERIES, kept_briefly, traffic

NOW = datetime(2026, 3, 12, 18, 40, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def series(day, name):
    """The counts by hour of one series."""
    return day.rows()[[known for known, _ in SERIES].index(name)]


def test_events_stand_in_the_hour_of_their_arrival_under_their_outcome(bluestone, admin_user, make_event):
    make_event(bluestone, NOW)
    make_event(bluestone, NOW - timedelta(hours=1), state="parked")
    make_event(bluestone, NOW - timedelta(hours=1), state="skipped")
    make_event(bluestone, NOW - timedelta(hours=1), state="ignored")
    make_event(bluestone, NOW - timedelta(hours=23), state="held")
    day = traffic(admin_user, NEW_YORK, NOW)
    assert series(day, "Delivered") == (0,) * 23 + (1,)
    assert series(day, "Parked")[22] == 1
    assert series(day, "Nothing to write")[22] == 2
    assert series(day, "Held") == (1,) + (0,) * 23
    assert [day.hours[0].label, day.hours[-1].label] == ["3 pm", "2 pm"]


def test_an_event_of_more_than_a_day_ago_is_not_in_the_chart(bluestone, admin_user, make_event):
    make_event(bluestone, NOW - timedelta(hours=24))
    assert sum(map(sum, traffic(admin_user, NEW_YORK, NOW).rows())) == 0


def test_today_begins_at_midnight_of_the_practices_and_is_compared_with_the_same_time_yesterday(
    bluestone, admin_user, make_event
):
    midnight = datetime(2026, 3, 12, 4, 0, tzinfo=UTC)
    make_event(bluestone, midnight)
    make_event(bluestone, midnight - timedelta(seconds=1))
    make_event(bluestone, NOW - timedelta(days=1, minutes=1))
    make_event(bluestone, NOW - timedelta(days=1) + timedelta(minutes=1))
    make_event(bluestone, midnight - timedelta(hours=24))
    day = traffic(admin_user, NEW_YORK, NOW)
    assert (day.today, day.by_now_yesterday, day.change_percent) == (1, 2, -50)


def test_the_prompt_share_counts_delivered_events_only(bluestone, admin_user, make_event):
    for seconds in (0.2, 60, 60.5, 3600):
        make_event(bluestone, NOW, after=seconds)
    make_event(bluestone, NOW, state="parked", after=1)
    make_event(bluestone, NOW, state="waiting", after=None)
    day = traffic(admin_user, NEW_YORK, NOW)
    assert (day.delivered_today, day.prompt_today, day.prompt_percent) == (4, 2, 50)
    assert day.hours[-1].prompt_share == 0.5
    assert day.hours[0].prompt_share is None


def test_without_events_there_are_no_shares_to_show(bluestone, admin_user):
    day = traffic(admin_user, NEW_YORK, NOW)
    assert (day.today, day.prompt_percent, day.change_percent) == (0, None, None)
    assert day.in_words == "Events of the last 24 hours by hour: none."


def test_a_person_counts_the_events_of_their_own_practices(bluestone, harbor, agent, admin_user, make_event):
    make_event(bluestone, NOW)
    make_event(harbor, NOW)
    assert traffic(agent, NEW_YORK, NOW).today == 1
    assert traffic(admin_user, NEW_YORK, NOW).today == 2


def test_a_count_that_took_long_is_kept_and_a_quick_one_soon_made_again(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 10.0])
    monkeypatch.setattr(figures.time, "perf_counter", lambda: next(clock))
    slow = iter([1, 2])
    assert [kept_briefly("slow", lambda: next(slow)) for _ in range(2)] == [1, 1]
    quick = iter([1])
    assert kept_briefly("quick", lambda: next(quick)) == 1
    with pytest.raises(StopIteration):
        kept_briefly("quick", lambda: next(quick))
