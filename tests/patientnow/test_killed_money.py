"""kill -9 of the worker around the CRM's PUT of the lifetime value: each bill and each void counts once, to the cent,
and what somebody changes by hand in between survives or is put before a person."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.faults.conftest import database_for_processes
from tests.patientnow.clinic import Json
from tests.patientnow.installation import LAST_ORDER, NOTES, PUT, Installation, Moment, hang

pytestmark = pytest.mark.faults

FIRST, SECOND = Decimal("120.35"), Decimal("75.07")
# When the worker dies. The note is the write after the money: by then the money is confirmed.
BEFORE: Moment = (hang(PUT), "")
BETWEEN: Moment = (hang(PUT, after=True), "contact_updated")
AFTER: Moment = (hang(NOTES), "")
MAKING: Moment = (hang("POST /contacts", after=True), "contact_created")
MOMENTS = {"before the PUT": BEFORE, "between the PUT and our note of it": BETWEEN, "after it": AFTER}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with database_for_processes() as url:
        made = Installation(tmp_path_factory.mktemp("money"), url)
        try:
            made.build()
            made.serve()
            yield made
        finally:
            made.close()


@pytest.fixture
def bayside(shared: Installation) -> Installation:
    """Every part running, one worker, no faults; what earlier tests left does not count."""
    shared.door("DELETE", "/faults")
    shared.only_worker()
    shared.until(lambda: shared.ask("hurry") == 0, "what an earlier test left is finished")
    shared.mark = shared.ask("newest_event")
    return shared


@pytest.fixture
def who(bayside: Installation) -> str:
    """A patient with a card and a first bill that counts."""
    found = str(bayside.desk.new_patient()["patientId"])
    bayside.worked(bayside.desk.book(found, type="Botox", facility="F1", days_ahead=3, seed=1))
    bayside.worked(bayside.bill(found, str(FIRST)))
    assert bayside.value(found) == FIRST
    bayside.mark = bayside.ask("newest_event")
    return found


def goes_on(bayside: Installation) -> None:
    """A new worker finishes everything."""
    bayside.start_worker()
    bayside.settle()
    assert bayside.effects("planned") + bayside.effects("sending") + bayside.effects("failed") == []


def put_count(bayside: Installation) -> int:
    return int(sum(bayside.door("GET", "/requests")["routes"].get(PUT, {}).values()))


@pytest.mark.parametrize("name", MOMENTS)
def test_a_bill_counts_once(bayside: Installation, who: str, name: str) -> None:
    bayside.dies_at(MOMENTS[name], bayside.bill(who, str(SECOND)))
    assert bayside.value(who) == FIRST + (0 if name == "before the PUT" else SECOND)
    goes_on(bayside)
    assert bayside.value(who) == bayside.card(who) == FIRST + SECOND
    assert bayside.ledger() == [("75.07", "written")]
    assert bayside.order_notes(who) == ["patient bill", "patient bill"]
    assert bayside.effects("in_doubt") == []


@pytest.mark.parametrize("name", MOMENTS)
def test_a_void_takes_back_once(bayside: Installation, who: str, name: str) -> None:
    notice = bayside.bill(who, str(SECOND))
    bayside.worked(notice)
    bayside.dies_at(MOMENTS[name], bayside.desk.void(notice["billId"]))
    assert bayside.value(who) == FIRST + (SECOND if name == "before the PUT" else 0)
    goes_on(bayside)
    assert bayside.value(who) == bayside.card(who) == FIRST
    assert bayside.ledger() == [("75.07", "written"), ("-75.07", "written")]
    assert bayside.order_notes(who) == ["patient bill", "patient bill", "payment voided"]
    assert bayside.effects("in_doubt") == []


def test_a_bill_and_its_void_survive_a_worker_killed_at_every_moment(bayside: Installation, who: str) -> None:
    """The next worker is killed too, and the one after it: at every moment of both writes."""
    notice = bayside.bill(who, str(SECOND))
    for is_void in (False, True):
        bayside.dies_at(BETWEEN, bayside.desk.void(notice["billId"]) if is_void else notice)
        for again in (hang("GET /contacts/{id}"), hang(NOTES)):
            bayside.reaches(again)
            victim = bayside.start_worker()
            bayside.reached()
            victim.kill()
            assert bayside.ask("release_dead", victim.name) == 1
        goes_on(bayside)
        assert bayside.value(who) == bayside.card(who) == (FIRST if is_void else FIRST + SECOND)
    assert bayside.ledger() == [("75.07", "written"), ("-75.07", "written")]
    assert len(bayside.order_notes(who)) == 3


def test_the_bill_that_makes_the_contact_counts_once(bayside: Installation) -> None:
    who = str(bayside.desk.new_patient()["patientId"])
    bayside.dies_at(MAKING, bayside.bill(who, str(SECOND)))
    goes_on(bayside)
    assert bayside.value(who) == SECOND
    assert bayside.ledger() == [("75.07", "written")]
    assert bayside.order_notes(who) == ["patient bill"]


# Somebody edits the value between the death of the worker and the start of the next


@pytest.mark.parametrize("is_void", [False, True], ids=["bill", "void"])
def test_where_our_payment_is_shown_the_value_of_somebody_else_survives(
    bayside: Installation, who: str, is_void: bool
) -> None:
    """Done, because the field of the last order shows this payment: nothing is added to what was typed in."""
    notice, amounts = last_of(bayside, who, is_void)
    bayside.dies_at(BETWEEN, notice)
    bayside.by_hand(who, Patient_Lifetime_Value=1000.5)
    goes_on(bayside)
    assert bayside.value(who) == Decimal("1000.50")
    assert bayside.ledger() == [(amount, "written") for amount in amounts]
    assert bayside.effects("in_doubt") == []


@pytest.mark.parametrize("is_void", [False, True], ids=["bill", "void"])
def test_even_where_they_typed_in_what_it_was_before(bayside: Installation, who: str, is_void: bool) -> None:
    notice, amounts = last_of(bayside, who, is_void)
    before = bayside.value(who)
    bayside.dies_at(BETWEEN, notice)
    assert bayside.value(who) != before
    bayside.by_hand(who, Patient_Lifetime_Value=float(before))
    goes_on(bayside)
    assert bayside.value(who) == before
    assert bayside.ledger() == [(amount, "written") for amount in amounts]


@pytest.mark.parametrize("is_void", [False, True], ids=["bill", "void"])
def test_where_it_is_not_shown_and_the_value_is_another_a_person_decides(
    bayside: Installation, who: str, is_void: bool
) -> None:
    notice, amounts = last_of(bayside, who, is_void)
    bayside.dies_at(BEFORE, notice)
    bayside.by_hand(who, Patient_Lifetime_Value=1000.5)
    goes_on(bayside)
    assert bayside.value(who) == Decimal("1000.50"), "the value of somebody else survives"
    states = ["written"] * (len(amounts) - 1) + ["needs_attention"]
    assert bayside.ledger() == list(zip(amounts, states, strict=True))
    (doubt,) = bayside.effects("in_doubt")
    assert "but the CRM shows 1000.50: correct it there if needed" in doubt["reason"]


@pytest.mark.parametrize("is_void", [False, True], ids=["bill", "void"])
def test_where_the_value_is_as_before_it_is_written_whatever_else_was_edited(
    bayside: Installation, who: str, is_void: bool
) -> None:
    notice, amounts = last_of(bayside, who, is_void)
    bayside.dies_at(BEFORE, notice)
    bayside.by_hand(who, Contact_Type="VIP")
    goes_on(bayside)
    assert bayside.value(who) == bayside.card(who) == (FIRST if is_void else FIRST + SECOND)
    assert bayside.contact(who)["fields"]["Contact Type"] == "VIP"
    assert bayside.ledger() == [(amount, "written") for amount in amounts]


def test_what_is_edited_after_it_was_confirmed_is_not_touched(bayside: Installation, who: str) -> None:
    bayside.dies_at(AFTER, bayside.bill(who, str(SECOND)))
    bayside.by_hand(who, Patient_Lifetime_Value=1000.5)
    before = put_count(bayside)
    goes_on(bayside)
    assert put_count(bayside) == before
    assert bayside.value(who) == Decimal("1000.50")
    assert bayside.ledger() == [("75.07", "written")]


def test_a_payment_after_it_goes_on_from_the_value_of_somebody_else(bayside: Installation, who: str) -> None:
    bayside.dies_at(BETWEEN, bayside.bill(who, str(SECOND)))
    bayside.by_hand(who, Patient_Lifetime_Value=1000.5)
    bayside.notice(bayside.bill(who, "0.07"))
    goes_on(bayside)
    assert bayside.value(who) == bayside.card(who) == Decimal("1000.57")
    assert bayside.ledger() == [("75.07", "written"), ("0.07", "written")]
    assert str(bayside.contact(who)["fields"][LAST_ORDER]).startswith("B-")


def last_of(bayside: Installation, who: str, is_void: bool) -> tuple[Json, list[str]]:
    """The notice of a second bill, or of its void; and the amounts of the ledger rows that this makes."""
    notice = bayside.bill(who, str(SECOND))
    if not is_void:
        return notice, ["75.07"]
    bayside.worked(notice)
    return bayside.desk.void(notice["billId"]), ["75.07", "-75.07"]
