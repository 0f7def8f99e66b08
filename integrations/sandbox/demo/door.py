"""A client of the sandbox's control door."""

from typing import Any

import requests

TIMEOUT_SECONDS = 5.0
Json = dict[str, Any]


class DoorError(Exception):
    """The sandbox did not answer, or refused. ``status`` is 0 when it did not answer."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Door:
    """Asks the sandbox at ``url`` for what only the demo may know; ``key`` opens it."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def summary(self, crm_id: str) -> Json:
        """How many contacts, notes and opportunities a sub-account has."""
        return self._ask("GET", "/summary", location_id=crm_id)

    def board(self, crm_id: str, cards: int) -> Json:
        """A sub-account's pipelines, stages, and the newest cards of each stage."""
        found = self._ask("GET", "/board", location_id=crm_id, cards=cards)
        return dict(found["sub_accounts"][0])

    def contacts(self, crm_id: str, limit: int) -> list[Json]:
        """The contacts of a sub-account, the last changed first."""
        return list(self._ask("GET", "/contacts", location_id=crm_id, limit=limit)["contacts"])

    def contact(self, contact_id: str) -> Json:
        """Everything about one contact. Raises DoorError with status 404 when it is gone."""
        return self._ask("GET", f"/contacts/{contact_id}")

    def sub_account(self, crm_id: str) -> Json:
        """How a sub-account is set up. Raises DoorError with status 404 when there is none."""
        return dict(self._ask("GET", "/sub-accounts", location_id=crm_id)["sub_accounts"][0])

    def set_up(self, sub_account: Json) -> None:
        """Make a sub-account, or set it up anew; its contacts stay."""
        self._ask("POST", "/sub-accounts", sub_account)

    def tell_of_tags(self, crm_id: str, *, workflow: Json | None = None, app: Json | None = None) -> None:
        """Say whom a sub-account tells of tags: a workflow's webhook action, the marketplace app's webhook."""
        self._ask("POST", "/webhooks", {"location_id": crm_id, "workflow": workflow, "app": app})

    def change_contact(self, contact_id: str, **changes: Any) -> Json:
        """Change a contact as somebody who works in the CRM does, see the sandbox's control door."""
        return self._ask("POST", f"/contacts/{contact_id}", changes)

    def has_outage(self) -> bool:
        """Whether the CRM pretends to be down."""
        return "crm" in self._ask("GET", "/faults")["outages"]

    def set_outage(self, is_on: bool) -> None:
        """Let the CRM pretend to be down, or up again."""
        self._ask("POST", "/faults", {"outage": is_on})

    def _ask(self, method: str, path: str, body: Json | None = None, **query: Any) -> Json:
        try:
            answer = requests.request(
                method,
                f"{self.url}/_sandbox{path}",
                params=query,
                json=body,
                headers={"X-Sandbox-Key": self.key},
                timeout=TIMEOUT_SECONDS,
            )
            found: Json = answer.json()
        except requests.RequestException as error:
            raise DoorError(f"The sandbox CRM does not answer ({type(error).__name__}).") from None
        if not answer.ok:
            raise DoorError(f"The sandbox CRM refused: {found.get('message')}", answer.status_code)
        return found
