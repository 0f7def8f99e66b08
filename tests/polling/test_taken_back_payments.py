"""A payment that is taken back takes away what it added, and nothing where it never added anything."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection, EventState, InboundEvent, LedgerRow
from integrations.sync import lanes
from integrations.sync.intake import lane_key
from integrations.sync.polling.rows import door_of
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from integrations.sync.replay import replay, retry
from tests.polling.offices import Crm, practice_file, set_up, work

ALBA = sandbox.patient(0)
PAYMENT = sandbox.Payment("126671", ALBA, Decimal("420.00"), date(2026, 3, 13))
EARLIER = sandbox.Payment("126600", ALBA, Decimal("80.00"), date(2026, 3, 2))
PUT, ENROL = "PUT /contacts/{id}", "POST /contacts/{id}/workflow/{workflowId}"
NOTHING_TO_TAKE_BACK = "taken back before it was ever counted: nothing to take back"
_PATIENTS = count(1)


@dataclass
class Desk:
    """A practice that takes payments, and the CRM in which they are counted."""

    connection: Connection
    office: Office
    crm: Crm

    def tell(self, *bodies: dict[str, Any]) -> InboundEvent:
        """Let rows come in one after the other, each worked on before the next; the last one's event."""
        for body in bodies:
            event = self.store(body)
            work()
        event.refresh_from_db()
        return event

    def store(self, body: dict[str, Any]) -> InboundEvent:
        """An event as a poll makes it."""
        door, key = door_of(self.connection.practice_id, self.connection.pk), f"row:{uuid.uuid4().hex}"
        patient = body["extension"][0]["valueResourceReference"]["reference"].removeprefix("Patient/")
        return InboundEvent.objects.create(
            practice_id=self.connection.practice_id,
            connection=self.connection,
            source=door.source,
            kind="payment",
            dedupe_key=key,
            lane_key=lane_key(door, patient, key),
            payload=json.dumps(body),
            received_at=timezone.now(),
            priority=door.priority,
            state=EventState.WAITING,
        )

    def switch(self, **switches: bool) -> None:
        """Import the practice with these switches."""
        set_up(document(self.office, **switches))

    def faults(self, **rule: Any) -> None:
        """Let calls fail from now on; without a rule, no longer."""
        self.crm.door("DELETE", "/faults")
        if rule:
            self.crm.door("POST", "/faults", {"rules": [rule]})

    def fields(self) -> dict[str, Any]:
        """Custom fields of the only contact."""
        return dict(self.crm.contact()["fields"])

    def value(self) -> Decimal | None:
        """The only contact's lifetime value, None without a contact."""
        if not self.crm.contacts():
            return None
        return Decimal(str(self.fields()["Patient Lifetime Value"]))

    def headlines(self) -> list[str]:
        """First lines of the only contact's notes, oldest first."""
        return [note.splitlines()[0] for note in self.crm.notes(self.crm.contact()["id"])]

    def ledger(self) -> list[tuple[str, Decimal, str]]:
        rows = LedgerRow.objects.for_practice(self.connection.practice_id)
        return [(row.external_id, row.amount, row.state) for row in rows]


def document(office: Office, **switches: bool) -> dict[str, Any]:
    connection = {
        "base_url": office.base_url,
        "credentials": office.credentials(),
        "switches": {"payments": True} | switches,
    }
    return practice_file("nextech_cloud", connection, workflows={"NXT Payments Update": "WF1"})


@pytest.fixture
def desk(db: None, crm: Crm, office: Office) -> Desk:
    office.save(sandbox.patient_saved(ALBA))
    return Desk(set_up(document(office)), office, crm)


def active(payment: sandbox.Payment = PAYMENT) -> dict[str, Any]:
    return sandbox.money_entry(payment, "active")


def cancelled(payment: sandbox.Payment = PAYMENT) -> dict[str, Any]:
    return sandbox.money_entry(payment, "cancelled")


def deleted(payment: sandbox.Payment = PAYMENT) -> dict[str, Any]:
    return sandbox.money_entry(payment, "entered-in-error")


def refunded(amount: str = "50.00") -> dict[str, Any]:
    return sandbox.refund(PAYMENT, "126690", Decimal(amount))


def story(event: InboundEvent) -> str:
    return " ".join(row["text"] for row in event.story)


# What it comes to


