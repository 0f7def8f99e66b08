"""Version, token, scope, rate limit and body: what is refused before a call does anything."""

import time

import pytest
import requests


def test_a_call_without_a_version_is_refused(crm):
    answer = crm.call("GET", "/locations/LOC1", headers={"Version": None})
    assert (answer.status_code, answer.json()["message"]) == (401, "version header was not found.")


def test_a_call_with_another_version_is_refused(crm):
    answer = crm.call("GET", "/locations/LOC1", headers={"Version": "2020-01-01"})
    assert answer.status_code == 400
    assert "Invalid API version segment" in answer.json()["message"]


@pytest.mark.parametrize("header", [None, "Bearer nobody", "Basic pit-one", "pit-one", "Bearer "])
def test_an_unknown_token_is_refused(crm, header):
    answer = crm.call("GET", "/locations/LOC1", headers={"Authorization": header})
    assert (answer.status_code, answer.json()) == (401, {"statusCode": 401, "message": "Invalid JWT"})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/locations/LOC1", None),
        ("GET", "/locations/LOC1/customFields", None),
        ("GET", "/locations/LOC1/tags", None),
        ("POST", "/contacts/", {"locationId": "LOC1", "email": "a@example.com"}),
        ("POST", "/contacts/upsert", {"locationId": "LOC1", "email": "a@example.com"}),
        ("POST", "/contacts/search", {"locationId": "LOC1", "pageLimit": 1}),
        ("GET", "/contacts/search/duplicate?locationId=LOC1&email=a@example.com", None),
        ("GET", "/opportunities/pipelines?locationId=LOC1", None),
        ("GET", "/opportunities/search?location_id=LOC1", None),
        ("GET", "/workflows/?locationId=LOC1", None),
    ],
)
def test_a_token_does_not_reach_another_sub_account(other, method, path, body):
    answer = other.call(method, path, body)
    assert answer.status_code == 403
    assert answer.json()["message"] == "The token does not have access to this location."


def test_a_token_does_not_reach_a_contact_or_opportunity_of_another_sub_account(crm, other):
    contact_id = crm.contact(email="a@example.com")
    opportunity_id = crm.opportunity(contact_id).json()["opportunity"]["id"]
    assert other.call("GET", f"/contacts/{contact_id}").status_code == 403
    assert other.call("PUT", f"/contacts/{contact_id}", {"firstName": "X"}).status_code == 403
    assert other.call("POST", f"/contacts/{contact_id}/notes", {"body": "x"}).status_code == 403
    assert other.call("PUT", f"/opportunities/{opportunity_id}", {"status": "won"}).status_code == 403
    assert crm.read(contact_id)["firstName"] == "Ada"


def test_a_token_without_the_scope_is_refused(crm):
    crm.set_up(token="x", tokens=["pit-one", {"token": "pit-read", "scopes": ["contacts.readonly"]}])
    contact_id = crm.contact(email="a@example.com")
    headers = {"Authorization": "Bearer pit-read"}
    assert crm.call("GET", f"/contacts/{contact_id}", headers=headers).status_code == 200
    answer = crm.call("PUT", f"/contacts/{contact_id}", {"city": "Ames"}, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (
        401,
        "The token is not authorized for this scope.",
    )


def test_a_replaced_token_no_longer_works(crm):
    crm.set_up(token="pit-new")
    assert crm.call("GET", "/locations/LOC1").status_code == 401
    assert crm.call("GET", "/locations/LOC1", headers={"Authorization": "Bearer pit-new"}).ok


def test_answers_carry_the_rate_limit(crm):
    crm.set_up(limits={"max": 5, "interval_ms": 60_000, "daily": 50})
    crm.ok("GET", "/locations/LOC1")
    headers = crm.call("PUT", "/contacts/nobody", {"wrong": 1}).headers
    assert headers["X-RateLimit-Max"] == "5"
    assert headers["X-RateLimit-Remaining"] == "3"
    assert headers["X-RateLimit-Interval-Milliseconds"] == "60000"
    assert headers["X-RateLimit-Limit-Daily"] == "50"
    assert headers["X-RateLimit-Daily-Remaining"] == "48"


@pytest.mark.parametrize("told", [False, True])
def test_one_request_too_many_is_a_429(crm, told):
    crm.set_up(limits={"max": 2, "interval_ms": 60_000, "daily": 50}, knobs={"retry_after_on_429": told})
    assert [crm.call("GET", "/locations/LOC1").status_code for _ in range(3)] == [200, 200, 429]
    answer = crm.call("GET", "/locations/LOC1")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert ("Retry-After" in answer.headers) is told


def test_a_refused_request_writes_nothing(crm):
    contact_id = crm.contact(email="a@example.com")
    crm.set_up(limits={"max": 1, "interval_ms": 60_000, "daily": 50})
    crm.ok("GET", "/locations/LOC1")
    assert crm.call("POST", f"/contacts/{contact_id}/notes", {"body": "x"}).status_code == 429
    assert crm.door("GET", "/summary")["notes"] == 0


def test_the_rate_limit_opens_again_after_its_interval(crm):
    crm.set_up(limits={"max": 1, "interval_ms": 100, "daily": 50})
    statuses = set()
    while 429 not in statuses:
        statuses.add(crm.call("GET", "/locations/LOC1").status_code)
    time.sleep(0.12)
    assert crm.call("GET", "/locations/LOC1").status_code == 200


def test_the_daily_limit_counts_too(crm):
    crm.set_up(limits={"max": 10, "interval_ms": 1, "daily": 2})
    assert [crm.call("GET", "/locations/LOC1").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"firstName": NaN}', b'"x"', b"\xff\xfe", b"[" * 200_000])
def test_a_body_that_is_no_json_object_is_refused(crm, raw):
    answer = crm.session.post(
        f"{crm.url}/crm/contacts/", data=raw, headers={"Content-Type": "application/json"}, timeout=10
    )
    assert answer.status_code == 400


def test_a_body_of_another_type_is_refused(crm):
    answer = crm.session.post(f"{crm.url}/crm/contacts/", data={"locationId": "LOC1"}, timeout=10)
    assert answer.status_code == 415


def test_a_huge_body_is_refused(crm):
    answer = crm.call("POST", "/contacts/", {"locationId": "LOC1", "firstName": "x" * 1_100_000})
    assert answer.status_code == 413


def test_an_unknown_path_or_method_is_not_found(crm):
    assert crm.call("GET", "/nothing").status_code == 404
    assert crm.call("PATCH", "/contacts/abc", {}).status_code == 404
    assert requests.get(f"{crm.url}/elsewhere", timeout=10).status_code == 404


def test_a_slash_at_the_end_makes_no_difference(crm):
    assert crm.ok("POST", "/contacts", {"locationId": "LOC1", "email": "a@example.com"})["contact"]["id"]
    assert crm.ok("POST", "/contacts/", {"locationId": "LOC1", "email": "b@example.com"})["contact"]["id"]


def test_a_refused_request_with_a_body_keeps_the_connection_in_step(crm):
    for _ in range(3):
        refused = crm.call("POST", "/contacts/", {"locationId": "LOC1"}, headers={"Version": None})
        assert refused.status_code == 401
        assert crm.ok("GET", "/locations/LOC1")["location"]["name"] == "Bluestone"
