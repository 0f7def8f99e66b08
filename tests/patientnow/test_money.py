"""Bills, voids and refunds: each ledger row changes the lifetime value by its amount exactly once, to the cent,
whatever the order, the repetitions, the trouble on the way and the edits by hand in between."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integrations.models import EventState, InboundEvent, LedgerRow, Opportunity
from integrations.sync import circuit, deliver, replay
from tests.patientnow.clinic import Clinic, Json, told

VALUE = "Patient Lifetime Value"
PUT, MAKE, READ = "PUT /contacts/{id}", "POST /contacts", "GET /contacts/{id}"


def cents(number: int) -> Decimal:
    return Decimal(number) / 100


def bill_of(clinic: Clinic, who: str, total: str) -> Json:
    """A bill over an odd amount; its notice."""
    notice = clinic.desk.bill(who, ["Botox"], seed=1)
    record = clinic.desk.record("bills", notice["billId"])
    clinic.desk.save("bills", {**record, "total": total})
    return notice


@dataclass
class Till:
    """One patient's bills, and what the lifetime value must be in the end."""

    clinic: Clinic
    who: str
    notices: list[Json] = field(default_factory=list)
    untold: list[Json] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    edits: Decimal = Decimal(0)

    def bill(self, amount: int) -> None:
        notice = bill_of(self.clinic, self.who, f"{cents(amount):.2f}")
        self.totals[notice["billId"]] = cents(amount)
        self._happened(notice)

    def take_back(self, which: int, how: str) -> None:
        standing = [bill for bill, total in self.totals.items() if total]
        if standing:
            bill = standing[which % len(standing)]
            self.totals[bill] = Decimal(0)
            self._happened(getattr(self.clinic.desk, how)(bill))

    def _happened(self, notice: Json) -> None:
        self.clinic.later(1)
        self.notices.append(notice)
        self.untold.append(notice)

    def tell(self, which: int) -> None:
        """PatientNow sends one of its notices, for the first time or once more; the work goes on."""
        if self.notices:
            notice = self.notices[which % len(self.notices)]
            self.untold = [one for one in self.untold if one is not notice]
            again = {**notice, "eventId": f"{notice['eventId']}-{which}"} if which % 2 else notice
            self.clinic.post(again)
            self.work()

    def work(self) -> None:
        circuit.forget()
        self.clinic.work(hurry=True)

    def edit(self, amount: int) -> None:
        """Somebody changes the value in the CRM by hand."""
        self.clinic.door("DELETE", "/faults")
        shown = self.shown()
        if shown is not None and self.clinic.nothing_waits:
            now = Decimal(str(shown["fields"].get(VALUE) or 0))
            self.clinic.write_field(shown["id"], VALUE, float(now + cents(amount)))
            self.edits += cents(amount)

    def shown(self) -> Json | None:
        """The patient's contact in the CRM."""
        email = self.clinic.desk.record("patients", self.who)["email"]
        listed = self.clinic.door("GET", f"/contacts?limit=10&q={email}")["contacts"]
        assert len(listed) <= 1
        return self.clinic.door("GET", f"/contacts/{listed[0]['id']}") if listed else None

    def rows(self) -> list[LedgerRow]:
        rows = LedgerRow.objects.for_practice(self.clinic.practice)
        return list(rows.filter(patient__external_id=self.who).order_by("pk"))


