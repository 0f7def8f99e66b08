"""Which credentials are used, and what of a token answer is kept. No network."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract.errors import ConfigError, TransientError
from integrations.emrs.modmed.signin import (
    api_key_of,
    grant_of,
    kept,
    lifetime,
    prefix_of,
    refresh_form,
    usable,
)

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
OLDER = {"username": "fhir_aesthetix", "password": "correct horse"}
NEWER = {"client_id": "client-7", "client_secret": "s3cret"}


def test_user_name_and_password_are_the_older_grant():
    grant = grant_of(OLDER)
    assert grant.form == {"grant_type": "password", **OLDER}
    assert not grant.is_client


def test_client_id_and_secret_are_preferred_where_both_kinds_are_there():
    assert grant_of(OLDER | NEWER).form == {"grant_type": "client_credentials", **NEWER}


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({}, "enter the FHIR user name and password, or the client id and client secret"),
        ({"username": "u"}, "the FHIR user name is there, the FHIR password is missing"),
        ({"password": "p", "username": " "}, "the FHIR password is there, the FHIR user name is missing"),
        ({"client_id": "c"}, "the client id is there, the client secret is missing"),
        ({"client_secret": "s", "username": "u"}, "the client secret is there, the client id is missing"),
    ],
)
def test_missing_credentials_are_named(credentials, words):
    with pytest.raises(ConfigError, match=words):
        grant_of(credentials)


def test_half_of_one_kind_does_not_hide_the_other():
    assert not grant_of({**OLDER, "client_id": "c"}).is_client


def test_the_api_key_is_needed():
    assert api_key_of({"api_key": " key-1 "}) == "key-1"
    with pytest.raises(ConfigError, match="the API key is missing"):
        api_key_of(OLDER)


@pytest.mark.parametrize(
    "written",
    [
        "bluestone",
        " Bluestone ",
        "bluestone.ema.md",
        "https://bluestone.ema.md",
        "https://bluestone.ema.md/ema/Login.action",
        "https://mmapi.ema-api.com/ema-prod/firm/bluestone/ema/fhir/v2",
    ],
)
def test_a_prefix_is_understood_in_every_form_in_which_it_is_handed_over(written):
    assert prefix_of(written) == "bluestone"


@pytest.mark.parametrize("written", ["", None, "blue stone", "../other", "ftp://bluestone", "?bluestone"])
def test_what_is_no_prefix_is_refused_in_words(written):
    with pytest.raises(ConfigError, match=r"what stands before \.ema\.md"):
        prefix_of(written)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (900, 840),
        ("900", 840),
        (3600, 3540),
        (100, 50),
        (1, 0.5),
        (None, 600),
        ("", 600),
        (0, 600),
        (-5, 600),
        ("soon", 600),
        (10**30, 600),
        (10**8, 24 * 3600 - 60),
    ],
)
def test_a_token_is_used_a_little_less_long_than_told_and_ten_minutes_when_nothing_is_told(told, seconds):
    assert lifetime(told) == timedelta(seconds=seconds)


def test_a_stored_token_serves_until_it_is_over():
    grant = grant_of(OLDER)
    stored = kept({"access_token": "t1", "expires_in": 900}, {}, grant, NOW)
    assert usable(stored, grant, NOW + timedelta(seconds=839)) == "t1"
    assert usable(stored, grant, NOW + timedelta(seconds=841)) == ""


def test_a_token_that_was_just_refused_does_not_serve():
    grant = grant_of(OLDER)
    stored = kept({"access_token": "t1"}, {}, grant, NOW)
    assert usable(stored, grant, NOW, refused="t1") == ""
    assert usable(stored, grant, NOW, refused="t0") == "t1"


def test_a_token_made_with_other_credentials_does_not_serve():
    stored = kept({"access_token": "t1", "refresh_token": "r1"}, {}, grant_of(OLDER), NOW)
    changed = grant_of(OLDER | {"password": "new"})
    assert usable(stored, changed, NOW) == ""
    assert refresh_form(stored, changed) == {}
    assert "correct horse" not in str(stored)


@pytest.mark.parametrize(
    "stored",
    [{}, {"access_token": "t1"}, {"access_token": "t1", "expires_at": "then"}, {"access_token": None}],
)
def test_what_is_stored_otherwise_does_not_serve(stored):
    assert usable(stored | {"made_for": grant_of(OLDER).made_for}, grant_of(OLDER), NOW) == ""


def test_a_renewal_may_leave_the_refresh_token_out():
    grant = grant_of(OLDER)
    stored = kept({"access_token": "t1", "refresh_token": "r1"}, {}, grant, NOW)
    assert refresh_form(stored, grant) == {"grant_type": "refresh_token", "refresh_token": "r1"}
    assert kept({"access_token": "t2"}, stored, grant, NOW)["refresh_token"] == "r1"
    assert kept({"access_token": "t2", "refresh_token": "r2"}, stored, grant, NOW)["refresh_token"] == "r2"


def test_the_newer_grant_is_never_refreshed():
    grant = grant_of(NEWER)
    stored = kept({"access_token": "t1", "refresh_token": "r1"}, {}, grant, NOW)
    assert refresh_form(stored, grant) == {}


@pytest.mark.parametrize("answer", [None, "", [], {}, {"access_token": ""}, {"access_token": 7}])
def test_an_answer_without_a_token_is_tried_again_later(answer):
    with pytest.raises(TransientError, match="without a token"):
        kept(answer, {}, grant_of(OLDER), NOW)
