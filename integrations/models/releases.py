"""What a change of categories set in motion: which events it put back to work, and what became of the contacts."""

from django.db import models
from django.db.models import Q

from categorization.models import CategoryBatch
from integrations.models.events import InboundEvent
from integrations.models.people import Contact
from tenants.models import Practice
from tenants.scoping import ScopedManager


class Release(models.Model):
    """The work that follows from one change of categories.

    Made together with the change, ``prepared_at`` once its events are known and put to work, ``finished_at`` once
    none of them waits any longer; ``result`` then holds the counts (moved, kept …) that were read last.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    batch = models.OneToOneField(CategoryBatch, models.CASCADE, related_name="release")
    made_at = models.DateTimeField(auto_now_add=True)
    prepared_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at__isnull=True), name="releases_open"),
        ]

    def __str__(self) -> str:
        return f"release {self.pk}"


class ReleasedEvent(models.Model):
    """An event that a release put back to work. ``before``: the contact's stages at that moment, by pipeline."""

    practice_path = "release__practice"

    release = models.ForeignKey(Release, models.CASCADE, related_name="events")
    event = models.ForeignKey(InboundEvent, models.CASCADE, related_name="+")
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, blank=True, related_name="+")
    before = models.JSONField(default=dict, blank=True)

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "event"], name="event_once_per_release")]

    def __str__(self) -> str:
        return f"released event {self.pk}"
