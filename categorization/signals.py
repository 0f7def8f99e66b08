"""Whoever signs in has come: what they were invited to is accepted, whichever way they took."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from categorization.review.invitations import accept
from tenants.models import User


@receiver(user_logged_in)
def on_sign_in(sender: type, user: User, **kwargs: Any) -> None:
    """A first password, the review pages' sign-in or the staff's: each counts."""
    accept(user)
