"""A small world for engine tests: one med spa, a pretend CRM over HTTP, webhooks through the real door."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from django.db import connection
from django.test import Client as Browser
from django.test import TestCase
from django.utils import timezone

from integrations.emrs import emr_for
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import (
    Connection,
    Contact,
    Effect,
    EventState,
    InboundEvent,
    Incident,
    Lane,
    SubAccount,
)
from integrations.practice_file.importing import import_practice
from integrations.practice_file.provisioning import Provisioning
from integrations.sandbox.state import State
from integrations.sync import lanes
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tenants.models import Practice

SANDBOX_KEY = "test-key"
SANDBOXES: dict[str, State] = {}  # what the pretend CRMs hold, by their addresses
TOKEN = "pit-test"
STAGES = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}
SURGICAL = {
    "Consult Booked": "S1",
    "Consult Complete": "S2",
    "Surgery Scheduled": "S3",
    "Surgery Complete": "S4",
    "Cancelled / No-Show": "S5",
}
STANDARD = {
    "Next Visit Date": "DATE",
    "Next Visit Service": "TEXT",
    "Last Visit Date": "DATE",
    "Last Visit Service": "TEXT",
    "Invoice Paid Amount": "MONETORY",
    "Patient Lifetime Value": "MONETORY",
    "Contact Type": "TEXT",
}
WORKFLOWS = {"APro Appointments Update": "WF1", "APro Invoice Paid": "WF2", "APro Birthday": "WF3"}


def practice_file(**changes: Any) -> dict[str, Any]:
    """A practice file for the world's practice; ``changes`` replace parts of it."""
    document: dict[str, Any] = {
        "format": 1,
        "practice": {
            "slug": "bluestone",
            "name": "Bluestone Med Spa",
            "kind": "med_spa",
            "country": "US",
            "time_zone": "America/New_York",
            "live": True,
            "live_reason": "test",
        },
        "sub_accounts": [
            {
                "key": "main",
                "default": True,
                "crm_location_id": "LOC1",
                "token": TOKEN,
                "pipeline_logic": "ax_connect",
                "pipelines": {"non_surgical": {"id": "P2", "stages": dict(STAGES)}},
                "workflows": {},
            }
        ],
        "locations": [{"external_id": "12", "name": "Downtown", "time_zone": None, "sub_account": "main"}],
        "connections": [
            {
                "key": "apro",
                "emr": "aestheticspro",
                "base_url": None,
                "credentials": {},
                "switches": {},
                "workflow_names": {},
            }
        ],
        "categories": [],
    }
    return document | changes


@contextmanager
def committed() -> Iterator[None]:
    """What is done inside counts as committed: what waits for a commit runs, inside a test's transaction too."""
    connection.run_on_commit.clear()
    with TestCase.captureOnCommitCallbacks(execute=True):
        yield


