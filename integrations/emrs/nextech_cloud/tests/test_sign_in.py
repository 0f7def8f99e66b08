"""Tokens: rotating pairs, stored before they are used, renewed by one at a time."""

import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
import responses

from integrations.contract.errors import AuthError, ConfigError, RateLimited, TransientError
from integrations.contract.protocols import Access
from integrations.emrs.nextech_cloud.client import make_client
from integrations.emrs.nextech_cloud.sign_in import AZURE, RESOURCE, token_url
from integrations.emrs.nextech_cloud.tests.conftest import APPOINTMENTS, Tokens

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
EXPIRED = timedelta(hours=1)


def poll(client):
    return client.page(APPOINTMENTS, NOON, "").rows


def test_making_a_client_makes_no_call(practice):
    practice.client()
    assert practice.office.requests() == []


def test_one_sign_in_lasts_for_many_polls_and_clients(practice):
    for _ in range(3):
        client = practice.client()
        poll(client)
        poll(client)
    assert practice.sign_ins() == 1


def test_a_pair_is_renewed_a_minute_before_its_end_and_the_new_one_is_stored(practice):
    poll(practice.client())
    practice.ahead = EXPIRED - timedelta(seconds=61)
    poll(practice.client())
    assert practice.sign_ins() == 1
    practice.ahead = EXPIRED - timedelta(seconds=59)
    poll(practice.client())
    first, second = practice.tokens.history
    assert practice.sign_ins() == 2
    assert first["refresh_token"] != second["refresh_token"]
    assert practice.tokens.stored == second


def test_rotating_pairs_work_for_a_long_time(practice):
    client = practice.client()
    for hour in range(10):
        practice.ahead = EXPIRED * hour
        practice.office.end_tokens()
        poll(client)
    grants = len(practice.tokens.history)
    assert grants == 10


def test_a_pair_is_stored_before_it_is_used(practice):
    """The API fails at once after the sign-in: the pair must be there for the next attempt."""
    practice.fault(route="GET /Appointment", status=500)
    with pytest.raises(TransientError):
        poll(practice.client())
    assert practice.tokens.stored["access_token"]
    poll(practice.client())
    assert practice.sign_ins() == 1


def test_several_workers_at_once_renew_once(practice):
    poll(practice.client())
    practice.ahead = EXPIRED
    practice.office.forget_requests()
    failures = []

    def work():
        try:
            poll(practice.client())
        except Exception as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert practice.sign_ins() == 1


@pytest.mark.parametrize("as_text", [True, False])
def test_the_end_of_a_token_is_a_text_or_a_number(practice, as_text):
    practice.office.set_knobs(expires_in_as_text=as_text, token_seconds=120)
    poll(practice.client())
    ends = datetime.fromisoformat(practice.tokens.stored["ends"])
    assert timedelta(seconds=60) < ends - datetime.now(UTC) <= timedelta(seconds=120)


# Refusals


def test_a_token_that_the_api_refuses_is_renewed_once(practice):
    client = practice.client()
    poll(client)
    practice.office.end_tokens()
    practice.office.forget_requests()
    assert poll(client) == ()
    assert [row["status"] for row in practice.office.requests()] == [401, 200, 200]


def test_a_second_401_ends_it(practice):
    practice.fault(route="GET /Appointment", status=401, times=None)
    with pytest.raises(AuthError, match="refuses the sign-in that it has just given"):
        poll(practice.client())
    assert practice.sign_ins() == 2
    assert len(practice.paths()) <= 2


def test_a_token_that_another_worker_has_renewed_already_is_taken(practice):
    slow, quick = practice.client(), practice.client()
    poll(slow)
    practice.office.end_tokens()
    poll(quick)
    practice.office.forget_requests()
    poll(slow)
    assert practice.sign_ins() == 0


def test_a_refused_refresh_falls_back_to_the_password(practice):
    poll(practice.client())
    practice.office.end_tokens(refresh=True)
    practice.office.forget_requests()
    assert poll(practice.client()) == ()
    assert [row["status"] for row in practice.office.requests()] == [401, 400, 200, 200]


def test_an_expired_password_says_what_to_do_and_asks_once(practice):
    practice.office.set_user(expired=True)
    with pytest.raises(AuthError, match="reset the password in Azure") as fault:
        poll(practice.client())
    assert (fault.value.status, fault.value.vendor_words) == (401, "invalid_grant")
    assert practice.sign_ins() == 1
    assert practice.tokens.stored == {}


