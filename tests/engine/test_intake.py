"""The way in: answers exactly as promised, stored before answered, and nothing hostile gets a 5xx."""

import json
import socket
from datetime import timedelta
from io import BytesIO
from threading import Thread
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client as Browser
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Connection, InboundEvent, Lane, SubAccount
from integrations.models.events import EventState
from integrations.sync import bell
from integrations.sync.replay import retry
from tests.engine.world import START, World, at, practice_file, story, visit

BOOKED = apro.booked(visit(), at(0))
NEW_VISIT = visit(2, day=20)


def without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "event_id"}


def stored(world: World) -> int:
    return int(InboundEvent.objects.for_practice(world.practice).count())


# Answers


def test_an_event_is_stored_and_answered_202(world):
    answer = world.post(BOOKED)
    event = InboundEvent.objects.for_practice(world.practice).get()
    assert (answer.status_code, answer.json()) == (202, {"event": event.pk, "result": "stored"})
    assert json.loads(event.payload) == BOOKED
    assert (event.kind, event.state, event.source) == ("appointment.created", "waiting", "webhook")
    assert event.occurred_at == START


def test_a_known_event_id_is_a_duplicate_whatever_the_body(world):
    first = world.post(BOOKED)
    again = world.post(apro.cancelled(visit(), at(3)) | {"event_id": BOOKED["event_id"]})
    assert (again.status_code, again.json()) == (200, first.json() | {"result": "duplicate"})
    assert stored(world) == 1
    assert InboundEvent.objects.for_practice(world.practice).get().deliveries == 2


def age(world: World, **ago: float) -> None:
    """Let everything stored so far have come that long ago."""
    InboundEvent.objects.for_practice(world.practice).update(received_at=timezone.now() - timedelta(**ago))


def test_without_an_event_id_the_same_body_within_ten_minutes_is_a_duplicate(world):
    body = without_id(BOOKED)
    first = world.post(body)
    age(world, minutes=9, seconds=50)
    assert world.post(body).json() == first.json() | {"result": "duplicate"}
    age(world, minutes=10, seconds=5)
    later = world.post(body)
    assert (later.status_code, later.json()["result"]) == (202, "stored")
    assert world.post(body).json() == later.json() | {"result": "duplicate"}
    assert stored(world) == 2


def test_another_body_without_an_event_id_is_another_event(world):
    world.post(without_id(BOOKED))
    assert world.post(without_id(apro.booked(NEW_VISIT, at(0)))).status_code == 202


def test_one_event_id_at_two_connections_is_two_events(world):
    document = practice_file()
    document["connections"].append(document["connections"][0] | {"key": "second"})
    world.setup(**document)
    world.post(BOOKED)
    world.connection = Connection.objects.for_practice(world.practice).get(key="second")
    assert world.post(BOOKED).status_code == 202
    assert stored(world) == 2


IGNORED = [
    (apro.test_ping(at(0)), "Test ping from AestheticsPro"),
    (BOOKED | {"event": "membership.sold"}, 'AestheticsPro event "membership.sold" is not one we use'),
]


@pytest.mark.parametrize(("body", "words"), IGNORED)
def test_a_test_ping_and_an_event_that_we_do_not_use_are_ignored_and_listed(world, body, words):
    for _ in range(2):
        answer = world.post(body)
        event = InboundEvent.objects.for_practice(world.practice).get()
        assert (answer.status_code, answer.json()) == (200, {"event": event.pk, "result": "ignored"})
    assert (event.state, event.reason) == ("ignored", words)
    assert world.work() == 0
    assert not Lane.objects.for_practice(world.practice).exists()


def test_only_post_is_taken(world):
    url = f"/webhooks/emr/{world.connection.webhook_key}/"
    for method in ("get", "put", "patch", "delete"):
        answer = getattr(Browser(), method)(url)
        assert answer.status_code == 405
        assert answer["Allow"] == "POST"
        assert "POST" in answer.json()["error"]


def test_an_unknown_address_is_404(world):
    for path in ("/webhooks/emr/nobody/", "/webhooks/crm/nobody/"):
        answer = Browser().post(path, BOOKED, content_type="application/json")
        assert answer.status_code == 404
        assert answer.json() == {"error": "There is no such webhook address."}
    assert stored(world) == 0


def test_addresses_cannot_be_guessed(world):
    keys = [world.connection.webhook_key, SubAccount.objects.for_practice(world.practice).get().webhook_key]
    assert len(set(keys)) == 2
    assert all(len(key) >= 22 for key in keys)  # 22 characters of 6 bits: 128 bits and more


def test_a_wrong_secret_is_401_and_stores_nothing(world):
    document = practice_file()
    document["connections"][0]["credentials"] = {"header_secret": "open sesame"}
    world.setup(**document)
    for headers in ({}, {"X-AX-Secret": "guess"}, {"X-AX-Secret": ""}, {"X-AX-Secret": "öpen"}):
        answer = world.post(BOOKED, **headers)
        assert answer.status_code == 401
        assert "X-AX-Secret" in answer.json()["error"]
        assert "sesame" not in answer.content.decode()
    assert stored(world) == 0
    assert world.post(BOOKED, **{"X-AX-Secret": "open sesame"}).status_code == 202


