"""From here to the same person in the CRM, and back from an address that somebody pasted."""

import re

from django.conf import settings
from django.urls import reverse

from integrations.models import Contact, SubAccount

CRM_APP = "https://app.gohighlevel.com"
_CONTACT_IN_ADDRESS = re.compile(r"/contacts?/(?:detail/)?(?!detail\b)([A-Za-z0-9_-]{6,64})(?:[/?#]|$)")


def crm_contact_url(sub_account: SubAccount, crm_id: str) -> str:
    """The contact's page in the CRM (in the demo: in the pretend one)."""
    if settings.DEMO:
        return reverse("sandbox-contact", args=[crm_id])
    return f"{CRM_APP}/v2/location/{sub_account.crm_subaccount_id}/contacts/detail/{crm_id}"


def link_of(contact: Contact) -> str:
    """The page of a contact that we know, "" when the CRM has deleted it."""
    return "" if contact.is_gone else crm_contact_url(contact.sub_account, contact.crm_id)


def contact_id_in(text: str) -> str:
    """The CRM contact id in a pasted address of the CRM; "" when there is none."""
    found = _CONTACT_IN_ADDRESS.search(text.strip())
    return found.group(1) if found else ""
