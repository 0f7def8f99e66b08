"""Enrolling the contact in a CRM workflow. One in doubt is never repeated: the patient could be written to twice."""

from typing import Any

from integrations.models import Contact, Effect
from integrations.sync.people import birthday_marks
from integrations.sync.recipient import Recipient


def write_enrolment(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Enrol in the mapped CRM workflow, once."""
    name = effect.body["workflow"]
    workflow_id = to.work.workflow_id(to.account, name)
    if not workflow_id:
        return {"skipped": f'"{name}" is not mapped to a CRM workflow any more.'}
    contact = to.known_contact()
    to.client.enrol(contact.crm_id, workflow_id)
    remember_birthday(effect, contact)
    return {"workflow": workflow_id}


def remember_birthday(effect: Effect, contact: Contact) -> None:
    """Once per contact and birth date, also where it is not certain: the next visit must not do it again."""
    if effect.body.get("birthday"):
        contact.birthday_enrolled_for = birthday_marks(contact.pk, effect.body["birthday"])[0]
        contact.save(update_fields=["birthday_enrolled_for"])
