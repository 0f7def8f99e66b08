"""Who reviews a practice's types: invitations by e-mail, and the sign-off at the end."""

from django.conf import settings
from django.db import models

from tenants.models import Practice
from tenants.scoping import ScopedManager


class Invitation(models.Model):
    """Somebody of the practice was asked by e-mail to review its types. The link in it opens once."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="invitations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitations")
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    sent_at = models.DateTimeField(auto_now_add=True)
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = ScopedManager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class SignOff(models.Model):
    """A reviewer said that the practice's types are right: under which name, when, and how many there were."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="sign_offs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    name = models.CharField("signed by", max_length=150)
    signed_at = models.DateTimeField(auto_now_add=True)
    types = models.PositiveIntegerField("types reviewed")

    objects = ScopedManager()

    class Meta:
        verbose_name = "sign-off"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"sign-off {self.pk}"
