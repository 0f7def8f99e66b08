"""What we write to the other side: planned first, then sent, then confirmed with what was answered."""

from django.db import models
from django.db.models import Q

from integrations.models.events import InboundEvent
from integrations.models.people import Contact
from tenants.encryption import EncryptedJSONField
from tenants.models import Practice
from tenants.scoping import ScopedManager


class EffectKind(models.TextChoices):
    CONTACT = "contact", "Contact"
    NOTE = "note", "Note"
    OPPORTUNITY = "opportunity", "Opportunity"
    TAG = "tag", "Tag"
    ENROL = "enrol", "Workflow enrolment"
    PATIENT = "patient", "Patient in the EMR"


class EffectState(models.TextChoices):
    PLANNED = "planned", "Planned"
    SENDING = "sending", "Being sent"
    IN_DOUBT = "in_doubt", "In doubt"
    DONE = "done", "Done"
    SKIPPED = "skipped", "Not needed"
    FAILED = "failed", "Failed"


class Effect(models.Model):
    """One keyed write: (event, kind, target) happens once.

    ``body`` (encrypted) is what is sent, by field name; ``answer`` what came back, ids and codes only.
    ``attempts`` lists each try: when, milliseconds, status, error words. ``reference`` is the ``AX-…`` mark
    that a note carries.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    event = models.ForeignKey(InboundEvent, models.CASCADE, related_name="effects")
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, blank=True, related_name="effects")
    kind = models.CharField(max_length=12, choices=EffectKind.choices)
    target = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=EffectState.choices, default=EffectState.PLANNED)
    reference = models.CharField(max_length=20, blank=True)
    body = EncryptedJSONField(default=dict)
    answer = models.JSONField(default=dict, blank=True)
    attempts = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    planned_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["event", "position"]
        constraints = [models.UniqueConstraint(fields=["event", "kind", "target"], name="effect_once")]
        indexes = [
            models.Index(fields=["contact", "-id"], condition=Q(kind="note"), name="notes_of_contact"),
            models.Index(
                fields=["practice", "-id"], condition=Q(state__in=["in_doubt", "failed"]), name="effects_open"
            ),
            models.Index(
                fields=["-id"], condition=Q(state__in=["in_doubt", "failed"]), name="effects_open_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"effect {self.pk}"
