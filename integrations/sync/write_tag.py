"""Adding a tag to the contact, or taking one off."""

from typing import Any

from integrations.models import Effect
from integrations.sync.recipient import Recipient


def write_tag(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Add a tag, or with ``remove`` take it off; repeating it changes nothing."""
    contact_id, tags = to.known_contact().crm_id, [effect.body["tag"]]
    if effect.body.get("remove"):
        to.client.remove_tags(contact_id, tags)
    else:
        to.client.add_tags(contact_id, tags)
    return {}
