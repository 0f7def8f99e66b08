"""The CRM's containers that a practice's contacts live in, and what is mapped in each."""

import secrets

from django.conf import settings
from django.db import models
from django.urls import reverse
from simple_history.models import HistoricalRecords

from integrations.models.circuit import CIRCUIT, CircuitMixin
from integrations.models.connections import new_webhook_key
from tenants.encryption import EncryptedTextField
from tenants.models import Location, Practice
from tenants.scoping import ScopedManager


class PipelineLogic(models.TextChoices):
    AX_CONNECT = "ax_connect", "AX Connect moves the pipeline"
    CRM_WORKFLOW = "crm_workflow", "The CRM's locked workflow does"


class PipelineKind(models.TextChoices):
    SURGICAL = "surgical", "Surgical"
    NON_SURGICAL = "non_surgical", "Non-surgical"


def new_secret() -> str:
    """The secret that the CRM's workflows send with every call."""
    return secrets.token_urlsafe(32)


class SubAccount(CircuitMixin):
    """A GoHighLevel sub-account (``locationId`` in its API) and our token for it."""

    written_apart = CIRCUIT | {"refuses_birth_date", "fields_fetched_at"}

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="sub_accounts")
    key = models.SlugField(max_length=50)
    is_default = models.BooleanField("gets everything that no location is mapped for", default=False)
    crm_subaccount_id = models.CharField("CRM sub-account id", max_length=64)
    token = EncryptedTextField("private integration token", blank=True)
    pipeline_logic = models.CharField(
        max_length=20, choices=PipelineLogic.choices, default=PipelineLogic.AX_CONNECT
    )
    webhook_key = models.CharField(max_length=64, unique=True, default=new_webhook_key, editable=False)
    webhook_secret = EncryptedTextField(default=new_secret, editable=False)
    refuses_birth_date = models.BooleanField(
        "refuses the native date of birth", default=False, editable=False
    )
    fields_fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()
    history = HistoricalRecords(
        excluded_fields=[
            "token",
            "webhook_key",
            "webhook_secret",
            "failures_in_a_row",
            "circuit_open_until",
            "needs_reauth_since",
            "last_error",
            "fields_fetched_at",
        ]
    )

    class Meta:
        verbose_name = "sub-account"
        ordering = ["practice", "key"]
        constraints = [
            models.UniqueConstraint(fields=["practice", "key"], name="subaccount_key_in_practice"),
            models.UniqueConstraint(
                fields=["practice"], condition=models.Q(is_default=True), name="one_default_subaccount"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.practice.name}: {self.key}"

    @property
    def webhook_url(self) -> str:
        """The whole address that this sub-account's workflows post to."""
        return settings.PUBLIC_URL.rstrip("/") + reverse("crm-webhook", args=[self.webhook_key])


class Pipeline(models.Model):
    """Which CRM pipeline is the surgical or the non-surgical one."""

    practice_path = "sub_account__practice"

    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="pipelines")
    kind = models.CharField(max_length=20, choices=PipelineKind.choices)
    crm_id = models.CharField("CRM pipeline id", max_length=64)
    crm_name = models.CharField("name in the CRM", max_length=200, blank=True)

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        ordering = ["sub_account", "kind"]
        constraints = [models.UniqueConstraint(fields=["sub_account", "kind"], name="one_pipeline_per_kind")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} pipeline"


class Stage(models.Model):
    """One of our stage names and the CRM stage that a person confirmed for it."""

    practice_path = "pipeline__sub_account__practice"

    pipeline = models.ForeignKey(Pipeline, models.CASCADE, related_name="stages")
    name = models.CharField(max_length=50)
    crm_id = models.CharField("CRM stage id", max_length=64)
    crm_name = models.CharField("name in the CRM", max_length=200, blank=True)

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        ordering = ["pipeline", "name"]
        constraints = [models.UniqueConstraint(fields=["pipeline", "name"], name="stage_once_per_pipeline")]

    def __str__(self) -> str:
        return self.name


class WorkflowMapping(models.Model):
    """Which CRM workflow a named AX Connect workflow enrols in."""

    practice_path = "sub_account__practice"

    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="workflows")
    name = models.CharField(max_length=100)
    crm_id = models.CharField("CRM workflow id", max_length=64)

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = "workflow"
        ordering = ["sub_account", "name"]
        constraints = [
            models.UniqueConstraint(fields=["sub_account", "name"], name="workflow_once_per_subaccount")
        ]

    def __str__(self) -> str:
        return self.name


class CustomField(models.Model):
    """A custom field as the CRM last listed it."""

    practice_path = "sub_account__practice"

    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="custom_fields")
    name = models.CharField(max_length=200)
    crm_id = models.CharField("CRM field id", max_length=64)
    field_key = models.CharField(max_length=200, blank=True)
    data_type = models.CharField(max_length=30)
    folder_id = models.CharField("CRM folder id", max_length=64, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["sub_account", "name"]
        constraints = [
            models.UniqueConstraint(fields=["sub_account", "crm_id"], name="field_once_per_subaccount")
        ]

    def __str__(self) -> str:
        return self.name


class LocationRoute(models.Model):
    """Which sub-account a clinic site's events go to."""

    practice_path = "location__practice"

    location = models.OneToOneField(Location, models.CASCADE, related_name="route")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="routes")

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        ordering = ["location"]

    def __str__(self) -> str:
        return f"{self.location} → {self.sub_account}"
