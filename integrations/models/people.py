"""Patients, the CRM contacts that they are linked to, and what people search by."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.connections import Connection
from integrations.models.subaccounts import PipelineKind, SubAccount
from tenants.encryption import EncryptedJSONField
from tenants.models import Location, Practice
from tenants.scoping import ScopedManager


class Patient(models.Model):
    """A person in one EMR connection. ``demographics`` (encrypted) is the newest we know."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="patients")
    external_id = models.CharField("EMR patient id", max_length=100)
    demographics = EncryptedJSONField(default=dict)
    last_location = models.ForeignKey(Location, models.SET_NULL, null=True, blank=True, related_name="+")
    first_seen_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="patient_once_per_connection")
        ]

    def __str__(self) -> str:
        return f"patient {self.pk}"


class Contact(models.Model):
    """A contact in one sub-account. What we know of it is the CRM's last answer.

    ``lease_owner`` / ``lease_until``: delivery to a contact is one at a time, since two patients or
    connections can meet in one contact.
    """

    practice_path = "sub_account__practice"

    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="contacts")
    crm_id = models.CharField("CRM contact id", max_length=64)
    contact_type = models.CharField(max_length=50, blank=True)
    lifetime_value = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    birthday_enrolled_for = models.CharField(max_length=64, blank=True, editable=False)
    is_gone = models.BooleanField("deleted or merged in the CRM", default=False)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sub_account", "crm_id"], name="contact_once_per_subaccount")
        ]

    def __str__(self) -> str:
        return f"contact {self.pk}"


class ContactLink(models.Model):
    """Patient ↔ contact. Once linked, the contact is always written by its id."""

    practice_path = "patient__practice"

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="links")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="+")
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="links")
    how = models.CharField(max_length=100)
    left_out = models.JSONField("native fields that belong to somebody else", default=list, blank=True)
    linked_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["patient", "sub_account"], name="one_contact_per_subaccount")
        ]

    def __str__(self) -> str:
        return f"link {self.pk}"


class Opportunity(models.Model):
    """The one opportunity of a contact in a pipeline, as the CRM last echoed it."""

    practice_path = "contact__sub_account__practice"

    contact = models.ForeignKey(Contact, models.CASCADE, related_name="opportunities")
    pipeline = models.CharField(max_length=20, choices=PipelineKind.choices)
    crm_id = models.CharField("CRM opportunity id", max_length=64)
    stage = models.CharField(max_length=50, blank=True)
    status = models.CharField(max_length=20, blank=True)
    monetary_value = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    why = models.CharField("why it stands there", max_length=500, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScopedManager()

    class Meta:
        verbose_name_plural = "opportunities"
        constraints = [
            models.UniqueConstraint(fields=["contact", "pipeline"], name="one_opportunity_per_pipeline")
        ]

    def __str__(self) -> str:
        return f"opportunity {self.pk}"


class SearchKey(models.Model):
    """Keyed hashes of what people type to find a patient; the values themselves are nowhere in clear."""

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        PHONE = "phone", "Phone"
        PHONE_END = "phone_end", "Last four digits"
        ID = "id", "Id"
        NAME = "name", "Name word"

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="search_keys")
    practice = models.ForeignKey(Practice, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    digest = models.CharField(max_length=64)

    objects = ScopedManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patient", "kind", "digest"], name="search_key_once")]
        indexes = [models.Index(fields=["digest", "practice"], name="search_by_digest")]

    def __str__(self) -> str:
        return f"search key {self.pk}"


class IdentityQuestion(models.Model):
    """A patient who may or may not be a contact that exists. ``held``: events wait for the answer."""

    class Answer(models.TextChoices):
        LINK = "link", "Same person: link"
        CREATE = "create", "Somebody else: create without the shared value"
        IGNORE = "ignore", "Leave this patient out of the CRM"

    practice_path = "patient__practice"

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="questions")
    sub_account = models.ForeignKey(SubAccount, models.CASCADE, related_name="+")
    candidate_crm_ids = models.JSONField(default=list)
    clashes = models.JSONField("fields that belong to somebody else", default=list)
    is_held = models.BooleanField(default=True)
    answer = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "sub_account"], condition=Q(answer=""), name="one_open_identity_question"
            )
        ]

    def __str__(self) -> str:
        return f"identity question {self.pk}"


class EarlierAnswer(models.Model):
    """What counted for a question before somebody changed it.

    ``answer`` "" is what we found by ourselves, before anybody was asked. ``contact``: whom the patient was linked to
    while it counted; None where there was nobody. ``changed_at``: until when.
    """

    practice_path = "question__patient__practice"

    question = models.ForeignKey(IdentityQuestion, models.CASCADE, related_name="earlier")
    answer = models.CharField(max_length=10, choices=IdentityQuestion.Answer.choices, blank=True)
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, blank=True, related_name="+")
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"earlier answer {self.pk}"
