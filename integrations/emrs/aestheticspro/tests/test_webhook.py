"""What the door learns from a body."""

import json
import timeit
from datetime import UTC, datetime

import pytest

from integrations.contract.protocols import Receipt
from integrations.emrs.aestheticspro import sandbox
from integrations.emrs.aestheticspro.tests.bodies import appointment
from integrations.emrs.aestheticspro.webhook import receive


def test_the_receipt_of_an_ordinary_body():
    body = appointment() | {"event_id": "evt-1"}
    assert receive(body, {}) == Receipt(
        kind="appointment.created",
        event_id="evt-1",
        patient_id="5",
        occurred_at=datetime(2026, 3, 10, 15, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"client": {"client_id": 5}}},
        {"data": {"client_id": "5"}},
        {"client": {"clientId": 5}},
        {"ClientID": 5.0},
        {"Data": {"Client": {"ID": " 5 "}}},
    ],
)
def test_the_patient_id_is_found_wherever_it_usually_stands(body):
    assert receive(body, {}).patient_id == "5"


def test_an_override_decides_the_lane():
    body = appointment() | {"data": {"guest": {"no": 77}, "client_id": 5}}
    assert receive(body, {"client_id": ["data.guest.no"]}).patient_id == "77"


@pytest.mark.parametrize(
    "name", ["AppointmentCreated", "appointment_created", "APPOINTMENT.CREATED", "appointment created"]
)
def test_event_names_are_known_in_any_style(name):
    assert receive({"event": name}, {}).kind == "appointment.created"


@pytest.mark.parametrize("name", ["webhook.test", "WebhookTest", "ping"])
def test_a_test_ping_is_ignored(name):
    receipt = receive({"event": name}, {})
    assert (receipt.kind, receipt.ignored_because) == ("webhook.test", "Test ping from AestheticsPro")


def test_an_unknown_event_is_ignored_by_name():
    receipt = receive({"event": "membership.sold"}, {})
    assert receipt.kind == "membership.sold"
    assert receipt.ignored_because == 'AestheticsPro event "membership.sold" is not one we use'


@pytest.mark.parametrize(
    "name", [None, "", True, [], {}, {"other": "x"}, "x" * 61, "Iris <iris@example.com>"]
)
def test_an_unreadable_event_type_is_not_ignored(name):
    receipt = receive({"event": name}, {})
    assert (receipt.kind, receipt.ignored_because) == ("", "")


def test_ids_too_long_to_be_ids_are_left_out_not_cut():
    receipt = receive({"event_id": "e" * 101, "client_id": "c" * 101}, {})
    assert (receipt.event_id, receipt.patient_id) == ("", "")


@pytest.mark.parametrize("body", [[], "text", None, 7, {"data": []}, {"data": [{"client_id": 5}]}])
def test_odd_bodies_give_an_emptier_receipt(body):
    assert receive(body, {}).kind == ""


def test_a_very_deep_body_is_no_trouble():
    body = deepest = {}
    for _ in range(10_000):
        deepest["data"] = {}
        deepest = deepest["data"]
    assert receive(body, {}) == Receipt()


@pytest.mark.parametrize("overrides", [{"client_id": "data.who"}, {"client_id": [None, 3, "data.who"]}])
def test_odd_overrides_are_used_as_far_as_they_are_texts(overrides):
    assert receive({"data": {"who": 8}}, overrides).patient_id == "8"


def test_reading_takes_well_under_a_tenth_of_a_millisecond():
    visit = sandbox.Visit(1, sandbox.CLIENTS[0], datetime(2026, 3, 18, 20, 0))
    body = json.loads(json.dumps(sandbox.booked(visit, datetime(2026, 3, 10, tzinfo=UTC))))
    best = min(timeit.repeat(lambda: receive(body, {}), number=200, repeat=10)) / 200
    assert best < 0.0001
