"""How far a review has come: what is reviewed, what was signed, what is new since, what can be undone."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from categorization.models import CategoryBatch, CategoryChange, ConfirmedVia, SignOff
from categorization.review.lines import asked_of
from tenants.models import Practice

UNDO_FOR = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Progress:
    """So many of so many types are reviewed."""

    reviewed: int
    total: int

    @property
    def left(self) -> int:
        return self.total - self.reviewed

    @property
    def is_done(self) -> bool:
        return self.total > 0 and self.left == 0


@dataclass(frozen=True, slots=True)
class Signed:
    """The last sign-off, and how many types are new or changed since."""

    sign_off: SignOff
    new: int
    changed: int

    @property
    def is_current(self) -> bool:
        return not (self.new or self.changed)


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last thing that a person did here, which they may take back."""

    batch: CategoryBatch
    types: int
    change: CategoryChange

    @property
    def words(self) -> str:
        if self.types > 1:
            return f"{self.types} suggestions confirmed."
        return f"“{self.change.type}” counts as {self.change.after}."


def progress_of(practice: Practice) -> Progress:
    """Counted in the database."""
    is_confirmed = Q(confirmed_at__isnull=False) & ~Q(category="")
    found = asked_of(practice).aggregate(total=Count("pk"), reviewed=Count("pk", filter=is_confirmed))
    return Progress(found["reviewed"], found["total"])


def signed_of(practice: Practice) -> Signed | None:
    """What was signed last; None before anybody has."""
    last = SignOff.objects.for_practice(practice).select_related("user").first()
    if last is None:
        return None
    new = asked_of(practice).filter(first_seen_at__gt=last.signed_at).count()
    changes = CategoryChange.objects.for_practice(practice).filter(batch__made_at__gt=last.signed_at)
    known = changes.filter(type__first_seen_at__lte=last.signed_at)
    return Signed(last, new, known.values("type").distinct().count())


def last_change_of(practice: Practice, user: Any) -> LastChange | None:
    """What this person did last on the review page, unless that is long ago or undone."""
    rows = CategoryBatch.objects.for_practice(practice).filter(made_by=user, via=ConfirmedVia.REVIEW)
    since = timezone.now() - UNDO_FOR
    batch = rows.filter(undone_by__isnull=True, made_at__gte=since).order_by("-id").first()
    if batch is None:
        return None
    changes = list(batch.changes.select_related("type"))
    return LastChange(batch, len(changes), changes[0]) if changes else None


def sign_off(practice: Practice, user: Any, name: str) -> SignOff | None:
    """Keep that ``name`` says the types are right; None, and nothing is kept, while some are not reviewed."""
    progress = progress_of(practice)
    if not progress.is_done:
        return None
    return SignOff.objects.create(practice=practice, user=user, name=name, types=progress.total)
