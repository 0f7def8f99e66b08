"""Visits: each appointment at its newest version, and the states it went through."""

from django.db import models

from integrations.models.connections import Connection
from integrations.models.people import Patient
from integrations.models.subaccounts import SubAccount
from tenants.encryption import EncryptedJSONField
from tenants.models import Practice
from tenants.scoping import ScopedManager


class Visit(models.Model):
    """One appointment (or a retail invoice, which counts as a visit of its own).

    ``version`` / ``outcome`` / ``visit_on`` are the newest state that routes. ``moved_on`` and ``removed_at``
    come from reschedules and deletions that were only recorded: they count where they are newer than
    ``version``. ``ever_completed`` survives a newer state, so that arrival order cannot matter.
    ``states`` (encrypted) lists every distinct state seen, in version order, and whether it has its note.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="+")
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="visits")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, null=True, blank=True, related_name="+")
    external_id = models.CharField("EMR appointment id", max_length=120)
    version = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, blank=True)
    status = models.CharField("status in the EMR's words", max_length=60, blank=True)
    visit_on = models.DateField(null=True, blank=True)
    type = models.CharField(max_length=500, blank=True)
    purposes = models.JSONField(default=list, blank=True)
    practitioner = models.CharField(max_length=200, blank=True)
    location_name = models.CharField(max_length=200, blank=True)
    moved_on = models.DateField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    ever_completed = models.BooleanField(default=False)
    states = EncryptedJSONField(default=list)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="visit_once_per_connection")
        ]
        indexes = [models.Index(fields=["patient", "sub_account"], name="visits_of_patient")]

    def __str__(self) -> str:
        return f"visit {self.pk}"
