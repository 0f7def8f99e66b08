"""The EMRs that can create patients, each behind the same few words, and a practice at the pretend CRM."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import requests
from django.test import Client as Browser
from django.utils import timezone

from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud.sandbox import Office, locations
from integrations.emrs.patientnow_pro.sandbox import Practice as PatientNowPractice
from integrations.models import (
    Connection,
    CreateRequest,
    EventState,
    InboundEvent,
    Lane,
    PollCursor,
    SubAccount,
)
from integrations.sandbox import webhooks
from integrations.sync import circuit, lanes
from integrations.sync.create_back import attempt
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tests.polling.offices import CRM_ID, KEY, Crm, poll_all, practice_file, set_up

Json = dict[str, Any]
# A contact that lacks nothing.
WHOLE: Json = {
    "firstName": "Nora",
    "lastName": "Vance",
    "email": "nora.vance@example.com",
    "phone": "+12125550147",
    "gender": "female",
    "dateOfBirth": "1988-04-09",
    "postalCode": "33609",
}
# The same person as somebody whom the EMR has already.
NORA: Json = {
    "first": "Nora",
    "last": "Vance",
    "email": "nora.vance@example.com",
    "phone": "(212) 555-0147",
    "gender": "female",
    "born": "1988-04-09",
    "zip": "33609",
}


class Side(ABC):
    """One EMR of the sandbox at ``url``: its connection, what it has on file, the faults that it can have."""

    slug: ClassVar[str]
    tag: ClassVar[str]
    id_field: ClassVar[str]
    create_route: ClassVar[str] = "POST *Patient"
    search_route: ClassVar[str] = "GET *Patient"
    required: ClassVar[tuple[str, ...]]

    def __init__(self, url: str, key: str = KEY) -> None:
        self.url, self.key = url, key

    def kept(self) -> Json:
        """What the sandbox of this EMR keeps."""
        answer = requests.get(
            f"{self.url}/_sandbox/emrs/{self.slug}", headers={"X-Sandbox-Key": self.key}, timeout=10
        )
        found: Json = answer.json()
        return found

    @abstractmethod
    def connection(self) -> Json:
        """The connection's part of a practice file."""

    @abstractmethod
    def patients(self) -> list[Json]:
        """Everybody on file: ``id first last email phone gender born`` in plain words."""

    @abstractmethod
    def add(self, external_id: str, **who: Any) -> str:
        """Somebody who is on file already; ``who`` changes NORA. Their id."""

    @abstractmethod
    def lose_creates(self, times: int) -> None:
        """The next creates are done and answered with 500."""

    @abstractmethod
    def answer_silently(self) -> None:
        """A create is answered with 201 and no body."""

    @abstractmethod
    def revoke(self) -> None:
        """The credentials count no more."""


class ModMed(Side):
    slug, tag, id_field = "modmed", "modmed-create", "ModMed Patient ID"
    required = ("firstName", "lastName", "email", "phone", "gender", "dateOfBirth")

    def __init__(self, url: str, key: str = KEY) -> None:
        super().__init__(url, key)
        self.firm = Firm(f"{url}/emr/modmed", key, "bluestone")
        self.firm.set_up({"username": "fhir_x", "password": "pw", "api_key": "key-1"}, with_cast=True)

    def connection(self) -> Json:
        credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
        return {"base_url": self.firm.base_url, "credentials": credentials}

    def patients(self) -> list[Json]:
        return [_plain(row) for row in self.kept()["firms"]["bluestone"]["resources"]["Patient"].values()]

    def add(self, external_id: str, **who: Any) -> str:
        self.firm.save({**_fhir(NORA | who), "id": external_id, "active": True})
        return external_id

    def lose_creates(self, times: int) -> None:
        self.firm.set_up(lost_creates=times)

    def answer_silently(self) -> None:
        self.firm.set_up(silent_creates=True)

    def revoke(self) -> None:
        self.firm.set_up(revoked=True)
        self.firm.forget_tokens()


class Nextech(Side):
    slug, tag, id_field = "nextech_cloud", "nxt-create", "NXT Patient ID"
    required = ("firstName", "lastName", "email", "phone", "dateOfBirth", "postalCode")

    def __init__(self, url: str, key: str = KEY) -> None:
        super().__init__(url, key)
        self.office = Office(url, key, "practice-1")
        self.office.open()

    def connection(self) -> Json:
        return {"base_url": self.office.base_url, "credentials": self.office.credentials()}

    def patients(self) -> list[Json]:
        file = self.kept()["practices"]["practice-1"]
        return [_plain(row["resource"]) for row in file.get("Patient", {}).values()]

    def add(self, external_id: str, **who: Any) -> str:
        self.office.save({**_fhir(NORA | who), "id": external_id})
        return external_id

    def lose_creates(self, times: int) -> None:
        self.office.set_knobs(lost_creates=times)

    def answer_silently(self) -> None:
        self.office.set_knobs(silent_creates=True)

    def revoke(self) -> None:
        self.office.set_user(password="another")
        self.office.end_tokens(refresh=True)

    def add_locations(self) -> None:
        """The sites that a practice file of several locations names."""
        self.office.save(*locations())


