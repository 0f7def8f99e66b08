"""A CRM client for one sub-account, with the settings and the one request budget of this process."""

from functools import lru_cache
from typing import Protocol

from django.conf import settings

from integrations.crm.budget import Budget, Known, redis_for_budget
from integrations.crm.budget import Priority as BudgetPriority
from integrations.crm.client import CrmClient
from integrations.models import Priority

_BUDGET_PRIORITY = {
    Priority.LIVE: BudgetPriority.LIVE,
    Priority.CREATE_BACK: BudgetPriority.CREATE_BACK,
    Priority.REPLAY: BudgetPriority.REPLAY,
    Priority.BACKFILL: BudgetPriority.BACKFILL,
}


class HasToken(Protocol):
    """A sub-account as a row or as part of a practice's snapshot."""

    @property
    def crm_subaccount_id(self) -> str: ...

    @property
    def token(self) -> str: ...


@lru_cache(maxsize=4)
def _budget(redis_url: str, processes: int) -> Budget:
    return Budget(redis_for_budget(redis_url), processes=processes)


def client_for(sub_account: HasToken, priority: Priority | int = Priority.LIVE) -> CrmClient:
    """A client that writes to this sub-account. Cheap; the sessions and the budget behind it are shared."""
    return CrmClient(
        settings.CRM_API_BASE_URL,
        settings.CRM_API_VERSION,
        sub_account.crm_subaccount_id,
        sub_account.token,
        _budget(settings.REDIS_URL, settings.WORKERS),
        priority=_BUDGET_PRIORITY[Priority(priority)],
        allow_private=settings.ALLOW_PRIVATE_HOSTS,
    )


def budget_of(sub_account: HasToken) -> Known | None:
    """How much of the CRM's request limits all processes have used; None while nobody knows."""
    return _budget(settings.REDIS_URL, settings.WORKERS).known(sub_account.crm_subaccount_id)
