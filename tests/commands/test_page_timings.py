"""The pages that the benchmark asks for: all answer, and none asks more queries because there is more to see."""

import pytest
from django.core.management import call_command

from axconnect.bench.pages import TARGET_MS, Timing, table, time_pages


def timed(**size: int) -> dict[tuple[str, str], Timing]:
    call_command("seed_volume", verbosity=0, **size)
    return {(one["page"], one["person"]): Timing(**one) for one in time_pages(requests=1)}


@pytest.mark.django_db
def test_no_page_asks_more_queries_with_more_practices_and_more_events() -> None:
    # Four practices: one of each EMR.
    few = timed(events=1500, contacts=60, practices=4)
    many = timed(events=6000, contacts=300, practices=4, seed=2)
    assert few.keys() == many.keys()
    more = {at: (one.queries, few[at].queries) for at, one in many.items() if one.queries > few[at].queries}
    assert more == {}
    assert all(one.queries for one in many.values())


def test_the_table_says_what_meets_the_target_and_what_asks_more() -> None:
    slow = Timing("events", "administrator", TARGET_MS + 1.0, 400.0, 20, 14)
    fine = Timing("search", "support agent", 20.4, 31.6, 9, 9)
    lines = list(table([slow, fine]))
    assert lines[2:] == [
        "| events | administrator | 301 | 400 | not met | 20 | 14 |",
        "| search | support agent | 20 | 32 | met | 9 | 9 |",
    ]
    assert [one.is_met for one in (slow, fine)] == [False, True]
    assert [one.is_fixed for one in (slow, fine)] == [False, True]