class PatientNow(Side):
    slug, tag, id_field = "patientnow_pro", "pnow-create", "PNOW ID"
    required = ("firstName", "lastName", "gender")
    create_route, search_route = "POST *patients", "GET *patients"

    def __init__(self, url: str, key: str = KEY) -> None:
        super().__init__(url, key)
        self.office = PatientNowPractice(f"{url}/emr/patientnow_pro", key, "practice-1")
        self.office.set_up("key-1")

    def connection(self) -> Json:
        return {
            "base_url": self.office.base_url,
            "credentials": {"api_key": "key-1", "practice_id": "practice-1"},
        }

    def patients(self) -> list[Json]:
        return [
            {
                "id": row["patientId"],
                "first": row["firstName"],
                "last": row["lastName"],
                "email": row["email"] or "",
                "phone": row["cellPhone"] or "",
                "gender": row["gender"].lower(),
                "born": row["dateOfBirth"] or "",
                "zip": (row.get("address") or {}).get("zip", ""),
                "location": "",
            }
            for row in self.kept()["practices"]["practice-1"]["records"]["patients"].values()
        ]

    def add(self, external_id: str, **who: Any) -> str:
        told = NORA | who
        record = {
            "patientId": external_id,
            "firstName": told["first"],
            "lastName": told["last"],
            "email": told["email"],
            "cellPhone": told["phone"],
            "gender": told["gender"].capitalize(),
            "dateOfBirth": told["born"],
        }
        requests.post(
            f"{self.office.url}/_practices/practice-1/records",
            json={"kind": "patients", "record": record},
            headers={"X-Sandbox-Key": self.key},
            timeout=10,
        ).raise_for_status()
        return external_id

    def lose_creates(self, times: int) -> None:
        self.office.set_up(lost_creates=times)

    def answer_silently(self) -> None:
        self.office.set_up(silent_creates=True)

    def revoke(self) -> None:
        self.office.set_up(revoked=True)


SIDES: tuple[type[Side], ...] = (ModMed, Nextech, PatientNow)


def _fhir(who: Json) -> Json:
    telecom = [{"system": "email", "value": who["email"]}] if who["email"] else []
    if who["phone"]:
        telecom.append({"system": "phone", "value": who["phone"], "use": "mobile", "rank": 1})
    body = {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": who["last"], "given": [who["first"]]}],
        "telecom": telecom,
        "gender": who["gender"],
        "address": [{"use": "home", "postalCode": who["zip"]}],
    }
    return body | ({"birthDate": who["born"]} if who["born"] else {})


def _plain(patient: Json) -> Json:
    reached = {row["system"]: row.get("value", "") for row in patient.get("telecom", ())}
    address = (patient.get("address") or [{}])[0]
    places = [
        row["valueReference"]["reference"].rpartition("/")[2]
        for row in patient.get("extension", ())
        if str(row.get("url", "")).endswith("patient-location")
    ]
    return {
        "id": patient["id"],
        "first": patient["name"][0]["given"][0],
        "last": patient["name"][0]["family"],
        "email": reached.get("email", ""),
        "phone": "".join(filter(str.isdigit, reached.get("phone", ""))),
        "gender": patient.get("gender", ""),
        "born": patient.get("birthDate", ""),
        "zip": address.get("postalCode", ""),
        "location": places[0] if places else "",
    }


