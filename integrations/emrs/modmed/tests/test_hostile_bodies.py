"""Whatever ModMed answers, reading it ends in records, rows or an error in words, and nothing else."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract.errors import IgnoredEvent, MalformedPayload, NotFoundError
from integrations.contract.fixtures import fixtures
from integrations.contract.protocols import Context
from integrations.emrs.modmed.enrich import enrich, transaction_in
from integrations.emrs.modmed.fhir import outcome_words
from integrations.emrs.modmed.manifest import MANIFEST
from integrations.emrs.modmed.mapping import understand
from integrations.emrs.modmed.resources import Wanted, next_link, rows_in, searched_at, types_in
from integrations.emrs.modmed.tests.test_folder import TestFolder as Folder
from integrations.emrs.modmed.tests.world import NOW, Memory

FIXTURES = fixtures(Folder.folder)
GOOD = [(fixture.event, fixture.body) for fixture in FIXTURES if "records" in fixture.expected]
KEYS = [
    "resourceType",
    "id",
    "meta",
    "lastUpdated",
    "status",
    "appointmentType",
    "coding",
    "code",
    "display",
    "text",
    "start",
    "created",
    "participant",
    "actor",
    "reference",
    "name",
    "given",
    "family",
    "use",
    "telecom",
    "system",
    "value",
    "rank",
    "gender",
    "birthDate",
    "address",
    "line",
    "city",
    "extension",
    "url",
    "valueString",
    "subject",
    "entry",
    "resource",
    "search",
    "mode",
    "link",
    "relation",
    "contains",
    "compose",
    "include",
    "concept",
    "expansion",
    "issue",
    "diagnostics",
    "details",
    "transaction",
    "transactionStatus",
    "occurrenceDateTime",
]
ODD_VALUES = [
    "",
    " ",
    "\ud800",
    "\x00",
    "Patient/",
    "Patient/" + "9" * 500,
    "https://x/Patient/1/_history/2",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-03-18T25:61:00+99:99",
    "1e999999",
    "9" * 5000,
    10**400,
    1e308,
    float("inf"),
    float("nan"),
    True,
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        [*ODD_VALUES, "Patient", "Bundle", "ChargeItem", "financialTransaction", "Charged", "booked"]
    ),
    st.datetimes().map(str),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=10)), inner, max_size=8),
    ),
    max_leaves=30,
)


class Nobody:
    """A client that finds nobody."""

    def read(self, kind, external_id):
        raise NotFoundError(f"no {kind}")


def survives(kind, body):
    try:
        records = understand(kind, body, Context(received_at=NOW))
    except (MalformedPayload, IgnoredEvent):
        return
    assert len(records) == 1
    assert records[0].person.external_id


@settings(deadline=None, max_examples=200)
@given(kind=st.sampled_from(["appointment", "patient", "charge", "other"]), body=NODES)
def test_any_body_is_read_or_refused_in_words(kind, body):
    survives(kind, body)


@settings(deadline=None, max_examples=200)
@given(drawn=st.data())
def test_a_good_body_with_one_odd_value_is_survived(drawn):
    kind, good = drawn.draw(st.sampled_from(GOOD))
    body = copy.deepcopy(good)
    *parents, last = drawn.draw(st.sampled_from(sorted(places(body), key=str)))
    put(body, parents, last, drawn.draw(NODES))
    survives(kind, body)


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


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: repr(odd)[:20])
def test_every_place_of_a_good_body_survives_an_odd_value(odd):
    for kind, good in GOOD[::4]:
        for *parents, last in places(good):
            body = copy.deepcopy(good)
            put(body, parents, last, odd)
            survives(kind, body)


@settings(deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(["appointment", "patient", "charge"]),
    row=st.dictionaries(st.sampled_from(KEYS), NODES),
)
def test_any_row_is_enriched_or_its_patient_not_found(kind, row):
    try:
        assert isinstance(enrich(kind, row, Nobody(), Memory()), dict)
    except NotFoundError:
        assert kind != "patient"
    transaction_in(row)


@settings(deadline=None, max_examples=200)
@given(answer=NODES)
def test_any_answer_of_a_search_is_survived(answer):
    for kind in ("Appointment", "Patient", "ChargeItem"):
        rows = rows_in(answer, kind)
        assert all(row.external_id for row in rows)
        Wanted(NOW, "7", NOW.date()).keep(rows)
    searched_at(answer)
    next_link(answer)
    types_in(answer)
    assert isinstance(outcome_words(answer), str)


@pytest.mark.parametrize(
    "odd", ["Zyxwvut Person " * 20, ["Zyxwvut Person"], {"Zyxwvut Person": "Zyxwvut Person"}]
)
@pytest.mark.parametrize("field", ["id", "status", "start", "participant"])
def test_a_message_never_repeats_what_the_body_said(field, odd):
    body = copy.deepcopy(dict(GOOD)["appointment"])
    body["appointment"][field] = odd
    assert "Zyxwvut" not in said_of(body)


def said_of(body):
    """What a person reads about this body: the refusal, or the status and the warnings."""
    try:
        (record,) = understand("appointment", body, Context(received_at=NOW))
    except (MalformedPayload, IgnoredEvent) as fault:
        return f"{fault} {getattr(fault, 'field', '')}"
    return f"{record.status} {record.warnings}"


def test_every_declared_event_has_good_bodies():
    assert {kind for kind, _ in GOOD} == {event.name for event in MANIFEST.events}
