"""One incident instead of a thousand errors."""

from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from integrations.models.subaccounts import SubAccount
from tenants.models import Practice
from tenants.scoping import ScopedManager


class IncidentKind(models.TextChoices):
    """What can be wrong, in the words of its heading."""

    NEEDS_REAUTH = "needs_reauth", "Credentials refused"
    UNREACHABLE = "unreachable", "Unreachable"
    ACCESS_REFUSED = "access_refused", "Not allowed"
    RESOURCE_REFUSED = "resource_refused", "Not allowed"
    POLL_FAILING = "poll_failing", "Polls fail"
    POLLS_MISSED = "polls_missed", "Polls are late"
    FILTER_IGNORED = "filter_ignored", "Sends too much"
    ROWS_MISSING = "rows_missing", "Visits have gone"
    SILENT = "silent", "Unusually silent"
    FIELD_NOT_STORED = "field_not_stored", "A field is not kept"
    BIRTH_DATE_REFUSED = "birth_date_refused", "Date of birth refused"


class Incident(models.Model):
    """Something is wrong with a connection or sub-account, from ``opened_at`` to ``closed_at``."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="incidents")
    connection = models.ForeignKey(
        Connection, models.CASCADE, null=True, blank=True, related_name="incidents"
    )
    sub_account = models.ForeignKey(
        SubAccount, models.CASCADE, null=True, blank=True, related_name="incidents"
    )
    kind = models.CharField(max_length=30, choices=IncidentKind.choices)
    subject = models.CharField(max_length=200, blank=True)
    words = models.CharField(max_length=500)
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["practice", "kind", "subject"],
                condition=Q(closed_at__isnull=True),
                name="one_open_incident",
            )
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}"
