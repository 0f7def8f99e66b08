"""Events that went to the default sub-account because nobody has said yet where their location goes."""

from django.db import models

from integrations.models.events import InboundEvent
from tenants.models import Location
from tenants.scoping import ScopedManager


class DefaultUse(models.Model):
    """One event at a location that was not mapped to a sub-account when the event was decided."""

    practice_path = "location__practice"

    location = models.ForeignKey(Location, models.CASCADE, related_name="default_uses")
    event = models.OneToOneField(InboundEvent, models.CASCADE, related_name="+")
    used_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["location", "-id"], name="default_uses_of_location")]

    def __str__(self) -> str:
        return f"default use {self.pk}"
