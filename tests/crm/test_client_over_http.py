"""The client against the pretend CRM over real HTTP, which is as strict as the real one."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis
import requests

from integrations.contract import http
from integrations.contract.errors import AuthError, ConfigError, NotFoundError, RateLimited, TransientError
from integrations.contract.records import Person
from integrations.crm.answers import DuplicateContact, DuplicateOpportunity
from integrations.crm.budget import Budget
from integrations.crm.client import CrmClient
from integrations.crm.fields import custom_field_values, echo_missing, field_ids, native_differences
from integrations.crm.matching import MatchKind, judge
from integrations.crm.opportunities import adopted, create_values, pick, update_values
from integrations.crm.provisioning import propose_stages, propose_workflows
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

SETUP: dict[str, Any] = {
    "id": "LOC1",
    "name": "Bluestone",
    "tokens": ["pit-one", {"token": "pit-reader", "scopes": ["contacts.readonly"]}],
    "limits": {"max": 1_000, "interval_ms": 10_000, "daily": 100_000},
    "custom_fields": [
        {"id": "CF_TEXT", "name": "APro Client ID", "dataType": "TEXT"},
        {"id": "CF_DATE", "name": "APro DOB", "dataType": "DATE"},
        {"id": "CF_MONEY", "name": "Patient Lifetime Value", "dataType": "MONETORY"},
    ],
    "pipelines": [
        {
            "id": "P1",
            "name": "Lead to Patient",
            "stages": [
                {"id": "S1", "name": "Booked"},
                {"id": "S2", "name": "Patient"},
                {"id": "S3", "name": "Cancel/No Show"},
            ],
        },
    ],
    "workflows": [{"id": "WF1", "name": "APro Birthday"}],
}
VALUES: Any = {
    "firstName": "Ava",
    "lastName": "Stone",
    "email": "ava@example.com",
    "phone": "+12125550142",
    "gender": "female",
    "dateOfBirth": "1980-02-29",
}


class Sandbox:
    """The pretend CRM and clients of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(
        self, token: str = "pit-one", budget: Budget | None = None, location: str = "LOC1"
    ) -> CrmClient:
        budget = budget or Budget(None)
        return CrmClient(f"{self.url}/crm", "2021-07-28", location, token, budget, allow_private=True)

    def door(self, path: str, body: Any) -> None:
        answer = requests.post(
            f"{self.url}/_sandbox{path}", json=body, headers={"X-Sandbox-Key": "k"}, timeout=5
        )
        assert answer.ok, answer.text

    def fault(self, **rule: Any) -> None:
        self.door("/faults", {"rules": [rule]})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    url, stop = serve_in_thread(State(key="k"))
    one = Sandbox(url)
    one.door("/sub-accounts", SETUP)
    yield one
    http.close_connections()
    stop()


@pytest.fixture
def crm(sandbox: Sandbox) -> CrmClient:
    return sandbox.client()


def test_a_contact_goes_the_whole_way(crm: CrmClient) -> None:
    items, missing = custom_field_values(
        {"APro Client ID": "827", "APro DOB": "1980-02-29", "Patient Lifetime Value": Decimal("1250.10")},
        field_ids(crm.list_custom_fields()),
    )
    assert missing == []
    made = crm.create_contact({**VALUES, "customFields": items})
    assert echo_missing(items, made) == []
    assert native_differences(VALUES, made) == []
    shown = crm.update_contact(made["id"], {**VALUES, "city": "Troy"})
    assert (shown["city"], shown["gender"]) == ("Troy", "female")
    assert crm.get_contact(made["id"])["customFields"] == shown["customFields"]

    assert crm.add_tags(made["id"], ["VIP", "Summer Glow"]) == ["vip", "summer glow"]
    assert crm.remove_tags(made["id"], ["vip"]) == ["summer glow"]
    crm.update_contact(made["id"], {"city": "Albany"})
    assert crm.get_contact(made["id"])["tags"] == ["summer glow"]

    note = crm.create_note(made["id"], "AestheticsPro booked\nAX-1")
    assert [item["id"] for item in crm.list_notes(made["id"])] == [note["id"]]
    crm.enrol(made["id"], "WF1")


def test_a_contact_is_found_by_id_field_mail_phone_and_tag(crm: CrmClient) -> None:
    made = crm.create_contact({**VALUES, "customFields": [{"id": "CF_TEXT", "field_value": "827"}]})
    crm.add_tags(made["id"], ["modmed-create"])
    found: list[Callable[[], Any]] = [
        lambda: crm.find_duplicate(email="ava@example.com"),
        lambda: crm.find_duplicate(phone="+12125550142"),
        lambda: crm.search_contacts(custom_field=("CF_TEXT", "827"))[0],
        lambda: crm.search_contacts(tag="ModMed-Create")[0],
        lambda: crm.search_contacts(email="ava@example.com", phone="+12125550142")[0],
    ]
    assert [look()["id"] for look in found] == [made["id"]] * 5
    assert crm.find_duplicate(email="mia@example.com") is None
    assert crm.search_contacts(custom_field=("CF_TEXT", "828")) == []


