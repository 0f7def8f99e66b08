"""A change of a practice's set-up raises its ``config_version``: workers read it again, parked work goes on."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from categorization.engine import categories_changed
from categorization.models import AppointmentType, CategoryBatch
from integrations.models import (
    Connection,
    CustomField,
    LocationRoute,
    Pipeline,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.sync.categories.moving import begin
from integrations.sync.release import settings_changed
from tenants.models import Location, Practice

SET_UP = frozenset(
    (
        Connection,
        CustomField,
        LocationRoute,
        Pipeline,
        Stage,
        SubAccount,
        WorkflowMapping,
        Location,
        AppointmentType,
        Practice,
    )
)


def raise_config_version(practice_id: int) -> None:
    """Tell every worker that this practice's set-up changed."""
    Practice.objects.across_practices().filter(pk=practice_id).update(config_version=F("config_version") + 1)


@receiver(post_save)
@receiver(post_delete)
def on_change(sender: type, instance: Any, **kwargs: Any) -> None:
    """Any saved or deleted row of the set-up counts. Bulk updates say it themselves."""
    if sender not in SET_UP or kwargs.get("raw"):
        return
    set_up_changed(_practice_id(instance))


def set_up_changed(practice_id: int) -> None:
    """Tell every worker, and look again at what waited for this practice's set-up."""
    raise_config_version(practice_id)
    # Once per transaction, when the change is there to be seen.
    if not any(
        isinstance(function, _Release) and function.practice_id == practice_id for _, function, _ in _queued()
    ):
        transaction.on_commit(_Release(practice_id))


@receiver(categories_changed)
def on_categories_changed(sender: type, batch: CategoryBatch, **kwargs: Any) -> None:
    """Types were confirmed or changed, all in one transaction: a worker carries it out."""
    raise_config_version(batch.practice_id)
    begin(batch)


@dataclass(frozen=True, slots=True)
class _Release:
    """Looks again at what waited for this practice's set-up."""

    practice_id: int

    def __call__(self) -> None:
        settings_changed(self.practice_id)


def _queued() -> list[Any]:
    return list(transaction.get_connection().run_on_commit)


def _practice_id(instance: Any) -> int:
    for step in getattr(type(instance), "practice_path", "practice").split("__"):
        if step == "pk":
            return int(instance.pk or instance.id)
        instance = instance.practice_id if step == "practice" else getattr(instance, step)
    return int(instance)
