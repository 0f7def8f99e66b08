"""Asking people of a practice by e-mail to review its types."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from categorization.models import Invitation
from categorization.review.links import DAYS_VALID, Purpose, make_link
from tenants.models import Membership, Practice, Role, User
from tenants.roles import Right, may, update_staff_flag


class CannotInvite(Exception):
    """Somebody who cannot be invited. ``str`` says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Invited:
    """A person who was invited: the last time, and when they first signed in after one."""

    last: Invitation
    times: int
    accepted_at: datetime | None

    @property
    def is_expired(self) -> bool:
        age = timezone.now() - self.last.sent_at
        return self.accepted_at is None and age > timedelta(days=DAYS_VALID[Purpose.INVITATION])


def invite(practice: Practice, email: str, invited_by: Any, base_url: str) -> Invitation:
    """Make somebody a reviewer of the practice, if they are not, and send them a link that opens once.

    Who works for the practice in another role keeps it. ``base_url`` is the address of this server. Raises
    CannotInvite, and then no invitation is kept.
    """
    user = _reviewer(practice, _checked(email))
    invitation = Invitation.objects.create(practice=practice, user=user, invited_by=invited_by)
    try:
        _send(invitation, base_url)
    except (SMTPException, OSError) as error:
        invitation.delete()
        raise CannotInvite(f"The e-mail to {user.email} could not be sent. Try again in a minute.") from error
    return invitation


def invited_to(practice: Practice) -> list[Invited]:
    """Everybody who was invited, the last first."""
    people: dict[int, list[Invitation]] = {}
    for row in Invitation.objects.for_practice(practice).select_related("user", "invited_by").order_by("-id"):
        people.setdefault(row.user_id, []).append(row)
    return [
        Invited(rows[0], len(rows), min((row.accepted_at for row in rows if row.accepted_at), default=None))
        for rows in people.values()
    ]


def accept(user: Any) -> None:
    """They signed in, or are signed in and followed the link: what they were invited to is accepted."""
    open_ones = Invitation.objects.across_practices().filter(user=user, accepted_at__isnull=True)
    open_ones.update(accepted_at=timezone.now())


def _checked(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise CannotInvite(f'"{email}" is not an e-mail address.') from error
    return email


def _reviewer(practice: Practice, email: str) -> User:
    """The person with this address, who may review the practice's types from now on."""
    with transaction.atomic():
        user = User.objects.filter(email=email).first() or _made(email)
        if not user.is_active:
            raise CannotInvite(f"The account of {email} is switched off. An administrator can switch it on.")
        if not user.company_role and not user.is_superuser:
            Membership.objects.get_or_create(practice=practice, user=user, defaults={"role": Role.REVIEWER})
            update_staff_flag(user)
    # Read anew: a person remembers the roles they had.
    user = User.objects.get(pk=user.pk)
    if not may(user, Right.CATEGORIZE, practice):
        raise CannotInvite(
            f"{email} has a role already that does not include this. An administrator can change it."
        )
    return user


def _made(email: str) -> User:
    """A new person, or whom somebody else made at the same moment."""
    try:
        with transaction.atomic():
            return User.objects.create_user(email)
    except IntegrityError:
        return User.objects.get(email=email)


def _send(invitation: Invitation, base_url: str) -> None:
    token = make_link(Purpose.INVITATION, invitation.user, invitation)
    days = DAYS_VALID[Purpose.INVITATION]
    words = {
        "practice": invitation.practice,
        "invited_by": invitation.invited_by,
        "address": base_url.rstrip("/") + reverse("review:link", args=[token]),
        "last_day": timezone.now() + timedelta(days=days),
        "days": days,
    }
    subject = f"Please review the appointment types of {invitation.practice.name}"
    send_mail(subject, render_to_string("review/mail/invitation.txt", words), None, [invitation.user.email])
