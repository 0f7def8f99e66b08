"""One incident is opened where something is wrong, and closed when it is right again."""

import logging

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import Incident

logger = logging.getLogger(__name__)


def open_incident(
    practice_id: int,
    kind: str,
    words: str,
    *,
    subject: str = "",
    connection_id: int | None = None,
    sub_account_id: int | None = None,
) -> bool:
    """Open one incident per (practice, kind, subject). False when it stands already."""
    if not subject:
        subject = f"connection {connection_id}" if connection_id else f"sub-account {sub_account_id}"
    open_now = Incident.objects.for_practice(practice_id).filter(kind=kind, subject=subject, closed_at=None)
    if open_now.exists():
        return False
    try:
        with transaction.atomic():
            Incident.objects.create(
                practice_id=practice_id,
                kind=kind,
                subject=subject,
                words=words[:500],
                connection_id=connection_id,
                sub_account_id=sub_account_id,
            )
    except IntegrityError:
        return False
    logger.warning("incident opened: %s (practice %s, %s)", kind, practice_id, subject)
    return True


def close_incidents(
    practice_id: int,
    *kinds: str,
    subject: str = "",
    connection_id: int | None = None,
    sub_account_id: int | None = None,
) -> int:
    """Close the open incidents of these kinds about a subject; says how many there were."""
    rows = Incident.objects.for_practice(practice_id).filter(kind__in=kinds, closed_at=None)
    if subject:
        rows = rows.filter(subject=subject)
    if connection_id is not None:
        rows = rows.filter(connection_id=connection_id)
    if sub_account_id is not None:
        rows = rows.filter(sub_account_id=sub_account_id)
    closed = rows.update(closed_at=timezone.now())
    if closed:
        logger.info("incident closed: %s (practice %s)", ", ".join(kinds), practice_id)
    return closed
