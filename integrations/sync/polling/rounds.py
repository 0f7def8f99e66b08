"""Resources that an EMR cannot list by change: read patient by patient, those with something new elsewhere first."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from integrations.contract.protocols import Round
from integrations.models import KnownRow, PatientRound, PollCursor
from integrations.sync.polling.rows import Changed

# A version time may be a day only, in whichever zone.
A_DAY = timedelta(days=1)
# Who does not answer is not waited for any longer.
FAILURES_TO_WAIT_FOR = 3


def are_others_primed(cursor: PollCursor, by_patient: Sequence[str]) -> bool:
    """Whether the connection's listed resources have had their first poll: they say which patients there are.
    One that is refused or fails is not waited for."""
    others = PollCursor.objects.for_practice(cursor.practice_id).filter(connection_id=cursor.connection_id)
    coming = others.filter(primed_at=None, refused_since=None, failures__lt=FAILURES_TO_WAIT_FOR)
    return not coming.exclude(resource__in=by_patient).exists()


def patients_due(cursor: PollCursor, rounds: Sequence[Round], most: int, now: datetime) -> list[str]:
    """At most ``most`` patients to be read now: those never read first, then those read longest ago."""
    changed = _last_changes(cursor, now - max(one.changed_within for one in rounds))
    read = dict(
        PatientRound.objects.for_practice(cursor.practice_id)
        .filter(cursor=cursor)
        .values_list("patient_id", "read_at")
    )
    due = [
        patient_id
        for patient_id, changed_at in changed.items()
        if _is_due(changed_at, read.get(patient_id), rounds, now)
    ]
    never = datetime.min.replace(tzinfo=now.tzinfo)
    return sorted(due, key=lambda patient_id: (read.get(patient_id, never), patient_id))[:most]


def patients_since(cursor: PollCursor, since: datetime) -> list[str]:
    """Patients of whom a row of another resource changed since then."""
    return sorted(_last_changes(cursor, since))


def _last_changes(cursor: PollCursor, since: datetime) -> dict[str, datetime]:
    """Patient id → the newest version time among the rows of the connection's other resources."""
    rows = KnownRow.objects.for_practice(cursor.practice_id).filter(
        cursor__connection_id=cursor.connection_id, updated_at__gte=since
    )
    rows = rows.exclude(cursor=cursor).exclude(patient_id="").order_by()
    return dict(rows.values_list("patient_id").annotate(Max("updated_at")))


def _is_due(changed_at: datetime, read_at: datetime | None, rounds: Sequence[Round], now: datetime) -> bool:
    for one in rounds:
        if now - changed_at <= one.changed_within:
            return read_at is None or one.every is None or now - read_at >= one.every
    return False


def has_been_read(cursor_id: int, patient_id: str) -> bool:
    """Whether this patient's rows were read before."""
    rows = PatientRound.objects.across_practices()
    return bool(rows.filter(cursor_id=cursor_id, patient_id=patient_id).exists())


def news_of(cursor: PollCursor, patient_id: str, changed: Sequence[Changed]) -> list[Changed]:
    """Which of a patient's changed rows say something new. Of a patient who was never read before: those that
    we know in another state, and those of the time since the first pass through all patients was over."""
    if has_been_read(cursor.pk, patient_id):
        return list(changed)
    began = cursor.primed_at - A_DAY if cursor.primed_at else None
    return [
        one
        for one in changed
        if one.revision > 1 or (began and (one.row.updated_at is None or one.row.updated_at >= began))
    ]


def mark_read(cursor_id: int, patient_id: str) -> None:
    """This patient's rows are read and stored."""
    row = PatientRound(cursor_id=cursor_id, patient_id=patient_id, read_at=timezone.now())
    PatientRound.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["cursor", "patient_id"], update_fields=["read_at"]
    )


def most_patients(resource_seconds: float, calls_per_second: float) -> int:
    """How many patients one poll may read: half of what the speed limit allows until the next one."""
    return max(1, int(resource_seconds * calls_per_second / 2))
