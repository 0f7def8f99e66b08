"""Links in e-mails that open once: to choose a first password, or a new one.

A link is signed and bound to the person's password hash: once a password was chosen it fits no longer.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from categorization.models import Invitation
from tenants.models import User

SALT = "categorization.review.links"
DAY = 24 * 3600


class Purpose(StrEnum):
    INVITATION = "invitation"
    PASSWORD = "password"  # noqa: S105  (a purpose, not a secret)


DAYS_VALID = {Purpose.INVITATION: 14, Purpose.PASSWORD: 1}


class Why(StrEnum):
    BROKEN = "broken"
    EXPIRED = "expired"
    USED = "used"


class DeadLink(Exception):
    """A link that opens nothing. ``why`` says for what reason."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Opened:
    """Whom a link is for, and which invitation it belongs to, if any."""

    user: User
    invitation: Invitation | None


def make_link(purpose: Purpose, user: User, invitation: Invitation | None = None) -> str:
    """The part of the address that opens it."""
    invited = invitation.pk if invitation else 0
    return signing.dumps([purpose, user.pk, invited, _stamp(user, invited)], salt=SALT)


def open_link(token: str) -> Opened:
    """Whom it is for. Raises DeadLink."""
    user_id, invited, stamp = _read(token)
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not constant_time_compare(stamp, _stamp(user, invited)):
        raise DeadLink(Why.USED)
    if not invited:
        return Opened(user, None)
    rows = Invitation.objects.across_practices().select_related("practice")
    invitation = rows.filter(pk=invited, user=user, accepted_at__isnull=True).first()
    if invitation is None:
        raise DeadLink(Why.USED)
    return Opened(user, invitation)


def _read(token: str) -> tuple[int, int, str]:
    """Person, invitation (0: none) and stamp of a link that is ours and not too old."""
    try:
        purpose, user_id, invited, stamp = _loaded(token)
        _loaded(token, DAYS_VALID[Purpose(purpose)] * DAY)
    except signing.SignatureExpired as error:
        raise DeadLink(Why.EXPIRED) from error
    except (signing.BadSignature, ValueError) as error:
        raise DeadLink(Why.BROKEN) from error
    return user_id, invited, stamp


def _loaded(token: str, max_age: int | None = None) -> Any:
    return signing.loads(token, salt=SALT, max_age=max_age)


def _stamp(user: User, invited: int) -> str:
    return salted_hmac(SALT, f"{user.pk}|{invited}|{user.password}", algorithm="sha256").hexdigest()[:32]
