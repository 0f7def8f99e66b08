"""The custom fields of a sub-account as a worker knows them, read again when what it needs is not there."""

from datetime import timedelta

from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.models import SubAccount
from integrations.sync.crm_mirror import refresh_fields
from integrations.sync.profile import SubAccountProfile, profiles

# The list is read again at most this often because something is missing.
FRESH = timedelta(seconds=30)


def refreshed(
    practice_id: int, account: SubAccountProfile, client: CrmClient, *, force: bool = False
) -> SubAccountProfile:
    """The sub-account with the field list read again: always when ``force``, else unless it was just read.

    Raises the client's errors.
    """
    row = SubAccount.objects.for_practice(practice_id).get(pk=account.id)
    if force or not row.fields_fetched_at or timezone.now() - row.fields_fetched_at > FRESH:
        refresh_fields(row, client)
    # Another lane may just have read it: the newest snapshot counts in any case.
    return profiles([practice_id])[practice_id].sub_accounts[account.id]
