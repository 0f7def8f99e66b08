"""Each refusal becomes the error that says what to do; nothing of a person gets into it."""

import traceback
from typing import Any

import pytest
import requests
import responses
from urllib3.exceptions import NewConnectionError

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    NotFoundError,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.http import Answer
from integrations.crm import calls
from integrations.crm.answers import DuplicateContact, DuplicateOpportunity, refusal
from integrations.crm.budget import Budget
from integrations.crm.client import CrmClient

BASE = "https://crm.example.com"
CONTACT = f"{BASE}/contacts/C1"
EMAIL = "ava@example.com"  # by name, since tracebacks quote the source of this file


def refused(
    api: responses.RequestsMock, crm: CrmClient, status: int, body: Any, **more: Any
) -> ContractError:
    """What an update of a contact raises when the CRM answers so."""
    api.put(CONTACT, json=body, status=status, **more)
    with pytest.raises(ContractError) as caught:
        crm.update_contact("C1", {"email": EMAIL})
    return caught.value


@pytest.mark.parametrize(
    ("status", "words", "kind", "told"),
    [
        (401, "The token is not authorized for this scope.", ConfigError, "lacks the scope contacts.write"),
        (403, "The token is not authorized for this scope.", ConfigError, "lacks the scope contacts.write"),
        (401, "Token's user type mismatch!", AuthError, "inside the sub"),
        (401, "This authClass type is not allowed to access this scope.", AuthError, "inside the sub"),
        (403, "The token does not have access to this location.", AuthError, "another sub-account"),
        (401, "Invalid JWT", AuthError, "make a new private integration token"),
        (401, "version header was not found.", ConfigError, "CRM_API_VERSION"),
        (400, "Invalid API version segment 'x' at position 0", ConfigError, "CRM_API_VERSION"),
        (404, "Cannot find it", NotFoundError, "no such record"),
        (400, "Contact with id C1 not found", NotFoundError, "no such record"),
    ],
)
def test_refusals_are_told_apart(
    api: responses.RequestsMock, crm: CrmClient, status: int, words: str, kind: type[ContractError], told: str
) -> None:
    error = refused(api, crm, status, {"statusCode": status, "message": words})
    assert type(error) is kind
    assert told in str(error)
    assert error.status == status


def test_an_unknown_property_is_named_without_its_value(api: responses.RequestsMock, crm: CrmClient) -> None:
    body = {
        "message": ["property gender should not exist", "customFields must be an array"],
        "statusCode": 422,
    }
    error = refused(api, crm, 422, body)
    assert type(error) is RejectedError
    assert error.details["fields"] == ["gender", "customFields"]
    assert "gender, customFields" in str(error)


def test_a_taken_e_mail_names_the_other_contact_by_id_only(
    api: responses.RequestsMock, crm: CrmClient
) -> None:
    meta = {"contactId": "C7", "contactName": "Mia Stone", "matchingField": "email"}
    error = refused(
        api, crm, 400, {"message": "This location does not allow duplicated contacts.", "meta": meta}
    )
    assert isinstance(error, DuplicateContact)
    assert (error.contact_id, error.matching_field) == ("C7", "email")
    assert error.details == {"contactId": "C7", "matchingField": "email"}
    assert "Mia" not in f"{error} {error.vendor_words} {error.details}"


def test_a_forbidden_second_opportunity_names_the_first(api: responses.RequestsMock, crm: CrmClient) -> None:
    body = {
        "code": "OPPORTUNITY_NO_DUPLICATE",
        "message": "Can not create duplicate opportunity for the contact.",
        "meta": {"existingId": "O7"},
    }
    api.post(f"{BASE}/opportunities/", json=body, status=400)
    with pytest.raises(DuplicateOpportunity) as caught:
        crm.create_opportunity({"contactId": "C1", "pipelineId": "P1", "name": "x", "status": "open"})
    assert caught.value.existing_id == "O7"
    assert caught.value.details == {"existingId": "O7"}