def test_a_crm_workflows_webhook_needs_its_secret(world):
    account = SubAccount.objects.for_practice(world.practice).get()
    url = f"/webhooks/crm/{account.webhook_key}/"
    body = {"contact_id": "c1", "tags": "modmed-create"}
    assert Browser().post(url, body, content_type="application/json").status_code == 401
    answer = Browser().post(
        url, body, content_type="application/json", headers={"X-AX-Secret": account.webhook_secret}
    )
    assert (answer.status_code, answer.json()["result"]) == (202, "stored")


def test_a_body_over_1_mb_is_413(world):
    answer = world.post(json.dumps(BOOKED | {"filler": "x" * 2_000_000}))
    assert (answer.status_code, answer.json()) == (413, {"error": "The body is larger than 1 MB."})
    assert stored(world) == 0


def chunked(world: World, raw: bytes) -> Any:
    """The answer to a body that is sent in chunks, without its length, as a WSGI server hands it on."""
    environ = {"wsgi.input": BytesIO(raw), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    url = f"/webhooks/emr/{world.connection.webhook_key}/"
    return Browser().post(url, b"", content_type="application/json", **environ | {"CONTENT_LENGTH": ""})


def test_a_body_sent_in_chunks_is_read_whole_and_never_beyond_1_mb(world):
    assert chunked(world, json.dumps(BOOKED).encode()).status_code == 202
    assert chunked(world, json.dumps(BOOKED).encode()).json()["result"] == "duplicate"
    assert chunked(world, b"x" * 2_000_000).status_code == 413


def test_a_body_of_almost_1_mb_is_taken(world):
    assert world.post(BOOKED | {"filler": "x" * 990_000}).status_code == 202


@pytest.mark.parametrize("table", ["integrations_inboundevent", "integrations_connection"])
def test_what_cannot_be_stored_is_answered_429_with_retry_after_and_comes_again(world, table):
    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if table in sql:
            raise OperationalError("database or disk is full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        answer = world.post(BOOKED)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert answer.json() == {"error": "The event could not be stored just now: send it again."}
    assert world.post(BOOKED).status_code == 202


# Bodies that mean harm

DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
HOSTILE = [
    (b"", 400, "not JSON"),
    (b"   ", 400, "not JSON"),
    (b"null", 400, "not an object"),
    (b"[]", 400, "not an object"),
    (b'[{"event": "appointment.created"}]', 400, "not an object"),
    (b'"text"', 400, "not an object"),
    (b"17", 400, "not an object"),
    (b"{", 400, "line 1, column 2"),
    (b"{'event': 1}", 400, "not JSON"),
    (b'{"a": NaN}', 400, "not JSON"),
    (b'{"a": -Infinity}', 400, "not JSON"),
    (b'{"a": "\xff\xfe"}', 400, "not UTF-8"),
    (b'\xef\xbb\xbf{"a": 1}', 400, "not JSON"),
    (b'{"a": "\x00"}', 400, "NUL"),
    (b"event=appointment.created", 400, "not JSON"),
    (DEEP, 400, "nested deeper"),
    (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "nested deeper"),
    (b"[" * 200_000, 400, "nested deeper"),
    (b'{"a": 1' + b"0" * 5_000 + b"}", 400, "not JSON"),
]


@pytest.mark.parametrize(("raw", "status", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_json_object_is_refused_in_words(world, raw, status, words):
    answer = world.post(raw)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert stored(world) == 0


ODD = [
    {},
    {"event": None},
    {"event": ["appointment.created"]},
    {"event": {"name": {"name": 1}}},
    {"event": "appointment.created"},
    {"event": "appointment.created", "data": None},
    {"event": "appointment.created", "data": []},
    {"event": "appointment.created", "data": "text"},
    {"event": "appointment.created", "data": {"client": 17}},
    {"event": "appointment.created", "data": {"client": [[[]]]}},
    {"event": "appointment.created", "data": {"client": {"client_id": {"a": 1}}}},
    {"event": "appointment.created", "data": {"client": {"client_id": True}}},
    {"event": "appointment.created", "data": {"client": {"client_id": 1e400}}},
    {"event": "appointment.created", "data": {"client": {"client_id": -(10**300)}}},
    {"event": "appointment.created", "data": {"client": {"client_id": "x" * 100_000}}},
    {"event": "appointment.created", "data": {"client": {"client_id": "\ud800"}}},
    {"event": "x" * 100_000, "event_id": "y" * 100_000, "timestamp": "z" * 100_000},
    {"event": "appointment.created", "event_id": "\u202e\u0007", "timestamp": 10**40},
    {"event": "appointment.created", "timestamp": "0001-01-01T00:00:00+23:59", "data": {"client_id": 1}},
    {"event": "invoice.paid", "data": {"client_id": 1, "invoice_id": 2, "total": "1e999999"}},
    {"event": "invoice.paid", "data": {"client_id": 1, "invoice_id": 2, "total": 10**400}},
    {"EVENT": "Appointment_Created", "DATA": {"CLIENT": {"CLIENTID": 3}}},
    {"event": "client.saved", "data": {"client_id": "7", "email": ["a"], "birthdate": 10**18}},
    {"event": "appointment.created", "data": BOOKED["data"] | {"services": {"name": [1]}}},
    {"event": "appointment.created", "data": BOOKED["data"] | {"date_time": "99/99/9999"}},
]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_an_odd_object_is_stored_and_nothing_breaks_on_it(world, body):
    answer = world.post(json.dumps(body).replace("Infinity", "1e400"))
    assert answer.status_code == 202, answer.content
    world.work()
    event = InboundEvent.objects.for_practice(world.practice).get()
    assert event.state in (EventState.PARKED, EventState.DONE, EventState.SKIPPED)
    assert event.parked_as in ("", "malformed"), event.reason
    if event.state == EventState.PARKED:
        assert '"' in event.reason, "the field that was wrong is named"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["event", "event_id", "timestamp", "data", "client", "client_id", "location", "appointment_id", "items"]
)
OBJECTS = st.dictionaries(
    KEYS | st.text(),
    JSON | st.dictionaries(KEYS, JSON, max_size=4) | st.sampled_from(["appointment.created", "invoice.paid"]),
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=OBJECTS)
def test_any_json_object_is_answered_2xx_and_stored_or_ignored(world, body):
    raw = json.dumps(body)
    if "\\u0000" in raw:
        assert world.post(raw).status_code == 400
        return
    answer = world.post(raw)
    assert answer.status_code in (200, 202), answer.content
    event = InboundEvent.objects.for_practice(world.practice).get(pk=answer.json()["event"])
    assert answer.json()["result"] in ("stored", "ignored", "duplicate")
    assert event.deliveries > 1 or json.loads(event.payload) == body


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_answered_without_a_5xx(world, raw):
    answer = world.post(raw)
    assert answer.status_code in (200, 202, 400)
    assert answer.json()


def test_a_reader_that_fails_loses_no_event(world, monkeypatch):
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("integrations.emrs.aestheticspro.webhook.receive", broken)
    answer = world.post(BOOKED)
    assert answer.status_code == 202
    world.work()
    assert world.contact()["fields"]["APro Appt Status"] == "Booked"


# Stored before answered


@pytest.mark.django_db(transaction=True)
def test_the_event_is_committed_before_the_bell_rings_and_the_answer_is_given(crm_url, monkeypatch):
    """Another connection sees the row when the bell rings, and so at the latest when the answer is given."""
    world, seen = World(crm_url), []

    def look() -> None:
        seen.append(InboundEvent.objects.across_practices().count())
        connections.close_all()

    def ring(*_: Any, **__: Any) -> bool:
        other = Thread(target=look)
        other.start()
        other.join()
        return True

    monkeypatch.setattr(bell, "ring", ring)
    assert world.post(BOOKED).status_code == 202
    assert seen == [1]


def test_no_outside_call_is_made_in_the_request(world, monkeypatch):
    """Neither the CRM nor anything but the database; the bell's Redis is told apart and may be away."""
    monkeypatch.setattr(bell, "ring", lambda *_, **__: True)
    called: list[Any] = []

    def connect(_: socket.socket, address: Any) -> None:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert world.post(BOOKED).status_code == 202
    assert world.post(BOOKED).status_code == 200
    assert called == []


def test_a_redis_that_is_away_costs_no_event(world):
    """The fixture's REDIS_URL leads nowhere: the tick rings again later."""
    assert world.post(BOOKED).status_code == 202
    assert world.work() == 1


# The field that was wrong, and another place for it


def test_a_parked_event_names_the_field_and_goes_on_when_its_place_is_told(world):
    body = apro.booked(visit(), at(0))
    body["data"]["client"]["guest_number"] = body["data"]["client"].pop("client_id")
    event = world.take(body)
    assert (event.state, event.parked_as) == ("parked", "malformed")
    assert '"data.client.client_id"' in event.reason
    assert world.contacts() == []

    world.connection.field_paths = {"client_id": ["data.client.guest_number"]}
    world.connection.save()
    event.refresh_from_db()
    assert retry(event)
    world.work()
    event.refresh_from_db()
    assert event.state == "done"
    assert world.contact()["fields"]["APro Client ID"] == "5001"


def test_a_place_that_is_told_counts_at_the_door_too(world):
    world.connection.field_paths = {"event_id": ["meta.key"], "client_id": ["who"]}
    world.connection.save()
    body = without_id(BOOKED) | {"meta": {"key": "E1"}, "who": "77"}
    first = world.post(body)
    assert world.post(body | {"more": 1}).json() == first.json() | {"result": "duplicate"}


@pytest.mark.parametrize("field", ["data.appointment_id", "data.date_time"])
def test_what_is_missing_is_named_by_its_path(world, field):
    body = apro.booked(visit(), at(0))
    del body["data"][field.removeprefix("data.")]
    event = world.take(body)
    assert (event.state, event.parked_as) == ("parked", "malformed")
    assert f'"{field}"' in event.reason
    assert story(event, "parked") == event.reason
