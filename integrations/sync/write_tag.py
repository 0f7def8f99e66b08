"""Adding a tag to the contact."""

from typing import Any

from integrations.models import Effect
from integrations.sync.recipient import Recipient


def write_tag(to: Recipient, effect: Effect, in_doubt: bool) -> dict[str, Any]:
    """Add a tag; repeating it changes nothing."""
    to.client.add_tags(to.known_contact().crm_id, [effect.body["tag"]])
    return {}
