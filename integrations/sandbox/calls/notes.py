"""Notes of a contact."""

from .. import shapes
from ..records import Record, new_id, now_iso
from ..wire import not_found
from .call import ACCEPTED, Call, CrmRoute, Reply


def list_all(call: Call) -> Reply:
    """GET /contacts/{id}/notes, newest first."""
    contact = call.contact()
    return 200, {"notes": [dict(note) for note in reversed(call.state.notes[contact["id"]])]}


def create(call: Call) -> Reply:
    """POST /contacts/{id}/notes"""
    body = shapes.NOTE_CREATE.check(call.body)
    contact = call.contact()
    note = {"id": new_id(), "contactId": contact["id"], "dateAdded": now_iso(), "pinned": False, **body}
    call.state.notes[contact["id"]].append(note)
    call.state.told("note_created", contact, note_id=note["id"])
    return 201, {"note": dict(note)}


def read(call: Call) -> Reply:
    """GET /contacts/{id}/notes/{noteId}"""
    return 200, {"note": dict(_note(call))}


def update(call: Call) -> Reply:
    """PUT /contacts/{id}/notes/{noteId}"""
    body = shapes.NOTE_UPDATE.check(call.body)
    note = _note(call)
    note.update(body)
    call.state.told("note_updated", call.contact(), note_id=note["id"])
    return 200, {"note": dict(note)}


def delete(call: Call) -> Reply:
    """DELETE /contacts/{id}/notes/{noteId}"""
    note = _note(call)
    call.state.notes[note["contactId"]].remove(note)
    call.state.told("note_deleted", call.contact(), note_id=note["id"])
    return ACCEPTED


def _note(call: Call) -> Record:
    for note in call.state.notes[call.contact()["id"]]:
        if note["id"] == call.params[1]:
            return note
    raise not_found("Note not found")


ROUTES = [
    CrmRoute("GET /contacts/{id}/notes", list_all, "contacts.readonly"),
    CrmRoute("POST /contacts/{id}/notes", create, "contacts.write"),
    CrmRoute("GET /contacts/{id}/notes/{noteId}", read, "contacts.readonly"),
    CrmRoute("PUT /contacts/{id}/notes/{noteId}", update, "contacts.write"),
    CrmRoute("DELETE /contacts/{id}/notes/{noteId}", delete, "contacts.write"),
]
