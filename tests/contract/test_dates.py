"""Days and times as EMRs send them."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contract.dates import as_people_write, birth_date, calendar_date, moment
from integrations.contract.errors import MalformedPayload

NEW_YORK = ZoneInfo("America/New_York")
TODAY = date(2026, 3, 15)
FORMS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%Y%m%d",
    "%b %d, %Y",
    "%B %d %Y",
    "%d %b %Y",
    "%a, %d %b %Y",
]
CLOCKS = ["", "T09:30:00", " 09:30", " 9:30 AM", " 9:30:15.250 pm", ", 9 p.m."]


@given(
    day=st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    form=st.sampled_from(FORMS),
    clock=st.sampled_from(CLOCKS),
)
def test_every_form_gives_the_day_back(day, form, clock):
    assert calendar_date(day.strftime(form) + clock, "when") == day


@given(at=st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)))
def test_a_time_with_an_offset_is_moved_to_the_zone(at):
    for offset in (0, -5, 14, -11):
        there = at.astimezone(timezone(timedelta(hours=offset)))
        assert calendar_date(there.isoformat(), "when", NEW_YORK) == at.astimezone(NEW_YORK).date()


def test_without_a_zone_to_move_to_the_day_is_the_written_one():
    assert calendar_date("2026-03-19T00:00:00Z", "when") == date(2026, 3, 19)
    assert calendar_date("2026-03-19T00:00:00Z", "when", NEW_YORK) == date(2026, 3, 18)
    assert calendar_date("2026-03-19 00:00 Z", "when", NEW_YORK) == date(2026, 3, 18)
    assert calendar_date("2026-03-19T00:00:00", "when", NEW_YORK) == date(2026, 3, 19)
    assert calendar_date("2026-03-19", "when", NEW_YORK) == date(2026, 3, 19)


@pytest.mark.parametrize("rest", [" in the morning", "T99:99:99", " 13:61", "T20:00:00[America/New_York]"])
def test_an_unreadable_time_of_day_leaves_the_day(rest):
    assert calendar_date("2026-03-18" + rest, "when", NEW_YORK) == date(2026, 3, 18)


@pytest.mark.parametrize(
    ("written", "year"), [("1/2/26", 2026), ("1/2/69", 2069), ("1/2/70", 1970), ("1/2/99", 1999)]
)
def test_two_digit_years_of_visits(written, year):
    assert calendar_date(written, "when") == date(year, 1, 2)


@pytest.mark.parametrize(
    "written",
    [
        "never",
        "2026-13-01",
        "2026-02-29",
        "1899-12-31",
        "2200-01-01",
        "202603",
        "12/2026",
        "Foo 3, 2026",
        "3" * 70,
    ],
)
def test_what_is_no_date_names_the_field_and_not_the_value(written):
    with pytest.raises(MalformedPayload, match=r'"data\.when"') as fault:
        calendar_date(written, "data.when")
    assert fault.value.field == "data.when"
    assert written not in str(fault.value)


@pytest.mark.parametrize("empty", [None, "", " ", [], {}])
def test_nothing_is_none(empty):
    assert calendar_date(empty, "when") is None
    assert birth_date(empty, "when", TODAY) is None
    assert moment(empty, "when") is None


@given(born=st.dates(date(1906, 1, 1), TODAY))
def test_a_birth_date_with_a_long_year_is_itself(born):
    assert birth_date(born.strftime("%m/%d/%Y"), "dob", TODAY) == born


@given(born=st.dates(date(1926, 3, 16), TODAY))
def test_a_birth_date_with_a_short_year_is_the_latest_not_in_the_future(born):
    assert birth_date(born.strftime("%m/%d/%y"), "dob", TODAY) == born


@pytest.mark.parametrize("written", ["3/16/2026", "1905-12-31", "0001-01-01", "2/30/80", "2/29/01"])
def test_an_impossible_birth_date_names_the_field(written):
    with pytest.raises(MalformedPayload, match='"dob"'):
        birth_date(written, "dob", TODAY)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-10T15:04:05Z",
        "2026-03-10T15:04:05",
        "2026-03-10 15:04:05.000000+00:00",
        "2026-03-10T11:04:05-04:00",
        "2026-03-10T15:04:05.1234567Z",
        "3/10/2026 3:04:05 PM",
        1773155045,
        "1773155045000",
        1773155045000,
    ],
)
def test_a_moment_is_in_utc(written):
    found = moment(written, "timestamp")
    assert found.replace(microsecond=0) == datetime(2026, 3, 10, 15, 4, 5, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "yesterday",
        "2026-03-10T25:00",
        "2026-03-10 or so",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "12",
    ],
)
def test_what_is_no_moment_names_the_field(written):
    with pytest.raises(MalformedPayload, match='"timestamp"'):
        moment(written, "timestamp")


@pytest.mark.parametrize(
    ("day", "line"), [(date(2026, 3, 9), "3/9/2026"), (date(2026, 12, 31), "12/31/2026")]
)
def test_people_write_days_without_leading_zeros(day, line):
    assert as_people_write(day) == line
