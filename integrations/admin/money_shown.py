"""The math behind a contact's lifetime value: each payment with the value before and after, and what is not ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from integrations.models import Contact, LedgerRow, LedgerState

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the ledger. ``sum``: what all written rows up to this one come to (None for one that was not
    written); ``by_hand``: what the value changed by between the row before and this one, not by us."""

    row: LedgerRow
    sum: Decimal | None = None
    by_hand: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Math:
    """A contact's ledger, oldest first. ``total``: what our rows come to; ``start``: what stood there before the
    first of them; ``value``: what the CRM last told; ``by_hand``: what others changed it by since our first row."""

    lines: tuple[Line, ...]
    total: Decimal
    start: Decimal
    value: Decimal | None
    since_last: Decimal

    @property
    def by_hand(self) -> Decimal:
        return sum((line.by_hand for line in self.lines), self.since_last)

    @property
    def is_ours_alone(self) -> bool:
        """Whether the value is the sum of the payments and nothing else."""
        return not (self.start or self.by_hand)


def math_of(contact: Contact, rows: Iterable[LedgerRow]) -> Math:
    """The ledger of a contact in the order in which it was written; what is not written (yet) stands last."""
    known = sorted(rows, key=_written_first)
    lines: list[Line] = []
    total, start, shown = NOTHING, NOTHING, None
    for row in known:
        if not _is_written(row) or row.before is None or row.after is None:
            lines.append(Line(row))
            continue
        start = row.before if shown is None else start
        total += row.amount
        lines.append(Line(row, total, NOTHING if shown is None else row.before - shown))
        shown = row.after
    value = contact.lifetime_value
    since = value - shown if value is not None and shown is not None else NOTHING
    return Math(tuple(lines), total, start, value, since)


def _is_written(row: LedgerRow) -> bool:
    return row.state == LedgerState.WRITTEN


def _written_first(row: LedgerRow) -> tuple[bool, float, int]:
    at = row.written_at.timestamp() if row.written_at else 0.0
    return not _is_written(row), at, row.pk
