"""Which money counts."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.records import AmountKind
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.mapping import understand
from integrations.emrs.nextech_cloud.tests.bodies import PAYMENT, context, read


def effect(record):
    """What a record does to the lifetime value."""
    sign = {AmountKind.PAYMENT: 1, AmountKind.REVERSAL: -1, AmountKind.IGNORED: 0}[record.kind]
    return sign * record.amount


def test_an_active_payment_adds():
    record = read(sandbox.paid(PAYMENT))
    assert (record.external_id, effect(record), record.paid_on) == (
        "126671",
        Decimal("420.00"),
        date(2026, 3, 13),
    )
    assert record.note == (("Status", "Active"), ("Amount", "$420.00"))
    assert record.fields == {
        "NXT Patient ID": PAYMENT.patient.id,
        "NXT Payment Status": "Active",
        "NXT Last Payment Date": date(2026, 3, 13),
        "NXT Last Payment ID": "126671",
    }
    assert not record.proves_visit


def test_a_void_takes_back_once_what_the_payment_added():
    original, opposite = map(read, sandbox.voided(PAYMENT, "126680"))
    assert (original.external_id, effect(original)) == ("126671", Decimal("-420.00"))
    assert effect(opposite) == 0
    assert "opposite entry" in opposite.ignored_because


def test_after_void_and_correct_only_the_corrected_amount_has_counted():
    states = [sandbox.paid(PAYMENT), *sandbox.corrected(PAYMENT, Decimal("450.50"), "126680", "126681")]
    assert sum(effect(read(state)) for state in states) == Decimal("450.50")


def test_a_payment_and_its_taking_back_are_told_apart_in_the_crm():
    written = [
        read(state).fields["NXT Last Payment ID"]
        for state in (
            sandbox.paid(PAYMENT),
            sandbox.voided(PAYMENT, "1")[0],
            sandbox.money_entry(PAYMENT, "entered-in-error"),
        )
    ]
    assert written == ["126671", "126671 cancelled", "126671 deleted"]


@pytest.mark.parametrize(("status", "word"), [("cancelled", "Cancelled"), ("entered-in-error", "Deleted")])
def test_what_takes_a_payment_back_names_it_and_is_no_new_payment(status, word):
    record = read(sandbox.money_entry(PAYMENT, status))
    assert (record.undoes, record.status) == ("126671", word)
    assert record.fields == {
        "NXT Patient ID": PAYMENT.patient.id,
        "NXT Payment Status": word,
        "NXT Last Payment ID": f"126671 {word.lower()}",
    }


def test_payments_refunds_and_what_does_not_count_undo_nothing():
    bodies = [sandbox.paid(PAYMENT), sandbox.refund(PAYMENT, "126690"), sandbox.voided(PAYMENT, "126680")[1]]
    assert [read(body).undoes for body in bodies] == ["", "", ""]


def test_a_deleted_payment_takes_back_too():
    assert effect(read(sandbox.money_entry(PAYMENT, "entered-in-error"))) == Decimal("-420.00")


def test_a_refund_takes_back_under_its_own_id():
    record = read(sandbox.refund(PAYMENT, "126690", Decimal("50")))
    assert (record.external_id, effect(record), record.status) == ("126690", Decimal("-50.00"), "Refunded")
    assert dict(record.note)["Amount"] == "-$50.00"


@pytest.mark.parametrize("status", ["active", "cancelled"])
def test_adjustments_change_nothing_unless_the_switch_says_so(status):
    body = sandbox.money_entry(replace(PAYMENT, kind="adjustment"), status)
    assert effect(read(body)) == 0
    assert "adjustment" in read(body).ignored_because
    assert abs(effect(read(body, count_adjustments=True))) == Decimal("420.00")


def test_of_a_payment_that_is_partly_adjusted_the_rest_counts():
    body = sandbox.paid(replace(PAYMENT, amount=Decimal("300")))
    body["detail"] = [
        {"type": {"coding": [{"code": "payment"}]}, "amount": {"value": 250}},
        {"type": {"coding": [{"code": "Adjustment"}]}, "amount": {"value": 50}},
    ]
    assert effect(read(body)) == Decimal("250.00")
    assert effect(read(body, count_adjustments=True)) == Decimal("300.00")


@pytest.mark.parametrize("status", ["active", "cancelled"])
def test_insurance_money_changes_nothing_unless_the_switch_says_so(status):
    body = sandbox.money_entry(replace(PAYMENT, insurer="Example Shield"), status)
    assert effect(read(body)) == 0
    assert "Insurance" in read(body).ignored_because
    assert abs(effect(read(body, count_insurance=True))) == Decimal("420.00")


def test_insurance_that_is_adjusted_needs_both_switches():
    body = sandbox.money_entry(replace(PAYMENT, insurer="Example Shield", kind="adjustment"), "active")
    assert effect(read(body, count_insurance=True)) == effect(read(body, count_adjustments=True)) == 0
    assert effect(read(body, count_insurance=True, count_adjustments=True)) == Decimal("420.00")


def test_money_that_is_switched_off_is_ignored_and_said():
    record = read(sandbox.paid(PAYMENT), payments=False)
    assert (effect(record), record.ignored_because) == (0, "Payments are switched off for this connection.")


@pytest.mark.parametrize("status", ["draft", "", "whatever"])
def test_any_other_status_is_no_money(status):
    assert read(sandbox.money_entry(PAYMENT, status)).kind is AmountKind.IGNORED


@pytest.mark.parametrize("kind", ["payment", "advance", ""])
def test_what_is_no_adjustment_is_a_payment(kind):
    assert effect(read(sandbox.paid(replace(PAYMENT, kind=kind)))) == Decimal("420.00")


@pytest.mark.parametrize(
    ("value", "amount"),
    [(1000, "1000.00"), (19.99, "19.99"), ("1,250.00", "1250.00"), (0.1 + 0.2, "0.30"), (1e7, "10000000.00")],
)
def test_amounts_are_exact_to_the_cent(value, amount):
    assert str(read(sandbox.paid(PAYMENT) | {"total": {"value": value}}).amount) == amount


@pytest.mark.parametrize("total", [None, {}, {"value": None}, {"value": "ten"}, {"value": [1]}, [1]])
def test_a_payment_without_a_readable_amount_is_parked(total):
    with pytest.raises(MalformedPayload) as fault:
        read(sandbox.paid(PAYMENT) | {"total": total})
    assert fault.value.field == "total.value"


@pytest.mark.parametrize(
    "value",
    [
        {"valueDate": "2026-03-13"},
        {"valueDateTime": "2026-03-13"},
        {"valueDateTime": "2026-03-13T04:00:00.000Z"},
        {"valueDateTime": "2026-03-14T03:59:00Z"},
        {"valueDateTime": "2026-03-13T00:00:00-04:00"},
    ],
)
def test_the_payment_date_is_a_day_or_a_time(value):
    body = sandbox.paid(PAYMENT)
    for row in body["extension"]:
        if row["url"].endswith("payment-date"):
            row.pop("valueDate")
            row |= value
    assert read(body).paid_on == date(2026, 3, 13)


def test_without_a_payment_date_the_day_of_entry_counts():
    body = sandbox.paid(replace(PAYMENT, paid_on=datetime(2026, 3, 14, 2, 0, tzinfo=UTC)))
    body["extension"] = [row for row in body["extension"] if "payment-date" not in row["url"]]
    assert read(body).paid_on == date(2026, 3, 13)


@pytest.mark.parametrize("address", ["http://hl7.org/fhir/structuredefinition/patient", "Patient"])
@pytest.mark.parametrize("value", ["valueReference", "valueResourceReference"])
def test_the_patient_is_found_under_every_spelling_of_the_extension(address, value):
    body = sandbox.paid(PAYMENT)
    body["extension"][0] = {"url": address, value: body["extension"][0]["valueResourceReference"]}
    assert read(body).person.external_id == PAYMENT.patient.id


def test_money_of_no_patient_is_ignored():
    body = sandbox.paid(PAYMENT)
    body["extension"] = body["extension"][1:]
    with pytest.raises(IgnoredEvent, match="names no patient"):
        understand("payment", body, context())
