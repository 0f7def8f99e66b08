"""Values in the CRM's forms."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contract.records import FieldValue
from integrations.crm.calls import FieldValueItem
from integrations.crm.fields import (
    amount_value,
    custom_field_values,
    echo_missing,
    field_ids,
    field_value,
    native_differences,
    normalized_email,
    normalized_phone,
    same_value,
)


@pytest.mark.parametrize(
    ("raw", "country", "value"),
    [
        ("(212) 555-0142", "US", "+12125550142"),
        ("1-212-555-0142", "us", "+12125550142"),
        ("+1 212 555 0142", "GB", "+12125550142"),
        ("212.555.0142 x23", "US", "+12125550142"),
        ("555-555-0100", "US", "+15555550100"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("+44 20 7946 0018", "", "+442079460018"),
        ("", "US", ""),
        ("  ", "US", ""),
    ],
)
def test_phones_become_e164(raw: str, country: str, value: str) -> None:
    assert normalized_phone(raw, country) == (value, "")


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("none", "US"),
        ("555-0142", "US"),
        ("000-000-0000", "US"),
        ("123-456-7890", "US"),
        ("9999999999", "US"),
        ("5555555555", "US"),
        ("212-555-0142 / 212-555-0143", "US"),
        ("212-555-01420000", "US"),
        ("020 7946 0018", ""),
        ("1", "ZZ"),
    ],
)
def test_unusable_phones_are_told_without_the_number(raw: str, country: str) -> None:
    value, problem = normalized_phone(raw, country)
    assert value == ""
    assert problem
    assert not any(sign.isdigit() for sign in problem)


@given(st.text(max_size=40), st.sampled_from(["US", "GB", "CA", "", "??"]))
def test_any_phone_is_e164_or_told(raw: str, country: str) -> None:
    value, problem = normalized_phone(raw, country)
    assert not (value and problem)
    assert value == "" or (value[0] == "+" and value[1:].isdigit() and 8 <= len(value) <= 16)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (" Ava.Stone@Example.COM ", "ava.stone@example.com"),
        ("a+b_c'd@mail.example.co.uk", "a+b_c'd@mail.example.co.uk"),
        ("", ""),
    ],
)
def test_e_mails_are_trimmed_and_lowered(raw: str, value: str) -> None:
    assert normalized_email(raw) == (value, "")


@pytest.mark.parametrize(
    "raw",
    [
        "none",
        "a@b",
        "a@@example.com",
        "a b@example.com",
        "a..b@example.com",
        ".a@example.com",
        "a@-example.com",
        "a@example.com, b@example.com",
        "a@example.c0m1",
        "a@exämple.com",
        "x" * 65 + "@example.com",
    ],
)
def test_invalid_e_mails_are_told_without_the_address(raw: str) -> None:
    value, problem = normalized_email(raw)
    assert value == ""
    assert problem == "The e-mail address is not valid."


FIELDS = [
    {"id": "T", "name": "APro Appt Status", "dataType": "TEXT"},
    {"id": "D", "name": " apro  DOB", "dataType": "DATE"},
    {"id": "M", "name": "Invoice Paid Amount", "dataType": "MONETORY"},
    {"id": "N", "name": "APro Client ID", "dataType": "NUMERICAL"},
    {"id": "L", "name": "Services", "dataType": "CHECKBOX"},
    {"id": "T2", "name": "apro appt status", "dataType": "TEXT"},
    {"name": "no id", "dataType": "TEXT"},
]


def test_field_names_compare_without_case_and_spaces() -> None:
    ids = field_ids(FIELDS)
    assert ids["apro dob"] == ("D", "DATE")
    assert ids["apro appt status"] == ("T", "TEXT")
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("APro Appt Status", " Booked ", "Booked"),
        ("APRO APPT STATUS", Decimal("1250"), "1250.00"),
        ("APro Appt Status", date(2026, 3, 12), "2026-03-12"),
        ("APro DOB", date(1980, 2, 29), "1980-02-29"),
        ("APro DOB", datetime(2026, 3, 12, 23, tzinfo=UTC), "2026-03-12"),
        ("APro DOB", "1980-02-29T00:00:00Z", "1980-02-29"),
        ("Invoice Paid Amount", Decimal("1250.105"), 1250.1),
        ("Invoice Paid Amount", Decimal("0"), 0.0),
        ("Invoice Paid Amount", "$1,250.50", 1250.5),
        ("APro Client ID", "827", 827.0),
        ("Services", "Botox", ["Botox"]),
    ],
)
def test_values_take_the_form_of_their_field(name: str, value: FieldValue, sent: Any) -> None:
    items, missing = custom_field_values({name: value}, field_ids(FIELDS))
    assert [item["field_value"] for item in items] == [sent]
    assert missing == []


@pytest.mark.parametrize("value", [None, "", "  "])
def test_empty_values_are_left_out(value: FieldValue) -> None:
    assert custom_field_values({"APro Appt Status": value, "Unknown": value}, field_ids(FIELDS)) == ([], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APro Membership", "Gold"),
        ("APro DOB", "last spring"),
        ("Invoice Paid Amount", "a lot"),
        ("APro Client ID", "nan"),
        ("APro Client ID", date(2026, 3, 12)),
    ],
)
def test_fields_that_are_not_there_or_cannot_hold_the_value_are_named(name: str, value: FieldValue) -> None:
    assert custom_field_values({name: value}, field_ids(FIELDS)) == ([], [name])


def contact_with(value: Any) -> dict[str, Any]:
    return {"id": "C1", "customFields": [{"id": "other", "value": "x"}, {"id": "F", "value": value}]}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Booked", "Booked"),
        ("Booked", " Booked "),
        (1250.1, 1250.1),
        (1250.0, "1250.00"),
        (1250.5, "1,250.50"),
        ("827", 827),
        ("2026-03-12", "2026-03-12"),
        ("2026-03-12", "2026-03-12T00:00:00.000Z"),
        ("2026-03-12", 1773273600000),
        ("2026-03-12", 1773291600000),
        (["a", "b"], ["b", "a"]),
        (["a"], "a"),
        ("a", ["a"]),
    ],
)
def test_a_value_in_another_form_was_kept(sent: Any, stored: Any) -> None:
    items: list[FieldValueItem] = [{"id": "F", "field_value": sent}]
    assert echo_missing(items, contact_with(stored)) == []


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Booked", "Cancelled"),
        ("Booked", None),
        ("Booked", ""),
        ("827", 828),
        ("0827", True),
        (1250.0, 1250.01),
        (1250.0, ""),
        ("2026-03-12", "2026-03-13"),
        ("2026-03-12", 1773550000000 + 86_400_000),
        (["a", "b"], ["a"]),
    ],
)
def test_a_value_that_was_not_kept_is_named(sent: Any, stored: Any) -> None:
    items: list[FieldValueItem] = [{"id": "F", "field_value": sent}]
    assert echo_missing(items, contact_with(stored)) == ["F"]


def test_a_field_that_is_not_in_the_echo_was_not_kept() -> None:
    items: list[FieldValueItem] = [{"id": "gone", "field_value": "x"}, {"id": "F", "field_value": "y"}]
    assert echo_missing(items, contact_with("y")) == ["gone"]
    assert echo_missing(items, {"id": "C1"}) == ["gone", "F"]


def test_without_an_echo_nothing_is_known_to_be_missing() -> None:
    assert echo_missing([{"id": "F", "field_value": "x"}], {}) == []
    assert native_differences({"email": "a@example.com"}, {}) == []


@given(st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2))
def test_every_amount_survives_the_way_to_the_crm_and_back(amount: Decimal) -> None:
    items, _ = custom_field_values({"Invoice Paid Amount": amount}, field_ids(FIELDS))
    contact = {"customFields": [{"id": "M", "value": items[0]["field_value"]}]}
    assert amount_value(contact, "M") == amount
    assert same_value(items[0]["field_value"], str(amount))


def test_values_are_read_under_any_of_their_names() -> None:
    for key in ("value", "field_value", "fieldValue"):
        assert field_value({"customFields": [{"id": "F", key: 1}]}, "F") == 1
    assert field_value({"customFields": None}, "F") is None
    assert amount_value(contact_with("none yet"), "F") is None
    assert amount_value(contact_with("1250.5"), "F") == Decimal("1250.50")


def test_native_values_that_differ_from_the_echo_are_named() -> None:
    sent = {"email": "ava@example.com", "phone": "+12125550142", "dateOfBirth": "1980-02-29", "city": "Troy"}
    kept = {"email": "AVA@example.com", "phone": "+1 212-555-0142", "dateOfBirth": "1980-02-29T00:00:00.000Z"}
    assert native_differences(sent, kept) == []
    assert native_differences(sent, {"phone": "+12125550143"}) == ["email", "phone", "dateOfBirth"]
    assert native_differences({}, kept) == []
