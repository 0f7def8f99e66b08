"""kill -9 of the worker at every step from the tag to the answer: one patient, one note, the tag off, the id back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from integrations.sandbox import webhooks
from tests.creates.sides import SIDES, WHOLE, Side, first_line
from tests.faults.conftest import database_for_processes
from tests.faults.programs import manage
from tests.faults.stack import Stack
from tests.polling.offices import crm_setup, practice_file

pytestmark = pytest.mark.faults

SLUGS = {side.slug: f"creates-{side.slug.replace('_', '-')}" for side in SIDES}


class Desks:
    """One installation with a practice of each EMR, and its front desks."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        url = f"http://127.0.0.1:{stack.crm_port}"
        self.sides: dict[str, Side] = {side.slug: side(url, stack.key) for side in SIDES}
        self.doors = {slug: self._practice(slug) for slug in self.sides}
        self._number = 0

    def _practice(self, slug: str) -> dict[str, str]:
        account = {"id": f"LOC-{slug}", "token": f"pit-{slug}"}
        self.stack.door("POST", "/sub-accounts", crm_setup() | account)
        document = practice_file(slug, self.sides[slug].connection())
        document["practice"] |= {"slug": SLUGS[slug], "name": f"Practice {slug}"}
        document["sub_accounts"][0] |= {"crm_location_id": account["id"], "token": account["token"]}
        said = json.loads(
            self.stack.run(*manage("import_practice", "-", "--provision"), given=json.dumps(document))
        )
        found: dict[str, str] = said["crm_webhooks"]["main"]
        return found

    def ask(self, slug: str) -> str:
        """A contact with the create tag, told of by a workflow. Its id."""
        self._number += 1
        body = WHOLE | {
            "lastName": "".join(chr(ord("a") + int(digit)) for digit in f"{self._number:03}").capitalize(),
            "email": f"number.{self._number}@example.com",
            "phone": f"+1212555{self._number:04}",
        }
        contact = self.api(slug, "POST", "/contacts/", {"locationId": f"LOC-{slug}", **body})["contact"]
        tag = self.sides[slug].tag
        self.stack.door("POST", f"/contacts/{contact['id']}", {"add_tags": [tag]})
        told = webhooks.workflow_body({**contact, "tags": [tag], "customFields": {}}, tag, {})
        door = self.doors[slug]
        answer = requests.post(door["url"], json=told, headers={"X-AX-Secret": door["secret"]}, timeout=30)
        assert answer.status_code == 202, answer.text
        return str(contact["id"])

    def api(self, slug: str, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method,
            f"http://127.0.0.1:{self.stack.crm_port}/crm{path}",
            json=body,
            headers={"Authorization": f"Bearer pit-{slug}", "Version": "2021-07-28"},
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json()

    def shown(self, contact_id: str) -> Any:
        return self.stack.door("GET", f"/contacts/{contact_id}")

    def patients_of(self, slug: str, contact_id: str) -> list[str]:
        """Ids of the patients with this contact's e-mail."""
        email = self.shown(contact_id)["native"]["email"]
        return [row["id"] for row in self.sides[slug].patients() if row["email"] == email]


@pytest.fixture(scope="session")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with database_for_processes() as url:
        stack = Stack(tmp_path_factory.mktemp("creates"), url)
        try:
            stack.build()
            stack.serve()
            made = Desks(stack)
            stack.only_worker()
            yield made
        finally:
            stack.close()


@dataclass(frozen=True)
class Step:
    """A call on the way: whose, and its route."""

    scope: str
    route: str


def step_of(side: Side, name: str) -> Step:
    emr = f"emr/{side.slug}"
    return {
        "read the contact": Step("crm", "GET /contacts/{id}"),
        "search the EMR": Step(emr, side.search_route),
        "create": Step(emr, side.create_route),
        "note": Step("crm", "POST /contacts/{id}/notes"),
        "tag off": Step("crm", "DELETE /contacts/{id}/tags"),
        "id back": Step("crm", "PUT /contacts/{id}"),
    }[name]


MOMENTS = [
    ("modmed", "create", "before"),
    ("modmed", "create", "after"),
    ("modmed", "note", "before"),
    ("modmed", "note", "after"),
    ("modmed", "tag off", "before"),
    ("modmed", "tag off", "after"),
    ("modmed", "id back", "before"),
    ("modmed", "id back", "after"),
    ("nextech_cloud", "create", "before"),
    ("nextech_cloud", "create", "after"),
    ("nextech_cloud", "tag off", "after"),
    ("patientnow_pro", "read the contact", "before"),
    ("patientnow_pro", "search the EMR", "after"),
    ("patientnow_pro", "create", "before"),
    ("patientnow_pro", "create", "after"),
    ("patientnow_pro", "note", "after"),
]


@pytest.mark.parametrize(("slug", "name", "when"), MOMENTS, ids=[" ".join(one) for one in MOMENTS])
def test_a_worker_killed_on_the_way_leaves_one_patient_and_one_answer(
    desks: Desks, slug: str, name: str, when: str
) -> None:
    stack, side = desks.stack, desks.sides[slug]
    step = step_of(side, name)
    victim = stack.only_worker()
    rule = {
        "scope": step.scope,
        "route": step.route,
        "kind": "hang",
        "seconds": 100,
        "after": when == "after",
    }
    stack.faults(rule)
    contact_id = desks.ask(slug)
    stack.until(lambda: not stack.rules_left(), "a call runs into the fault")
    if (name, when) == ("create", "after"):
        stack.until(lambda: desks.patients_of(slug, contact_id), "the EMR has done it")

    victim.kill()
    assert stack.ask("release_dead", victim.name) >= 1
    stack.start_worker()
    stack.until(lambda: stack.ask("unfinished") == 0, "every event is finished")

    (patient,) = desks.patients_of(slug, contact_id)
    shown = desks.shown(contact_id)
    assert [first_line(note["body"]).partition(": ")[2] for note in shown["notes"]] == ["patient created"]
    assert shown["tags"] == []
    assert shown["fields"][side.id_field] == patient
    (state,) = stack.ask("creates", contact_id)
    assert state == ["created", patient, True]
