"""Keeps the pretend CRM small: contacts of people who left the demo go."""

import requests

from integrations.sandbox.demo.door import TIMEOUT_SECONDS, Door
from integrations.sandbox.demo.practices import DemoPractice

MOST_LOOKED_AT = 500


def forget_contacts(practice: DemoPractice, door: Door, crm_url: str, staying: frozenset[str]) -> int:
    """Delete a practice's contacts whose e-mail address is not among ``staying``; says how many.

    As a person would, through the CRM's own API; one that cannot be deleted now is met again next time.
    Raises DoorError and requests' own errors.
    """
    gone = 0
    for account in practice.sub_accounts:
        headers = {"Authorization": f"Bearer {account['token']}", "Version": "2021-07-28"}
        for one in door.contacts(account["crm_location_id"], MOST_LOOKED_AT):
            if (one["email"] or "").lower() not in staying:
                requests.delete(f"{crm_url}/contacts/{one['id']}", headers=headers, timeout=TIMEOUT_SECONDS)
                gone += 1
    return gone
