"""Practices with a polled EMR against the pretend CRM and EMR over HTTP: everything real but the clock."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from django.utils import timezone

from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import (
    Connection,
    EventState,
    InboundEvent,
    Incident,
    Lane,
    PollCursor,
    PollRun,
    Trigger,
)
from integrations.practice_file.importing import import_practice
from integrations.practice_file.provisioning import Provisioning
from integrations.sync import lanes
from integrations.sync.polling import cursors
from integrations.sync.polling.poll import poll
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles

KEY = "test-key"
CRM_ID, TOKEN = "LOC1", "pit-one"
SURGICAL = {
    "Consult Booked": "S1",
    "Consult Complete": "S2",
    "Surgery Scheduled": "S3",
    "Surgery Complete": "S4",
    "Cancelled / No-Show": "S5",
}
NON_SURGICAL = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}
STAGE_NAMES = {crm_id: name for names in (SURGICAL, NON_SURGICAL) for name, crm_id in names.items()}


def practice_file(emr: str, connection: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A practice file with one connection. ``changes`` replace top-level parts (``kind`` the practice's kind)."""
    kind = changes.pop("kind", "plastic_surgery")
    pipelines = {"surgical": {"id": "P1", "stages": SURGICAL}} if kind != "med_spa" else {}
    return {
        "format": 1,
        "practice": {
            "slug": "bluestone",
            "name": "Bluestone Plastic Surgery",
            "kind": kind,
            "country": "US",
            "time_zone": "America/New_York",
            "live": True,
            "live_reason": "test",
        },
        "sub_accounts": [
            {
                "key": "main",
                "default": True,
                "crm_location_id": CRM_ID,
                "token": TOKEN,
                "pipelines": {**pipelines, "non_surgical": {"id": "P2", "stages": NON_SURGICAL}},
                "workflows": changes.pop("workflows", {}),
            }
        ],
        "locations": changes.pop("locations", []),
        "connections": [{"key": emr, "emr": emr, **connection}],
        "categories": changes.pop("categories", []),
    } | changes


def crm_setup(limits: int = 100_000) -> dict[str, Any]:
    """What the pretend CRM holds before anything happens."""
    return {
        "id": CRM_ID,
        "name": "Bluestone",
        "token": TOKEN,
        "timezone": "America/New_York",
        "limits": {"max": limits, "interval_ms": 10_000, "daily": 1_000_000},
        "pipelines": [
            {"id": "P1", "name": "Surgical", "stages": _stages(SURGICAL)},
            {"id": "P2", "name": "Non-Surgical", "stages": _stages(NON_SURGICAL)},
        ],
        "workflows": [{"id": f"WF{number}", "name": f"Workflow {number}"} for number in range(1, 6)],
    }


def _stages(names: dict[str, str]) -> list[dict[str, str]]:
    return [{"id": crm_id, "name": name} for name, crm_id in names.items()]


@dataclass
class Crm:
    """The pretend CRM as a test looks at it."""

    url: str

    def reset(self, **setup: Any) -> None:
        """An empty CRM with the one sub-account."""
        self.door("POST", "/sub-accounts", crm_setup() | setup)

    def door(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers={"X-Sandbox-Key": KEY}, timeout=10
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method,
            f"{self.url}/crm{path}",
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}", "Version": "2021-07-28"},
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()

    def contacts(self) -> list[dict[str, Any]]:
        """All contacts, each with ``fields`` by name."""
        names = {
            row["id"]: row["name"]
            for row in self.api("GET", f"/locations/{CRM_ID}/customFields")["customFields"]
        }
        found = self.api("POST", "/contacts/search", {"locationId": CRM_ID, "page": 1, "pageLimit": 100})
        rows = [self.api("GET", f"/contacts/{row['id']}")["contact"] for row in found["contacts"]]
        for row in rows:
            row["fields"] = {names[one["id"]]: one["value"] for one in row.get("customFields", ())}
        return rows

    def contact(self) -> dict[str, Any]:
        """The one contact there is."""
        found = self.contacts()
        assert len(found) == 1, [row["id"] for row in found]
        return found[0]

    def notes(self, contact_id: str) -> list[str]:
        """The texts of a contact's notes, oldest first."""
        rows = self.api("GET", f"/contacts/{contact_id}/notes")["notes"]
        return [row["body"] for row in sorted(rows, key=lambda row: row["dateAdded"])]

    def cards(self, contact_id: str) -> dict[str, tuple[str, str]]:
        """Pipeline id → (our stage name, status) of a contact's opportunities."""
        path = f"/opportunities/search?location_id={CRM_ID}&contact_id={contact_id}"
        rows = self.api("GET", path)["opportunities"]
        return {row["pipelineId"]: (STAGE_NAMES[row["pipelineStageId"]], row["status"]) for row in rows}

    def calls(self) -> int:
        """How many API calls came in so far."""
        return int(self.door("GET", "/requests")["total"])


