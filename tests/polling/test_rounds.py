"""Resources that cannot be asked for changes: patient by patient, those of whom something else changed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.contract.errors import RejectedError, TransientError
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import Connection, KnownRow, PatientRound
from integrations.sync.polling import poll as polling
from integrations.sync.polling import rounds
from tests.polling.lists import BY_PATIENT, BY_TIME, DAY, MINUTE, START, Lists, Polled
from tests.polling.offices import (
    cursor_of,
    events,
    people_at,
    poll_all,
    poll_and_work,
    visit_at,
)

CHARGES = "GET /fhir/v2/ChargeItem"


@pytest.fixture
def ward(bare: Connection) -> Polled:
    """Patients listed by change, lines patient by patient. Four patients changed within the last day."""
    polled = Polled.of(bare, Lists(), BY_TIME, BY_PATIENT)
    for number in range(4):
        polled.lists.save(f"p{number}", "one", patient=f"p{number}")
    return polled


def line(polled: Polled, key: str, patient: str, says: str = "one", **more) -> None:
    """A line of a patient's account."""
    polled.lists.save(key, says, patient=patient, **more)


def lines_asked(polled: Polled, since: int = 0) -> list[str]:
    return [row["patient"] for row in polled.lists.requests[since:] if row["resource"] == "lines"]


def told_lines(polled: Polled) -> list[tuple[str, str]]:
    return [one for one in polled.told() if one[0].startswith("line")]


def test_the_first_pass_writes_nothing_and_new_lines_do(ward: Polled) -> None:
    ward.poll(BY_TIME)
    line(ward, "line 1", "p0")
    ward.poll(BY_PATIENT)
    assert told_lines(ward) == []
    assert ward.cursor(BY_PATIENT).primed_at is not None
    ward.lists.clock += 5 * MINUTE
    line(ward, "line 2", "p0")
    line(ward, "line 1", "p0", "two")
    ward.poll(BY_PATIENT)
    assert sorted(told_lines(ward)) == [("line 1", "two"), ("line 2", "one")]
    ward.poll(BY_PATIENT)
    assert len(told_lines(ward)) == 2


def test_it_waits_for_the_other_resources_first_poll(ward: Polled) -> None:
    ward.poll(BY_PATIENT)
    assert lines_asked(ward) == []
    cursor = ward.cursor(BY_PATIENT)
    assert cursor.primed_at is None
    assert cursor.next_at - ward.lists.clock <= timedelta(seconds=10)


@pytest.mark.parametrize("trouble", [{"refused_since": START}, {"failures": 3}])
def test_it_does_not_wait_for_one_that_is_refused_or_fails(ward: Polled, trouble: dict) -> None:
    type(ward.cursor()).objects.across_practices().filter(resource="things").update(**trouble)
    ward.poll(BY_PATIENT)
    assert ward.cursor(BY_PATIENT).primed_at is not None


def test_old_lines_of_a_patient_who_is_new_to_us_make_no_event_and_new_ones_do(ward: Polled) -> None:
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    ward.lists.clock += 3 * DAY
    ward.lists.save("p9", "one", patient="p9")
    line(ward, "line old", "p9", at=START - 40 * DAY)
    line(ward, "line new", "p9", at=(START + 2 * DAY).replace(hour=0, minute=0))
    line(ward, "line undated", "p9", at=None)
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    assert sorted(told_lines(ward)) == [("line new", "one"), ("line undated", "one")]
    ward.lists.clock += 5 * MINUTE
    line(ward, "line old", "p9", "two", at=START - 40 * DAY)
    ward.poll(BY_PATIENT)
    assert told_lines(ward)[-1] == ("line old", "two"), "it is known by now"


def test_a_line_of_the_day_on_which_the_first_pass_was_made_counts(ward: Polled) -> None:
    """Its time is a day only: midnight, before the first pass was over."""
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    ward.lists.clock += 60 * MINUTE
    ward.lists.save("p9", "one", patient="p9")
    line(ward, "line 1", "p9", at=START.replace(hour=0))
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    assert told_lines(ward) == [("line 1", "one")]


def test_a_first_pass_of_several_polls_loses_nothing_that_comes_meanwhile(
    ward: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "most_patients", lambda seconds, speed: 2)
    ward.poll(BY_TIME)
    line(ward, "line standing", "p3")
    ward.poll(BY_PATIENT)
    assert ward.cursor(BY_PATIENT).primed_at is None
    line(ward, "line new", "p0")
    for _ in range(4):
        ward.lists.clock += 5 * MINUTE
        ward.poll(BY_PATIENT)
    assert ward.cursor(BY_PATIENT).primed_at is not None
    assert told_lines(ward) == [("line new", "one")]


def test_those_never_read_come_first_then_those_read_longest_ago(
    ward: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "most_patients", lambda seconds, speed: 3)
    ward.poll(BY_TIME)
    turns = []
    for _ in range(3):
        ward.lists.clock += 5 * MINUTE
        before = len(ward.lists.requests)
        ward.poll(BY_PATIENT)
        turns.append(lines_asked(ward, before))
    assert turns == [["p0", "p1", "p2"], ["p3", "p0", "p1"], ["p2", "p3", "p0"]]