# Every example tells a whole story over HTTP: making a failing one smaller would take many minutes.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
AMOUNT = st.integers(1, 1_000_000)
STEPS = st.one_of(
    st.tuples(st.just("bill"), AMOUNT),
    st.tuples(st.just("void"), st.integers(0, 5)),
    st.tuples(st.just("refund"), st.integers(0, 5)),
    st.tuples(st.just("tell"), st.integers(0, 9)),
    st.tuples(st.just("edit"), st.integers(-50_000, 50_000)),
    # A write whose answer is lost, before or after it was done; a look-up that fails.
    st.tuples(st.just("cut"), st.sampled_from([(PUT, False), (PUT, True), (MAKE, True), (READ, False)])),
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the CRM's search to catch up."""
    monkeypatch.setattr(deliver, "DOUBT_PAUSE_SECONDS", 0.0)


@settings(
    max_examples=25,
    deadline=None,
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=14),
    order=st.randoms(use_true_random=False),
    card=st.booleans(),
)
def test_the_lifetime_value_is_what_stands_paid_and_what_was_changed_by_hand(
    clinic: Clinic, quick: None, steps: list[tuple[str, Any]], order: Any, card: bool
) -> None:
    till = Till(clinic, clinic.patient())
    if card:
        clinic.take(clinic.booked(till.who))
    for name, value in steps:
        if name == "bill":
            till.bill(value)
        elif name in ("void", "refund"):
            till.take_back(value, name)
        elif name == "cut":
            route, after = value
            clinic.door("POST", "/faults", {"rules": [{"route": route, "kind": "close", "after": after}]})
        else:
            getattr(till, name)(value)
    rest = list(till.untold)
    order.shuffle(rest)
    for notice in rest:
        clinic.post(notice)
    till.work()
    clinic.door("DELETE", "/faults")
    till.work()
    till.bill(100)  # after which the card's value is the lifetime value again
    till.tell(len(till.notices) - 1)
    till.work()
    _balances(till, has_card=card)


def _balances(till: Till, *, has_card: bool) -> None:
    events = InboundEvent.objects.for_practice(till.clinic.practice)
    assert not events.exclude(state=EventState.DONE).exists(), list(events.values_list("state", "reason"))
    shown = till.shown()
    assert shown is not None
    assert Decimal(str(shown["fields"][VALUE])) == sum(till.totals.values()) + till.edits
    written = [row for row in till.rows() if row.state == "written"]
    assert {row.state for row in till.rows()} <= {"written", "not_written"}
    assert sum(row.amount for row in written) + till.edits == Decimal(str(shown["fields"][VALUE]))
    assert all(row.after - row.before == row.amount for row in written)
    notes = [note for note in shown["notes"] if "Order ID" in note["body"]]
    assert len(notes) == len(written)
    cards = [card["monetary_value"] for card in shown["opportunities"]]
    assert cards == ([shown["fields"][VALUE]] if has_card else [])


# Where the value goes


def both_cards(clinic: Clinic) -> str:
    who = clinic.patient()
    clinic.take(clinic.booked(who, "Breast Aug Consult"), clinic.booked(who, "Botox"))
    return who


def values(clinic: Clinic) -> dict[str, float]:
    return {card["pipeline"]: card["monetary_value"] for card in clinic.contact()["opportunities"]}


def test_the_value_goes_to_the_non_surgical_card_only(clinic):
    who = both_cards(clinic)
    clinic.take(bill_of(clinic, who, "1250.35"))
    assert clinic.lifetime_value() == Decimal("1250.35")
    assert values(clinic) == {"Surgical": 0, "Non-Surgical": 1250.35}


def test_with_the_switch_it_goes_to_the_surgical_card_too(clinic):
    clinic.set_up(switches={"surgical_value": True})
    who = both_cards(clinic)
    notice = bill_of(clinic, who, "1250.35")
    clinic.take(notice)
    assert values(clinic) == {"Surgical": 1250.35, "Non-Surgical": 1250.35}
    clinic.take(clinic.desk.refund(notice["billId"]))
    assert values(clinic) == {"Surgical": 0, "Non-Surgical": 0}
    assert clinic.cards() == {"Surgical": ("Consult Booked", "open"), "Non-Surgical": ("Booked", "open")}


def test_the_switch_does_no_harm_where_there_is_one_pipeline(sandbox, db):
    clinic = Clinic(sandbox, kind="med_spa", categories=[], switches={"surgical_value": True})
    who = clinic.patient()
    clinic.take(clinic.booked(who))
    event = clinic.take(bill_of(clinic, who, "20.00"))
    assert event.state == EventState.DONE, event.reason
    assert values(clinic) == {"Non-Surgical": 20}