@pytest.mark.parametrize(
    ("bodies", "value"),
    [
        ([active()], "420.00"),
        ([active(), cancelled()], "0.00"),
        ([active(), deleted()], "0.00"),
        ([active(), cancelled(), cancelled()], "0.00"),
        ([active(), cancelled(), deleted()], "0.00"),
        ([active(), cancelled(), active()], "0.00"),
        ([active(), active(), cancelled()], "0.00"),
        ([cancelled()], None),
        ([cancelled(), active()], None),
        ([deleted(), active()], None),
        ([cancelled(), active(), cancelled()], None),
        ([cancelled(), active(), active()], None),
        ([active(EARLIER), cancelled()], "80.00"),
        ([active(EARLIER), cancelled(), active()], "80.00"),
        ([active(EARLIER), active(), cancelled(EARLIER)], "420.00"),
        ([active(), refunded()], "370.00"),
        ([refunded(), active()], "370.00"),
        ([active(), refunded(), refunded()], "370.00"),
        ([active(), refunded(), cancelled()], "-50.00"),
        ([cancelled(), refunded(), active()], "-50.00"),
    ],
    ids=range(20),
)
def test_what_is_taken_back_counts_nothing_in_whatever_order_it_is_told(desk, bodies, value):
    assert desk.tell(*bodies).state == "done"
    assert desk.value() == (None if value is None else Decimal(value))


def test_a_cancelled_payment_that_never_counted_writes_nothing_and_says_so(desk):
    event = desk.tell(cancelled())
    assert event.state == "done"
    assert f"Payment 126671 was {NOTHING_TO_TAKE_BACK}." in story(event)
    assert not event.effects.exists()
    assert desk.crm.contacts() == []
    assert desk.ledger() == [("126671:reversal", Decimal("0.00"), "not_written")]


def test_a_late_payment_that_was_cancelled_before_writes_nothing_and_says_so(desk):
    event = desk.tell(cancelled(), active())
    assert "Payment 126671 was taken back before it came: it does not count." in story(event)
    assert not event.effects.exists()
    assert desk.ledger() == [
        ("126671:reversal", Decimal("0.00"), "not_written"),
        ("126671", Decimal("420.00"), "not_written"),
    ]


def test_a_cancellation_says_so_in_the_crm_and_leaves_what_is_of_the_last_payment(desk):
    desk.tell(active(EARLIER), active())
    before = desk.fields()
    event = desk.tell(cancelled(EARLIER))
    after = desk.fields()
    assert after["NXT Payment Status"] == "Cancelled"
    assert after["NXT Last Payment ID"] == "126600 cancelled"
    assert Decimal(str(after["Patient Lifetime Value"])) == 420
    for name in ("Invoice Paid Amount", "NXT Last Payment Date"):
        assert after[name] == before[name]
    assert desk.headlines() == [
        "Nextech Cloud: payment",
        "Nextech Cloud: payment",
        "Nextech Cloud: payment cancelled",
    ]
    assert "Lifetime value 500.00 → 420.00." in story(event)


def test_taking_back_enrols_nobody(desk):
    desk.tell(active())
    event = desk.tell(cancelled())
    kinds = InboundEvent.objects.get(pk=event.pk).effects.values_list("kind", flat=True)
    assert "enrol" not in kinds
    enrolled = desk.crm.door("GET", "/requests")["routes"][ENROL]
    assert sum(enrolled.values()) == 1


def test_what_did_not_count_by_a_switch_is_not_taken_back_when_the_switch_is_on(desk):
    insured = replace(PAYMENT, insurer="Example Shield")
    adjusted = replace(EARLIER, kind="adjustment")
    desk.tell(active(insured), active(adjusted))
    desk.switch(count_insurance=True, count_adjustments=True)
    event = desk.tell(cancelled(insured), cancelled(adjusted))
    assert NOTHING_TO_TAKE_BACK in story(event)
    assert desk.value() is None


def test_as_much_is_taken_back_as_was_counted(desk):
    """Half was an adjustment, which counts only since the switch is on."""
    body = active() | {
        "detail": [
            {"type": {"coding": [{"code": "payment"}]}, "amount": {"value": 300}},
            {"type": {"coding": [{"code": "adjustment"}]}, "amount": {"value": 120}},
        ]
    }
    desk.tell(active(EARLIER), body)
    assert desk.value() == 380
    desk.switch(count_adjustments=True)
    desk.tell(body | {"status": "cancelled"})
    assert desk.value() == 80


def test_replays_change_nothing(desk):
    desk.tell(active(EARLIER), active(), cancelled(), cancelled(EARLIER), active())
    before, ledger = desk.fields(), desk.ledger()
    for event in InboundEvent.objects.order_by("id"):
        assert replay(event)
    work()
    assert (desk.fields(), desk.ledger()) == (before, ledger)
    assert desk.value() == 0


