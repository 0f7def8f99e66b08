"""What happens at a front desk, as AestheticsPro tells it."""

from datetime import UTC, date, datetime

import pytest

from integrations.contract.demo import NothingToDo
from integrations.contract.protocols import Context
from integrations.contract.records import Outcome
from integrations.emrs import emr_for
from integrations.sandbox.demo.clinics import zone_of


def understood(desk, message):
    """The record that our own reader makes of a message."""
    context = Context(received_at=desk.now, zone_of=lambda _: zone_of(desk.practice, desk.sites[0]))
    body = message.body
    return emr_for("aestheticspro").understand(body["event"], body, context)[0]


def test_a_booking_is_read_back_as_that_booking(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    record = understood(desk, desk.book_visit(number, service=0, days_ahead=3))
    assert (record.outcome, record.visit_on, record.service) == (Outcome.BOOKED, date(2026, 3, 15), "Botox")
    assert record.person.external_id == str(desk.client(number).client_id)
    assert record.version == desk.now


@pytest.mark.parametrize("name, outcome", [("cancel", Outcome.CANCELLED), ("no_show", Outcome.NO_SHOW)])
def test_an_appointment_that_ends_leaves_the_book(make_desk, name, outcome):
    desk = make_desk()
    number = desk.book.new_person()
    booked = understood(desk, desk.book_visit(number))
    ended = understood(desk, getattr(desk, name)(number))
    assert (ended.external_id, ended.outcome) == (booked.external_id, outcome)
    assert desk.book.people[number].appointments == []


def test_a_paid_invoice_names_its_appointment_and_the_price(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    booked = understood(desk, desk.book_visit(number, service=0, days_ahead=0))
    paid = understood(desk, desk.pay(number))
    assert paid.visit_external_id == booked.external_id
    assert str(paid.amount) == "350.00"
    assert paid.visit_on == date(2026, 3, 12)


def test_nobody_pays_for_a_visit_in_the_future(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    desk.book_visit(number, days_ahead=10)
    assert understood(desk, desk.pay(number)).visit_on == date(2026, 3, 12)


def test_an_invoice_is_dated_by_the_clinic_not_by_utc(make_desk):
    desk = make_desk("harbor", now=datetime(2026, 3, 13, 4, 0, tzinfo=UTC))
    paid = understood(desk, desk.sell(desk.book.new_person()))
    assert paid.paid_on == date(2026, 3, 12)


def test_a_reschedule_moves_the_appointment_to_another_day(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    before = understood(desk, desk.book_visit(number, days_ahead=2))
    for days in (2, 5):
        moved = understood(desk, desk.reschedule(number, days_ahead=days))
        assert moved.is_reschedule
        assert moved.external_id == before.external_id
        assert moved.visit_on != before.visit_on


def test_a_deletion_is_told_as_one(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    desk.book_visit(number)
    assert understood(desk, desk.delete(number)).is_deletion


def test_without_an_appointment_there_is_nothing_to_cancel_pay_or_move(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    for act in (desk.cancel, desk.no_show, desk.pay, desk.reschedule, desk.delete):
        with pytest.raises(NothingToDo, match="Press Book first"):
            act(number)
    assert desk.book.people[number].events == 0


def test_a_late_cancellation_is_older_than_the_newer_booking_and_comes_after_it(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    first, second, late = (understood(desk, one) for one in desk.late_cancellation(number))
    assert late.external_id == first.external_id
    assert first.version < late.version < second.version
    assert second.visit_on > late.visit_on
    assert [one.id for one in desk.book.people[number].appointments] == [int(second.external_id)]


def test_saving_a_client_again_says_so(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    assert [desk.save(number).words, desk.save(number).words] == ["Client saved", "Client saved again"]


def test_words_name_nobody(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    told = [desk.save(number), desk.book_visit(number), desk.pay(number), desk.sell(number), desk.ping()]
    client = desk.client(number)
    assert not [one.words for one in told if client.first_name in one.words or client.last_name in one.words]


def test_chance_books_only_what_costs_something(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    services = [desk.book_visit(number).body["data"]["services"] for _ in range(60)]
    assert all(float(one["price"]) > 0 for each in services for one in each)
    assert any(one["name"] == "Laser Consultation" for each in services for one in each)


def test_something_new_on_the_menu_is_booked_and_stays_on_it(make_desk):
    desk = make_desk()
    number = desk.book.new_person()
    first, second = (understood(desk, desk.new_type(number)) for _ in range(2))
    assert [first.service, second.service] == ["New treatment 1", "New treatment 2"]
    assert "New treatment" in understood(desk, desk.cancel(number)).service


def test_whoever_stands_at_a_clinic_books_there(make_desk):
    desk = make_desk("juniper")
    for wanted, place in (("32", 1), ("31", 0)):
        desk.stand_at(wanted)
        for _ in range(3):
            number = desk.book.new_person()
            desk.book_visit(number, service=0)
            assert desk.book.people[number].appointments[0].site == place
    desk.stand_at("of another practice")
    desk.book_visit(desk.book.new_person(), service=0)