class World:
    """The practice ``bluestone`` with sub-account LOC1 in a pretend CRM at ``url``."""

    def __init__(self, url: str, **changes: Any) -> None:
        self.url = url
        self.crm = SANDBOXES[url]
        self.door("POST", "/sub-accounts", self._sub_account("LOC1", TOKEN))
        self.setup(**changes)

    def _sub_account(self, location_id: str, token: str, **more: Any) -> dict[str, Any]:
        fields = {
            field.name: field.data_type.value for field in emr_for("aestheticspro").manifest.fields
        } | STANDARD
        return {
            "id": location_id,
            "name": "Bluestone",
            "token": token,
            "limits": {"max": 100_000, "interval_ms": 10_000, "daily": 1_000_000},
            "custom_fields": [
                {"id": f"CF{number:02}", "name": name, "dataType": kind}
                for number, (name, kind) in enumerate(fields.items())
            ],
            "pipelines": [
                {
                    "id": "P1",
                    "name": "Surgical",
                    "stages": [{"id": pk, "name": name} for name, pk in SURGICAL.items()],
                },
                {
                    "id": "P2",
                    "name": "Non-Surgical",
                    "stages": [{"id": pk, "name": name} for name, pk in STAGES.items()],
                },
            ],
            "workflows": [{"id": pk, "name": name} for name, pk in WORKFLOWS.items()],
        } | more

    # Setting up

    def setup(self, **changes: Any) -> None:
        """Import the practice file with ``changes``; what waited for them is looked at again."""
        with committed():
            import_practice(json.dumps(practice_file(**changes)).encode())
        self.practice = Practice.objects.across_practices().get(slug="bluestone")
        self.connection = Connection.objects.for_practice(self.practice).get(key="apro")

    def map_workflows(self, **changes: Any) -> None:
        """Map the three workflows of AestheticsPro; ``changes`` are those of ``switch``."""
        self.switch(workflows=WORKFLOWS, **changes)

    def switch(
        self, *, workflows: dict[str, str] | None = None, logic: str = "ax_connect", **switches: Any
    ) -> None:
        """Import the practice with these workflows, this pipeline logic and these switches."""
        document = practice_file()
        document["sub_accounts"][0] |= {"workflows": workflows or {}, "pipeline_logic": logic}
        names = switches.pop("workflow_names", {})
        document["connections"][0] |= {"switches": switches, "workflow_names": names}
        self.setup(**document)

    def door(self, method: str, path: str, body: Any = None) -> Any:
        """Call the pretend CRM's control door."""
        headers = {"X-Sandbox-Key": SANDBOX_KEY}
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers=headers, timeout=30
        )
        assert answer.ok, answer.text
        return answer.json()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the CRM's API as somebody at the practice would who works in it by hand."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Version": "2021-07-28"}
        answer = requests.request(method, f"{self.url}/crm{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def field_id(self, name: str) -> str:
        """The CRM's id of a custom field."""
        (account,) = self.door("GET", "/sub-accounts")["sub_accounts"]
        return next(one["id"] for one in account["custom_fields"]["fields"] if one["name"] == name)

    def make_contact(self, fields: dict[str, Any] | None = None, **native: Any) -> str:
        """A contact that somebody made in the CRM; its id."""
        custom = [{"id": self.field_id(name), "field_value": value} for name, value in (fields or {}).items()]
        body = {"locationId": "LOC1", **native, "customFields": custom}
        return str(self.api("POST", "/contacts/", body)["contact"]["id"])

    def write_field(self, contact_id: str, name: str, value: Any) -> None:
        """Somebody changes a custom field by hand."""
        values = [{"id": self.field_id(name), "field_value": value}]
        self.api("PUT", f"/contacts/{contact_id}", {"customFields": values})

    def make_opportunity(self, contact_id: str, stage: str, status: str = "open", **more: Any) -> str:
        """An opportunity that somebody made in the CRM; its id."""
        body = {"locationId": "LOC1", "contactId": contact_id, "pipelineId": "P2", "name": "By hand"}
        body |= {"pipelineStageId": STAGES.get(stage, stage), "status": status} | more
        return str(self.api("POST", "/opportunities/", body)["opportunity"]["id"])

    def redo_sub_account(self, **changes: Any) -> None:
        """Give the CRM's sub-account another setup; its contacts stay."""
        token = changes.pop("token", TOKEN)
        self.door("POST", "/sub-accounts", self._sub_account("LOC1", token, **changes))

    def stages(self, names: dict[str, str]) -> None:
        """Give the non-surgical pipeline these stages (name → id) in the CRM."""
        listed = [{"id": pk, "name": name} for name, pk in names.items()]
        self.redo_sub_account(pipelines=[{"id": "P2", "name": "Non-Surgical", "stages": listed}])

    def faults(self, *rules: dict[str, Any], **settings: Any) -> None:
        """Switch faults on (see integrations/sandbox/faults.py); none clears them."""
        if rules or settings:
            self.door("POST", "/faults", {"rules": list(rules), **settings})
        else:
            self.door("DELETE", "/faults")

    # What arrives

    def post(self, body: Any, **headers: str) -> Any:
        """Send one webhook body; the answer."""
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return Browser().post(
            f"/webhooks/emr/{self.connection.webhook_key}/",
            data,
            content_type="application/json",
            headers=headers,
        )

    def take(self, *bodies: Any) -> InboundEvent:
        """Send bodies and work until nothing is due; the last one's event."""
        for body in bodies:
            answer = self.post(body)
            assert answer.status_code in (200, 202), answer.content
        self.work()
        return InboundEvent.objects.for_practice(self.practice).get(pk=answer.json()["event"])

    def work(self, *, hurry: bool = False, rounds: int = 100) -> int:
        """Work on everything due; ``hurry`` does not wait for back-off. Number of events finished."""
        finished = 0
        for _ in range(rounds):
            if hurry:
                Lane.objects.across_practices().filter(next_at__isnull=False).update(next_at=timezone.now())
            claimed = lanes.claim(lanes.Picker(), "test", 50)
            if not claimed:
                return finished
            found = profiles({lane.practice_id for lane in claimed})
            finished += sum(work_lane(lane, found[lane.practice_id], lambda: False) for lane in claimed)
        return finished

    # What came of it

    def contacts(self) -> list[dict[str, Any]]:
        """All contacts in the CRM, whole: fields by name, tags, notes, opportunities, enrolments."""
        listed = self.door("GET", "/contacts?limit=1000")["contacts"]
        return [self.door("GET", f"/contacts/{row['id']}") for row in listed]

    def contact(self) -> dict[str, Any]:
        """The only contact."""
        found = self.contacts()
        assert len(found) == 1, f"{len(found)} contacts"
        return found[0]

    def calls(self) -> dict[str, int]:
        """Requests per route since the last ``forget_calls``, whatever their answer."""
        routes = self.door("GET", "/requests")["routes"]
        return {route: sum(counts.values()) for route, counts in routes.items()}

    def forget_calls(self) -> None:
        self.door("DELETE", "/requests")

    def opportunity(self) -> dict[str, Any]:
        """The only contact's only opportunity."""
        (found,) = self.contact()["opportunities"]
        return dict(found)

    def notes(self) -> list[str]:
        """The only contact's notes without their references, oldest first."""
        return [without_reference(note["body"]) for note in reversed(self.contact()["notes"])]

    def enrolments(self) -> list[str]:
        """CRM workflows in which the only contact was enrolled, oldest first."""
        return [one["workflow_id"] for one in reversed(self.contact()["enrolments"])]

    def states(self) -> dict[str, int]:
        """Events by state."""
        counts: dict[str, int] = {}
        for state in InboundEvent.objects.for_practice(self.practice).values_list("state", flat=True):
            counts[state] = counts.get(state, 0) + 1
        return counts

    def nothing_waits(self) -> bool:
        return not InboundEvent.objects.for_practice(self.practice).filter(state=EventState.WAITING).exists()

    def provision(self) -> None:
        """Make the missing custom fields, as ``import_practice --provision`` does."""
        with committed():
            import_practice(json.dumps(practice_file()).encode(), prepare=Provisioning())

    def events(self) -> list[InboundEvent]:
        """All events, oldest first."""
        return list(InboundEvent.objects.for_practice(self.practice).order_by("id"))

    def effects(self, **which: Any) -> list[Effect]:
        """Planned and sent writes, oldest first."""
        return list(Effect.objects.for_practice(self.practice).filter(**which).order_by("event", "position"))

    def incidents(self) -> list[str]:
        """Kinds of the incidents that stand open."""
        rows = Incident.objects.for_practice(self.practice).filter(closed_at=None)
        return list(rows.order_by("id").values_list("kind", flat=True))

    @property
    def account(self) -> SubAccount:
        return SubAccount.objects.for_practice(self.practice).get()

    def our_contact(self) -> Contact:
        return Contact.objects.for_practice(self.practice).get()


def without_reference(note: str) -> str:
    """A note's text up to our reference, which must be its last line."""
    text, last = note.rsplit("\n", 1)
    assert re.fullmatch(r"Reference: AX-[A-Z2-7]{10}", last), note
    return text


def story(event: InboundEvent, step: str) -> str:
    """What the event's story says under ``step``."""
    return " ".join(row["text"] for row in event.story if row["step"] == step)


START = datetime.fromisoformat("2026-03-10T15:00:00+00:00")


def at(minutes: float) -> datetime:
    """A moment ``minutes`` after the start of the story."""
    return START + timedelta(minutes=minutes)


def visit(number: int = 1, *, day: int = 12, client: int = 0, service: int = 0) -> apro.Visit:
    """A visit of the cast's person ``client`` on March ``day`` at 8 pm local time."""
    starts = datetime.fromisoformat(f"2026-03-{day:02}T20:00:00")
    return apro.Visit(
        88000 + number,
        apro.CLIENTS[client],
        starts,
        apro.SERVICES[service : service + 1],
        apro.Site("12", "Downtown"),
    )


def money(value: str) -> Decimal:
    return Decimal(value)
