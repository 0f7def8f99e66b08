"""The ledger: every payment changes the CRM's lifetime value by its amount exactly once."""

from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from integrations.models.events import InboundEvent
from integrations.models.people import Contact, Patient
from integrations.models.subaccounts import SubAccount
from tenants.models import Practice
from tenants.scoping import ScopedManager


class LedgerState(models.TextChoices):
    PLANNED = "planned", "To be written"
    WRITTEN = "written", "Written"
    LEFT_TO_CRM = "left_to_crm", "Left to the CRM's workflow"
    NOT_WRITTEN = "not_written", "Not written"
    NEEDS_ATTENTION = "needs_attention", "Needs attention"


class LedgerRow(models.Model):
    """One amount. ``external_id`` is the payment's id; a reversal's is the id it takes back, plus its kind.

    ``before`` and ``after`` are the CRM's lifetime value around our write, in the practice's currency.
    """

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="ledger")
    external_id = models.CharField("EMR payment id", max_length=140)
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="ledger")
    sub_account = models.ForeignKey(SubAccount, models.SET_NULL, null=True, blank=True, related_name="+")
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, blank=True, related_name="ledger")
    event = models.ForeignKey(InboundEvent, models.SET_NULL, null=True, related_name="ledger")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    paid_on = models.DateField(null=True, blank=True)
    before = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    after = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    id_before = models.CharField(max_length=140, blank=True)
    state = models.CharField(max_length=20, choices=LedgerState.choices, default=LedgerState.PLANNED)
    created_at = models.DateTimeField(auto_now_add=True)
    written_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        verbose_name = "ledger row"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["connection", "external_id"], name="payment_once")]
        indexes = [models.Index(fields=["-id"], condition=Q(state="needs_attention"), name="ledger_doubtful")]

    def __str__(self) -> str:
        return f"ledger row {self.pk}"
