"""Whatever arrives and whatever is fetched, reading it ends in records, in MalformedPayload or in IgnoredEvent."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract.errors import ContractError, IgnoredEvent, MalformedPayload, NotFoundError
from integrations.contract.fixtures import fixtures
from integrations.contract.http import Answer
from integrations.contract.protocols import Receipt
from integrations.emrs.patientnow_pro.answers import refusal
from integrations.emrs.patientnow_pro.enrich import enrich
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.manifest import MANIFEST
from integrations.emrs.patientnow_pro.mapping import understand
from integrations.emrs.patientnow_pro.tests.test_folder import TestFolder as Folder
from integrations.emrs.patientnow_pro.tests.world import Memory, context
from integrations.emrs.patientnow_pro.webhook import receive

KEYS = sorted({key for paths in FIELDS.values() for path in paths for key in path.split(".")})
ODD_VALUES = [
    "",
    " ",
    "\ud800",
    "\x00",
    "²",
    "..",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-03-18T25:61:00+99:99",
    "3/18/26 13:00 PM",
    "1e999999",
    "-0",
    "((1))",
    "9" * 5000,
    10**400,
    1e308,
    -1e308,
    float("inf"),
    float("nan"),
    -0.0,
    True,
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from([*ODD_VALUES, "Booked", "Checkout", "Voided", "Completed", "2026-03-18"]),
    st.datetimes().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=10)), inner, max_size=8),
    ),
    max_leaves=30,
)
KINDS = st.one_of(st.sampled_from([kind.name for kind in MANIFEST.events]), st.text(max_size=20))
RECORDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("patient", "appointment", "bill", "membership", "facility"), NODES)
)
FIXTURES = fixtures(Folder.folder)
GOOD = [fixture.body for fixture in FIXTURES if "records" in fixture.expected]


def survives(body):
    receipt = receive(body, {})
    assert isinstance(receipt, Receipt)
    try:
        records = understand(receipt.kind, body, context())
    except (MalformedPayload, IgnoredEvent):
        return
    assert records
    assert all(record.person.external_id for record in records)


@settings(deadline=None, max_examples=300)
@given(kind=KINDS, records=RECORDS, rest=st.dictionaries(st.sampled_from(KEYS), NODES, max_size=6))
def test_any_body_is_read_or_refused_in_words(kind, records, rest):
    survives(rest | records | {"eventType": kind})


@settings(deadline=None, max_examples=100)
@given(body=NODES)
def test_a_body_that_is_no_object_at_all_is_survived(body):
    survives(body)


def places(node, path=()):
    """Every path in a body, as tuples of keys and indexes."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def put(body, parents, last, value):
    node = body
    for key in parents:
        node = node[key]
    node[last] = value


@settings(deadline=None, max_examples=300)
@given(drawn=st.data())
def test_a_good_body_with_one_odd_value_is_survived(drawn):
    body = copy.deepcopy(drawn.draw(st.sampled_from(GOOD)))
    *parents, last = drawn.draw(st.sampled_from(sorted(places(body), key=str)))
    put(body, parents, last, drawn.draw(NODES))
    survives(body)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_every_good_body_survives_an_odd_value(odd):
    for good in GOOD:
        for *parents, last in places(good):
            body = copy.deepcopy(good)
            put(body, parents, last, odd)
            survives(body)


class Anything:
    """A client that answers every question with one thing."""

    def __init__(self, found):
        self.found = found

    def _answer(self, external_id):
        assert external_id
        if not isinstance(self.found, dict):
            raise NotFoundError("nothing")
        return self.found

    patient = appointment = bill = membership = _answer

    def facilities(self):
        return [self.found] if isinstance(self.found, dict) else []


@settings(deadline=None, max_examples=300)
@given(kind=KINDS, notice=st.dictionaries(st.sampled_from(KEYS), NODES, max_size=8), found=NODES)
def test_any_notice_is_enriched_or_refused_in_words(kind, notice, found):
    try:
        body = enrich(kind, notice, Anything(found), Memory())
    except (MalformedPayload, NotFoundError):
        return
    survives(body)


@settings(deadline=None, max_examples=200)
@given(status=st.integers(400, 599), body=NODES, wait=st.text(max_size=10))
def test_any_refusal_is_one_of_the_contract_s_errors(status, body, wait):
    answer = Answer(status, {"Retry-After": wait}, body, 0, 0.0)
    assert isinstance(refusal(answer, "patient", is_one_record=True), ContractError)


@pytest.mark.parametrize(
    "odd", ["Zyxwvut Person " * 20, ["Zyxwvut Person"], {"Zyxwvut Person": "Zyxwvut Person"}]
)
def test_neither_a_message_nor_a_warning_repeats_what_the_body_said(odd):
    for good in GOOD:
        for *parents, last in places(good):
            body = copy.deepcopy(good)
            put(body, parents, last, odd)
            assert "Zyxwvut" not in said_of(body)


def said_of(body):
    """What a person reads of a body in an event's story."""
    try:
        records = understand(receive(body, {}).kind, body, context())
    except (MalformedPayload, IgnoredEvent) as fault:
        return f"{fault} {getattr(fault, 'field', '')}"
    return " ".join(warning for record in records for warning in record.warnings)


def test_every_used_event_has_good_bodies():
    found = {fixture.event for fixture in FIXTURES if "records" in fixture.expected}
    assert found == {kind.name for kind in MANIFEST.events if kind.used}