def test_a_stage_that_is_gone_asks_for_a_new_mapping(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.put(f"{BASE}/opportunities/O1", json={"message": "The pipeline stage id is invalid."}, status=400)
    with pytest.raises(ConfigError, match="map the stages"):
        crm.update_opportunity("O1", {"pipelineStageId": "S1"})


def test_a_workflow_that_is_gone_asks_for_a_new_mapping(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.post(f"{CONTACT}/workflow/W1", json={"message": "Workflow not found"}, status=404)
    with pytest.raises(ConfigError, match="publish it there, or map it again"):
        crm.enrol("C1", "W1")


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_a_failing_crm_leaves_a_write_in_doubt_but_not_a_read(
    api: responses.RequestsMock, crm: CrmClient, status: int
) -> None:
    error = refused(api, crm, status, {"message": "oops"}, headers={"Retry-After": "7"})
    assert isinstance(error, TransientError)
    assert (error.may_have_happened, error.retry_after, error.status) == (True, 7, status)
    api.post(f"{BASE}/contacts/search", body="<html>", status=status)
    with pytest.raises(TransientError) as caught:
        crm.search_contacts(tag="vip")
    assert not caught.value.may_have_happened


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({"Retry-After": "3"}, 3, 3.4), ({"X-RateLimit-Interval-Milliseconds": "5000"}, 5, 5.6), ({}, 10, 11.1)],
)
def test_too_many_requests_stop_everybody_for_as_long_as_told(
    api: responses.RequestsMock, crm: CrmClient, headers: dict[str, str], least: float, most: float
) -> None:
    error = refused(api, crm, 429, {"message": "Too Many Requests"}, headers=headers)
    assert isinstance(error, RateLimited)
    assert least <= error.retry_after <= most
    with pytest.raises(RateLimited):
        crm.get_contact("C1")
    assert len(api.calls) == 1


def test_a_timeout_leaves_a_write_in_doubt_but_not_a_read(
    api: responses.RequestsMock, crm: CrmClient
) -> None:
    api.post(f"{CONTACT}/notes", body=requests.ReadTimeout())
    api.get(f"{CONTACT}/notes", body=requests.ReadTimeout())
    with pytest.raises(TransientError) as write:
        crm.create_note("C1", "Booked")
    with pytest.raises(TransientError) as read:
        crm.list_notes("C1")
    assert write.value.may_have_happened
    assert not read.value.may_have_happened


def test_an_unmade_connection_did_nothing(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.post(f"{CONTACT}/notes", body=requests.ConnectionError(NewConnectionError(None, "refused")))  # type: ignore[arg-type]
    with pytest.raises(TransientError) as caught:
        crm.create_note("C1", "Booked")
    assert not caught.value.may_have_happened


@pytest.mark.parametrize("body", ["", "<html>sign in</html>", "[1]", '{"contact": null}', '{"contact": {}}'])
def test_a_success_that_cannot_be_read_leaves_a_create_in_doubt(
    api: responses.RequestsMock, crm: CrmClient, body: str
) -> None:
    api.post(f"{BASE}/contacts/", body=body, status=201)
    with pytest.raises(TransientError) as caught:
        crm.create_contact({"email": "ava@example.com"})
    assert caught.value.may_have_happened


def test_without_a_token_or_an_id_nothing_is_sent(api: responses.RequestsMock, crm: CrmClient) -> None:
    tokenless = CrmClient(BASE, "2021-07-28", "LOC1", "", Budget(None), allow_private=True)
    with pytest.raises(ConfigError, match="no private integration token"):
        tokenless.get_location()
    with pytest.raises(ConfigError, match="id needed to enrol the contact in the workflow is empty"):
        crm.enrol("C1", "")
    assert not api.calls


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_no_person_appears_in_an_error(api: responses.RequestsMock, crm: CrmClient, status: int) -> None:
    words = 'ava@example.com or "Ava Stone" (212) 555-0142, born 02/29/1980, pit-0a1b2c3d: taken'
    error = refused(
        api, crm, status, {"message": [words], "error": words, "meta": {"email": "ava@example.com"}}
    )
    shown = "".join(traceback.format_exception(error)) + error.vendor_words + str(vars(error))
    for secret in ("ava@", "Ava Stone", "555", "1980", "pit-"):
        assert secret not in shown


def test_no_person_appears_in_a_broken_look_up(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.get(f"{BASE}/contacts/search/duplicate", body=requests.ConnectionError(f"…?email={EMAIL}"))
    with pytest.raises(TransientError) as caught:
        crm.find_duplicate(email=EMAIL)
    assert "ava@" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


CALLS = {one.name: one for one in vars(calls).values() if isinstance(one, calls.Call)}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [404, 422, 503])
def test_a_refusal_says_in_words_what_the_crm_was_asked_to_do(name: str, status: int) -> None:
    told = str(refusal(CALLS[name], Answer(status, {}, {}, 0, 1.0)))
    assert CALLS[name].words in told
    assert "_" not in told
