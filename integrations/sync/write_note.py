"""Adding a note, once: a copy stands in the contact with our reference, by which it is found again."""

from typing import Any

from integrations.models import Effect
from integrations.sync.recipient import Recipient


def write_note(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Add a note; in doubt, look for our reference among the contact's notes first."""
    contact = to.known_contact()
    if in_doubt:
        for note in to.client.list_notes(contact.crm_id):
            if effect.reference in str(note.get("body", "")):
                return {"note": note.get("id"), "reason": "It had been written before the interruption."}
    return {"note": to.client.create_note(contact.crm_id, effect.body["text"])["id"]}
