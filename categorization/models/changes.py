"""Every change of categories: what a person set in one go, and what each type had been before. It can be undone."""

from django.conf import settings
from django.db import models

from categorization.models.types import AppointmentType, ConfirmedVia
from tenants.models import Practice
from tenants.scoping import ScopedManager


class CategoryBatch(models.Model):
    """Types that one person confirmed or changed at once: a press on the page, one import, one sheet.

    ``moves_contacts``: contacts that an earlier category had put somewhere are decided again. ``undoes`` is the batch
    that this one took back.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="category_batches")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    via = models.CharField(max_length=10, choices=ConfirmedVia.choices)
    words = models.CharField("from where", max_length=300, blank=True)
    moves_contacts = models.BooleanField(default=True)
    undoes = models.OneToOneField("self", models.SET_NULL, null=True, blank=True, related_name="undone_by")

    objects = ScopedManager()

    class Meta:
        verbose_name = "change of categories"
        verbose_name_plural = "changes of categories"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"change {self.pk}"


class CategoryChange(models.Model):
    """One type in a batch: what it counted as before (with who had confirmed that, and how) and after."""

    practice_path = "batch__practice"

    batch = models.ForeignKey(CategoryBatch, models.CASCADE, related_name="changes")
    type = models.ForeignKey(AppointmentType, models.CASCADE, related_name="changes")
    before = models.CharField(max_length=40, blank=True)
    before_at = models.DateTimeField(null=True, blank=True)
    before_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    before_via = models.CharField(max_length=10, choices=ConfirmedVia.choices, blank=True)
    after = models.CharField(max_length=40, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "type"], name="type_once_per_batch")]

    def __str__(self) -> str:
        return f"{self.type}: {self.before or 'nothing'} → {self.after or 'nothing'}"

    @property
    def was_confirmed(self) -> bool:
        return bool(self.before and self.before_at)
