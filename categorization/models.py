"""A practice's appointment types and the category that a person confirmed for each."""

from typing import Any

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from categorization.categories import Category, name_key
from tenants.models import Practice
from tenants.scoping import ScopedManager


class ConfirmedVia(models.TextChoices):
    PAGE = "page", "Review page"
    FILE = "file", "Practice file"
    IMPORT = "import", "Spreadsheet"
    SHEET = "sheet", "Google Sheet"


class AppointmentType(models.Model):
    """One appointment type (with one purpose, or any) of one connection, and what it counts as.

    A suggestion routes nothing: only ``category`` with ``confirmed_at`` set does.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="appointment_types")
    connection_key = models.CharField("connection", max_length=50)
    external_id = models.CharField("EMR id of the type", max_length=100, blank=True)
    name = models.CharField(max_length=255)
    purpose = models.CharField(max_length=255, blank=True, help_text="Empty: whatever the purpose.")
    name_key = models.CharField(max_length=255, editable=False)
    purpose_key = models.CharField(max_length=255, editable=False, blank=True)
    category = models.CharField(max_length=40, choices=[(c.value, c.value) for c in Category], blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    confirmed_via = models.CharField(max_length=10, choices=ConfirmedVia.choices, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        ordering = ["name", "purpose"]
        constraints = [
            models.UniqueConstraint(
                fields=["practice", "connection_key", "name_key", "purpose_key"],
                name="type_once_per_connection",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} / {self.purpose}" if self.purpose else self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_key, self.purpose_key = name_key(self.name), name_key(self.purpose)
        super().save(*args, **kwargs)

    @property
    def is_confirmed(self) -> bool:
        return bool(self.category and self.confirmed_at)
