"""The making of a sub-account's custom fields, and what became of each."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.subaccounts import SubAccount
from tenants.models import Practice
from tenants.scoping import ScopedManager


class ProvisionRun(models.Model):
    """Somebody's wish that one sub-account gets the custom fields that it lacks.

    ``fields``: every field that is needed with what became of it (see ``sync.provision.Tick``), empty until the CRM's
    list was read; ``notes``: sentences about them. ``waits_because``: why nothing happens before ``next_at``;
    ``error``: what ended it before every field was looked at.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="provision_runs")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    fields = models.JSONField(default=list, blank=True)
    notes = models.JSONField(default=list, blank=True)
    waits_because = models.CharField(max_length=400, blank=True)
    error = models.CharField(max_length=400, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["sub_account"],
                condition=Q(finished_at__isnull=True),
                name="one_provision_run_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"provision run {self.pk}"
