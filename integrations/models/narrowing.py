"""Conditions in the very words of a partial index.

SQLite uses a partial index only where the query repeats its condition literally; the ORM sends values apart
from the statement, so its own ``state__in`` would read a table of a million events from end to end.
"""

from typing import Any

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from integrations.models.effects import Effect
from integrations.models.events import InboundEvent
from integrations.models.ledger import LedgerRow


def open_events(rows: Any) -> Any:
    """Of a queryset of events, those that are waiting, held or parked."""
    return rows.filter(_literally(f"{InboundEvent._meta.db_table}.state IN ('waiting', 'held', 'parked')"))


def open_effects(rows: Any) -> Any:
    """Of a queryset of effects, those that are in doubt or failed."""
    return rows.filter(_literally(f"{Effect._meta.db_table}.state IN ('in_doubt', 'failed')"))


def doubtful_payments(rows: Any) -> Any:
    """Of a queryset of ledger rows, those of which nobody can tell whether they were written."""
    return rows.filter(_literally(f"{LedgerRow._meta.db_table}.state = 'needs_attention'"))


def _literally(condition: str) -> RawSQL:
    return RawSQL(condition, (), output_field=BooleanField())  # noqa: S611  (nothing in it comes from outside)