class Practice:
    """A live practice with one EMR, its front desk in the CRM, and our doors."""

    def __init__(self, crm: Crm, side: Side, **changes: Any) -> None:
        self.crm, self.side = crm, side
        switches = changes.pop("switches", {})
        document = practice_file(side.slug, {**side.connection(), "switches": switches}, **changes)
        self.connection: Connection = set_up(document)
        self.account: SubAccount = SubAccount.objects.for_practice(self.connection.practice_id).get()

    # The front desk

    def contact(
        self, *tags: str, without: Sequence[str] = (), fields: Json | None = None, **native: Any
    ) -> str:
        """A contact with these tags, made in the CRM; WHOLE but for what is left out or given."""
        body = {name: value for name, value in {**WHOLE, **native}.items() if name not in without}
        made = self.crm.api("POST", "/contacts/", {"locationId": CRM_ID, **body})["contact"]
        self.edit(made["id"], fields=fields or {}, add_tags=list(tags))
        return str(made["id"])

    def edit(self, contact_id: str, **changes: Any) -> None:
        """What the front desk changes on a contact: native, fields, add_tags, remove_tags, delete."""
        self.crm.door("POST", f"/contacts/{contact_id}", changes)

    def shown(self, contact_id: str) -> Json:
        """The contact as the CRM has it: native, fields by name, tags, notes newest first."""
        found: Json = self.crm.door("GET", f"/contacts/{contact_id}")
        return found

    def notes(self, contact_id: str) -> list[str]:
        """The notes' texts, oldest first."""
        return [note["body"] for note in reversed(self.shown(contact_id)["notes"])]

    # Our doors

    def workflow_body(self, contact_id: str, tag: str = "") -> Json:
        """What a workflow's webhook action would send of this contact now."""
        contact = self.crm.api("GET", f"/contacts/{contact_id}")["contact"]
        return webhooks.workflow_body({**contact, "customFields": {}}, tag or self.side.tag, {})

    def tell(self, contact_id: str, *, body: Json | None = None, secret: str | None = None) -> Any:
        """Post a workflow's webhook action; the answer."""
        return Browser().post(
            f"/webhooks/crm/{self.account.webhook_key}/",
            json.dumps(body or self.workflow_body(contact_id)),
            content_type="application/json",
            headers={"X-AX-Secret": self.account.webhook_secret if secret is None else secret},
        )

    def app_body(self, contact_id: str, **changes: Any) -> Json:
        """What the app's webhook would say of this contact's tags now."""
        contact = self.crm.api("GET", f"/contacts/{contact_id}")["contact"]
        body = webhooks.app_body({**contact, "locationId": CRM_ID, "customFields": {}})
        return {name: value for name, value in (body | changes).items() if value is not None}

    def tell_as_app(self, body: Json | bytes, *, signature: str | None = None, **headers: str) -> Any:
        """Post an app webhook, signed with the sandbox's key; the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = webhooks.signature(KEY, raw) if signature is None else signature
        return Browser().post(
            "/webhooks/crm/app/",
            raw,
            content_type="application/json",
            headers={"x-ghl-signature": signed, **headers},
        )

    def ask(self, *tags: str, **changes: Any) -> str:
        """A contact with the create tag, told of and worked on. Its id."""
        contact_id = self.contact(*(tags or (self.side.tag,)), **changes)
        assert self.tell(contact_id).status_code == 202
        self.work()
        return contact_id

    def emr_tells_of(self, patient_id: str) -> None:
        """The EMR's own word of a new patient: found by a poll that is not the first one, or by its webhook."""
        if self.side.slug == "patientnow_pro":
            body = {"eventType": "PatientCreated", "eventId": f"e-{patient_id}", "patientId": patient_id}
            path = f"/webhooks/emr/{self.connection.webhook_key}/"
            assert Browser().post(path, json.dumps(body), content_type="application/json").status_code == 202
            return
        rows = PollCursor.objects.across_practices().filter(connection=self.connection, resource="patients")
        rows.update(primed_at=timezone.now(), watermark=timezone.now() - timedelta(days=1))
        poll_all(self.connection, "patients")

    # The workers

    def work(self, seconds: float = 30, *, later: timedelta = timedelta()) -> None:
        """Work until no event waits, without waiting for back-off, circuits or doubts. ``later``: what was sent to
        the EMR is that old already."""
        deadline = time.monotonic() + seconds
        waiting = InboundEvent.objects.across_practices().filter(state=EventState.WAITING)
        while waiting.exists() and time.monotonic() < deadline:
            self._hurry(later)
            for lane in lanes.claim(lanes.Picker(), "test", 50):
                work_lane(lane, profiles({lane.practice_id})[lane.practice_id], lambda: False)

    def work_once(self) -> None:
        """Each due lane once."""
        for lane in lanes.claim(lanes.Picker(), "test", 50):
            work_lane(lane, profiles({lane.practice_id})[lane.practice_id], lambda: False)

    def _hurry(self, later: timedelta) -> None:
        Connection.objects.across_practices().update(circuit_open_until=None)
        circuit.forget()
        Lane.objects.across_practices().filter(next_at__isnull=False).update(next_at=timezone.now())
        long_ago = timezone.now() - attempt.BELIEVED_AFTER - later
        rows = CreateRequest.objects.across_practices().filter(sent_at__gt=long_ago)
        rows.update(sent_at=long_ago)
        if later:
            CreateRequest.objects.across_practices().update(tried_at=long_ago)

    # What came of it

    @property
    def request(self) -> CreateRequest:
        """The only request."""
        found: CreateRequest = CreateRequest.objects.for_practice(self.connection.practice_id).get()
        return found

    def requests(self) -> list[CreateRequest]:
        return list(CreateRequest.objects.for_practice(self.connection.practice_id).order_by("pk"))

    def event(self) -> InboundEvent:
        """The newest event."""
        found: InboundEvent = InboundEvent.objects.across_practices().latest("pk")
        return found

    def connection_profile(self) -> Any:
        """The connection as workers see it."""
        practice_id = self.connection.practice_id
        return profiles([practice_id])[practice_id].connections[self.connection.pk]

    def problems(self) -> list[str]:
        """What the only request says is to be fixed."""
        return [problem["words"] for problem in self.request.problems]


def first_line(note: str) -> str:
    return note.splitlines()[0]
