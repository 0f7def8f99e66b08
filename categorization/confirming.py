"""The one place where categories are set: by a page, an import, a sheet or an undo. Every change is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from categorization.categories import Category
from categorization.engine import categories_changed
from categorization.models import AppointmentType, CategoryBatch, CategoryChange, ConfirmedVia
from tenants.models import Practice

FIELDS = ["category", "confirmed_at", "confirmed_by", "confirmed_via"]
ROWS_AT_ONCE = 500


class BadChoice(Exception):
    """A choice that cannot be taken. ``str`` says what to do, in the words of the person who chose."""


@dataclass(frozen=True, slots=True)
class State:
    """What a type counts as, and who said so. All empty: nobody has."""

    category: str = ""
    at: datetime | None = None
    by: Any = None
    via: str = ""

    @classmethod
    def of(cls, row: AppointmentType) -> "State":
        return cls(row.category, row.confirmed_at, row.confirmed_by, row.confirmed_via)

    def put_into(self, row: AppointmentType) -> None:
        row.category, row.confirmed_at = self.category, self.at
        row.confirmed_by, row.confirmed_via = self.by, self.via


def confirm(
    practice: Practice,
    choices: Mapping[int, str],
    *,
    user: Any,
    via: ConfirmedVia,
    words: str = "",
    moves_contacts: bool = True,
    asked: bool = True,
) -> CategoryBatch | None:
    """A person says what types count as. ``choices``: type id → category, "" for "nobody knows again".

    Steps that waited for a type go on; contacts that an earlier category had put somewhere are decided again if
    ``moves_contacts``. Types that count so already, by somebody's word, are left alone: None when all do. ``words``
    says from where (the file's name). ``asked`` False: who chose was not shown that somebody's word changes, so what
    was confirmed meanwhile stays. Raises BadChoice, and then nothing is changed.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = _locked(practice, choices)
        news: list[tuple[AppointmentType, State]] = []
        for row in rows:
            category = _checked(row, choices[row.pk])
            if category == row.category and row.is_confirmed == bool(category):
                continue
            if category and row.is_confirmed and not asked:
                continue
            news.append((row, State(category, now, user, via) if category else State()))
        return _write(practice, news, user=user, via=via, words=words, moves_contacts=moves_contacts)


def undo(
    batch: CategoryBatch, *, user: Any, moves_contacts: bool = True
) -> tuple[CategoryBatch | None, list[str]]:
    """Take a batch back: each of its types counts as it did before, confirmed by whom it had been.

    Types that were changed again since are left alone: their names are the second value. Raises BadChoice where the
    batch was undone already.
    """
    with transaction.atomic():
        if CategoryBatch.objects.for_practice(batch.practice_id).filter(undoes=batch).exists():
            raise BadChoice("This change was undone already.")
        changes = {change.type_id: change for change in batch.changes.select_related("before_by")}
        news: list[tuple[AppointmentType, State]] = []
        kept: list[str] = []
        for row in _locked(batch.practice, changes):
            change = changes[row.pk]
            if row.category != change.after:
                kept.append(str(row))
                continue
            news.append((row, State(change.before, change.before_at, change.before_by, change.before_via)))
        words = f"Undo of the change of {batch.made_at:%b} {batch.made_at.day}, {batch.made_at.year}"
        made = _write(
            batch.practice,
            news,
            user=user,
            via=ConfirmedVia.UNDO,
            words=words,
            moves_contacts=moves_contacts,
            undoes=batch,
        )
        return made, kept


def _locked(practice: Practice, ids: Iterable[int]) -> list[AppointmentType]:
    """The types, locked. Raises BadChoice for ids that are not the practice's."""
    wanted = set(ids)
    rows = AppointmentType.objects.for_practice(practice).filter(pk__in=wanted).select_related("confirmed_by")
    found = list(rows.select_for_update(of=("self",)).order_by("pk"))
    if len(found) != len(wanted):
        raise BadChoice("Some of these types are no longer there. Open the page again and choose once more.")
    return found


def _checked(row: AppointmentType, category: str) -> str:
    if category and category not in row.choices:
        raise BadChoice(f'"{row}" cannot count as {category}: choose one of {", ".join(row.choices)}.')
    return Category(category).value if category else ""


def _write(
    practice: Practice,
    news: list[tuple[AppointmentType, State]],
    *,
    user: Any,
    via: ConfirmedVia,
    words: str,
    moves_contacts: bool,
    undoes: CategoryBatch | None = None,
) -> CategoryBatch | None:
    if not news:
        return None
    batch = CategoryBatch.objects.create(
        practice=practice,
        made_by=user,
        via=via,
        words=words[:300],
        moves_contacts=moves_contacts,
        undoes=undoes,
    )
    CategoryChange.objects.bulk_create(
        [_change(batch, row, State.of(row), state.category) for row, state in news], batch_size=ROWS_AT_ONCE
    )
    for row, state in news:
        state.put_into(row)
    bulk_update_with_history(
        [row for row, _ in news],
        AppointmentType,
        FIELDS,
        batch_size=ROWS_AT_ONCE,
        default_user=user,
        default_change_reason=str(via.label)[:100],
    )
    categories_changed.send(sender=CategoryBatch, batch=batch)
    return batch


def _change(batch: CategoryBatch, row: AppointmentType, before: State, after: str) -> CategoryChange:
    return CategoryChange(
        batch=batch,
        type=row,
        before=before.category,
        before_at=before.at,
        before_by=before.by,
        before_via=before.via,
        after=after,
    )
