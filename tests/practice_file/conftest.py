"""The pretend EMRs are the known ones, and a pretend CRM answers over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations import emrs
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync.crm_access import _budget
from tests.practice_file.documents import REGISTRY, setup_of

KEY = "test-key"


@pytest.fixture(autouse=True)
def pretend_emrs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emrs, "registry", lambda: REGISTRY)


class PretendCrm:
    """Speaks the CRM's API over HTTP; told about sub-accounts through its control door."""

    def __init__(self, url: str) -> None:
        self.url = url

    def door(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Key": KEY}
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers=headers, timeout=10
        )
        assert answer.ok, answer.text
        return answer.json()

    def set_up(self, subaccount: str, token: str, **more: Any) -> None:
        self.door("POST", "/sub-accounts", setup_of(subaccount, token, **more))

    def fields(self, subaccount: str, token: str) -> dict[str, str]:
        """The custom fields that it has now: name → type."""
        headers = {"Authorization": f"Bearer {token}", "Version": "2021-07-28"}
        address = f"{self.url}/crm/locations/{subaccount}/customFields?model=contact"
        listed = requests.get(address, headers=headers, timeout=10).json()["customFields"]
        return {row["name"]: row["dataType"] for row in listed}


@pytest.fixture
def crm(settings: Any) -> Iterator[PretendCrm]:
    """A pretend CRM with both sub-accounts of the document, which the settings point to."""
    url, stop = serve_in_thread(State(key=KEY))
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    # Whatever Redis this machine has is not for tests: the budget is then kept in this process.
    settings.REDIS_URL = "unix:///nobody-listens-here"
    _budget.cache_clear()
    one = PretendCrm(url)
    one.set_up("LOC1", "pit-main-secret")
    one.set_up("LOC2", "pit-spa-secret")
    yield one
    stop()
    _budget.cache_clear()
