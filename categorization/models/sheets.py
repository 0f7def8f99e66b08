"""The Google Sheet in which a practice reviews its types, where it wants one."""

from django.conf import settings
from django.db import models

from tenants.models import Practice
from tenants.scoping import ScopedManager


class PracticeSheet(models.Model):
    """A spreadsheet made for a practice: Google's id of it, with whom it was shared, when it was last read."""

    practice = models.OneToOneField(Practice, models.CASCADE, related_name="category_sheet")
    spreadsheet_id = models.CharField(max_length=100)
    url = models.URLField(max_length=300)
    shared_with = models.JSONField(default=list, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"sheet of practice {self.practice_id}"
