"""The readers on which every EMR folder builds."""

from decimal import Decimal

import pytest

from integrations.contract.errors import MalformedPayload
from integrations.contract.reading import (
    Body,
    distinct,
    dollars,
    get,
    joined,
    money,
    names_in,
    plain_key,
    text,
)


@pytest.mark.parametrize("key", ["client_id", "clientId", "ClientID", "CLIENT-ID", "client id", "Client.Id"])
def test_key_style_does_not_matter(key):
    assert plain_key(key) == "clientid"
    assert get({key: 5}, "client_id") == 5
    assert Body({"data": {key: 5}}, {}).text("client_id", "data.client_id") == "5"


def test_an_exact_key_wins_over_one_in_another_style():
    assert get({"ClientID": 1, "client_id": 2}, "client_id") == 2
    assert Body({"ClientID": 1, "client_id": 2}, {}).at("client_id") == 2


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("items.0.name", "a"),
        ("items.1.name", "b"),
        ("items.2.name", None),
        ("items.-1.name", None),
        ("items.²", None),
        ("items.999999999999", None),
        ("items.name", None),
        ("items.0.name.more", None),
        ("", None),
    ],
)
def test_a_dotted_path_may_go_through_a_list(path, found):
    assert Body({"items": [{"name": "a"}, {"name": "b"}]}, {}).at(path) == found


def test_an_override_is_read_before_the_usual_places_and_passed_over_when_empty():
    payload = {"a": "usual", "b": "special", "c": ""}
    assert Body(payload, {"x": ["b"]}).text("x", "a") == "special"
    assert Body(payload, {"x": ["c", "missing"]}).text("x", "a") == "usual"
    assert Body(payload, {"x": ["c", "b"]}).located("x", "a") == ("b", "special")
    assert Body(payload, {"y": ["b"]}).value("x", "a") == "usual"


@pytest.mark.parametrize("overrides", [{"x": None}, {"x": 3}, {"x": {"a": 1}}, {"x": [None, 4]}, None])
def test_an_override_that_is_no_path_is_passed_over(overrides):
    assert Body({"a": "usual"}, overrides).text("x", "a") == "usual"


def test_a_text_is_looked_for_past_objects_and_lists():
    body = Body({"a": {"b": 1}, "c": ["d"], "e": "found"}, {})
    assert body.text("x", "a", "c", "e") == "found"
    assert body.value("x", "a", "c", "e") == {"b": 1}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (" a \t b\n", "a b"),
        ("two  spaces stay", "two  spaces stay"),
        ("\u200bIris\u00a0May\ud83d", "Iris May"),
        ("José Ñandú", "José Ñandú"),
        (12, "12"),
        (12.0, "12"),
        (12.5, "12.5"),
        (Decimal("12.00"), "12"),
        (Decimal("NaN"), ""),
        (Decimal("1e999999"), ""),
        (10**400, ""),
        (True, ""),
        (None, ""),
        ({}, ""),
        (["a"], ""),
        ("x" * 600, "x" * 500),
    ],
)
def test_a_text_is_one_trimmed_line(value, line):
    assert text(value) == line


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("$1,250.00", "1250.00"),
        ("£12", "12.00"),
        ("+3.5", "3.50"),
        ("-$3.50", "-3.50"),
        ("$-3.50", "-3.50"),
        ("(1,250.00)", "-1250.00"),
        ("-0", "0.00"),
        ("2.675", "2.68"),
        (99999999.99, "99999999.99"),
    ],
)
def test_money_has_two_places_and_a_sign(value, amount):
    assert str(money(value, "total")) == amount


@pytest.mark.parametrize("value", ["", None, [], {}, "  "])
def test_no_money_is_none(value):
    assert money(value, "total") is None


@pytest.mark.parametrize("value", ["12,50", "1.250,00", "1,25.00", "12 or so", "inf", "100000000", "(5", "٣"])
def test_what_is_no_amount_names_the_field(value):
    with pytest.raises(MalformedPayload, match=r'"data\.total"') as fault:
        money(value, "data.total")
    assert fault.value.field == "data.total"


@pytest.mark.parametrize(
    ("amount", "line"), [("0", "$0.00"), ("549", "$549.00"), ("1250.5", "$1,250.50"), ("-80", "-$80.00")]
)
def test_an_amount_in_a_note_has_a_dollar_sign_and_two_places(amount, line):
    assert dollars(Decimal(amount)) == line


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ([{"name": "Botox"}, {"Name": " Peel "}, {"other": 1}, {}], ["Botox", "Peel"]),
        (["Botox", "", None, 7], ["Botox", "7"]),
        ({"name": "Botox"}, ["Botox"]),
        ("Botox", ["Botox"]),
        (None, []),
        ([[{"name": "too deep"}]], []),
    ],
)
def test_names_are_found_in_lists_objects_and_texts(value, names):
    assert names_in(value, "name") == names


def test_joined_names_never_end_inside_a_name():
    assert joined([]) == ""
    assert joined(["a", "b"]) == "a, b"
    assert joined(["a" * 200, "b" * 53]) == "a" * 200 + ", " + "b" * 53
    assert joined(["a" * 200, "b" * 54, "c"]) == "a" * 200
    assert joined(["a" * 300]) == "a" * 255


def test_distinct_keeps_the_order_of_first_sight():
    assert distinct(["b", "a", "b"]) == ["b", "a"]


def test_an_id_that_must_be_there_names_where_it_was_expected():
    with pytest.raises(MalformedPayload, match="The visit id is missing") as fault:
        Body({}, {}).identifier("visit_id", "visit id", "data.visit.id", "data.id")
    assert fault.value.field == "data.visit.id"
    with pytest.raises(MalformedPayload, match=r'"data\.id" is too long to be the visit id') as fault:
        Body({"data": {"id": "7" * 101}}, {}).identifier("visit_id", "visit id", "data.visit.id", "data.id")
    assert fault.value.field == "data.id"


def test_a_body_with_a_hundred_thousand_keys_is_indexed_once():
    body = Body({f"Key{number}": number for number in range(100_000)}, {})
    found = [body.text("x", f"key_{number}") for number in range(2000)]
    assert found == [str(number) for number in range(2000)]