def test_a_payment_does_not_wipe_out_why_the_card_stands_where_it_stands(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who))
    before = Opportunity.objects.for_practice(clinic.practice).get().why
    clinic.take(bill_of(clinic, who, "20.00"))
    assert before.startswith('"Booked" because of the visit')
    assert Opportunity.objects.for_practice(clinic.practice).get().why == before


def test_a_bill_moves_no_stage_and_makes_nobody_a_patient(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who), bill_of(clinic, who, "10.00"))
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
    assert "Contact Type" not in clinic.contact()["fields"]
    assert "Last Visit Date" not in clinic.contact()["fields"]


def test_a_bill_without_a_card_leaves_the_pipeline_and_says_so(clinic):
    event = clinic.take(bill_of(clinic, clinic.patient(), "10.00"))
    assert clinic.contact()["opportunities"] == []
    (effect,) = clinic.effects(event=event, kind="opportunity")
    assert effect.state == "skipped"
    assert effect.reason == "There is no opportunity in this pipeline to write the value to."


# Taking back


def test_a_bill_voided_before_its_first_notice_was_worked_on_counts_for_nothing(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who))
    paid = bill_of(clinic, who, "99.99")
    clinic.later()
    voided = clinic.desk.void(paid["billId"])
    event = clinic.take(paid, voided)
    assert clinic.lifetime_value() == 0
    assert VALUE not in clinic.contact()["fields"]
    assert {row.state for row in clinic.ledger()} == {"not_written"}
    assert "before it was ever counted" in told(event, "decided")


def test_a_bill_still_open_counts_when_it_completes(clinic):
    who = clinic.patient()
    notice = bill_of(clinic, who, "75.00")
    record = clinic.desk.record("bills", notice["billId"])
    clinic.desk.save("bills", {**record, "status": "Open"})
    assert clinic.take(notice).state == EventState.DONE
    assert (clinic.contacts(), clinic.ledger()) == ([], [])
    clinic.desk.save("bills", record)
    clinic.take({**notice, "eventId": "later"})
    assert clinic.lifetime_value() == 75


def test_a_total_that_changed_after_it_counted_changes_nothing_and_taking_back_takes_what_was_added(clinic):
    who = clinic.patient()
    notice = bill_of(clinic, who, "75.00")
    clinic.take(notice)
    record = clinic.desk.record("bills", notice["billId"])
    clinic.desk.save("bills", {**record, "total": "80.00"})
    clinic.take({**notice, "eventId": "once more"})
    assert clinic.lifetime_value() == 75
    clinic.take(clinic.desk.void(notice["billId"]))
    assert clinic.lifetime_value() == 0
    assert [row.amount for row in clinic.ledger()] == [Decimal("75.00"), Decimal("-75.00")]


def test_voided_and_then_refunded_takes_back_once(clinic):
    who = clinic.patient()
    notice = bill_of(clinic, who, "75.00")
    clinic.take(notice)
    clinic.take(clinic.desk.void(notice["billId"]))
    clinic.take(clinic.desk.refund(notice["billId"]))
    assert clinic.lifetime_value() == 0
    assert len(clinic.ledger()) == 2


def test_a_replay_of_every_event_changes_no_cent(clinic):
    who = clinic.patient()
    first = bill_of(clinic, who, "75.00")
    clinic.take(clinic.booked(who), first, bill_of(clinic, who, "0.07"), clinic.desk.void(first["billId"]))
    before = clinic.contact()
    for event in clinic.events():
        assert replay.replay(event)
    clinic.work()
    after = clinic.contact()
    assert after["fields"][VALUE] == before["fields"][VALUE] == 0.07
    assert len(after["notes"]) == len(before["notes"])
    assert len(after["enrolments"]) == len(before["enrolments"])


def test_an_edit_by_hand_in_between_survives(clinic):
    who = clinic.patient()
    first = bill_of(clinic, who, "75.00")
    clinic.take(first)
    clinic.write_field(clinic.contact()["id"], VALUE, 1000.5)
    clinic.take(bill_of(clinic, who, "0.25"))
    assert clinic.lifetime_value() == Decimal("1000.75")
    clinic.take(clinic.desk.void(first["billId"]))
    assert clinic.lifetime_value() == Decimal("925.75")