def set_up(document: dict[str, Any]) -> Connection:
    """Import the practice and make its CRM fields; its connection, not polled yet."""
    import_practice(json.dumps(document).encode(), prepare=Provisioning())
    cursors.set_up_cursors()
    found: Connection = Connection.objects.across_practices().get(key=document["connections"][0]["key"])
    return found


def poll_all(connection: Connection, *resources: str) -> dict[str, PollRun | None]:
    """Poll every resource (or these), listed ones before those that go by patient. Resource → what came of it."""
    profile = profiles([connection.practice_id])[connection.practice_id]
    wanted = resources or tuple(cursors.resources_of(profile.connections[connection.pk].emr))
    done: dict[str, PollRun | None] = {}
    for name in wanted:
        row = PollCursor.objects.across_practices().filter(connection=connection, resource=name).first()
        if row is None:
            continue
        claimed = cursors.claim_one(row.pk, "test")
        assert claimed is not None, f"{name} is being polled"
        done[name] = poll(claimed, profile, trigger=Trigger.HAND)
    return done


def work(seconds: float = 30) -> None:
    """What a worker does, without waiting for back-off, until no event waits."""
    deadline = time.monotonic() + seconds
    waiting = InboundEvent.objects.across_practices().filter(state=EventState.WAITING)
    while waiting.exists() and time.monotonic() < deadline:
        Lane.objects.across_practices().filter(next_at__isnull=False).update(next_at=timezone.now())
        claimed = lanes.claim(lanes.Picker(), "test", 50)
        found = profiles({lane.practice_id for lane in claimed})
        for lane in claimed:
            work_lane(lane, found[lane.practice_id], lambda: False)


def poll_and_work(connection: Connection) -> None:
    """One round: every resource, then everything that came of it."""
    poll_all(connection)
    work()


def events() -> list[InboundEvent]:
    """All events, oldest first."""
    return list(InboundEvent.objects.across_practices().order_by("id"))


def visit_at(
    firm: Firm,
    number: int = 1,
    *,
    person: int = 0,
    status: str = "pending",
    days_ahead: float = 3,
    changed_ago: timedelta = timedelta(),
    kind: str = "Rhinoplasty Consult",
) -> None:
    """Put one ModMed appointment on file; ``changed_ago`` is how long ago it changed last."""
    now = datetime.now(UTC)
    found = shapes.appointment(
        str(9000 + number),
        cast.patient(person).id,
        now + timedelta(days=days_ahead),
        now - changed_ago,
        status=status,
        type=next(one for one in cast.TYPES if one.name == kind),
        practitioner_id="375397",
        location_id="826",
        booked_at=now - timedelta(days=5),
    )
    firm.save(found)


def people_at(firm: Firm, count: int, changed_ago: timedelta = timedelta(days=20)) -> None:
    """Put so many ModMed patients on file."""
    at = datetime.now(UTC) - changed_ago
    firm.save(*(shapes.patient(cast.patient(number), at) for number in range(count)))


def incidents(kind: str = "", *, is_open: bool = True) -> list[Incident]:
    """The incidents of that kind (or all) that stand, or are over."""
    rows = Incident.objects.across_practices().filter(closed_at__isnull=is_open).order_by("pk")
    return list(rows.filter(kind=kind) if kind else rows)


def cursor_of(connection: Connection, resource: str) -> PollCursor:
    """How far a resource was read."""
    found: PollCursor = PollCursor.objects.across_practices().get(connection=connection, resource=resource)
    return found


def crm_calls(crm: Crm) -> int:
    """How many API calls the CRM got so far; what an EMR behind the same address was asked does not count."""
    routes: dict[str, dict[str, int]] = crm.door("GET", "/requests")["routes"]
    return sum(sum(statuses.values()) for route, statuses in routes.items() if " /" in route)
