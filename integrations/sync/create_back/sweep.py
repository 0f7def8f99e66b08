"""Once an hour, contacts that carry a create tag which nobody is at: a workflow that was switched off, a webhook
that never came. And requests whose EMR did not answer are tried again."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from integrations.contract.errors import ConfigError, ContractError, NotFoundError
from integrations.crm.client import CrmClient
from integrations.models import CreateRequest, Priority, SubAccount, TagSweep
from integrations.models.creates import FAILED
from integrations.sync import circuit
from integrations.sync.create_back import ask
from integrations.sync.create_back.tags import is_create_tag, tags_of
from integrations.sync.crm_access import client_for
from integrations.sync.profile import PracticeProfile, SubAccountProfile, profiles

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
# A sub-account that could not be searched is tried again after this.
AFTER_FAILURE = timedelta(minutes=10)
PAGE, MOST_PAGES = 100, 20


def sweep_due(now: datetime | None = None) -> int:
    """Search every sub-account whose turn it is. Number of contacts put to work."""
    now = now or timezone.now()
    retry_unanswered(now)
    fresh = TagSweep.objects.across_practices().filter(swept_at__gt=now - EVERY)
    due = SubAccount.objects.across_practices().exclude(pk__in=fresh.values("sub_account_id"))
    due = due.exclude(Q(token="") | Q(needs_reauth_since__isnull=False))
    by_practice: dict[int, list[int]] = {}
    for pk, practice_id in due.values_list("pk", "practice_id"):
        by_practice.setdefault(practice_id, []).append(pk)
    found = 0
    for practice_id, ids in by_practice.items():
        profile = profiles([practice_id])[practice_id]
        if profile.is_live and not profile.is_paused and _creates(profile):
            found += sum(_sweep_one(profile, profile.sub_accounts[pk], now) for pk in ids)
    return found


def retry_unanswered(now: datetime) -> int:
    """Try requests again whose EMR did not answer within their half hour. How many."""
    rows = CreateRequest.objects.across_practices().filter(
        state__in=FAILED, tries_itself=True, tried_at__lt=now - EVERY, answered_at__isnull=False
    )
    return sum(ask.retry_if_fixed(row) for row in rows[:500])


def _creates(profile: PracticeProfile) -> bool:
    return any(tags_of(connection) for connection in profile.connections.values())


def _sweep_one(profile: PracticeProfile, account: SubAccountProfile, now: datetime) -> int:
    """Search one sub-account; 0 when another process has just begun to, or the CRM could not be asked."""
    if not _claimed(account.id, now):
        return 0
    try:
        circuit.gate(SubAccount, account.id)
        found = sweep(profile, account, client_for(account, Priority.CREATE_BACK), now)
    except (ContractError, circuit.ClosedOff) as error:
        logger.warning("sub-account %s was not searched for tags: %s", account.id, type(error).__name__)
        _rows(account.id).update(swept_at=now - EVERY + AFTER_FAILURE)
        return 0
    _rows(account.id).update(found=found)
    return found


def _rows(sub_account_id: int) -> Any:
    return TagSweep.objects.across_practices().filter(sub_account_id=sub_account_id)


def _claimed(sub_account_id: int, now: datetime) -> bool:
    TagSweep.objects.bulk_create(
        [TagSweep(sub_account_id=sub_account_id, swept_at=now - EVERY)], ignore_conflicts=True
    )
    return bool(_rows(sub_account_id).filter(swept_at__lte=now - EVERY).update(swept_at=now))


def sweep(profile: PracticeProfile, account: SubAccountProfile, client: CrmClient, now: datetime) -> int:
    """Put contacts to work that carry a create tag and have no request in work. How many. Raises the client's
    errors."""
    found: dict[str, str] = {}
    for tag in _tags_in_use(profile, client):
        for page in range(1, MOST_PAGES + 1):
            rows = client.search_contacts(tag=tag, page=page, limit=PAGE)
            found |= {str(row["id"]): tag for row in rows if row.get("id")}
            if len(rows) < PAGE:
                break
    open_now = CreateRequest.objects.for_practice(profile.id).filter(
        sub_account_id=account.id, contact_crm_id__in=list(found), answered_at=None
    )
    for contact_id in open_now.values_list("contact_crm_id", flat=True):
        found.pop(contact_id, None)
    for contact_id, tag in found.items():
        ask.found_tag(profile.id, account.id, contact_id, tag, now)
    return len(found)


def _tags_in_use(profile: PracticeProfile, client: CrmClient) -> list[str]:
    """The create tags as this sub-account spells them; as we do where it does not let us list its tags."""
    try:
        return [tag for tag in client.list_tags() if is_create_tag(profile, tag)]
    except (ConfigError, NotFoundError):
        every = (tag for connection in profile.connections.values() for tag in tags_of(connection))
        return list(dict.fromkeys(tag.strip().lower() for tag in every))
