"""Between looking at differences and applying them: the choices, signed, with what they were computed from.

Nothing is kept on our side, and nothing of the file: a browser that comes back with a proposal can change none of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import transaction

from categorization.confirming import BadChoice, confirm
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from categorization.spreadsheets.differences import Difference
from tenants.models import Practice

_SALT = "categorization.spreadsheets.proposals"
VALID_SECONDS = 12 * 3600


class ProposalError(Exception):
    """A proposal that cannot be applied any more. ``str`` says what to do."""


class ChangedMeanwhile(Exception):
    """Types were changed since the differences were computed. ``names`` says which."""

    def __init__(self, names: list[str]) -> None:
        super().__init__("Types were changed meanwhile.")
        self.names = names


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person is about to confirm: type id → category, and each type's state when it was shown."""

    via: ConfirmedVia
    words: str
    choices: dict[int, str]
    states: dict[int, str]


def sign(
    practice: Practice, user: Any, via: ConfirmedVia, words: str, differences: Iterable[Difference]
) -> str:
    """The differences as text that only this person can bring back, for this practice."""
    lines = [[one.type.pk, one.new, _state(one.type)] for one in differences]
    value = {"practice": practice.pk, "user": user.pk, "via": via.value, "words": words, "lines": lines}
    return signing.dumps(value, salt=_SALT, compress=True)


def unsign(text: str, practice: Practice, user: Any) -> Proposal:
    """Raises ProposalError: changed on the way, too old, somebody else's, another practice's."""
    try:
        value = signing.loads(text, salt=_SALT, max_age=VALID_SECONDS)
    except signing.SignatureExpired:
        raise ProposalError("These differences are half a day old. Read the spreadsheet once more.") from None
    except signing.BadSignature:
        raise ProposalError(
            "These differences did not arrive whole. Read the spreadsheet once more."
        ) from None
    if (value["practice"], value["user"]) != (practice.pk, user.pk):
        raise ProposalError("These differences are of somebody else. Read the spreadsheet once more.")
    lines = value["lines"]
    return Proposal(
        ConfirmedVia(value["via"]),
        value["words"],
        {pk: new for pk, new, _ in lines},
        {pk: state for pk, _, state in lines},
    )


def apply(practice: Practice, proposal: Proposal, *, user: Any, moves_contacts: bool) -> CategoryBatch | None:
    """Confirm the choices as one batch, or nothing at all.

    Raises ChangedMeanwhile when a type is no longer as it was shown, and BadChoice.
    """
    with transaction.atomic():
        rows = AppointmentType.objects.for_practice(practice).filter(pk__in=list(proposal.choices))
        locked = list(rows.select_for_update().order_by("pk"))
        changed = [str(row) for row in locked if _state(row) != proposal.states[row.pk]]
        if changed or len(locked) < len(proposal.choices):
            raise ChangedMeanwhile(changed)
        return confirm(
            practice,
            proposal.choices,
            user=user,
            via=proposal.via,
            words=proposal.words,
            moves_contacts=moves_contacts,
        )


def _state(row: AppointmentType) -> str:
    at = row.confirmed_at.timestamp() if row.confirmed_at else 0
    return f"{row.category} {at}"


__all__ = ["BadChoice", "ChangedMeanwhile", "Proposal", "ProposalError", "apply", "sign", "unsign"]
