"""Money: every payment changes the lifetime value by its amount, exactly once, to the cent."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import LedgerRow
from tests.engine.world import World, at, practice_file, story, visit

ALBA = apro.CLIENTS[0]


def sale(amount: str, invoice: int, minute: float = 0, client: apro.Client = ALBA) -> dict[str, Any]:
    item = apro.Service("Cream", "retail", Decimal(amount))
    return apro.retail_sale(client, [item], invoice, at(minute), visit().site)


def refund(amount: str, invoice: int, minute: float) -> dict[str, Any]:
    body = sale("0", invoice, minute)
    body["data"] |= {"total": f"-{amount}", "paid_amount": f"-{amount}"}
    return body


def rows(world: World) -> list[LedgerRow]:
    return list(LedgerRow.objects.for_practice(world.practice))


def lifetime_value(world: World) -> Decimal:
    return Decimal(str(world.contact()["fields"]["Patient Lifetime Value"]))


# Exact


def test_a_row_keeps_amount_before_after_and_when(world):
    world.take(sale("10.05", 900), sale("0.10", 901, 1))
    first, second = rows(world)
    assert (first.amount, first.before, first.after) == (Decimal("10.05"), Decimal("0.00"), Decimal("10.05"))
    assert (second.amount, second.before, second.after) == (
        Decimal("0.10"),
        Decimal("10.05"),
        Decimal("10.15"),
    )
    assert (first.external_id, first.state, str(first.paid_on)) == ("900", "written", "2026-03-10")
    assert first.written_at is not None
    assert first.contact == world.our_contact()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.decimals("0.01", "99999.99", places=2), min_size=1, max_size=6))
def test_the_lifetime_value_is_the_exact_sum_of_the_amounts(world, amounts):
    number = LedgerRow.objects.for_practice(world.practice).count()
    client = replace(ALBA, client_id=60_000 + number, email=f"p{number}@example.com", mobile_phone="")
    for extra, amount in enumerate(amounts):
        event = world.take(sale(str(amount), 10_000 + number + extra, extra, client))
        assert event.state == "done"
    contact = world.door("GET", f"/contacts/{event.contact.crm_id}")
    assert Decimal(str(contact["fields"]["Patient Lifetime Value"])) == sum(amounts)
    assert Decimal(str(contact["opportunities"][0]["monetary_value"])) == sum(amounts)


@pytest.mark.parametrize("raw", ["$1,234.50", "1234.5", 1234.5])
def test_amounts_are_read_as_people_and_machines_write_them(world, raw):
    body = sale("1", 900)
    body["data"]["paid_amount"] = raw
    world.take(body)
    assert lifetime_value(world) == Decimal("1234.50")


# Once


def test_a_payment_counts_once_however_often_it_is_told(world):
    body = sale("42.00", 900)
    world.take(body, body, body | {"event_id": "again"}, sale("42.00", 900, 30))
    assert len(rows(world)) == 1
    assert lifetime_value(world) == 42
    assert len(world.notes()) == 1
    assert "is in the ledger already" in story(world.events()[-1], "money")


def test_one_invoice_number_at_two_connections_is_two_payments(world):
    document = practice_file()
    document["connections"].append(document["connections"][0] | {"key": "second"})
    world.setup(**document)
    world.take(sale("42.00", 900))
    world.connection = type(world.connection).objects.for_practice(world.practice).get(key="second")
    world.take(sale("42.00", 900))
    assert lifetime_value(world) == 84


def test_a_refund_takes_back_once(world):
    world.take(sale("42.00", 900), sale("8.00", 901, 1), refund("42.00", 900, 2))
    world.take(refund("42.00", 900, 2) | {"event_id": "again"})
    assert lifetime_value(world) == 8
    assert [(row.external_id, row.amount) for row in rows(world)] == [
        ("900", Decimal("42.00")),
        ("901", Decimal("8.00")),
        ("900:reversal", Decimal("-42.00")),
    ]


def test_a_refund_that_arrives_first_ends_the_same(world):
    world.take(refund("42.00", 900, 2), sale("42.00", 900), sale("8.00", 901, 1))
    assert lifetime_value(world) == 8


# By hand


def test_what_somebody_changes_by_hand_survives(world):
    world.take(sale("42.00", 900))
    world.write_field(world.contact()["id"], "Patient Lifetime Value", 1000.5)
    world.take(sale("8.00", 901, 1))
    assert lifetime_value(world) == Decimal("1008.50")
    assert rows(world)[1].before == Decimal("1000.50")


def test_a_value_that_was_there_before_us_is_added_to(world):
    fields = {"Patient Lifetime Value": 99.95}
    world.make_contact(fields, firstName="Alba", lastName="Winter", email=ALBA.email)
    world.take(sale("0.05", 900))
    assert lifetime_value(world) == 100


def test_a_value_that_somebody_cleared_counts_as_nothing(world):
    world.take(sale("42.00", 900))
    world.write_field(world.contact()["id"], "Patient Lifetime Value", None)
    world.take(sale("8.00", 901, 1))
    assert lifetime_value(world) == 8


# Where it belongs


def two_sub_accounts(world: World) -> None:
    world.door("POST", "/sub-accounts", world._sub_account("LOC2", "pit-two", name="Riverside"))
    document = practice_file()
    account = document["sub_accounts"][0]
    river = {"key": "river", "default": False, "crm_location_id": "LOC2", "token": "pit-two"}
    document["sub_accounts"].append(account | river)
    site = {"external_id": "14", "name": "Riverside", "time_zone": None, "sub_account": "river"}
    document["locations"].append(site)
    world.setup(**document)


def without_location(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "location"}


def test_a_payment_without_a_location_belongs_where_the_patient_was_last_seen(world):
    two_sub_accounts(world)
    world.take(apro.booked(replace(visit(), site=apro.SITES[1]), at(0)))
    world.take(without_location(sale("42.00", 900, 1)))
    contact = world.contact()
    assert contact["location_id"] == "LOC2"
    assert contact["fields"]["Patient Lifetime Value"] == 42


def test_a_payment_without_a_location_of_somebody_new_goes_to_the_default_sub_account(world):
    two_sub_accounts(world)
    world.take(without_location(sale("42.00", 900)))
    assert world.contact()["location_id"] == "LOC1"
    assert rows(world)[0].sub_account.key == "main"


def test_without_the_money_field_nothing_is_lost(world):
    """The sub-account lacks Patient Lifetime Value: the payment waits, and counts once when it is there."""
    fields = world.crm.accounts["LOC1"].fields
    found = fields.named("Patient Lifetime Value", "contact")
    del fields.by_id[found["id"]], fields._by_key[found["fieldKey"]]
    event = world.take(sale("42.00", 900))
    assert (event.state, event.parked_as) == ("parked", "config")
    assert '"Patient Lifetime Value"' in event.reason
    world.provision()
    world.work()
    assert lifetime_value(world) == 42
    assert [row.state for row in rows(world)] == ["written"]


def test_a_payment_of_a_skipped_patient_stays_in_the_ledger_as_not_written(world):
    nobody = replace(ALBA, email="", mobile_phone="")
    assert world.take(sale("42.00", 900, client=nobody)).state == "skipped"
    (row,) = rows(world)
    assert (row.amount, row.state, row.written_at) == (Decimal("42.00"), "not_written", None)


def test_a_free_visit_is_a_visit(world):
    world.take(apro.invoice_paid(visit(), 900, at(0), amount=Decimal("0.00")))
    assert lifetime_value(world) == 0
    assert world.opportunity()["stage"] == "Patient"
