"""A practice on PatientNow Pro with everything real but the clock: notices posted at our door, enrichment over HTTP
from the pretend PatientNow Pro, the pretend CRM over HTTP."""

import json
import re
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from django.test import Client as Browser
from django.utils import timezone

from integrations.emrs.patientnow_pro.sandbox import Practice as Desk
from integrations.models import (
    Connection,
    Contact,
    Effect,
    EventState,
    InboundEvent,
    Lane,
    LedgerRow,
    SubAccount,
)
from integrations.practice_file.importing import import_practice
from integrations.practice_file.provisioning import Provisioning
from integrations.sync import lanes
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tenants.models import Practice
from tests.engine.world import committed
from tests.polling.offices import KEY

Json = dict[str, Any]
NOW = "2026-11-18T10:00:00-05:00"
API_KEY, EMR_ID = "pn-key", "PN-77"
FLOW, PAID, JOINED, BORN = (
    "PatientNow Appointments Update",
    "PatientNow Order Paid",
    "PatientNow Membership Update",
    "PatientNow Birthday",
)
WORKFLOWS = {FLOW: "WF1", PAID: "WF2", JOINED: "WF3", BORN: "WF4"}
SURGICAL = {
    "Consult Booked": "S1",
    "Consult Complete": "S2",
    "Surgery Scheduled": "S3",
    "Surgery Complete": "S4",
    "Cancelled / No-Show": "S5",
}
NON_SURGICAL = {
    "Booked": "T1",
    "Patient": "T2",
    "Cancelled / No-Show": "T3",
    "Consult Booked": "T4",
    "Consult Complete": "T5",
}
CATEGORIES = {
    "Breast Aug Consult": "Surgical Consult",
    "Breast Augmentation": "Surgical Appointment",
    "Skin Consult": "Non-Surgical Consult",
    "Botox": "Non-Surgical Appointment",
    "Pre-Op": "Pre-Op Appointment",
    "Post-Op": "Post-Op Appointment",
    "Block": "Blocked",
}
# CRM sub-account id → its token.
TOKENS = {"LOC1": "pit-one", "LOC2": "pit-two"}


def connection_part(base_url: str, **switches: Any) -> Json:
    """The connection of a practice file."""
    return {
        "key": "pnow",
        "emr": "patientnow_pro",
        "base_url": base_url,
        "credentials": {"api_key": API_KEY, "practice_id": EMR_ID},
        "switches": switches,
    }


def account_part(key: str, crm_id: str, *, default: bool, surgical: bool = True, **more: Any) -> Json:
    """A sub-account of a practice file."""
    pipelines: Json = {"non_surgical": {"id": "P2", "stages": NON_SURGICAL}}
    if surgical:
        pipelines["surgical"] = {"id": "P1", "stages": SURGICAL}
    return {
        "key": key,
        "default": default,
        "crm_location_id": crm_id,
        "token": TOKENS[crm_id],
        "pipelines": pipelines,
        "workflows": WORKFLOWS,
    } | more


def practice_file(base_url: str, **changes: Any) -> Json:
    """The clinic's practice file: dual pipelines, one sub-account, all types confirmed. ``changes`` replace parts;
    ``kind`` is the practice's kind, ``switches`` are the connection's."""
    kind = changes.pop("kind", "plastic_surgery_med_spa")
    switches = changes.pop("switches", {})
    document: Json = {
        "format": 1,
        "practice": {
            "slug": "bayside",
            "name": "Bayside Aesthetics",
            "kind": kind,
            "country": "US",
            "time_zone": "America/New_York",
            "live": True,
            "live_reason": "test",
        },
        "sub_accounts": [account_part("main", "LOC1", default=True, surgical=kind != "med_spa")],
        "locations": [
            {"external_id": "F1", "name": "Miami", "sub_account": "main"},
            {"external_id": "F2", "name": "Coral Gables", "sub_account": "main"},
        ],
        "connections": [connection_part(base_url, **switches)],
        "categories": [
            {"connection": "pnow", "type": name, "purpose": "", "category": category, "confirmed": True}
            for name, category in CATEGORIES.items()
        ],
    }
    return document | changes


