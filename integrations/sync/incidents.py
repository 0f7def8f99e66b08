"""One incident is opened where something is wrong, and closed when it is right again."""

import logging
from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import Incident, IncidentKind
from tenants.models import Practice

logger = logging.getLogger(__name__)
# What is known of and can stay as it is, so a person may end it; the others end when their cause is gone.
CAN_STAY = frozenset({IncidentKind.BIRTH_DATE_REFUSED})


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


def can_stay(incident: Incident) -> bool:
    """Whether a person may end this incident although its cause is still there."""
    return incident.kind in CAN_STAY and incident.closed_at is None


def leave(incident: Incident) -> bool:
    """A person knows of it and leaves it so. False where it cannot stay, or is over."""
    if not can_stay(incident):
        return False
    return bool(close_incidents(incident.practice_id, incident.kind, subject=incident.subject))


def field_subject(sub_account_id: int, crm_id: str) -> str:
    """What an incident about a custom field of a sub-account is kept under."""
    return f"field {sub_account_id}:{crm_id}"


def unkept_fields(practice: Practice) -> dict[int, frozenset[str]]:
    """Sub-account → CRM ids of the custom fields that the CRM was last seen not to keep."""
    rows = Incident.objects.for_practice(practice).filter(kind=IncidentKind.FIELD_NOT_STORED, closed_at=None)
    found: dict[int, set[str]] = {}
    for account_id, subject in rows.values_list("sub_account_id", "subject"):
        found.setdefault(account_id, set()).add(subject.partition(":")[2])
    return {account_id: frozenset(ids) for account_id, ids in found.items()}


def close_fields(practice_id: int, sub_account_id: int, crm_ids: Iterable[str]) -> int:
    """The CRM keeps these custom fields now, or has them no more. How many incidents that closed."""
    subjects = [field_subject(sub_account_id, crm_id) for crm_id in crm_ids]
    return sum(
        close_incidents(practice_id, IncidentKind.FIELD_NOT_STORED, subject=subject) for subject in subjects
    )
