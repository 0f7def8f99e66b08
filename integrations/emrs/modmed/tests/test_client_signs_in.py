"""Signing in, over HTTP against the pretend ModMed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import responses

from integrations.contract.errors import AuthError, ConfigError, RateLimited, TransientError
from integrations.emrs.modmed.manifest import MANIFEST
from integrations.emrs.modmed.signin import SSO_URL
from integrations.emrs.modmed.tests.world import APPOINTMENTS, CREDENTIALS, NEWER, NOW

GRANT = "POST /ws/oauth2/grant"
SEARCH = "GET /fhir/v2/Appointment"


def read(client):
    return client.page(APPOINTMENTS, NOW, "")


@pytest.mark.parametrize("credentials", [CREDENTIALS, NEWER], ids=["password", "client_credentials"])
def test_both_grants_open_the_door_and_the_token_is_kept(world, credentials):
    client = world.client(credentials)
    read(client)
    read(world.client(credentials))
    assert world.door.calls() == {GRANT: 1, SEARCH: 2}
    assert world.turns == 3


def test_a_token_of_the_older_grant_is_renewed_after_ten_minutes_with_the_same_refresh_token(world):
    client = world.client()
    read(client)
    first = dict(world.tokens.stored)
    world.tick(timedelta(minutes=11))
    read(client)
    renewed = world.tokens.stored
    assert renewed["access_token"] != first["access_token"]
    assert renewed["refresh_token"] == first["refresh_token"]
    assert world.door.calls()[GRANT] == 2


def test_a_token_serves_as_long_as_the_answer_says_where_it_says_so(world):
    world.door.set_up(tells_expiry=True)
    client = world.client()
    read(client)
    world.tick(timedelta(minutes=58))
    read(client)
    assert world.door.calls()[GRANT] == 1
    world.tick(timedelta(minutes=2))
    read(client)
    assert world.door.calls()[GRANT] == 2


def test_a_token_of_the_newer_grant_is_asked_for_anew_before_its_900_seconds_are_over(world):
    client = world.client(NEWER)
    read(client)
    world.tick(timedelta(seconds=839))
    read(client)
    assert world.door.calls()[GRANT] == 1
    world.tick(timedelta(seconds=2))
    read(client)
    assert world.door.calls()[GRANT] == 2


def test_a_refresh_token_that_serves_only_once_is_replaced_in_the_store(world):
    world.door.set_up(rotates_refresh=True)
    client = world.client()
    for _ in range(3):
        read(client)
        world.tick(timedelta(minutes=11))
    assert world.door.calls() == {GRANT: 3, SEARCH: 3}


def test_a_refused_refresh_token_is_no_verdict_on_the_password(world):
    client = world.client()
    read(client)
    world.door.set_up(refuses_refresh=True)
    world.tick(timedelta(minutes=11))
    read(client)
    assert world.door.calls()[GRANT] == 3


def test_a_token_that_ended_early_is_replaced_once_and_the_call_repeated(world):
    client = world.client()
    read(client)
    world.door.forget_tokens()
    read(client)
    assert world.door.calls() == {GRANT: 2, SEARCH: 3}


def test_a_new_token_that_is_refused_too_needs_new_credentials(world):
    world.door.set_up(token_seconds=0)
    with pytest.raises(AuthError, match="refuses a token that it has just given") as error:
        read(world.client())
    assert error.value.status == 401
    assert world.door.calls() == {GRANT: 2, SEARCH: 2}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({**CREDENTIALS, "password": "old"}, "FHIR user name and password"),
        ({**NEWER, "client_secret": "old"}, "client id and secret"),
        ({**CREDENTIALS, "api_key": "other"}, "or the API key"),
    ],
)
def test_refused_credentials_need_new_ones(world, wrong, words):
    with pytest.raises(AuthError, match=words) as error:
        read(world.client(wrong))
    assert error.value.status == 401
    assert not any(secret in str(error.value) for secret in ("old", "other"))
    assert world.door.calls() == {GRANT: 1}


def test_credentials_revoked_in_the_middle_are_tried_once(world):
    client = world.client()
    read(client)
    world.door.forget_calls()
    world.door.set_up(revoked=True)
    with pytest.raises(AuthError):
        read(client)
    assert world.door.calls() == {SEARCH: 1, GRANT: 1}


def test_new_credentials_do_not_use_the_token_of_the_old_ones(world):
    read(world.client())
    world.door.set_up({"password": "new one"})
    read(world.client({**CREDENTIALS, "password": "new one"}))
    assert world.door.calls()[GRANT] == 2


def test_a_wrong_prefix_is_a_setting_to_change(world, served):
    with pytest.raises(ConfigError, match="check the prefix URL"):
        read(world.client(base_url=f"{served}/firm/nobody/ema"))


def test_the_prefix_is_filled_into_the_base_address(world, served):
    base = served + "/firm/{firm_url_prefix}/ema"
    read(world.client({**CREDENTIALS, "firm_url_prefix": f"https://{world.door.prefix}.ema.md/"}, base))
    with pytest.raises(ConfigError, match="The prefix URL is missing"):
        read(world.client({**CREDENTIALS, "firm_url_prefix": ""}, base))


@pytest.mark.parametrize("tail", ["/", "/fhir/v2", "/fhir/v2/"])
def test_a_base_address_may_be_given_with_what_follows_it(world, tail):
    read(world.client(base_url=world.door.base_url + tail))
    assert world.door.calls()[SEARCH] == 1


def test_a_busy_sign_in_is_tried_again_later(world):
    world.door.set_up(throttle=1)
    with pytest.raises(RateLimited) as limited:
        read(world.client())
    assert limited.value.retry_after == 10
    world.door.set_up(html_500=1)
    with pytest.raises(TransientError, match="could not answer the sign-in"):
        read(world.client())


def test_many_threads_ask_for_one_token(world):
    client = world.client()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: read(client), range(12)))
    assert world.door.calls()[GRANT] == 1
    assert world.tokens.renewals == 1


@responses.activate
def test_the_newer_grant_of_the_vendor_has_its_own_host(world):
    responses.post(SSO_URL, json={"access_token": "t1", "expires_in": 900, "refresh_expires_in": 0})
    base = MANIFEST.default_base_url.format(firm_url_prefix="bluestone")
    empty = {"resourceType": "Bundle", "type": "searchset"}
    responses.get(f"{base}/fhir/v2/Appointment", json=empty)
    read(world.client({**NEWER, "firm_url_prefix": "bluestone"}, base_url=MANIFEST.default_base_url))
    token, search = (call.request for call in responses.calls)
    assert token.url == SSO_URL
    assert token.body == b"grant_type=client_credentials&client_id=client-7&client_secret=s3cret"
    assert search.headers["Authorization"] == "Bearer t1"
    assert search.headers["x-api-key"] == "key-1"


def test_nothing_is_called_without_a_key(world):
    with pytest.raises(ConfigError, match="the API key is missing"):
        read(world.client({**CREDENTIALS, "api_key": ""}))
    assert world.turns == 0
