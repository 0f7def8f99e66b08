"""Writes rows only where something differs, and remembers in words what was written."""

from dataclasses import dataclass, field
from typing import Any

from django.db import models

_REASON = "practice file"
_SECRET = frozenset({"token", "credentials"})


@dataclass
class Changes:
    """What an import changed (``lines``) and what else its reader should know (``notes``)."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, row: models.Model, label: str, values: dict[str, Any]) -> set[str]:
        """Give ``row`` these values; nothing is written when it has them already. Returns which differed."""
        is_new = row.pk is None
        differing = {name: value for name, value in values.items() if getattr(row, name) != value}
        if not is_new and not differing:
            return set()
        told = {name: value for name, value in differing.items() if not name.endswith("_at")}
        words = [_said(name, getattr(row, name), value) for name, value in told.items()]
        for name, value in values.items():
            setattr(row, name, value)
        row._change_reason = _REASON  # type: ignore[attr-defined]
        # Only what differs: the service may be writing other columns of the same row, such as its health.
        row.save(update_fields=None if is_new else list(differing))
        self.lines.append(f"{label}: new" if is_new else f"{label}: {', '.join(words)}")
        return set(differing)

    def delete(self, row: models.Model, label: str) -> None:
        """Remove a row that the file no longer names."""
        row._change_reason = _REASON  # type: ignore[attr-defined]
        row.delete()
        self.lines.append(f"{label}: removed")


def _said(name: str, before: Any, after: Any) -> str:
    if name in _SECRET:
        return f"{name} changed"
    return f'{name} "{before}" → "{after}"'
