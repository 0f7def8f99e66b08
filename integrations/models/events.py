"""What arrived, and the lanes that keep it in order."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from integrations.models.subaccounts import SubAccount
from tenants.encryption import EncryptedTextField
from tenants.models import Practice
from tenants.scoping import ScopedManager


class Priority(models.IntegerChoices):
    """Order in which work claims the CRM budget and a worker."""

    LIVE = 0, "Live"
    CREATE_BACK = 1, "Create in the EMR"
    REPLAY = 2, "Replay"
    BACKFILL = 3, "Back-fill"


class Lane(models.Model):
    """Things that must stay in order: one patient of one connection, or one contact's tags.

    Held by one worker at a time through ``lease_owner`` and ``lease_until``, by conditional update.
    ``arrivals`` rises with every event stored, so that a worker which thinks the lane is empty cannot miss
    one. ``next_at`` is empty when nothing waits; back-off belongs to the lane (``attempts``, ``next_at``).
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    key = models.CharField(max_length=80, unique=True)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.LIVE)
    next_at = models.DateTimeField(null=True, blank=True)
    arrivals = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    waits_because = models.CharField(max_length=300, blank=True)

    objects = ScopedManager()

    class Meta:
        indexes = [
            models.Index(
                fields=["practice", "priority", "next_at"],
                condition=Q(next_at__isnull=False),
                name="lanes_due",
            ),
            models.Index(fields=["lease_owner"], condition=~Q(lease_owner=""), name="lanes_leased"),
        ]

    def __str__(self) -> str:
        return f"lane {self.pk}"


class Source(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    POLL = "poll", "Poll"
    CRM = "crm", "CRM"
    BACKFILL = "backfill", "Back-fill"
    SETTINGS = "settings", "A change of settings"


class EventState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    IGNORED = "ignored", "Ignored"
    HELD = "held", "Held"
    PARKED = "parked", "Parked"


class HeldFor(models.TextChoices):
    CATEGORY = "category", "Category not confirmed"
    LOCATION = "location", "Location not mapped"
    IDENTITY = "identity", "Who is this contact?"
    LIVE = "live", "Practice not live"


class ParkedAs(models.TextChoices):
    CONFIG = "config", "A setting must change"
    REJECTED = "rejected", "Refused by the other side"
    MALFORMED = "malformed", "A field could not be read"
    EXHAUSTED = "exhausted", "Gave up after many tries"
    UNSURE = "unsure", "Outcome of a write is not certain"
    INTERNAL = "internal", "Internal error"


class InboundEvent(models.Model):
    """One thing that arrived: stored before it is answered, never changed in what it says.

    It is stored with its ``lane_key`` in one statement; a worker puts it into the ``lane`` of that key.

    ``story`` is why (list of sentences with a step name, no names of people); ``payload`` is the raw body,
    encrypted and cleared by retention. ``deliveries`` counts how often the sender sent it.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, blank=True, related_name="events")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, null=True, blank=True, related_name="events")
    lane = models.ForeignKey(Lane, models.PROTECT, null=True, blank=True, related_name="events")
    lane_key = models.CharField(max_length=80, blank=True, editable=False)
    patient = models.ForeignKey("Patient", models.SET_NULL, null=True, blank=True, related_name="events")
    contact = models.ForeignKey("Contact", models.SET_NULL, null=True, blank=True, related_name="events")
    source = models.CharField(max_length=10, choices=Source.choices)
    kind = models.CharField(max_length=100, blank=True)
    dedupe_key = models.CharField(max_length=80)
    payload = EncryptedTextField(blank=True)
    occurred_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.LIVE)
    deliveries = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=EventState.choices, default=EventState.WAITING)
    held_for = models.CharField(max_length=10, choices=HeldFor.choices, blank=True)
    held_key = models.CharField(max_length=600, blank=True)
    parked_as = models.CharField(max_length=10, choices=ParkedAs.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    story = models.JSONField(default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    runs = models.PositiveSmallIntegerField(default=0)
    planned_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        verbose_name = "event"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "dedupe_key"],
                condition=Q(connection__isnull=False),
                name="event_once_per_connection",
            ),
            models.UniqueConstraint(
                fields=["sub_account", "dedupe_key"],
                condition=Q(connection__isnull=True),
                name="event_once_per_subaccount",
            ),
        ]
        indexes = [
            models.Index(fields=["practice", "-id"], name="events_of_practice"),
            models.Index(fields=["connection", "received_at"], name="events_by_time"),
            models.Index(fields=["lane", "id"], condition=Q(state="waiting"), name="events_waiting"),
            models.Index(
                fields=["id"], condition=Q(state="waiting", lane__isnull=True), name="events_arrived"
            ),
            # Holds all that is counted of open events: a backlog of thousands is summed up without reading a row.
            models.Index(
                fields=["state", "practice", "held_for", "held_key", "received_at"],
                condition=Q(state__in=["waiting", "held", "parked"]),
                name="events_open_sums",
            ),
            models.Index(fields=["received_at"], name="events_received"),
            models.Index(
                fields=["patient", "-id"], condition=Q(patient__isnull=False), name="events_of_patient"
            ),
            models.Index(
                fields=["contact", "-id"], condition=Q(contact__isnull=False), name="events_of_contact"
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.pk}"


class PayloadReveal(models.Model):
    """Who looked at a payload, when, and why."""

    practice_path = "event__practice"

    event = models.ForeignKey(InboundEvent, models.CASCADE, related_name="reveals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    revealed_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"payload of event {self.event_id} shown to {self.user}"
