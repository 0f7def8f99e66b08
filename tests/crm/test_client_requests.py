"""Every request that the client can send fits its schema; nothing else can be sent."""

import inspect
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import responses

from integrations.crm import calls
from integrations.crm.calls import Call
from integrations.crm.client import CrmClient

BASE = "https://crm.example.com"
CONTACT = {"id": "C1", "firstName": "Ava", "customFields": []}
OPPORTUNITY = {"id": "O1", "pipelineId": "P1", "status": "open"}
EVERYTHING: Any = {
    "firstName": "Ava",
    "lastName": "Stone",
    "name": "Ava Stone",
    "email": "ava@example.com",
    "phone": "+12125550142",
    "address1": "1 Main St",
    "city": "Albany",
    "state": "NY",
    "postalCode": "12207",
    "country": "US",
    "dateOfBirth": "1980-02-29",
    "gender": "female",
    "source": "AX Connect",
    "timezone": "America/New_York",
    "customFields": [{"id": "F1", "field_value": "Booked"}, {"id": "F2", "field_value": 12.5}],
    # Never sent: an update would replace all tags, and the rest is not the CRM's.
    "tags": ["vip"],
    "locationId": "SOMEWHERE_ELSE",
    "birthday": "1980-02-29",
}
OPPORTUNITY_VALUES: Any = {
    "contactId": "C1",
    "pipelineId": "P1",
    "pipelineStageId": "S1",
    "name": "Ava Stone",
    "status": "open",
    "monetaryValue": Decimal("1250.10"),
    "tags": ["vip"],
}

Use = Callable[[CrmClient], Any]
# Method → (path below the base address, what the CRM answers, calls of it in all its forms).
USES: dict[str, tuple[str, Any, list[Use]]] = {
    "get_location": ("/locations/LOC1", {"location": {"id": "LOC1"}}, [lambda crm: crm.get_location()]),
    "list_custom_fields": (
        "/locations/LOC1/customFields",
        {"customFields": []},
        [lambda crm: crm.list_custom_fields()],
    ),
    "create_custom_field": (
        "/locations/LOC1/customFields",
        {"customField": {"id": "F9"}},
        [
            lambda crm: crm.create_custom_field("APro DOB", "DATE"),
            lambda crm: crm.create_custom_field("APro DOB", "DATE", "FOLDER1"),
        ],
    ),
    "pipelines": ("/opportunities/pipelines", {"pipelines": []}, [lambda crm: crm.pipelines()]),
    "workflows": ("/workflows/", {"workflows": []}, [lambda crm: crm.workflows()]),
    "get_contact": ("/contacts/C1", {"contact": CONTACT}, [lambda crm: crm.get_contact("C1")]),
    "create_contact": (
        "/contacts/",
        {"contact": CONTACT},
        [
            lambda crm: crm.create_contact(EVERYTHING),
            lambda crm: crm.create_contact({"email": "a@example.com"}),
        ],
    ),
    "update_contact": (
        "/contacts/C1",
        {"succeded": True, "contact": CONTACT},
        [
            lambda crm: crm.update_contact("C1", EVERYTHING),
            lambda crm: crm.update_contact("C1", {"city": "Troy"}),
        ],
    ),
    "find_duplicate": (
        "/contacts/search/duplicate",
        {"contact": None},
        [
            lambda crm: crm.find_duplicate(email="ava+spa@example.com"),
            lambda crm: crm.find_duplicate(phone="+12125550142"),
        ],
    ),
    "search_contacts": (
        "/contacts/search",
        {"contacts": [], "total": 0},
        [
            lambda crm: crm.search_contacts(custom_field=("F1", "827"), limit=1000),
            lambda crm: crm.search_contacts(tag=" ModMed-Create ", page=2),
            lambda crm: crm.search_contacts(email="ava@example.com", phone="+12125550142"),
        ],
    ),
    "add_tags": (
        "/contacts/C1/tags",
        {"tags": ["vip"]},
        [lambda crm: crm.add_tags("C1", ["VIP ", "vip", "new one"])],
    ),
    "remove_tags": ("/contacts/C1/tags", {"tags": []}, [lambda crm: crm.remove_tags("C1", ["Pnow-Create"])]),
    "list_tags": ("/locations/LOC1/tags", {"tags": []}, [lambda crm: crm.list_tags()]),
    "list_notes": ("/contacts/C1/notes", {"notes": []}, [lambda crm: crm.list_notes("C1")]),
    "create_note": (
        "/contacts/C1/notes",
        {"note": {"id": "N1"}},
        [lambda crm: crm.create_note("C1", "Booked")],
    ),
    "enrol": ("/contacts/C1/workflow/W1", {"succeded": True}, [lambda crm: crm.enrol("C1", "W1")]),
    "search_opportunities": (
        "/opportunities/search",
        {"opportunities": []},
        [lambda crm: crm.search_opportunities("C1"), lambda crm: crm.search_opportunities("C1", "P1")],
    ),
    "get_opportunity": (
        "/opportunities/O1",
        {"opportunity": OPPORTUNITY},
        [lambda crm: crm.get_opportunity("O1")],
    ),
    "create_opportunity": (
        "/opportunities/",
        {"opportunity": OPPORTUNITY},
        [lambda crm: crm.create_opportunity(OPPORTUNITY_VALUES)],
    ),
    "update_opportunity": (
        "/opportunities/O1",
        {"opportunity": OPPORTUNITY},
        [
            lambda crm: crm.update_opportunity("O1", OPPORTUNITY_VALUES),
            lambda crm: crm.update_opportunity("O1", {"status": "won"}),
        ],
    ),
}
PUBLIC_METHODS = {
    name for name, _ in inspect.getmembers(CrmClient, inspect.isfunction) if not name.startswith("_")
} - {"request"}
CALLS = {value.name: value for value in vars(calls).values() if isinstance(value, Call)}


