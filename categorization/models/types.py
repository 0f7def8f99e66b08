"""A practice's appointment types and the category that a person confirmed for each."""

from typing import Any

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from categorization.categories import Category, name_key
from categorization.suggest import SURE
from tenants.models import Practice
from tenants.scoping import ScopedManager


class ConfirmedVia(models.TextChoices):
    PAGE = "page", "Staff page"
    REVIEW = "review", "Practice's review page"
    FILE = "file", "Practice file"
    IMPORT = "import", "Spreadsheet"
    SHEET = "sheet", "Google Sheet"
    UNDO = "undo", "Undo"


class AppointmentType(models.Model):
    """One appointment type (with one purpose, or any) of one connection, and what it counts as.

    A suggestion routes nothing: only ``category`` with ``confirmed_at`` set does.

    ``external_id`` is the EMR's id of the type (of the purpose, where there is one): by it a renamed type keeps its
    category, and ``former_keys`` keeps the names it had, since visits still carry them. ``listed_at`` is when the
    EMR's own list named it last (None: only events did), ``gone_at`` since when that list names it no longer.
    ``times_seen``, ``last_on`` and ``next_on`` sum up the visits known: how many, and the days of the last and the
    next one. ``suggested``, ``confidence`` (0–1) and ``reason`` are what ``suggest`` said.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="appointment_types")
    connection_key = models.CharField("connection", max_length=50)
    external_id = models.CharField("EMR id of the type", max_length=100, blank=True)
    name = models.CharField(max_length=255)
    purpose = models.CharField(max_length=255, blank=True, help_text="Empty: whatever the purpose.")
    name_key = models.CharField(max_length=255, editable=False)
    purpose_key = models.CharField(max_length=255, editable=False, blank=True)
    former_keys = models.JSONField("names it had before", default=list, blank=True, editable=False)
    type_class = models.CharField("class in the EMR", max_length=60, blank=True)
    minutes = models.PositiveSmallIntegerField("length in minutes", null=True, blank=True)
    offers_online = models.BooleanField("may count as Online Appointment", default=False, editable=False)
    category = models.CharField(max_length=40, choices=[(c.value, c.value) for c in Category], blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    confirmed_via = models.CharField(max_length=10, choices=ConfirmedVia.choices, blank=True)
    suggested = models.CharField("suggestion", max_length=40, blank=True, editable=False)
    confidence = models.FloatField(null=True, blank=True, editable=False)
    reason = models.CharField("why it is suggested", max_length=500, blank=True, editable=False)
    times_seen = models.PositiveIntegerField(default=0, editable=False)
    last_on = models.DateField("last booking", null=True, blank=True, editable=False)
    next_on = models.DateField("next booking", null=True, blank=True, editable=False)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    listed_at = models.DateTimeField("last listed by the EMR", null=True, blank=True, editable=False)
    gone_at = models.DateTimeField("no longer offered since", null=True, blank=True, editable=False)

    objects = ScopedManager()
    history = HistoricalRecords(
        excluded_fields=[
            "suggested",
            "confidence",
            "reason",
            "times_seen",
            "last_on",
            "next_on",
            "listed_at",
            "offers_online",
            "type_class",
            "minutes",
        ]
    )

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
    def key(self) -> tuple[str, str, str]:
        """Connection key, comparable name, comparable purpose."""
        return self.connection_key, self.name_key, self.purpose_key

    @property
    def is_confirmed(self) -> bool:
        return bool(self.category and self.confirmed_at)

    @property
    def may_be_agreed_with(self) -> bool:
        """Whether it has a suggestion that is sure enough to be agreed with in bulk."""
        return bool(self.suggested) and (self.confidence or 0.0) >= SURE

    @property
    def choices(self) -> list[str]:
        """The categories among which a person chooses: seven, and Online Appointment where the EMR offers it."""
        return [one.value for one in Category if one is not Category.ONLINE or self.offers_online]
