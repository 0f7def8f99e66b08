"""What each effect of a plan holds: the key it is known by, what is sent, and our reference in a note."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from integrations.models import EffectKind
from integrations.sync import stored
from integrations.sync.decide import Note, Plan
from integrations.sync.identity import Reachable
from integrations.sync.work import Found, Work

# Kind, target, body, our reference.
Keyed = tuple[EffectKind, str, dict[str, Any], str]


def bodies(
    work: Work, result: Plan, found: Found, person: Reachable, position: int, *, makes_contact: bool
) -> Iterator[Keyed]:
    """The effects of a plan in the order in which they are sent. ``makes_contact``: where there is none yet, it
    is made even for a plan that writes nothing."""
    prefix = f"{position}:" if position else ""
    is_to_be_made = found.who.contact is None and found.account.id not in work.makes_contact_in
    if result.contact is not None or (is_to_be_made and (result.writes or makes_contact)):
        body = _contact_body(work, result, found, person)
        yield EffectKind.CONTACT, f"{prefix}{found.account.id}", body, ""
    for note in result.notes:
        yield _note(work, note, prefix)
    for move in result.moves:
        body = asdict(move) | {"pipeline": move.pipeline.value}
        yield EffectKind.OPPORTUNITY, f"{prefix}{move.pipeline.value}", body, ""
    for tag in result.tags:
        yield EffectKind.TAG, f"{prefix}{tag}"[:120], {"tag": tag}, ""
    for name in result.enrol:
        yield EffectKind.ENROL, f"{prefix}{name}", {"workflow": name}, ""
    if result.enrol_birthday:
        name = work.connection.manifest.birthday_workflow
        yield EffectKind.ENROL, f"{prefix}{name}", {"workflow": name, "birthday": result.enrol_birthday}, ""


def _note(work: Work, note: Note, prefix: str) -> Keyed:
    reference = _reference(work.event.pk, f"{prefix}{note.key}")
    lines = [
        note.headline,
        *(f"{label}: {value}" for label, value in note.lines if value),
        f"Reference: {reference}",
    ]
    target = f"{prefix}{hashlib.sha256(note.key.encode()).hexdigest()[:24]}"
    return EffectKind.NOTE, target, {"text": "\n".join(lines)}, reference


def _contact_body(work: Work, result: Plan, found: Found, person: Reachable) -> dict[str, Any]:
    write, raw = result.contact, found.record.person
    native = {
        "firstName": raw.first_name,
        "lastName": raw.last_name,
        "email": person.email,
        "phone": person.phone,
    }
    if write is not None and write.with_address:
        native |= {
            "address1": raw.address1,
            "city": raw.city,
            "state": raw.state,
            "postalCode": raw.postal_code,
        }
    body: dict[str, Any] = {
        "native": {name: value for name, value in native.items() if value},
        "custom": {name: stored.pack(value) for name, value in (write.custom if write else {}).items()},
        "gender": raw.gender,
        "patient_id": raw.external_id,
    }
    # A contact that is made new carries its patient id in any case: it is found by it later.
    body["custom"].setdefault(work.connection.manifest.patient_id_field, raw.external_id)
    if write is not None and write.birth_date is not None:
        body["birth_date"] = write.birth_date.isoformat()
    if write is not None and write.money is not None and not work.money_is_written:
        body["money"] = {"amount": str(write.money)}
    return body


def _reference(event_id: int, key: str) -> str:
    """Our mark in a note: short, and the same for the same event and state, so that a repetition finds it."""
    digest = hashlib.sha256(f"{event_id}:{key}".encode()).digest()
    return "AX-" + base64.b32encode(digest)[:10].decode()
