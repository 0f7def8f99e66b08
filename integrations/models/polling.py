"""What is known of an EMR that is asked again and again: how far each resource was read, and each row's state."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from tenants.encryption import EncryptedJSONField
from tenants.models import Practice
from tenants.scoping import ScopedManager


class PollCursor(models.Model):
    """How far one resource of one connection was read.

    ``watermark`` is the newest version time seen (the EMR's clock, never ours); it moves together with the
    events of a poll, in one transaction. ``primed_at`` is set by the first poll, which records and writes
    nothing. One poll at a time: ``lease_owner`` / ``lease_until``. ``failures`` counts polls in a row that
    failed and spaces them out; ``refused_since`` is set while the EMR lets us in but not to this resource.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="cursors")
    resource = models.CharField(max_length=50)
    watermark = models.DateTimeField(null=True, blank=True)
    primed_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField("next poll", null=True, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    refused_since = models.DateTimeField(null=True, blank=True)
    filter_ignored = models.BooleanField(default=False, editable=False)
    last_error = models.CharField(max_length=300, blank=True)
    last_started_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField("last complete poll", null=True, blank=True)
    swept_at = models.DateTimeField("last nightly comparison", null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["connection", "id"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "resource"], name="cursor_once_per_resource")
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="cursors_due"),
            models.Index(fields=["lease_owner"], condition=~Q(lease_owner=""), name="cursors_leased"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} of connection {self.connection_id}"


class KnownRow(models.Model):
    """A row as the EMR last showed it: its version time and a hash of its content, nothing of what it says.

    ``revision`` counts its changes, so that a row which returns to a former state makes an event again.
    ``missing_since``: it was not there when everything of its days was compared.
    """

    practice_path = "cursor__practice"

    cursor = models.ForeignKey(PollCursor, models.CASCADE, related_name="rows")
    external_id = models.CharField(max_length=120)
    patient_id = models.CharField("EMR patient id", max_length=100, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)
    digest = models.CharField(max_length=32)
    revision = models.PositiveIntegerField(default=1)
    missing_since = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cursor", "external_id"], name="row_once_per_cursor")]
        indexes = [models.Index(fields=["cursor", "updated_at"], name="rows_by_time")]

    def __str__(self) -> str:
        return f"row {self.pk}"


class PatientRound(models.Model):
    """When a patient's rows were last read, for resources that are read patient by patient."""

    practice_path = "cursor__practice"

    cursor = models.ForeignKey(PollCursor, models.CASCADE, related_name="rounds")
    patient_id = models.CharField("EMR patient id", max_length=100)
    read_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cursor", "patient_id"], name="round_once_per_patient")
        ]

    def __str__(self) -> str:
        return f"round {self.pk}"


class Trigger(models.TextChoices):
    SCHEDULE = "schedule", "On schedule"
    FIRST = "first", "First poll"
    HAND = "hand", "By hand"
    NIGHTLY = "nightly", "Nightly comparison"
    BACKFILL = "backfill", "Back-fill"


class PollRun(models.Model):
    """One poll as the connection's page shows it. Deleted after some days."""

    practice_path = "cursor__practice"

    cursor = models.ForeignKey(PollCursor, models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.SCHEDULE)
    started_at = models.DateTimeField()
    seconds = models.FloatField(default=0.0)
    calls = models.PositiveIntegerField("requests", default=0)
    rows_seen = models.PositiveIntegerField(default=0)
    events = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["cursor", "started_at"], name="runs_of_cursor")]

    def __str__(self) -> str:
        return f"poll {self.pk}"


class BackfillState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    READING = "reading", "Reading"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


class Backfill(models.Model):
    """Somebody's explicit wish to bring past rows of one resource to the CRM, and how far that is.

    Rows dated (or, where a resource has no day of its own, changed) on ``since`` or later become events with
    the lowest priority. They enrol in no workflow. A back-fill that is interrupted reads again from the start;
    its events' keys carry its id, so that none is made twice.

    ``steps``: pages (or patients, where rows are read patient by patient) that were read since ``started_at``, of about
    ``steps_expected``; ``error``: what stands in the way now, or ended it.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    cursor = models.ForeignKey(PollCursor, models.CASCADE, related_name="backfills")
    since = models.DateField("from")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, choices=BackfillState.choices, default=BackfillState.WAITING)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    steps = models.PositiveIntegerField(default=0)
    steps_expected = models.PositiveIntegerField(default=0)
    rows_seen = models.PositiveIntegerField(default=0)
    events = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        verbose_name = "back-fill"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["cursor"],
                condition=Q(state__in=["waiting", "reading"]),
                name="one_backfill_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"back-fill {self.pk}"


class ConnectionToken(models.Model):
    """The tokens of an EMR's API, kept between calls and processes; renewed by one at a time."""

    practice_path = "connection__practice"

    connection = models.OneToOneField(Connection, models.CASCADE, related_name="token")
    tokens = EncryptedJSONField(default=dict)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    def __str__(self) -> str:
        return f"tokens of connection {self.connection_id}"


class CachedRecord(models.Model):
    """Something at an EMR that hardly changes (a practitioner, a location), as last fetched."""

    practice_path = "connection__practice"

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="cached_records")
    kind = models.CharField(max_length=50)
    external_id = models.CharField(max_length=120)
    body = EncryptedJSONField(default=dict)
    fetched_at = models.DateTimeField()

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "kind", "external_id"], name="cached_record_once")
        ]

    def __str__(self) -> str:
        return f"cached record {self.pk}"
