"""What an event would do under today's settings, in the words of its page."""

from dataclasses import dataclass
from typing import Any

from integrations.admin import labels
from integrations.admin.story import ICONS, NATIVE, steps_of, title_of, values_in
from integrations.models import EffectKind, EventState, InboundEvent
from integrations.sync.preview_compare import Change, PlannedWrite
from integrations.sync.preview_event import EventPreview, preview_event

CHANGE = {
    Change.NEW: ("New", labels.NEWS),
    Change.CHANGED: ("Would change", labels.ASKS),
    Change.SAME: ("As it is", labels.NEUTRAL),
    Change.KEPT: ("Not repeated", labels.NEUTRAL),
    Change.UNKNOWN: ("Cannot be compared", labels.ASKS),
}


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value of a contact: ``value`` is "" until it is revealed; ``differs`` from what was written."""

    label: str
    value: str
    differs: bool


@dataclass(frozen=True, slots=True)
class ShownWrite:
    """One write that is planned, with the words that compare it."""

    icon: str
    title: str
    state: str
    colour: str
    words: str
    why: str
    values: tuple[ShownValue, ...]
    money: str
    text: str


def preview_page(event: InboundEvent, *, reveal: bool) -> dict[str, Any]:
    """What the page needs; a patient's values and the note's text only with ``reveal``."""
    found = preview_event(event)
    return {
        "preview": found,
        "steps": steps_of(found.story),
        "writes": [_shown(one, reveal) for one in found.writes],
        "ends_label": EventState(found.ends).label if found.ends else "",
        "ends_colour": labels.EVENT.get(found.ends, labels.NEUTRAL),
        "tone": _tone(found),
        "has_values": any(one.kind in (EffectKind.CONTACT, EffectKind.NOTE) for one in found.writes),
    }


def _tone(found: EventPreview) -> str:
    """What colour says first: that it would stop, that something would change, or that all is well."""
    if found.ends in (EventState.PARKED, EventState.HELD) and not found.writes:
        return labels.EVENT[found.ends]
    return labels.NEWS if found.changes else labels.GOOD


def _shown(write: PlannedWrite, reveal: bool) -> ShownWrite:
    state, colour = CHANGE[write.change]
    return ShownWrite(
        icon=ICONS.get(write.kind, "bolt"),
        title=title_of(write.kind, write.body),
        state=state,
        colour=colour,
        words=write.words,
        why=write.why,
        values=tuple(_values(write, reveal)) if write.kind is EffectKind.CONTACT else (),
        money=str((write.body.get("money") or {}).get("amount", "")),
        text=str(write.body.get("text", "")) if reveal else "",
    )


def _values(write: PlannedWrite, reveal: bool) -> list[ShownValue]:
    names = {"birth_date": "Date of birth"} | NATIVE
    # Where all of it is new, saying so of each would be noise.
    marked = write.differing if write.change is Change.CHANGED else frozenset()
    differing = {names.get(name, name) for name in marked}
    return [
        ShownValue(label, value if reveal else "", label in differing)
        for label, value in values_in(write.body)
    ]