def test_a_wrong_password_is_said_without_it(practice):
    with pytest.raises(AuthError) as fault:
        poll(practice.client(credentials=practice.office.credentials("hunter-2")))
    assert "hunter-2" not in str(fault.value) + fault.value.vendor_words


def test_an_unknown_client_id_is_said(practice):
    with pytest.raises(AuthError, match="does not let this client ID sign in"):
        poll(practice.client(credentials=practice.office.credentials() | {"client_id": "other"}))


def test_new_credentials_do_not_go_on_with_the_old_pair(practice):
    poll(practice.client())
    practice.office.set_user(password="Sandbox-2")
    practice.office.forget_requests()
    poll(practice.client(credentials=practice.office.credentials("Sandbox-2")))
    assert practice.sign_ins() == 1


def test_azure_that_is_busy_is_waited_for_and_the_pair_stays(practice):
    poll(practice.client())
    stored, practice.ahead = practice.tokens.stored, EXPIRED
    for status, error in ((429, RateLimited), (503, TransientError)):
        practice.fault(route="POST /oauth2/token", status=status)
        with pytest.raises(error):
            poll(practice.client())
    practice.fault(route="POST /oauth2/token", kind="close")
    with pytest.raises(TransientError):
        poll(practice.client())
    assert practice.tokens.stored == stored


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 7}])
def test_a_sign_in_without_a_token_is_a_wrong_address(practice, body):
    practice.fault(route="POST /oauth2/token", status=200, body=body)
    with pytest.raises(ConfigError, match="base address"):
        poll(practice.client())


@pytest.mark.parametrize(
    "stored",
    [
        {"access_token": "x"},
        {"access_token": "x", "ends": "someday"},
        {"refresh_token": 7},
        {"access_token": None},
    ],
)
def test_what_was_stored_in_another_form_is_replaced(practice, stored):
    tokens = Tokens()
    tokens.stored = stored
    assert poll(practice.client(tokens=tokens)) == ()
    assert tokens.stored["access_token"] != "x"


# Azure itself


def azure_access():
    credentials = {
        "client_id": "app-1",
        "username": "api@example.com",
        "password": "p w+&",
        "practice_id": "77",
    }
    return Access("", credentials, Tokens(), lambda: None, allow_private=True)


@pytest.mark.parametrize(
    "base", ["", "https://select.nextech-api.com/api", "https://select.nextech-api.com/api/"]
)
def test_the_vendor_s_address_signs_in_at_azure(base):
    access = Access(base, {}, Tokens(), lambda: None)
    assert token_url(access) == AZURE == "https://login.microsoftonline.com/nextech-api.com/oauth2/token"


def test_another_base_address_signs_in_below_it():
    access = Access("http://127.0.0.1:9/emr/nextech_cloud/", {}, Tokens(), lambda: None)
    assert token_url(access) == "http://127.0.0.1:9/emr/nextech_cloud/oauth2/token"


@responses.activate
def test_azure_gets_the_password_grant_with_the_resource():
    answer = {
        "token_type": "Bearer",
        "expires_in": "3599",
        "access_token": "a" * 1800,
        "refresh_token": "r" * 900,
    }
    responses.post(AZURE, json=answer)
    responses.get("https://select.nextech-api.com/api/Appointment", json={"resourceType": "Bundle"})
    access = azure_access()
    make_client(access).page(APPOINTMENTS, NOON, "")
    sign_in, read = (call.request for call in responses.calls)
    assert dict(parse_qsl(sign_in.body.decode())) == {
        "grant_type": "password",
        "client_id": "app-1",
        "username": "api@example.com",
        "password": "p w+&",
        "resource": RESOURCE,
    }
    assert read.headers["Authorization"] == f"Bearer {'a' * 1800}"
    assert read.headers["nx-practice-id"] == "77"
    assert access.tokens.read()["refresh_token"] == "r" * 900


@responses.activate
@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("invalid_grant", AuthError, "reset the password in Azure"),
        ("invalid_client", AuthError, "client ID"),
        ("interaction_required", AuthError, "second factor"),
        ("invalid_request", AuthError, "Azure refuses the sign-in"),
        ("temporarily_unavailable", TransientError, "cannot answer now"),
    ],
)
def test_azure_s_own_errors_are_told_by_their_code(code, error, words):
    description = "AADSTS50126: Error validating credentials for api@example.com."
    responses.post(AZURE, status=400, json={"error": code, "error_description": description})
    with pytest.raises(error, match=words) as fault:
        make_client(azure_access()).page(APPOINTMENTS, NOON, "")
    assert "example.com" not in str(fault.value) + fault.value.vendor_words
