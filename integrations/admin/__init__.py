"""The staff application's pages, one module per subject. Importing them registers them."""

from integrations.admin import (
    connections,
    contacts,
    creates,
    events,
    identity,
    incidents,
    ledger,
    practices,
    reveals,
    subaccounts,
)

__all__ = [
    "connections",
    "contacts",
    "creates",
    "events",
    "identity",
    "incidents",
    "ledger",
    "practices",
    "reveals",
    "subaccounts",
]