def test_who_changed_longer_ago_is_asked_for_less_often_and_then_not_at_all(ward: Polled) -> None:
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)

    def asked(passed: timedelta) -> int:
        ward.lists.clock += passed
        before = len(ward.lists.requests)
        ward.poll(BY_PATIENT)
        return len(lines_asked(ward, before))

    assert asked(5 * MINUTE) == 4, "changed within a day: in every poll"
    assert asked(2 * DAY) == 4, "within a week: once an hour"
    assert asked(5 * MINUTE) == 0
    assert asked(60 * MINUTE) == 4
    assert asked(7 * DAY) == 0


def test_one_patient_who_is_refused_does_not_stand_in_the_way_of_the_others(ward: Polled) -> None:
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    ward.lists.clock += 5 * MINUTE
    line(ward, "line 1", "p3")

    def fault(number: int) -> Exception | None:
        return (
            RejectedError("The EMR refuses this.") if ward.lists.requests[number]["patient"] == "p0" else None
        )

    ward.lists.fault = fault
    ward.poll(BY_PATIENT)
    assert told_lines(ward) == [("line 1", "one")]
    cursor = ward.cursor(BY_PATIENT)
    assert (cursor.last_error, cursor.failures) == ("The EMR refuses this.", 0)


def test_what_was_read_before_trouble_is_kept(ward: Polled) -> None:
    ward.poll(BY_TIME)
    ward.poll(BY_PATIENT)
    ward.lists.clock += 5 * MINUTE
    for number in range(4):
        line(ward, f"line {number}", f"p{number}")
    start = len(ward.lists.requests)
    ward.lists.fault = lambda number: TransientError("gone") if number == start + 2 else None
    ward.poll(BY_PATIENT)
    assert [key for key, _ in told_lines(ward)] == ["line 0", "line 1"]
    ward.lists.fault = lambda number: None
    ward.lists.clock += 5 * MINUTE
    ward.poll(BY_PATIENT)
    assert [key for key, _ in told_lines(ward)] == ["line 0", "line 1", "line 2", "line 3"]


def test_a_poll_asks_for_as_many_patients_as_half_the_speed_limit_allows() -> None:
    assert rounds.most_patients(300, 2) == 300
    assert rounds.most_patients(300, 0.001) == 1


# --- over HTTP ---------------------------------------------------------------------------------------------------


def charge(firm: Firm, number: int, person: int, days_ago: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    firm.save(shapes.charge(number, cast.patient(person).id, at, lines=["Botox"], amount="420.00"))


def test_charges_are_asked_for_recently_changed_patients_only(modmed: Connection, firm: Firm) -> None:
    people_at(firm, 40, changed_ago=timedelta(days=90))
    for number in range(40):
        charge(firm, number, number, days_ago=60)
    visit_at(firm, 1, person=3)
    visit_at(firm, 2, person=4, changed_ago=timedelta(days=3))
    visit_at(firm, 3, person=5, changed_ago=timedelta(days=60), days_ahead=10)
    firm.forget_calls()
    poll_all(modmed)
    assert firm.calls()[CHARGES] == 4, "two patients, a page and the empty one behind it each"
    assert events() == []
    firm.forget_calls()
    poll_all(modmed)
    assert firm.calls()[CHARGES] == 2, "who changed three days ago is asked for once an hour"

    charge(firm, 101, 3)
    poll_and_work(modmed)
    assert [event.kind for event in events()] == ["charge"]
    assert cursor_of(modmed, "charges").watermark is None


def test_a_patient_touched_for_the_first_time_brings_the_new_charges_only(
    modmed: Connection, firm: Firm
) -> None:
    people_at(firm, 2)
    poll_all(modmed)
    charge(firm, 1, 1, days_ago=60)
    charge(firm, 2, 1)
    visit_at(firm, 1, person=1, status="fulfilled", days_ahead=0)
    poll_all(modmed)
    assert sorted(event.kind for event in events()) == ["appointment", "charge"]
    known = KnownRow.objects.across_practices().filter(cursor__resource="charges")
    assert sorted(known.values_list("external_id", flat=True)) == ["CHG|1", "CHG|2"]


def test_an_interrupted_first_pass_goes_on_where_it_was(
    modmed: Connection, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_at(firm, 6)
    for number in range(6):
        visit_at(firm, number, person=number)
        charge(firm, number, number)
    poll_all(modmed, "appointments", "patients")
    real, stored = polling._store_patient, []

    def store(*parts):
        if len(stored) == 3:
            raise KeyboardInterrupt
        stored.append(parts[1])
        real(*parts)

    monkeypatch.setattr(polling, "_store_patient", store)
    with pytest.raises(KeyboardInterrupt):
        poll_all(modmed, "charges")
    monkeypatch.setattr(polling, "_store_patient", real)
    cursor = cursor_of(modmed, "charges")
    assert cursor.primed_at is None
    type(cursor).objects.across_practices().filter(pk=cursor.pk).update(lease_until=timezone.now())
    poll_all(modmed, "charges")
    assert PatientRound.objects.across_practices().count() == 6
    assert cursor_of(modmed, "charges").primed_at is not None
    assert events() == []
