"""What people changed in a row, read from its recorded versions."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import models

from tenants.moments import day_in_words, in_words

LONGEST = 200
SHOWN = 100
_KINDS = {"+": "Made", "~": "Changed", "-": "Deleted"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value before and after, as words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One saved version: when, by whom ("" for the system), and what differed."""

    at: datetime
    by: str
    kind: str
    fields: tuple[FieldChange, ...]


def changes_of(row: models.Model, practice: Any = None) -> list[Change]:
    """What changed in a row, newest first, in ``practice``'s time. A version without a difference is left out."""
    versions = list(row.history.select_related("history_user")[: SHOWN + 1])  # type: ignore[attr-defined]
    found = [_change(new, old, practice) for new, old in zip(versions, [*versions[1:], None], strict=True)]
    return [change for change in found[:SHOWN] if change.fields or change.kind != _KINDS["~"]]


def _change(new: Any, old: Any, practice: Any) -> Change:
    fields: tuple[FieldChange, ...] = ()
    if old is not None and new.history_type == "~":
        delta = new.diff_against(old)
        fields = tuple(_field_change(new.instance_type, change, practice) for change in delta.changes)
    by = str(new.history_user) if new.history_user else ""
    return Change(new.history_date, by, _KINDS[new.history_type], fields)


def _field_change(model: Any, change: Any, practice: Any) -> FieldChange:
    field = model._meta.get_field(change.field)
    return FieldChange(
        str(field.verbose_name).capitalize(),
        _words(field, change.old, practice),
        _words(field, change.new, practice),
    )


def _words(field: Any, value: Any, practice: Any) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field.is_relation:
        return _related(field, value)
    if isinstance(value, datetime):
        return in_words(value, practice)
    if isinstance(value, date):
        return day_in_words(value, practice)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())[:LONGEST] or "empty"
    choices = dict(field.flatchoices)
    return str(choices.get(value, value))[:LONGEST]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _related(field: Any, key: Any) -> str:
    found = field.related_model._default_manager.get_queryset().filter(pk=key).first()
    return str(found) if found else f"no. {key} (deleted)"
