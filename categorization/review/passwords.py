"""A new password for a reviewer who forgot theirs, by a link in an e-mail."""

import logging
from hashlib import sha256
from smtplib import SMTPException

from django.core.cache import cache
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from categorization.review.links import Purpose, make_link
from tenants.models import User

log = logging.getLogger(__name__)
SECONDS_BETWEEN = 120


def send_password_link(email: str, base_url: str) -> None:
    """Send it if a reviewer has this address. Nobody learns whether one has; and not twice within two minutes.

    People of the staff application get no such link: an administrator sets their password.
    """
    email = email.strip().lower()
    user = User.objects.filter(email=email, is_active=True, is_staff=False).first()
    key = f"review-password:{sha256(email.encode()).hexdigest()}"
    if user is None or not cache.add(key, True, SECONDS_BETWEEN):
        return
    address = base_url.rstrip("/") + reverse("review:link", args=[make_link(Purpose.PASSWORD, user)])
    try:
        words = render_to_string("review/mail/password.txt", {"address": address})
        send_mail("Choose a new password for AX Connect", words, None, [user.email])
    except (SMTPException, OSError):
        cache.delete(key)
        log.exception("A link for a new password could not be sent to person %s.", user.pk)
