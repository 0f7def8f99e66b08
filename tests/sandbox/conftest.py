"""A pretend CRM served over real HTTP, with one sub-account set up."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

KEY = "test-key"
LOCATION = "LOC1"
SETUP: dict[str, Any] = {
    "id": LOCATION,
    "name": "Bluestone",
    "token": "pit-one",
    "timezone": "America/Chicago",
    "limits": {"max": 10_000, "interval_ms": 10_000, "daily": 100_000},
    "folders": [{"id": "FOLDER1", "name": "AestheticsPro"}],
    "custom_fields": [
        {"id": "CF_TEXT", "name": "APro Location", "dataType": "TEXT"},
        {"id": "CF_DATE", "name": "APro DOB", "dataType": "DATE"},
        {"id": "CF_MONEY", "name": "Patient Lifetime Value", "dataType": "MONETORY"},
        {"id": "CF_NUMBER", "name": "Visits", "dataType": "NUMERICAL"},
        {
            "id": "CF_ONE",
            "name": "Lead Status",
            "dataType": "SINGLE_OPTIONS",
            "picklistOptions": ["Booked", "Patient"],
        },
        {
            "id": "CF_MANY",
            "name": "Interests",
            "dataType": "MULTIPLE_OPTIONS",
            "picklistOptions": ["Laser", "Peel"],
        },
        {"id": "CF_OPP", "name": "AX Key", "dataType": "TEXT", "model": "opportunity"},
    ],
    "pipelines": [
        {
            "id": "P1",
            "name": "Non-Surgical",
            "stages": [{"id": "S1", "name": "Booked"}, {"id": "S2", "name": "Patient"}],
        },
        {"id": "P2", "name": "Surgical", "stages": [{"id": "T1", "name": "Consult Booked"}]},
    ],
    "workflows": [{"id": "WF1", "name": "Reminders"}, {"id": "WF2", "name": "Unready", "status": "draft"}],
}


class Crm:
    """Calls the API of one sub-account and the control door."""

    def __init__(self, url: str, token: str = "pit-one", location: str = LOCATION) -> None:
        self.url = url
        self.location = location
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {token}", "Version": "2021-07-28"})

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/crm{path}", json=body, timeout=10, **options)

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = self.call(method, path, body, **options)
        assert answer.ok, answer.text
        return answer.json()

    def door(self, method: str, path: str, body: Any = None, key: str = KEY) -> Any:
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers={"X-Sandbox-Key": key}, timeout=10
        )
        return answer.json()

    def fault(self, route: str, **rule: Any) -> None:
        answer = self.door("POST", "/faults", {"rules": [{"route": route, **rule}]})
        assert "rules" in answer, answer

    def contact(self, **values: Any) -> str:
        body = {"locationId": self.location, "firstName": "Ada", "lastName": "Stone", **values}
        return str(self.ok("POST", "/contacts/", body)["contact"]["id"])

    def read(self, contact_id: str) -> Any:
        return self.ok("GET", f"/contacts/{contact_id}")["contact"]

    def opportunity(self, contact_id: str, **values: Any) -> Any:
        body = {
            "locationId": self.location,
            "contactId": contact_id,
            "pipelineId": "P1",
            "name": "Ada Stone",
            "status": "open",
            **values,
        }
        return self.call("POST", "/opportunities/", body)

    def search(self, *filters: dict[str, Any], **more: Any) -> list[str]:
        body = {"locationId": self.location, "pageLimit": 20, "filters": list(filters), **more}
        return [one["id"] for one in self.ok("POST", "/contacts/search", body)["contacts"]]

    def set_up(self, **changes: Any) -> Any:
        return self.door("POST", "/sub-accounts", SETUP | changes)


@pytest.fixture
def state() -> State:
    return State(key=KEY)


@pytest.fixture
def crm(state: State) -> Iterator[Crm]:
    url, stop = serve_in_thread(state)
    one = Crm(url)
    assert "workflows" in one.set_up()
    yield one
    one.session.close()
    stop()


@pytest.fixture
def other(crm: Crm) -> Crm:
    """A second sub-account."""
    crm.door("POST", "/sub-accounts", SETUP | {"id": "LOC2", "name": "Other", "token": "pit-two"})
    return Crm(crm.url, "pit-two", "LOC2")
