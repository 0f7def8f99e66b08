"""A write of which nobody can tell whether it happened: a person settles it, and everything goes on from there."""

from decimal import Decimal

import pytest

from integrations.models import Effect, EventState, LedgerRow
from integrations.sync.settle import doubted_write, settle
from tests.patientnow.clinic import Clinic, Json, told
from tests.patientnow.test_money import PUT, VALUE, bill_of, values

ENROL = "POST /contacts/{id}/workflow/{workflowId}"


def break_off(clinic: Clinic, route: str, *, after: bool) -> None:
    """The next call of that route gets no answer."""
    clinic.door("POST", "/faults", {"rules": [{"route": route, "kind": "close", "after": after}]})


@pytest.fixture
def unsure(clinic: Clinic) -> Json:
    """A bill of 75.00 whose write broke off before it was done, while somebody set the value to 1000 by hand."""
    who = clinic.patient()
    clinic.take(clinic.booked(who))
    notice = bill_of(clinic, who, "75.00")
    break_off(clinic, PUT, after=False)
    clinic.take(notice)
    clinic.write_field(clinic.contact()["id"], VALUE, 1000)
    clinic.work(hurry=True)
    return notice


def row(clinic: Clinic) -> LedgerRow:
    return clinic.ledger()[0]


def doubt(clinic: Clinic) -> Effect:
    found = doubted_write(row(clinic))
    assert found is not None
    return found


def test_money_that_nobody_can_tell_of_waits_for_a_person(clinic, unsure):
    assert row(clinic).state == "needs_attention"
    assert doubt(clinic).state == "in_doubt"
    assert clinic.lifetime_value() == 1000
    assert values(clinic) == {"Non-Surgical": 1000}


def test_what_is_there_is_not_written_again(clinic, unsure):
    clinic.forget_calls()
    assert settle(doubt(clinic), is_there=True)
    clinic.work()
    assert clinic.crm_calls() == {}
    assert clinic.lifetime_value() == 1000
    assert (row(clinic).state, row(clinic).written_at is not None) == ("written", True)
    assert doubted_write(row(clinic)) is None
    assert "it is in the CRM" in told(clinic.events()[-1], "settled")


def test_what_is_not_there_is_added_to_what_stands_there_now(clinic, unsure):
    clinic.write_field(clinic.contact()["id"], VALUE, 1200.5)
    enrolled, notes = clinic.enrolments(), clinic.notes()
    assert settle(doubt(clinic), is_there=False)
    clinic.work()
    assert clinic.lifetime_value() == Decimal("1275.50")
    assert (row(clinic).state, row(clinic).before, row(clinic).after) == (
        "written",
        Decimal("1200.50"),
        Decimal("1275.50"),
    )
    assert values(clinic) == {"Non-Surgical": 1275.5}
    assert (clinic.enrolments(), clinic.notes()) == (enrolled, notes)
    assert clinic.states() == {"done": 2}


def test_a_newer_event_in_between_does_not_keep_it_from_being_written(clinic, unsure):
    clinic.later()
    clinic.take(clinic.desk.cancel("90301"))
    assert settle(doubt(clinic), is_there=False)
    clinic.work()
    assert clinic.lifetime_value() == 1075
    assert clinic.cards() == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert clinic.states() == {"done": 3}


def test_it_is_settled_once(clinic, unsure):
    effect = doubt(clinic)
    assert settle(effect, is_there=False)
    assert not settle(effect, is_there=True)
    clinic.work()
    assert clinic.lifetime_value() == 1075


def test_a_write_that_breaks_off_once_more_is_in_doubt_once_more(clinic, unsure):
    break_off(clinic, PUT, after=True)
    assert settle(doubt(clinic), is_there=False)
    clinic.work()
    clinic.work(hurry=True)
    assert clinic.lifetime_value() == 1075
    assert row(clinic).state == "written"


@pytest.mark.parametrize(("is_there", "value"), [(True, 925), (False, 1000)])
def test_what_takes_it_back_waits_until_it_is_settled(clinic, unsure, is_there, value):
    back = clinic.take(clinic.desk.void(unsure["billId"]))
    assert (back.state, back.parked_as) == (EventState.PARKED, "unsure")
    assert "say on its ledger row whether it is in the CRM" in back.reason
    assert clinic.lifetime_value() == 1000
    settle(doubt(clinic), is_there=is_there)
    clinic.work()
    back.refresh_from_db()
    assert back.state == EventState.DONE
    assert clinic.lifetime_value() == value
    assert sum(one.amount for one in clinic.ledger()) == 0


# Enrolments


@pytest.fixture
def enrolment(clinic: Clinic) -> Effect:
    """A booking whose enrolment got no answer, and did not happen."""
    who = clinic.patient()
    notice = clinic.booked(who)
    break_off(clinic, ENROL, after=False)
    clinic.take(notice)
    (effect,) = clinic.effects(kind="enrol")
    assert effect.state == "in_doubt"
    return effect


def test_an_enrolment_that_did_not_happen_is_made_on_a_persons_word(clinic, enrolment):
    assert clinic.enrolments() == []
    assert settle(enrolment, is_there=False)
    clinic.forget_calls()
    clinic.work()
    assert clinic.enrolments() == ["WF1"]
    assert clinic.crm_calls() == {ENROL: 1}
    enrolment.refresh_from_db()
    assert enrolment.state == "done"


def test_an_enrolment_that_happened_is_left_as_it_is(clinic, enrolment):
    assert settle(enrolment, is_there=True)
    clinic.forget_calls()
    clinic.work()
    assert clinic.crm_calls() == {}
    enrolment.refresh_from_db()
    assert enrolment.state == "done"


def test_an_enrolment_of_an_event_that_stopped_goes_with_its_retry(clinic, enrolment):
    event = enrolment.event
    event.state, event.parked_as = EventState.PARKED, "rejected"
    event.save()
    assert settle(enrolment, is_there=False)
    clinic.work()
    assert clinic.enrolments() == []
    enrolment.refresh_from_db()
    assert enrolment.state == "planned"
