"""What an event would write beside what it wrote before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from integrations.models import Effect, EffectKind, EffectState, InboundEvent, Opportunity
from integrations.models.subaccounts import PipelineKind
from integrations.sync.decide import PATIENT, WON

Body = Mapping[str, Any]


class Change(StrEnum):
    """How a planned write stands to what was written."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    KEPT = "kept"  # written once, never again
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Was:
    """An effect of the event as it stood before."""

    state: str
    body: dict[str, Any]
    position: int


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """One write: of which kind, how it stands to what was written, in words, and why.

    ``differing`` are the names of a contact's values that are new or other than before.
    """

    kind: EffectKind
    change: Change
    words: str
    body: dict[str, Any]
    differing: frozenset[str] = frozenset()
    why: str = ""

    @property
    def changes(self) -> bool:
        """Whether something in the CRM would be other than it is."""
        return self.change in (Change.NEW, Change.CHANGED)

    @property
    def is_unknown(self) -> bool:
        """Whether it cannot be compared."""
        return self.change is Change.UNKNOWN


@dataclass(frozen=True, slots=True)
class Cards:
    """The contact's cards as we last saw them, and whether the contact is a patient."""

    rows: Mapping[str, Opportunity] = field(default_factory=dict)
    is_patient: bool = False
    value: Decimal | None = None

    @classmethod
    def of(cls, event: InboundEvent) -> "Cards":
        """Those of the event's contact; none without one."""
        contact = event.contact
        if contact is None:
            return cls()
        rows = {row.pipeline: row for row in Opportunity.objects.across_practices().filter(contact=contact)}
        kind = contact.contact_type.casefold()
        won = not kind and any(row.status == WON for row in rows.values())
        return cls(rows, kind == PATIENT.casefold() or won, contact.lifetime_value)


def compare(
    effects: Sequence[Effect], before: Mapping[tuple[str, str], Was], cards: Cards, *, cards_only: bool
) -> Iterator[PlannedWrite]:
    """What would be written, in order, then what was written and stays. ``cards_only``: the rest is not known."""
    planned = {(effect.kind, effect.target) for effect in effects}
    for effect in sorted(effects, key=lambda one: one.position):
        yield _write(effect, before.get((effect.kind, effect.target)), cards)
    for (kind, target), was in before.items():
        if (kind, target) in planned or was.state == EffectState.SKIPPED:
            continue
        if not cards_only or kind == EffectKind.OPPORTUNITY:
            yield _left(EffectKind(kind), was)


def _write(effect: Effect, was: Was | None, cards: Cards) -> PlannedWrite:
    kind, body = EffectKind(effect.kind), dict(effect.body)
    if kind is EffectKind.OPPORTUNITY:
        return _card(body, cards)
    if was is None:
        return PlannedWrite(kind, Change.NEW, "Would be written; it was not before.", body, _names(body))
    if was.state != EffectState.DONE:
        return PlannedWrite(kind, Change.NEW, "Was not written so far, and would be now.", body, _names(body))
    if kind is EffectKind.CONTACT:
        return _contact(body, was.body)
    return PlannedWrite(kind, Change.SAME, "Would be written once more; it changes nothing.", body)


def _left(kind: EffectKind, was: Was) -> PlannedWrite:
    if was.state != EffectState.DONE:
        return PlannedWrite(kind, Change.SAME, "Was not written, and would not be now.", was.body)
    words = "Was written before and stays; it is not written again."
    return PlannedWrite(kind, Change.KEPT, words, was.body)


def _contact(body: dict[str, Any], was: Body) -> PlannedWrite:
    kind = EffectKind.CONTACT
    if "custom" not in was:
        words = "What was written is deleted by retention, so that it cannot be compared."
        return PlannedWrite(kind, Change.UNKNOWN, words, body)
    old = _values(was)
    differing = frozenset(name for name, value in _values(body).items() if old.get(name) != value)
    if differing:
        count = len(differing)
        words = f"{count} value{'s' if count != 1 else ''} would be other than what was written."
        return PlannedWrite(kind, Change.CHANGED, words, body, differing)
    return PlannedWrite(kind, Change.SAME, "The same values as were written.", body)


def _names(body: Body) -> frozenset[str]:
    return frozenset(_values(body))


def _values(body: Body) -> dict[str, Any]:
    """What is sent to the contact by name; empty values never are."""
    sent = dict(body.get("native") or {}) | dict(body.get("custom") or {})
    if body.get("birth_date"):
        sent["birth_date"] = body["birth_date"]
    return {name: value for name, value in sent.items() if value not in ("", None)}


def _card(body: dict[str, Any], cards: Cards) -> PlannedWrite:
    kind, why = EffectKind.OPPORTUNITY, str(body.get("why") or "")
    label = str(PipelineKind(body["pipeline"]).label)
    row = cards.rows.get(body["pipeline"])
    stage = str(body.get("stage") or "")
    if row is None and not body.get("may_create", True):
        words = f"There is no card in the {label.lower()} pipeline as far as we know, and none would be made."
        return PlannedWrite(kind, Change.SAME, words, body, why=why)
    if row is None:
        to = stage or str(body.get("stage_if_new") or "")
        return PlannedWrite(kind, Change.NEW, f"A card would be made in “{to}”.", body, why=why)
    words = ", ".join(_card_changes(body, row, stage, cards))
    if words:
        return PlannedWrite(kind, Change.CHANGED, f"{words[:1].upper()}{words[1:]}.", body, why=why)
    shown = row.stage or "a stage that is not mapped"
    return PlannedWrite(kind, Change.SAME, f"Stands in “{shown}” ({row.status}) already.", body, why=why)


def _card_changes(body: Body, row: Opportunity, stage: str, cards: Cards) -> Iterator[str]:
    if stage and row.stage != stage:
        yield f"from “{row.stage or 'a stage that is not mapped'}” to “{stage}”"
    status = WON if body.get("makes_patient") or cards.is_patient else str(body.get("status_of_lead") or "")
    if status and row.status != status:
        yield f"status from {row.status or 'unknown'} to {status}"
    if body.get("with_value") and cards.value is not None and row.monetary_value != cards.value:
        yield "value set to the lifetime value"