def crm_account(crm_id: str, **more: Any) -> Json:
    """What a sub-account of the pretend CRM holds before anything happens."""
    return {
        "id": crm_id,
        "name": crm_id,
        "token": TOKENS[crm_id],
        "timezone": "America/New_York",
        "limits": {"max": 100_000, "interval_ms": 10_000, "daily": 1_000_000},
        "pipelines": [
            {"id": "P1", "name": "Surgical", "stages": _stages(SURGICAL)},
            {"id": "P2", "name": "Non-Surgical", "stages": _stages(NON_SURGICAL)},
        ],
        "workflows": [{"id": crm_id_, "name": name} for name, crm_id_ in WORKFLOWS.items()],
    } | more


def _stages(names: dict[str, str]) -> list[Json]:
    return [{"id": crm_id, "name": name} for name, crm_id in names.items()]


class Clinic:
    """The practice ``bayside``. ``desk`` is its front desk at the pretend PatientNow Pro: acts give notices."""

    def __init__(self, url: str, *, crm: Json | None = None, **changes: Any) -> None:
        self.url = url
        self.desk = Desk(f"{url}/emr/patientnow_pro", KEY, EMR_ID)
        self.desk.set_up(API_KEY, now=NOW)
        self.door("POST", "/sub-accounts", crm_account("LOC1", **(crm or {})))
        self.clock = datetime.fromisoformat(NOW)
        self.set_up(**changes)

    def document(self, **changes: Any) -> Json:
        """The practice file, with ``changes``."""
        return practice_file(self.desk.base_url, **changes)

    def set_up(self, *, provision: bool = True, **changes: Any) -> None:
        """Import the practice file with ``changes``, and make its CRM fields."""
        self.set_up_with(self.document(**changes), provision=provision)

    def set_up_with(self, document: Json, *, provision: bool = True) -> None:
        """Import a whole practice file."""
        prepare = {"prepare": Provisioning()} if provision else {}
        with committed():
            import_practice(json.dumps(document).encode(), **prepare)
        self.practice = Practice.objects.across_practices().get(slug="bayside")
        self.connection = Connection.objects.for_practice(self.practice).get(key="pnow")

    # What happens

    def patient(self, **changes: Any) -> str:
        """Somebody who is on file, and of whom we have heard nothing."""
        return str(self.desk.new_patient(**changes)["patientId"])

    def booked(self, who: str, type: str = "Botox", facility: str = "F1", days: int = 3) -> Json:
        """An appointment is made; its notice."""
        return self.desk.book(who, type=type, facility=facility, days_ahead=days, seed=1)

    def later(self, minutes: float = 5) -> None:
        """Time goes by at the practice."""
        self.clock += timedelta(minutes=minutes)
        self.desk.set_up(now=self.clock.isoformat())

    def post(self, body: Any, **headers: str) -> Any:
        """Send one notice to our door; the answer."""
        path = f"/webhooks/emr/{self.connection.webhook_key}/"
        return Browser().post(path, json.dumps(body), content_type="application/json", headers=headers)

    def take(self, *notices: Json) -> InboundEvent:
        """Send notices and work until nothing is due; the last one's event."""
        for notice in notices:
            answer = self.post(notice)
            assert answer.status_code in (200, 202), answer.content
        self.work()
        return InboundEvent.objects.for_practice(self.practice).get(pk=answer.json()["event"])

    def work(self, *, hurry: bool = False, seconds: float = 60) -> None:
        """What a worker does, until nothing is due; ``hurry`` does not wait for back-off."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if hurry:
                Lane.objects.across_practices().filter(next_at__isnull=False).update(next_at=timezone.now())
            claimed = lanes.claim(lanes.Picker(), "test", 50)
            if not claimed:
                return
            found = profiles({lane.practice_id for lane in claimed})
            for lane in claimed:
                work_lane(lane, found[lane.practice_id], lambda: False)

    # What came of it

    def door(self, method: str, path: str, body: Any = None) -> Any:
        """Call the pretend CRM's control door."""
        answer = requests.request(
            method, f"{self.url}/_sandbox{path}", json=body, headers={"X-Sandbox-Key": KEY}, timeout=30
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def api(self, method: str, path: str, body: Any = None, crm_id: str = "LOC1") -> Any:
        """Call the CRM's API as somebody at the practice would who works in it by hand."""
        headers = {"Authorization": f"Bearer {TOKENS[crm_id]}", "Version": "2021-07-28"}
        answer = requests.request(method, f"{self.url}/crm{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def field_id(self, name: str, crm_id: str = "LOC1") -> str:
        """The CRM's id of a custom field."""
        rows = self.api("GET", f"/locations/{crm_id}/customFields", crm_id=crm_id)["customFields"]
        return str(next(row["id"] for row in rows if row["name"] == name))

    def write_field(self, contact_id: str, name: str, value: Any) -> None:
        """Somebody changes a custom field by hand."""
        values = [{"id": self.field_id(name), "field_value": value}]
        self.api("PUT", f"/contacts/{contact_id}", {"customFields": values})

    def make_contact(self, fields: Json | None = None, **native: Any) -> str:
        """A contact that somebody made in the CRM; its id."""
        custom = [{"id": self.field_id(name), "field_value": value} for name, value in (fields or {}).items()]
        body = {"locationId": "LOC1", **native, "customFields": custom}
        return str(self.api("POST", "/contacts/", body)["contact"]["id"])

    def contacts(self, crm_id: str = "") -> list[Json]:
        """Contacts in the CRM (of one sub-account), whole: fields by name, tags, notes, opportunities."""
        listed = self.door("GET", "/contacts?limit=1000")["contacts"]
        found = [self.door("GET", f"/contacts/{row['id']}") for row in listed]
        return [row for row in found if crm_id in ("", row["location_id"])]

    def contact(self, crm_id: str = "") -> Json:
        """The only contact there is."""
        found = self.contacts(crm_id)
        assert len(found) == 1, f"{len(found)} contacts"
        return found[0]

    def cards(self, crm_id: str = "") -> dict[str, tuple[str, str]]:
        """Pipeline → (stage, status) of the only contact."""
        return {
            row["pipeline"]: (row["stage"], row["status"]) for row in self.contact(crm_id)["opportunities"]
        }

    def notes(self, crm_id: str = "") -> list[str]:
        """The only contact's notes without their references, oldest first."""
        return [_without_reference(note["body"]) for note in reversed(self.contact(crm_id)["notes"])]

    def enrolments(self, crm_id: str = "") -> list[str]:
        """CRM workflows in which the only contact was enrolled, oldest first."""
        return [one["workflow_id"] for one in reversed(self.contact(crm_id)["enrolments"])]

    def forget_calls(self) -> None:
        """Count the calls to PatientNow Pro and to the CRM from nought."""
        self.desk.forget_calls()
        self.door("DELETE", "/requests")

    def crm_calls(self) -> dict[str, int]:
        """Requests to the CRM by route."""
        routes = self.door("GET", "/requests")["routes"]
        return {route: sum(counts.values()) for route, counts in routes.items()}

    def events(self) -> list[InboundEvent]:
        """All events, oldest first."""
        return list(InboundEvent.objects.for_practice(self.practice).order_by("id"))

    def states(self) -> dict[str, int]:
        """Events by state."""
        counts: dict[str, int] = {}
        for event in self.events():
            counts[event.state] = counts.get(event.state, 0) + 1
        return counts

    def effects(self, **which: Any) -> list[Effect]:
        """Planned and sent writes, oldest first."""
        return list(Effect.objects.for_practice(self.practice).filter(**which).order_by("event", "position"))

    def ledger(self) -> list[LedgerRow]:
        """The ledger, oldest row first."""
        return list(LedgerRow.objects.for_practice(self.practice).order_by("pk"))

    def lifetime_value(self) -> Decimal:
        """What the CRM shows for the only contact."""
        return Decimal(str(self.contact()["fields"].get("Patient Lifetime Value") or 0))

    def account(self, key: str) -> SubAccount:
        return SubAccount.objects.for_practice(self.practice).get(key=key)

    def our_contact(self) -> Contact:
        return Contact.objects.for_practice(self.practice).get()

    @property
    def nothing_waits(self) -> bool:
        return not InboundEvent.objects.for_practice(self.practice).filter(state=EventState.WAITING).exists()


def _without_reference(note: str) -> str:
    """A note's text up to our reference, which must be its last line."""
    text, last = note.rsplit("\n", 1)
    assert re.fullmatch(r"Reference: AX-[A-Z2-7]{10}", last), note
    return text


def told(event: InboundEvent, step: str) -> str:
    """What the event's story says under ``step``."""
    return " ".join(row["text"] for row in event.story if row["step"] == step)
