"""A list that changes while it is read page by page: nothing is lost, nothing comes twice, and it ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract.errors import TransientError
from integrations.emrs.nextech_cloud.paging import (
    MOST_RESTARTS,
    MOST_STALE,
    Walk,
    offset_in,
    target,
    with_offset,
)

FIRST = "/Appointment?_count=50"
BASE = "/emr/nextech_cloud"


def walk():
    return Walk(FIRST, BASE, "Appointment")


def link(offset):
    return f"http://localhost{BASE}/Appointment?_getpagesoffset={offset}&_count=50"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (
            "https://select.nextech-api.com/api/Appointment?_getpagesoffset=50",
            "/Appointment?_getpagesoffset=50",
        ),
        ("http://localhost/emr/nextech_cloud/Appointment?a=1", "/Appointment?a=1"),
        ("http://localhost/emr/nextech_cloud?_getpages=x", "/Appointment?_getpages=x"),
        ("/emr/nextech_cloud/Appointment/2?a=1", "/Appointment/2?a=1"),
        ("Appointment?a=1", "/Appointment?a=1"),
        ("?a=1", "/Appointment?a=1"),
        (
            "http://h/x?_lastUpdated=ge2026-03-15T11:50:00+00:00",
            "/Appointment?_lastUpdated=ge2026-03-15T11:50:00%2B00:00",
        ),
        ("http://h/x?a=%2B#part", "/Appointment?a=%2B"),
        ("https://evil.example.com/emr/nextech_cloud/Appointment?a=1", "/Appointment?a=1"),
        ("https://evil.example.com/steal?a=1", "/Appointment?a=1"),
        ("http://h/emr/nextech_cloud/../../crm?a=1", ""),
        ("http://h/emr/nextech_cloud//crm?a=1", ""),
        ("http://h/x?a=b c", ""),
        ("http://h/x?a=\u00e9", ""),
        ("http://h/Appointment", ""),
        ("http://h/Appointment?", ""),
        ("", ""),
    ],
)
def test_of_a_link_only_path_and_query_are_used_and_only_below_our_base(url, wanted):
    assert target(url, BASE, "Appointment") == wanted


def test_an_offset_is_read_and_set_wherever_it_stands():
    assert offset_in("/A?_getpagesoffset=10&_count=10") == offset_in("/A?_count=10&_getpagesoffset=10") == 10
    assert offset_in("/A?not_getpagesoffset=10") is offset_in("/A?_getpagesoffset=x") is None
    assert with_offset("/A?_count=10&_getpagesoffset=10&b=1", 9) == "/A?_count=10&_getpagesoffset=9&b=1"


def ids(*numbers):
    return [str(number) for number in numbers]


def test_a_next_page_is_asked_for_one_row_earlier():
    assert offset_in(walk().after(FIRST, ids(*range(50)), link(50))) == 49


def test_a_link_that_points_to_itself_or_back_is_the_end():
    assert walk().after(FIRST, ids(1, 2), link(0)) == ""
    later = walk()
    asked = later.after(FIRST, ids(*range(50)), link(50))
    assert later.after(asked, ids(*range(49, 99)), link(49)) == ""


def test_an_empty_page_is_the_end():
    assert walk().after(FIRST, [], link(50)) == ""


def test_a_cursor_is_followed_as_it_is_and_never_twice():
    one, url = walk(), f"http://h{BASE}?_getpages=abc"
    asked = one.after(FIRST, ids(1, 2), url)
    assert asked == "/Appointment?_getpages=abc"
    assert one.after(asked, ids(3, 4), url) == ""


def test_the_same_page_for_every_offset_comes_to_an_end():
    one, asked, pages = walk(), FIRST, 0
    while asked:
        pages += 1
        asked = one.after(asked, ids(1, 2), link((offset_in(asked) or 0) + 50))
    assert pages <= (MOST_RESTARTS + 1) * (MOST_STALE + 1)


def test_a_list_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr("integrations.emrs.nextech_cloud.paging.MOST_PAGES", 20)
    one, asked = walk(), FIRST
    for page in range(20):
        asked = one.after(asked, ids(page, page + 1), link((offset_in(asked) or 0) + 3))
    with pytest.raises(TransientError, match="no end"):
        one.after(asked, ids(98, 99), link(999))


def test_a_short_page_that_has_a_next_link_leads_to_the_end_without_a_new_beginning():
    one = walk()
    asked = one.after(FIRST, ids(1, 2, 3), link(50))
    assert offset_in(asked) == 50
    assert one.after(asked, [], link(100)) == ""
    assert one.restarts == 0


class Shelf:
    """A list of ids that is served by offset and changed between the pages."""

    def __init__(self, ids, size):
        self.ids, self.size = list(ids), size
        self.changed = {}

    def page(self, asked):
        at = offset_in(asked) or 0
        found = self.ids[at : at + self.size]
        more = at + self.size < len(self.ids)
        return [(one, self.changed.get(one, "")) for one in found], link(at + self.size) if more else ""


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "remove", "change", "nothing"]), st.integers(0, 60), st.integers(1, 6)
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=500)
@given(count=st.integers(0, 60), size=st.integers(2, 12), changes=CHANGES)
def test_whatever_stays_on_the_list_is_read_and_nothing_unchanged_twice(count, size, changes):
    shelf, one = Shelf((f"r{number}" for number in range(count)), size), walk()
    kept, seen, version, fresh_number = set(shelf.ids), [], 0, 0
    due, asked, pages = list(changes), FIRST, 0
    while asked:
        pages += 1
        found, url = shelf.page(asked)
        is_fresh = one.fresh(found)
        seen += [row for row, new in zip(found, is_fresh, strict=True) if new]
        asked = one.after(asked, [row_id for row_id, _ in found], url)
        what, at, many = due.pop(0) if due else ("nothing", 0, 1)
        at = min(at, len(shelf.ids))
        if what == "insert":
            shelf.ids[at:at] = [f"n{fresh_number + number}" for number in range(many)]
            fresh_number += many
        elif what == "remove":
            kept -= set(shelf.ids[at : at + many])
            del shelf.ids[at : at + many]
        elif what == "change" and shelf.ids:
            version += 1
            shelf.changed[shelf.ids[at % len(shelf.ids)]] = str(version)
    read = {row_id for row_id, _ in seen}
    # Beyond so many new beginnings a reading takes what it gets, and the next poll's overlap has the rest.
    if one.restarts < MOST_RESTARTS:
        assert kept <= read
    assert len(seen) == len(set(seen))
    assert pages < 400
