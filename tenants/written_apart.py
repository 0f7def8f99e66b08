"""Rows of which a person changes some columns in a form while the engine counts in others."""

from typing import Any, ClassVar

from django.db import models


class WrittenApart(models.Model):
    """A row whose columns ``written_apart`` are changed by updates of their own, never by saving the row.

    Whoever saves a form saves the row as it was read before: a count that rose, or a circuit that opened, in
    between would be set back, and what hangs on it (a worker's snapshot, an incident) would never be right again.
    """

    written_apart: ClassVar[frozenset[str]] = frozenset()

    class Meta:
        abstract = True

    def save(self, **how: Any) -> None:  # type: ignore[override]
        """Save the row; of one that is there already, without the columns that are written apart."""
        if not self._state.adding and how.get("update_fields") is None:
            left_out = self.written_apart | self.get_deferred_fields()
            columns = [field for field in self._meta.concrete_fields if not field.primary_key]
            how["update_fields"] = [
                field.name for field in columns if not {field.name, field.attname} & left_out
            ]
        super().save(**how)
