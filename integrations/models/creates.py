"""Patients that somebody at the practice asked for with a tag in the CRM."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from integrations.models.events import InboundEvent
from integrations.models.people import Contact
from integrations.models.subaccounts import SubAccount
from tenants.encryption import EncryptedJSONField
from tenants.models import Practice
from tenants.scoping import ScopedManager


class CreateState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SEARCHING = "searching", "Looking for the same person"
    CREATING = "creating", "Being created"
    IN_DOUBT = "in_doubt", "Looked up: it may have been created"
    CREATED = "created", "Created"
    LINKED = "linked", "Linked"
    NEEDS_FIXING = "needs_fixing", "Needs fixing"
    NEEDS_DECISION = "needs_decision", "Needs a decision"
    DISMISSED = "dismissed", "Dismissed"


WORKING = (CreateState.WAITING, CreateState.SEARCHING, CreateState.CREATING, CreateState.IN_DOUBT)
IN_FLIGHT = (CreateState.CREATING, CreateState.IN_DOUBT)
FAILED = (CreateState.NEEDS_FIXING, CreateState.NEEDS_DECISION)
SETTLED = (CreateState.CREATED, CreateState.LINKED, CreateState.DISMISSED)


class CreateRequest(models.Model):
    """One contact that is to become a patient of one connection; adding the tag again tries the same row again.

    ``state`` says how it stands; once it is no working one, ``answered_at`` says since when the contact carries
    the answer (note, tag taken off), None while that is still owed. ``person`` (encrypted) is who is or was to
    be created, ``candidates`` (encrypted) who could be the same at the EMR, ``problems`` what keeps it from
    being created: field and words, nothing of the person. ``seen`` are the EMR ids found before the patient was
    sent, so that after a crash a new one can be told from them; ``sends`` counts how often it was sent.
    ``event`` is the delivery that works on it. ``tries_itself``: the EMR did not answer, so it is tried again
    every hour without anybody asking.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="creates")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="creates")
    contact_crm_id = models.CharField("CRM contact id", max_length=64)
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, blank=True, related_name="creates")
    event = models.ForeignKey(InboundEvent, models.SET_NULL, null=True, blank=True, related_name="creates")
    tag = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=20, choices=CreateState.choices, default=CreateState.WAITING)
    person = EncryptedJSONField(default=dict)
    problems = models.JSONField(default=list, blank=True)
    why = models.CharField(max_length=500, blank=True)
    candidates = EncryptedJSONField(default=list)
    seen = models.JSONField(default=list, blank=True)
    location_id = models.CharField("EMR location id", max_length=100, blank=True)
    external_id = models.CharField("EMR patient id", max_length=100, blank=True)
    attempts = models.PositiveSmallIntegerField(default=1)
    tries_itself = models.BooleanField(default=False)
    sends = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField("first asked for")
    tried_at = models.DateTimeField("last tried")
    sent_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    dismissed_because = models.CharField(max_length=300, blank=True)

    objects = ScopedManager()

    class Meta:
        verbose_name = "create request"
        verbose_name_plural = "failed creates"
        ordering = ["-tried_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["sub_account", "contact_crm_id", "connection"],
                condition=~Q(state__in=["created", "linked", "dismissed"]),
                name="one_open_create",
            )
        ]
        indexes = [
            models.Index(
                fields=["practice", "-tried_at"],
                condition=Q(state__in=["needs_fixing", "needs_decision"]),
                name="creates_failed",
            ),
            models.Index(
                fields=["connection"],
                condition=Q(state__in=["creating", "in_doubt"]),
                name="creates_in_flight",
            ),
            models.Index(fields=["sub_account", "contact_crm_id"], name="creates_of_contact"),
        ]

    def __str__(self) -> str:
        return f"create request {self.pk}"

    @property
    def is_working(self) -> bool:
        """Whether nobody knows the outcome yet."""
        return self.state in WORKING

    @property
    def is_open(self) -> bool:
        """Whether somebody is still at it: the outcome, or the answer on the contact, is missing."""
        return self.is_working or self.answered_at is None


class TagSweep(models.Model):
    """When a sub-account was last searched for create tags that nobody had acted on."""

    practice_path = "sub_account__practice"

    sub_account = models.OneToOneField(SubAccount, models.CASCADE, related_name="tag_sweep")
    swept_at = models.DateTimeField()
    found = models.PositiveIntegerField(default=0)

    objects = ScopedManager()

    def __str__(self) -> str:
        return f"tag sweep of sub-account {self.sub_account_id}"
