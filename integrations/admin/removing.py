"""Removing what was set up and not used."""

from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from integrations.models import Connection, SubAccount

CONNECTION_USES = ("events", "patients")
SUB_ACCOUNT_USES = ("contacts", "events")


def is_used(row: "Connection | SubAccount", uses: tuple[str, ...]) -> bool:
    """Whether one of these relations of a row has any."""
    return any(getattr(row, name).exists() for name in uses)


def remove_unused(row: "Connection | SubAccount", uses: tuple[str, ...]) -> bool:
    """Delete a row of which none of these relations has any; False where one has by now.

    The row is locked while that is looked at: what arrives at this moment was stored before, or is refused. Without
    the lock it would be deleted after its sender was told that it is kept.
    """
    with transaction.atomic():
        rows = type(row).objects.for_practice(row.practice_id).select_for_update().filter(pk=row.pk)
        stored = rows.first()
        if stored is None or is_used(stored, uses):
            return False
        stored.delete()
    return True
