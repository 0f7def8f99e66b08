"""What a press on the review page does: confirm, agree with what was suggested, take the last change back."""

from collections.abc import Iterable
from typing import Any

from categorization import confirming
from categorization.confirming import BadChoice
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from categorization.review.lines import asked_of
from tenants.models import Practice


def asks_first(row: AppointmentType, category: str) -> bool:
    """Whether a choice changes what somebody confirmed, so that its effect is shown before it is taken."""
    return row.is_confirmed and row.category != category


def choose(
    row: AppointmentType, category: str, user: Any, *, moves_contacts: bool, asked: bool
) -> CategoryBatch | None:
    """One type counts as ``category`` from now on; what somebody confirmed meanwhile only if that was ``asked``.
    Raises BadChoice."""
    if not category:
        raise BadChoice(f'Choose what "{row}" counts as.')
    via = ConfirmedVia.REVIEW
    choices = {row.pk: category}
    return confirming.confirm(
        row.practice, choices, user=user, via=via, moves_contacts=moves_contacts, asked=asked
    )


def agree(practice: Practice, ids: Iterable[int], user: Any) -> CategoryBatch | None:
    """Confirm the suggestions of these types. Unsure ones, and types that somebody confirmed meanwhile, stay."""
    rows = asked_of(practice).filter(pk__in=list(ids))
    choices = {
        row.pk: row.suggested
        for row in rows
        if not row.is_confirmed and row.may_be_agreed_with and row.suggested in row.choices
    }
    return confirming.confirm(practice, choices, user=user, via=ConfirmedVia.REVIEW, asked=False)


def undo(batch: CategoryBatch, user: Any) -> list[str]:
    """Take a change back, contacts as well where it had moved them. Types that were changed again since are left
    alone: their names. Raises BadChoice where it was undone already."""
    _, kept = confirming.undo(batch, user=user, moves_contacts=batch.moves_contacts)
    return kept