def test_a_family_s_phone_is_left_out(crm: CrmClient) -> None:
    mother = crm.create_contact({**VALUES, "firstName": "Mia", "email": "mia@example.com"})
    ava = Person("827", "Ava", "Stone", "ava@example.com", "+12125550142")
    by_phone = crm.find_duplicate(phone=ava.phone)
    assert by_phone is not None
    assert judge(ava, {"phone": [by_phone]}).kind is MatchKind.HELD
    with pytest.raises(DuplicateContact) as caught:
        crm.create_contact({"firstName": "Ava", "email": ava.email, "phone": ava.phone})
    assert (caught.value.contact_id, caught.value.matching_field) == (mother["id"], "phone")
    made = crm.create_contact({"firstName": "Ava", "email": ava.email})
    with pytest.raises(DuplicateContact):
        crm.update_contact(made["id"], {"phone": ava.phone, "city": "Troy"})
    assert crm.update_contact(made["id"], {"city": "Troy"})["city"] == "Troy"


def test_a_stale_field_id_is_noticed_in_the_echo(crm: CrmClient) -> None:
    made = crm.create_contact(VALUES)
    items: Any = [{"id": "CF_GONE", "field_value": "x"}, {"id": "CF_TEXT", "field_value": "827"}]
    assert echo_missing(items, crm.update_contact(made["id"], {"customFields": items})) == ["CF_GONE"]


def test_an_opportunity_goes_the_whole_way(crm: CrmClient) -> None:
    contact = crm.create_contact(VALUES)
    made = crm.create_opportunity(create_values(contact, "P1", "S1", "open"))
    with pytest.raises(DuplicateOpportunity) as caught:
        crm.create_opportunity(create_values(contact, "P1", "S1", "open"))
    existing = adopted(crm.get_opportunity(caught.value.existing_id), "P1")
    assert existing["id"] == made["id"]
    shown = crm.update_opportunity(made["id"], update_values("P1", "S2", "won", Decimal("1250.10")))
    assert (shown["pipelineStageId"], shown["status"], shown["monetaryValue"]) == ("S2", "won", 1250.1)
    picked = pick(crm.search_opportunities(contact["id"], "P1"))
    assert picked is not None
    assert picked["id"] == made["id"]
    with pytest.raises(ConfigError, match="map the stages"):
        crm.update_opportunity(made["id"], update_values("P1", "GONE", "open"))


def test_stages_and_workflows_are_proposed_from_what_is_there(crm: CrmClient) -> None:
    stages = propose_stages(crm.pipelines())["non_surgical"]
    assert {name: item.stage_id for name, item in stages.items()} == {
        "Booked": "S1",
        "Patient": "S2",
        "Cancelled / No-Show": "S3",
    }
    assert propose_workflows(crm.workflows(), ["APro Birthday"])["APro Birthday"].workflow_id == "WF1"
    assert crm.get_location()["name"] == "Bluestone"


def test_refusals_of_the_token_are_told_apart(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match=r"lacks the scope contacts\.write"):
        sandbox.client("pit-reader").create_contact(VALUES)
    with pytest.raises(AuthError, match="another sub-account"):
        sandbox.client(location="LOC2").get_location()
    with pytest.raises(AuthError, match="make a new private integration token"):
        sandbox.client("pit-wrong").get_location()


def test_what_is_gone_is_not_found(crm: CrmClient) -> None:
    with pytest.raises(NotFoundError):
        crm.get_contact("GONE")
    with pytest.raises(NotFoundError):
        crm.update_contact("GONE", {"city": "Troy"})


def test_a_write_whose_answer_is_lost_is_in_doubt_and_done(sandbox: Sandbox, crm: CrmClient) -> None:
    made = crm.create_contact(VALUES)
    sandbox.fault(route="POST /contacts/{id}/notes", kind="close", after=True)
    with pytest.raises(TransientError) as caught:
        crm.create_note(made["id"], "AX-1")
    assert caught.value.may_have_happened
    assert [note["body"] for note in crm.list_notes(made["id"])] == ["AX-1"]


def test_a_429_waits_as_told(sandbox: Sandbox, crm: CrmClient) -> None:
    sandbox.fault(route="GET /contacts/{id}", status=429, retry_after=5)
    with pytest.raises(RateLimited) as caught:
        crm.get_contact("C1")
    assert 5 <= caught.value.retry_after <= 5.5


def test_the_budget_learns_the_limit_and_never_earns_a_429(sandbox: Sandbox, real_redis: redis.Redis) -> None:
    sandbox.door("/sub-accounts", SETUP | {"limits": {"max": 40, "interval_ms": 60_000, "daily": 10_000}})
    budget = Budget(real_redis)
    crm = sandbox.client(budget=budget)
    made = crm.create_contact(VALUES)
    refused: list[RateLimited] = []

    def hammer() -> None:
        for _ in range(12):
            try:
                crm.get_contact(made["id"])
            except RateLimited as error:
                refused.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8 * 12 - 39
    assert {str(error) for error in refused} == {
        "The CRM's request budget of this sub-account is used up for now."
    }
    used = budget.used("LOC1")
    assert (used.window_used, used.window_max, used.day_max) == (40, 40, 10_000)
