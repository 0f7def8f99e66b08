"""Whatever comes, reading it ends in one record, in MalformedPayload or in IgnoredEvent, and nothing else."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.fixtures import fixtures
from integrations.emrs.nextech_cloud.mapping import understand
from integrations.emrs.nextech_cloud.reading import split
from integrations.emrs.nextech_cloud.rows import Wanted, rows_in, version_of
from integrations.emrs.nextech_cloud.tests.bodies import RECEIVED_AT, context
from integrations.emrs.nextech_cloud.tests.test_folder import TestFolder as Folder

ODD_VALUES = [
    "", " ", "\ud800", "\x00", "²", "/", "#", "#5", "Patient/", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-03-18T25:61:00+99:99", "9" * 5000, 10**400, 1e308, -1e308,
    float("inf"), float("nan"), -0.0, True, None, [], {}, [[]], [{}], {"value": {}}, "1e999999",
]  # fmt: skip
KEYS = [
    "resource", "patient", "resourceType", "id", "meta", "lastUpdated", "extension", "url", "valueReference",
    "reference", "display", "participant", "actor", "contained", "status", "start", "name", "given", "family",
    "telecom", "system", "value", "use", "rank", "birthDate", "gender", "address", "line", "total", "detail",
    "type", "coding", "code", "amount", "organization", "created", "identifier",
]  # fmt: skip
LEAVES = st.one_of(
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(ODD_VALUES),
    st.sampled_from(["Appointment", "Patient", "PaymentReconciliation", "booked", "active", "cancelled"]),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), inner, max_size=8),
    ),
    max_leaves=30,
)
GOOD = [fixture.body for fixture in fixtures(Folder.folder) if "records" in fixture.expected]
MAPS = {"status_map": ["Online Book = booked"], "count_insurance": True}


def survives(body):
    rows, _ = Wanted(RECEIVED_AT, "a", RECEIVED_AT.date()).keep(rows_in([split(body)[0]]))
    assert all(version_of(row) for row in rows if row.updated_at)
    for switches in ({}, MAPS):
        try:
            records = understand("appointment", body, context(**switches))
        except (MalformedPayload, IgnoredEvent):
            continue
        assert len(records) == 1
        assert records[0].person.external_id


@settings(deadline=None, max_examples=300)
@given(
    kind=st.sampled_from(["Appointment", "Patient", "PaymentReconciliation"]), resource=NODES, patient=NODES
)
def test_any_body_is_read_or_refused_in_words(kind, resource, patient):
    inside = (resource if isinstance(resource, dict) else {"extension": resource}) | {"resourceType": kind}
    survives({"resource": inside, "patient": patient})


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


def changed(body, path, value):
    body = copy.deepcopy(body)
    node = body
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return body


@settings(deadline=None, max_examples=300)
@given(drawn=st.data())
def test_a_good_body_with_one_odd_value_is_survived(drawn):
    body = drawn.draw(st.sampled_from(GOOD))
    path = drawn.draw(st.sampled_from(sorted(places(body), key=str)))
    survives(changed(body, path, drawn.draw(NODES)))


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_the_published_shapes_survives_an_odd_value(odd):
    for fixture in fixtures(Folder.folder):
        if "published_shape" in fixture.name:
            for path in places(fixture.body):
                survives(changed(fixture.body, path, odd))


@pytest.mark.parametrize("field", ["id", "start", "participant"])
@pytest.mark.parametrize("odd", ["Zyxwvut Person " * 20, ["Zyxwvut Person"], {"Zyxwvut": "Zyxwvut Person"}])
def test_a_message_never_repeats_what_the_body_said(field, odd):
    good = next(
        fixture.body for fixture in fixtures(Folder.folder) if fixture.name == "appointment__confirmed"
    )
    body = changed(good, ("resource", field), odd)
    body["resource"].pop("identifier")
    with pytest.raises((MalformedPayload, IgnoredEvent)) as fault:
        understand("appointment", body, context())
    assert "Zyxwvut" not in str(fault.value)
