"""When each connection's list of appointment types was read from its EMR last."""

from django.db import models

from integrations.models.connections import Connection
from tenants.scoping import ScopedManager


class TypePull(models.Model):
    """One connection's pulls of appointment types: the last good one, the next one, and why the last one failed."""

    practice_path = "connection__practice"

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="type_pull")
    pulled_at = models.DateTimeField("last pulled", null=True, blank=True)
    next_at = models.DateTimeField("next pull")
    types = models.PositiveIntegerField("types listed", default=0)
    error = models.CharField(max_length=300, blank=True)

    objects = ScopedManager()

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="type_pulls_due")]

    def __str__(self) -> str:
        return f"pull of types for connection {self.connection_id}"
