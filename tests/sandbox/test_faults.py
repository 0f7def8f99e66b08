"""Faults switched on over the control door, each seen by a real HTTP caller."""

import time

import pytest
import requests


@pytest.fixture
def contact_id(crm):
    return crm.contact(email="ada@example.com")


def put(crm, contact_id, city="Ames", **options):
    return crm.call("PUT", f"/contacts/{contact_id}", {"city": city}, **options)


def test_the_next_answers_of_one_call_fail_and_then_it_works(crm, contact_id):
    crm.fault("PUT /contacts/{id}", status=503, times=2)
    assert crm.call("GET", f"/contacts/{contact_id}").status_code == 200
    assert [put(crm, contact_id).status_code for _ in range(3)] == [503, 503, 200]
    assert crm.door("GET", "/faults")["rules"] == []


@pytest.mark.parametrize("status", [401, 422, 429, 500, 503, 418])
def test_a_scripted_answer_writes_nothing(crm, contact_id, status):
    crm.fault("PUT /contacts/{id}", status=status)
    answer = put(crm, contact_id)
    assert answer.status_code == status
    assert answer.json()
    assert "city" not in crm.read(contact_id)


def test_a_429_may_say_when_to_come_back(crm, contact_id):
    crm.fault("PUT /contacts/{id}", status=429, retry_after=7)
    crm.fault("PUT /contacts/{id}", status=429)
    assert put(crm, contact_id).headers["Retry-After"] == "7"
    assert "Retry-After" not in put(crm, contact_id).headers


def test_a_scripted_answer_may_have_its_own_body(crm, contact_id):
    crm.fault("PUT /contacts/{id}", status=400, body={"message": "as told"})
    assert put(crm, contact_id).json() == {"message": "as told"}


@pytest.mark.parametrize("status", [422, 500, 429])
def test_an_answer_after_the_work_hides_a_success(crm, status):
    crm.fault("POST /contacts/", status=status, after=True)
    answer = crm.call("POST", "/contacts/", {"locationId": "LOC1", "email": "new@example.com"})
    assert answer.status_code == status
    assert crm.door("GET", "/summary")["contacts"] == 1


def test_a_closed_connection_gives_no_answer(crm, contact_id):
    crm.fault("PUT /contacts/{id}", kind="close")
    with pytest.raises(requests.ConnectionError):
        put(crm, contact_id)
    assert "city" not in crm.read(contact_id)
    assert put(crm, contact_id).status_code == 200


def test_a_connection_closed_after_the_work_hides_a_success(crm, contact_id):
    crm.fault("POST /contacts/{id}/notes", kind="close", after=True)
    with pytest.raises(requests.ConnectionError):
        crm.call("POST", f"/contacts/{contact_id}/notes", {"body": "x"})
    assert crm.door("GET", "/summary")["notes"] == 1


@pytest.mark.parametrize(("after", "notes"), [(False, 0), (True, 1)])
def test_a_hanging_call_runs_into_the_callers_timeout(crm, contact_id, after, notes):
    crm.fault("POST /contacts/{id}/notes", kind="hang", seconds=30, after=after)
    with pytest.raises(requests.Timeout):
        crm.session.post(f"{crm.url}/crm/contacts/{contact_id}/notes", json={"body": "x"}, timeout=0.3)
    assert crm.door("GET", "/summary")["notes"] == notes


def test_a_hanging_call_ends_without_an_answer(crm, contact_id):
    crm.fault("PUT /contacts/{id}", kind="hang", seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        put(crm, contact_id)


def test_a_slow_call_answers_in_the_end(crm, contact_id):
    crm.fault("PUT /contacts/{id}", kind="slow", seconds=0.2)
    began = time.monotonic()
    assert put(crm, contact_id).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_the_first_calls_may_pass(crm, contact_id):
    crm.fault("PUT /contacts/{id}", status=500, skip=1)
    assert [put(crm, contact_id).status_code for _ in range(3)] == [200, 500, 200]


def test_a_rule_without_an_end_lasts_until_it_is_cleared(crm, contact_id):
    crm.fault("* /contacts/*", status=500, times=None)
    assert [put(crm, contact_id).status_code for _ in range(5)] == [500] * 5
    assert crm.call("GET", "/locations/LOC1").status_code == 200
    crm.door("DELETE", "/faults")
    assert put(crm, contact_id).status_code == 200


def test_a_rule_may_speak_of_one_sub_account(crm, other, contact_id):
    crm.fault("GET /locations/{id}", status=401, location_id="LOC2")
    assert crm.call("GET", "/locations/LOC1").status_code == 200
    assert other.call("GET", "/locations/LOC2").status_code == 401


def test_latency_slows_every_call(crm, contact_id):
    crm.door("POST", "/faults", {"latency_ms": 150})
    began = time.monotonic()
    put(crm, contact_id)
    assert time.monotonic() - began >= 0.15
    crm.door("POST", "/faults", {"latency_ms": 0})
    assert crm.door("GET", "/faults")["latency_ms"] == {"crm": 0}


def test_latency_holds_up_nobody_else(crm, contact_id):
    crm.door("POST", "/faults", {"latency_ms": 1_000})
    began = time.monotonic()
    with pytest.raises(requests.Timeout):
        crm.session.get(f"{crm.url}/crm/contacts/{contact_id}", timeout=0.1)
    crm.door("GET", "/summary")
    assert time.monotonic() - began < 0.9


def test_an_outage_stops_every_call_until_it_is_over(crm, contact_id):
    crm.door("POST", "/faults", {"outage": True})
    assert put(crm, contact_id).status_code == 503
    assert crm.call("GET", "/locations/LOC1").status_code == 503
    assert crm.door("GET", "/faults")["outages"] == ["crm"]
    crm.door("POST", "/faults", {"outage": False})
    assert put(crm, contact_id).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"rules": [{"route": "PUT /contact/{id}"}]},
        {"rules": [{"status": 500}]},
        {"rules": [{"route": "PUT /contacts/{id}", "kind": "explode"}]},
        {"rules": [{"route": "PUT /contacts/{id}", "sttus": 500}]},
        {"rules": [{"route": "PUT /contacts/{id}", "status": "500"}]},
        {"rules": {"route": "PUT /contacts/{id}"}},
        {"rules": ["PUT /contacts/{id}"]},
        {"latency_ms": "50"},
        {"latency_ms": -1},
        {"outages": True},
    ],
)
def test_a_fault_that_is_not_known_is_refused_and_nothing_is_switched_on(crm, wanted):
    answer = crm.door("POST", "/faults", wanted)
    assert answer["statusCode"] == 400
    assert crm.door("GET", "/faults") == {"latency_ms": {}, "outages": [], "index_lag_ms": 0, "rules": []}
