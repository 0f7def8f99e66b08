"""Once a night the book is compared: what was missed is found, and what is gone is named."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.contract.errors import AuthError, RejectedError, TransientError
from integrations.emrs.modmed.client import ModMedClient
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import Connection, KnownRow, PollCursor, PollRun, Trigger
from integrations.sync.polling import nightly
from integrations.sync.polling.forgetting import old_rows
from tests.polling.lists import BOOK, DAY, MINUTE, START, Lists, Polled
from tests.polling.offices import (
    Crm,
    crm_calls,
    cursor_of,
    events,
    incidents,
    people_at,
    poll_all,
    poll_and_work,
    visit_at,
    work,
)


@pytest.fixture
def polled_book(bare: Connection, monkeypatch: pytest.MonkeyPatch) -> Polled:
    """A book whose rows nobody tries to read as visits."""
    monkeypatch.setattr("integrations.sync.polling.first.standing_visits", lambda *parts: [])
    polled = Polled.of(bare, Lists(), BOOK)
    polled.poll()
    return polled


def tonight(connection: Connection) -> None:
    """Make the comparison due."""
    rows = PollCursor.objects.across_practices().filter(connection=connection)
    rows.update(primed_at=timezone.now() - timedelta(hours=49), swept_at=None)


def compared(polled: Polled) -> list[str]:
    return [run.trigger for run in PollRun.objects.across_practices().order_by("pk")]


# --- when --------------------------------------------------------------------------------------------------------


def test_it_is_due_at_night_once_and_at_any_time_when_two_nights_were_missed(polled_book: Polled) -> None:
    cursor, profile = polled_book.cursor(), polled_book.profile
    cursor.primed_at = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
    night = datetime(2026, 3, 13, 7, 0, tzinfo=UTC)  # three in the morning in New York
    assert profile.zone.key == "America/New_York"
    assert not nightly.is_due(cursor, BOOK, profile, night), "not twenty hours after the first poll"
    assert nightly.is_due(cursor, BOOK, profile, night + timedelta(days=1))
    cursor.swept_at = night + timedelta(days=1)
    assert not nightly.is_due(cursor, BOOK, profile, night + timedelta(days=1, hours=1))
    assert not nightly.is_due(cursor, BOOK, profile, night + timedelta(days=2, hours=12)), "by day"
    assert nightly.is_due(cursor, BOOK, profile, night + timedelta(days=3, hours=1))
    assert nightly.is_due(cursor, BOOK, profile, night + timedelta(days=3, hours=12)), (
        "two nights were missed"
    )


def test_it_reads_from_yesterday_on_and_asks_for_changes_right_after(polled_book: Polled) -> None:
    polled_book.lists.clock += 3 * DAY
    polled_book.poll()
    assert compared(polled_book) == [Trigger.FIRST, Trigger.NIGHTLY]
    asked = polled_book.lists.requests[-1]
    assert asked["dated_from"] == (START + 2 * DAY).date()
    cursor = polled_book.cursor()
    assert cursor.swept_at is not None
    assert cursor.next_at <= polled_book.lists.clock
    assert cursor.watermark <= START, "the mark stays: changes are asked for next"
    polled_book.poll()
    assert compared(polled_book)[-1] == Trigger.SCHEDULE


# --- what it finds -----------------------------------------------------------------------------------------------


def test_a_row_that_every_poll_missed_is_found(polled_book: Polled) -> None:
    polled_book.lists.clock += 3 * DAY
    polled_book.lists.save("missed", "one", at=START - 2 * DAY, day=(START + 9 * DAY).date())
    polled_book.poll()
    assert polled_book.told() == [("missed", "one")]
    polled_book.poll()
    assert polled_book.told() == [("missed", "one")]


def test_a_visit_that_is_gone_is_named_once_and_no_more_when_it_is_back(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    people_at(firm, 3)
    for number in range(3):
        visit_at(firm, number, person=number, days_ahead=4 + number, changed_ago=timedelta(hours=2))
    visit_at(firm, 7, days_ahead=200, changed_ago=timedelta(hours=2))
    poll_all(modmed)
    before = crm_calls(crm)
    firm.remove("Appointment", "9001")
    firm.remove("Appointment", "9007")
    for _ in range(2):
        tonight(modmed)
        run = poll_all(modmed, "appointments")["appointments"]
        assert (run.trigger, run.missing) == (Trigger.NIGHTLY, 1), "what lies further ahead is not compared"
    (incident,) = incidents()
    assert incident.kind == "rows_missing"
    assert incident.words.startswith("1 booked visit is not in ModMed any more")
    missing = KnownRow.objects.across_practices().filter(missing_since__isnull=False)
    assert [row.external_id for row in missing] == ["9001"]
    assert events() == []
    assert crm_calls(crm) == before

    visit_at(firm, 1, person=1, days_ahead=5, changed_ago=timedelta(hours=2))
    tonight(modmed)
    poll_all(modmed, "appointments")
    assert incidents() == []
    assert not missing.all().exists()


def test_a_visit_that_is_cancelled_is_not_missed(modmed: Connection, firm: Firm) -> None:
    people_at(firm, 1)
    visit_at(firm, 1, changed_ago=timedelta(minutes=1))
    poll_all(modmed)
    visit_at(firm, 1, status="cancelled")
    poll_and_work(modmed)
    firm.remove("Appointment", "9001")
    tonight(modmed)
    poll_all(modmed, "appointments")
    assert incidents("rows_missing") == []


def test_a_row_that_only_changed_its_page_is_not_missed(
    modmed: Connection, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_at(firm, 1)
    for number in range(1, 61):
        visit_at(firm, number, days_ahead=5, changed_ago=timedelta(hours=2))
    poll_all(modmed)
    real, removed = ModMedClient.page, []

    def page(self, resource, since, token, **more):
        found = real(self, resource, since, token, **more)
        if more.get("dated_from") and not removed:
            removed.append(firm.remove("Appointment", "9001"))
        return found

    monkeypatch.setattr(ModMedClient, "page", page)
    tonight(modmed)
    run = poll_all(modmed, "appointments")["appointments"]
    assert run.missing == 0, "it was there when its page was read; the one behind it moved up"
    assert incidents() == []


def test_nothing_is_called_missing_where_the_emr_sends_something_else(modmed: Connection, firm: Firm) -> None:
    people_at(firm, 1)
    for number in range(1, 4):
        visit_at(firm, number, days_ahead=-20, status="fulfilled", changed_ago=timedelta(hours=2))
    visit_at(firm, 9, days_ahead=5, changed_ago=timedelta(hours=2))
    poll_all(modmed)
    firm.remove("Appointment", "9009")
    firm.set_up(ignores=["date"])
    tonight(modmed)
    poll_all(modmed, "appointments")
    assert [row.kind for row in incidents()] == ["filter_ignored"]


# --- when it does not work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RejectedError("No date."), TransientError("Too slow.")])
def test_it_does_not_stand_in_the_way_of_the_polls(polled_book: Polled, error: Exception) -> None:
    lists = polled_book.lists
    lists.fault = lambda number: error if lists.requests[number]["dated_from"] else None
    lists.clock += 3 * DAY
    lists.save("a", "one")
    polled_book.poll()
    assert polled_book.told() == [("a", "one")]
    cursor = polled_book.cursor()
    assert cursor.swept_at is not None, "its next turn is tomorrow"
    assert cursor.failures == 0


def test_where_everything_fails_it_has_its_turn_when_the_emr_is_back(polled_book: Polled) -> None:
    lists = polled_book.lists
    lists.fault = lambda number: TransientError("Away.")
    lists.clock += 3 * DAY
    polled_book.poll()
    assert polled_book.cursor().swept_at is None
    lists.fault = lambda number: None
    lists.clock += MINUTE
    polled_book.poll()
    assert compared(polled_book)[-1] == Trigger.NIGHTLY


def test_refused_credentials_are_no_reason_to_go_on(polled_book: Polled) -> None:
    polled_book.lists.clock += 3 * DAY
    start = len(polled_book.lists.requests)
    polled_book.lists.fault = lambda number: AuthError("Refused.", status=401)
    polled_book.poll()
    assert len(polled_book.lists.requests) == start + 1
    assert [row.kind for row in incidents()] == ["needs_reauth"]


# --- what is remembered for it -----------------------------------------------------------------------------------


def test_a_visit_booked_long_ago_is_known_until_its_day_is_over(
    modmed: Connection, firm: Firm, crm: Crm
) -> None:
    """Its row did not change for longer than rows are remembered: it must not look new to the comparison."""
    people_at(firm, 1)
    visit_at(firm, 1, days_ahead=10, changed_ago=timedelta(days=500))
    visit_at(firm, 2, days_ahead=-10, changed_ago=timedelta(days=500), status="fulfilled")
    poll_all(modmed)
    gone = [row.external_id for rows in old_rows(timezone.now()) for row in rows]
    assert gone == ["9002"]
    for rows in old_rows(timezone.now()):
        KnownRow.objects.across_practices().filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
    tonight(modmed)
    poll_all(modmed, "appointments")
    work()
    assert events() == []
    assert cursor_of(modmed, "appointments").swept_at is not None
