"""Many events that a person put back to work at once, and what became of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.events import EventState, InboundEvent
from tenants.models import Practice
from tenants.scoping import ScopedManager


class BulkKind(models.TextChoices):
    REPLAY = "replay", "Replay"
    RETRY = "retry", "Retry"


class BulkRun(models.Model):
    """One practice's share of what somebody asked for.

    ``prepared_at`` once each of its events was put back to work or left out, ``finished_at`` once none of them waits
    any longer; ``result`` then holds the counts and reasons that were read last.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=BulkKind.choices)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    total = models.PositiveIntegerField(default=0)
    prepared_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at__isnull=True), name="bulk_runs_open"),
        ]

    def __str__(self) -> str:
        return f"bulk run {self.pk}"


class BulkItem(models.Model):
    """An event of a run. ``taken_at``: when it was its turn; ``is_put``: whether it went back to work then, or could
    not; ``was``: its state at that moment."""

    practice_path = "run__practice"

    run = models.ForeignKey(BulkRun, models.CASCADE, related_name="items")
    event = models.ForeignKey(InboundEvent, models.CASCADE, related_name="+")
    taken_at = models.DateTimeField(null=True, blank=True)
    is_put = models.BooleanField(default=False)
    was = models.CharField(max_length=10, choices=EventState.choices, blank=True)

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "event"], name="event_once_per_bulk_run")]

    def __str__(self) -> str:
        return f"bulk item {self.pk}"
