"""PatientNow Pro asks us to slow down in the middle of an event: what was read for it is not read again."""

import pytest

from integrations.models import Lane
from tests.patientnow.clinic import Clinic

BOTH = {"GET /appointments/{id}": 1, "GET /patients/{id}": 1}


def refuse_second_call(clinic: Clinic, retry_after: str) -> None:
    """Of two calls the second is answered with 429, of the two after them the second again."""
    clinic.forget_calls()
    clinic.desk.set_up(throttle_every=2, retry_after=retry_after)


def test_a_short_429_in_the_middle_is_sat_out_and_nothing_is_read_twice(clinic: Clinic) -> None:
    notice = clinic.booked(clinic.patient())
    refuse_second_call(clinic, "0")
    clinic.take(notice)
    assert clinic.states() == {"done": 1}
    assert clinic.desk.calls() == BOTH | {"GET /patients/{id}": 2}


def test_a_long_one_gives_the_lane_to_others_and_the_event_begins_again(clinic: Clinic) -> None:
    notice = clinic.booked(clinic.patient())
    refuse_second_call(clinic, "30")
    clinic.take(notice)
    assert clinic.states() == {"waiting": 1}
    assert clinic.desk.calls() == BOTH
    lane = Lane.objects.for_practice(clinic.practice).get()
    assert (lane.attempts, lane.waits_because) == (0, "PatientNow Pro asks us to slow down.")
    clinic.desk.set_up(throttle_every=0)
    clinic.work(hurry=True)
    assert clinic.states() == {"done": 1}


def test_nobody_sits_there_for_longer_than_a_turn_may_take(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("integrations.sync.emr_access.time.sleep", slept.append)
    notice = clinic.booked(clinic.patient())
    refuse_second_call(clinic, "2")
    # After the first answer every call is refused.
    clinic.desk.set_up(throttle_every=1)
    clinic.take(notice)
    assert slept == []
    clinic.desk.set_up(throttle_every=2)
    clinic.work(hurry=True)
    assert slept == [2.0]
    assert clinic.states() == {"done": 1}
