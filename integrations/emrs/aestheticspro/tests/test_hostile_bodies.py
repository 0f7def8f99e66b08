"""Whatever arrives, reading it ends in records, in MalformedPayload or in IgnoredEvent, and nothing else."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.fixtures import fixtures
from integrations.contract.protocols import Receipt
from integrations.emrs.aestheticspro.fields import FIELDS
from integrations.emrs.aestheticspro.manifest import MANIFEST
from integrations.emrs.aestheticspro.mapping import understand
from integrations.emrs.aestheticspro.tests.bodies import context
from integrations.emrs.aestheticspro.tests.test_folder import TestFolder as Folder
from integrations.emrs.aestheticspro.webhook import receive

KEYS = sorted({key for paths in FIELDS.values() for path in paths for key in path.split(".")})
ODD_VALUES = [
    "",
    " ",
    "\ud800",
    "\x00",
    "²",
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
    st.sampled_from(ODD_VALUES),
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
GOOD = [fixture.body for fixture in fixtures(Folder.folder) if "records" in fixture.expected]


def survives(body):
    receipt = receive(body, {})
    assert isinstance(receipt, Receipt)
    try:
        records = understand(receipt.kind, body, context())
    except (MalformedPayload, IgnoredEvent):
        return
    assert len(records) == 1
    assert records[0].person.external_id


@settings(deadline=None, max_examples=300)
@given(kind=KINDS, data=NODES, rest=st.dictionaries(st.sampled_from(KEYS), NODES, max_size=6))
def test_any_body_is_read_or_refused_in_words(kind, data, rest):
    survives(rest | {"event": kind, "data": data})


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


@settings(deadline=None, max_examples=300)
@given(drawn=st.data())
def test_a_good_body_with_one_odd_value_is_survived(drawn):
    body = copy.deepcopy(drawn.draw(st.sampled_from(GOOD)))
    *parents, last = drawn.draw(st.sampled_from(sorted(places(body), key=str)))
    node = body
    for key in parents:
        node = node[key]
    node[last] = drawn.draw(NODES)
    survives(body)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_every_good_body_survives_an_odd_value(odd):
    for good in GOOD:
        for *parents, last in places(good):
            body = copy.deepcopy(good)
            node = body
            for key in parents:
                node = node[key]
            node[last] = odd
            survives(body)


@pytest.mark.parametrize("field", ["appointment_id", "date_time", "client"])
@pytest.mark.parametrize(
    "odd", ["Zyxwvut Person " * 20, ["Zyxwvut Person"], {"Zyxwvut Person": "Zyxwvut Person"}]
)
def test_a_message_never_repeats_what_the_body_said(field, odd):
    usual = {"appointment_id": 7, "date_time": "2026-03-18", "client": {"client_id": 5}}
    body = {"event": "appointment.created", "data": usual | {field: odd}}
    with pytest.raises(MalformedPayload) as fault:
        understand("appointment.created", body, context())
    assert "Zyxwvut" not in str(fault.value) + fault.value.field
