"""A practice's set-up of one EMR."""

import secrets
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from simple_history.models import HistoricalRecords

from integrations.emrs import registry
from integrations.models.circuit import CircuitMixin
from tenants.encryption import EncryptedJSONField
from tenants.models import Practice
from tenants.scoping import ScopedManager


def new_webhook_key() -> str:
    """192 bits that nobody guesses."""
    return secrets.token_urlsafe(24)


class ConnectionState(models.TextChoices):
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"


class Connection(CircuitMixin):
    """One practice's set-up of one EMR, with its credentials.

    ``emr`` is a plain slug checked against the folders found, so that adding an EMR needs no migration.
    ``switches`` holds only what differs from the manifest's defaults; ``field_paths`` says where a field is
    read from when this practice's payloads differ (field → dotted paths).
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="connections")
    key = models.SlugField(max_length=50)
    emr = models.CharField("EMR", max_length=50)
    base_url = models.URLField("base address", blank=True, help_text="Empty: the EMR's own address.")
    credentials = EncryptedJSONField(default=dict, blank=True)
    switches = models.JSONField(default=dict, blank=True)
    workflow_names = models.JSONField(default=dict, blank=True)
    field_paths = models.JSONField("field-path overrides", default=dict, blank=True)
    ticks = models.JSONField("checklist items ticked", default=dict, blank=True, editable=False)
    webhook_key = models.CharField(max_length=64, unique=True, default=new_webhook_key, editable=False)
    state = models.CharField(max_length=20, choices=ConnectionState.choices, default=ConnectionState.ACTIVE)
    billing_cycle_day = models.PositiveSmallIntegerField(
        "billing cycle starts on day", default=1, validators=[MinValueValidator(1), MaxValueValidator(28)]
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()
    history = HistoricalRecords(
        excluded_fields=[
            "credentials",
            "webhook_key",
            "failures_in_a_row",
            "circuit_open_until",
            "needs_reauth_since",
            "last_error",
        ]
    )

    class Meta:
        ordering = ["practice", "key"]
        constraints = [models.UniqueConstraint(fields=["practice", "key"], name="connection_key_in_practice")]

    def __str__(self) -> str:
        return f"{self.practice.name}: {self.name}"

    @property
    def name(self) -> str:
        """What people call it: its EMR, and its key where that says more."""
        found = registry().get(self.emr)
        called = found.manifest.name if found else self.emr
        return called if self.emr.startswith(self.key) else f"{called} ({self.key})"

    @property
    def webhook_url(self) -> str:
        """The whole address that the EMR posts to."""
        return settings.PUBLIC_URL.rstrip("/") + reverse("emr-webhook", args=[self.webhook_key])

    def credential(self, name: str) -> Any:
        """One credential, "" when it is not set."""
        return (self.credentials or {}).get(name, "")