def test_every_public_method_has_a_schema_and_a_use_here(schema_folder: Path) -> None:
    assert {path.stem for path in schema_folder.glob("*.json")} == PUBLIC_METHODS
    assert USES.keys() == PUBLIC_METHODS
    assert CALLS.keys() == PUBLIC_METHODS


@pytest.mark.parametrize("name", sorted(USES))
def test_requests_fit_their_schema(
    name: str,
    api: responses.RequestsMock,
    crm: CrmClient,
    sent: Callable[[], dict[str, Any]],
    schema_folder: Path,
) -> None:
    schema = json.loads((schema_folder / f"{name}.json").read_text())
    path, answer, uses = USES[name]
    api.add(CALLS[name].method, BASE + path, json=answer)
    for use in uses:
        use(crm)
        jsonschema.validate(sent(), schema, jsonschema.Draft202012Validator)
        headers = api.calls[-1].request.headers
        assert headers["Authorization"] == "Bearer pit-secret"
        assert headers["Version"] == "2021-07-28"


@pytest.mark.parametrize(
    "path", ["create_contact", "update_contact", "create_opportunity", "update_opportunity"]
)
def test_schemas_refuse_what_the_crm_refuses(path: str, schema_folder: Path) -> None:
    schema = json.loads((schema_folder / f"{path}.json").read_text())
    body = schema["properties"]["body"]
    jsonschema.Draft202012Validator.check_schema(schema)
    for wrong in ({"tags": ["x"]}, {"unknown": 1}, {"status": "all"}, {"email": "no address"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**dict.fromkeys(body["required"], "x"), **wrong}, body)


def test_an_update_never_carries_tags_gender_or_the_sub_account(
    api: responses.RequestsMock, crm: CrmClient, sent: Callable[[], dict[str, Any]]
) -> None:
    api.put(f"{BASE}/contacts/C1", json={"contact": CONTACT})
    crm.update_contact("C1", EVERYTHING)
    assert not {"tags", "gender", "locationId", "birthday"} & sent()["body"].keys()
    assert sent()["body"]["firstName"] == "Ava"


def test_a_new_contact_carries_gender_and_belongs_to_the_sub_account(
    api: responses.RequestsMock, crm: CrmClient, sent: Callable[[], dict[str, Any]]
) -> None:
    api.post(f"{BASE}/contacts/", json={"contact": CONTACT}, status=201)
    assert crm.create_contact(EVERYTHING) == CONTACT
    assert sent()["body"]["gender"] == "female"
    assert sent()["body"]["locationId"] == "LOC1"
    assert "tags" not in sent()["body"]


def test_empty_values_are_not_sent(
    api: responses.RequestsMock, crm: CrmClient, sent: Callable[[], dict[str, Any]]
) -> None:
    api.put(f"{BASE}/contacts/C1", json={"contact": CONTACT})
    crm.update_contact("C1", {"firstName": "", "city": "Troy", "customFields": []})
    assert sent()["body"] == {"city": "Troy"}


def test_an_opportunity_worth_nothing_is_told_as_zero(
    api: responses.RequestsMock, crm: CrmClient, sent: Callable[[], dict[str, Any]]
) -> None:
    api.put(f"{BASE}/opportunities/O1", json={"opportunity": OPPORTUNITY})
    crm.update_opportunity("O1", {"monetaryValue": Decimal("0")})
    assert sent()["body"] == {"monetaryValue": 0.0}
    crm.update_opportunity("O1", {"monetaryValue": Decimal("1250.105")})
    assert sent()["body"] == {"monetaryValue": 1250.1}


def test_an_answer_without_the_wrapper_is_understood(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.get(f"{BASE}/contacts/C1", json=CONTACT)
    assert crm.get_contact("C1") == CONTACT


def test_an_update_that_shows_nothing_is_no_failure(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.put(f"{BASE}/contacts/C1", json={"succeded": True})
    api.put(f"{BASE}/opportunities/O1", body="")
    assert crm.update_contact("C1", {"city": "Troy"}) == {}
    assert crm.update_opportunity("O1", {"status": "won"}) == {}


def test_a_duplicate_is_found_or_none(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.get(f"{BASE}/contacts/search/duplicate", json={"contact": CONTACT})
    assert crm.find_duplicate(email="ava@example.com") == CONTACT
    api.replace("GET", f"{BASE}/contacts/search/duplicate", json={})
    assert crm.find_duplicate(email="ava@example.com") is None


def test_ids_cannot_leave_their_place_in_the_path(
    api: responses.RequestsMock, crm: CrmClient, sent: Callable[[], dict[str, Any]]
) -> None:
    api.get(f"{BASE}/contacts/..%2Flocations%3Fx", json={"contact": CONTACT})
    crm.get_contact("../locations?x")
    assert sent()["path"] == "/contacts/..%2Flocations%3Fx"
