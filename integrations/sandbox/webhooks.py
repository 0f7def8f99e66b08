"""What the pretend CRM tells others of tags: a workflow's webhook action, and a marketplace app's signed webhook.

Sent from a thread of its own, so that nobody who changes a tag waits. A workflow's call has no signature, event
id or time and is not repeated; the app's is signed, and repeated a few times.
"""

import base64
import hashlib
import json
import queue
import threading
from collections import deque
from dataclasses import dataclass, field

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .records import Record, full_name, new_id, now_iso

APP_ID = "sandbox-app"
TRIES, PAUSE_SECONDS, TIMEOUT_SECONDS = 5, 1.0, 10.0
DELIVERIES_KEPT = 200


def signing_key(key: str) -> Ed25519PrivateKey:
    """The key that a sandbox of that control key signs with: a test key, always the same for the same sandbox."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"sandbox-webhooks:{key}".encode()).digest())


def public_key(key: str) -> str:
    """Its public half, as AX Connect takes it in CRM_APP_PUBLIC_KEYS."""
    public = signing_key(key).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def signature(key: str, raw: bytes) -> str:
    """What stands in ``x-ghl-signature`` for a body."""
    return base64.b64encode(signing_key(key).sign(raw)).decode()


@dataclass
class _Letter:
    url: str
    raw: bytes
    headers: dict[str, str]
    tries: int


@dataclass
class Outgoing:
    """Sends webhooks for one sandbox; ``key`` is its control key."""

    key: str
    closing: threading.Event
    sent: deque[Record] = field(default_factory=lambda: deque(maxlen=DELIVERIES_KEPT))

    def __post_init__(self) -> None:
        self._letters: queue.Queue[_Letter] = queue.Queue()
        self._thread: threading.Thread | None = None

    def tags_changed(self, wanted: Record, contact: Record, added: list[str], fields: Record) -> None:
        """Tell whom the sub-account wants told (``wanted``, see `control.set_webhooks`). ``fields`` are the
        contact's custom fields by name."""
        if app := wanted.get("app"):
            raw = json.dumps(app_body(contact)).encode()
            headers = {"x-ghl-signature": signature(self.key, raw), "x-wh-signature": "N/A"}
            self._post(_Letter(app["url"], raw, headers, TRIES))
        workflow = wanted.get("workflow") or {}
        for tag in added:
            if tag in workflow.get("tags", ()):
                raw = json.dumps(workflow_body(contact, tag, fields)).encode()
                self._post(_Letter(workflow["url"], raw, {"X-AX-Secret": workflow["secret"]}, 1))

    def _post(self, letter: _Letter) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
            self._thread.start()
        self._letters.put(letter)

    def _run(self) -> None:
        while not self.closing.is_set():
            try:
                letter = self._letters.get(timeout=0.5)
            except queue.Empty:
                continue
            status = self._send(letter)
            self.sent.append({"at": now_iso(), "status": status})
            letter.tries -= 1
            if not 200 <= status < 300 and letter.tries > 0:
                self.closing.wait(PAUSE_SECONDS)
                self._letters.put(letter)

    def _send(self, letter: _Letter) -> int:
        headers = {"Content-Type": "application/json", **letter.headers}
        try:
            answer = requests.post(letter.url, letter.raw, headers=headers, timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            return 0
        return answer.status_code


def app_body(contact: Record) -> Record:
    """The body of a ContactTagUpdate: the contact, flat, with all its tags as they are now."""
    plain = (
        "firstName",
        "lastName",
        "email",
        "phone",
        "address1",
        "city",
        "state",
        "postalCode",
        "dateAdded",
    )
    shown = {name: contact[name] for name in plain if contact.get(name)}
    if born := contact.get("dateOfBirth"):
        shown["dateOfBirth"] = f"{born}T00:00:00.000Z"
    return {
        "type": "ContactTagUpdate",
        "locationId": contact["locationId"],
        "id": contact["id"],
        **shown,
        "tags": list(contact["tags"]),
        "customFields": [{"id": key, "value": value} for key, value in contact["customFields"].items()],
        "appId": APP_ID,
        "timestamp": now_iso(),
        "webhookId": new_id(),
    }


def workflow_body(contact: Record, tag: str, fields: Record) -> Record:
    """The body of a workflow's standard webhook action: snake case, tags as one text, fields by display name."""
    names = {
        "first_name": "firstName",
        "last_name": "lastName",
        "email": "email",
        "phone": "phone",
        "address1": "address1",
        "city": "city",
        "state": "state",
        "postal_code": "postalCode",
    }
    return {
        **fields,
        "contact_id": contact["id"],
        **{ours: contact.get(theirs) or "" for ours, theirs in names.items()},
        "full_name": full_name(contact),
        "tags": ",".join(contact["tags"]),
        "date_created": contact["dateAdded"],
        "contact_type": contact.get("type", "lead"),
        "location": {"id": contact["locationId"]},
        "workflow": {"id": "sandbox-workflow", "name": f"Create a patient ({tag})"},
        "triggerData": {},
        "contact": {"attributionSource": {}, "lastAttributionSource": {}},
        "attributionSource": {},
        "customData": {"event": tag, "location_id": contact["locationId"]},
    }