# Trouble in between


def refused_payment(desk: Desk) -> InboundEvent:
    """A payment that the CRM refuses: put aside, and surely not written."""
    desk.tell(active(EARLIER))
    desk.faults(route=PUT, status=400)
    event = desk.tell(active())
    assert event.state == "parked"
    desk.faults()
    return event


def test_a_payment_that_was_refused_and_then_cancelled_never_counts(desk):
    refused = refused_payment(desk)
    event = desk.tell(cancelled())
    assert NOTHING_TO_TAKE_BACK in story(event)
    assert desk.value() == 80
    assert retry(refused)
    work()
    refused.refresh_from_db()
    assert refused.state == "done"
    assert "it does not count" in story(refused)
    assert desk.value() == 80
    assert [row[2] for row in desk.ledger()] == ["written", "not_written", "not_written"]


def test_a_payment_that_was_refused_counts_once_when_it_is_tried_again(desk):
    assert retry(refused_payment(desk))
    work()
    assert desk.value() == 500
    desk.tell(cancelled())
    assert desk.value() == 80


def try_once() -> None:
    """What a worker does with the lanes that are due, and no more."""
    for lane in lanes.claim(lanes.Picker(), "test", 50):
        work_lane(lane, profiles({lane.practice_id})[lane.practice_id], lambda: False)


@pytest.mark.parametrize("after", [True, False], ids=["written", "not written"])
def test_a_payment_in_doubt_is_settled_before_it_is_taken_back(desk, after):
    """It broke off and was put aside: nobody can tell whether it counted before its event is tried again."""
    desk.tell(active(EARLIER))
    desk.faults(route=PUT, kind="close", after=after)
    unsure = desk.store(active())
    try_once()
    assert unsure.effects.get(kind="contact").state == "sending"
    InboundEvent.objects.filter(pk=unsure.pk).update(state=EventState.PARKED, parked_as="exhausted")
    back = desk.tell(cancelled())
    assert (back.state, back.parked_as) == ("parked", "unsure")
    assert "retry its event first, then this one" in back.reason
    for event in (unsure, back):
        assert retry(InboundEvent.objects.get(pk=event.pk))
        work()
    back.refresh_from_db()
    assert back.state == "done"
    assert desk.value() == 80


# Any history

Told = tuple[int, str]  # which payment, and its status
AMOUNTS = (Decimal("420.00"), Decimal("80.10"), Decimal("0.03"))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(
        some.tuples(some.integers(0, 2), some.sampled_from(("active", "cancelled", "entered-in-error"))),
        min_size=1,
        max_size=8,
    )
)
@example([(0, "cancelled"), (0, "active"), (1, "active"), (1, "cancelled"), (1, "active"), (2, "active")])
def test_in_any_order_and_repetition_the_sum_is_of_what_was_never_taken_back(desk, told):
    assert ended(desk, told) == expected(told)


def expected(told: Sequence[Told]) -> Decimal:
    paid = {which for which, status in told if status == "active"}
    back = {which for which, status in told if status != "active"}
    return sum((AMOUNTS[which] for which in paid - back), Decimal("0.00"))


def ended(desk: Desk, told: Sequence[Told]) -> Decimal:
    """A new patient's lifetime value in the end: in the CRM and in the ledger, which have to agree."""
    number = next(_PATIENTS)
    somebody = replace(sandbox.patient(number), email=f"p{number}@example.com", mobile="")
    desk.office.save(sandbox.patient_saved(somebody))
    for which, status in told:
        payment = sandbox.Payment(
            f"{number}-{which}", somebody, AMOUNTS[which], datetime(2026, 3, 13, tzinfo=UTC)
        )
        assert desk.tell(sandbox.money_entry(payment, status)).state == "done"
    rows = LedgerRow.objects.filter(patient__external_id=somebody.id)
    counted = sum((row.amount for row in rows if row.state == "written"), Decimal("0.00"))
    links = [row.contact for row in rows if row.contact is not None]
    in_crm = links[-1].lifetime_value if links else Decimal("0.00")
    if links:
        fields = next(row for row in desk.crm.contacts() if row["id"] == links[-1].crm_id)["fields"]
        in_crm = Decimal(str(fields["Patient Lifetime Value"])).quantize(Decimal("0.01"))
    assert in_crm == counted
    return counted
