"""The latest audit notes that were written, without a word of what they say: two queries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.emrs import registry
from integrations.models import Effect, EffectKind, EffectState, EventState, InboundEvent
from integrations.sync.create_back.tags import LABELS
from integrations.sync.own_kinds import OWN_LABELS
from integrations.views.links import page_of
from tenants.models import Practice
from tenants.roles import Right
from tenants.scoped_admin import rows_with

SHOWN = 6
# Not every event writes a note, so some more than are shown are looked at.
LOOKED_AT = 60


@dataclass(frozen=True, slots=True)
class LatestNote:
    """A note in the CRM: which event of which practice it tells of, and its reference there."""

    practice: Practice | None
    event: str
    why: str
    reference: str
    at: datetime | None
    link: str


def latest_notes(user: Any, practices: dict[int, Practice]) -> list[LatestNote]:
    """The newest notes in ``practices`` (by id), which ``user`` may see."""
    finished = rows_with(user, InboundEvent, Right.SEE).filter(state__in=[EventState.DONE, EventState.HELD])
    newest = finished.order_by("-id").values("pk", "practice_id", "connection__emr", "kind")[:LOOKED_AT]
    events = {row["pk"]: row for row in newest}
    notes = (
        Effect.objects.across_practices()
        .filter(event_id__in=events, kind=EffectKind.NOTE, state=EffectState.DONE)
        .order_by("-id")
        .values("event_id", "event__story", "reference", "confirmed_at")[:SHOWN]
    )
    return [_note(events[note["event_id"]], note, practices) for note in notes]


def _note(event: dict[str, Any], note: dict[str, Any], practices: dict[int, Practice]) -> LatestNote:
    return LatestNote(
        practice=practices.get(event["practice_id"]),
        event=kind_words(event["connection__emr"] or "", event["kind"]),
        why=_why(note["event__story"]),
        reference=note["reference"],
        at=note["confirmed_at"],
        link=page_of(InboundEvent, event["pk"]),
    )


def _why(story: list[dict[str, str]]) -> str:
    """The sentence of an event's story that says what became of the pipeline, else what was decided."""
    told = {row["step"]: row["text"] for row in story}
    steps = ("pipeline", "decided", "matched", "skipped", "held")
    return next((told[step] for step in steps if told.get(step)), "")


def kind_words(emr: str, kind: str) -> str:
    """An event's kind as people say it: "Appointment booked"."""
    if kind in OWN_LABELS:
        return OWN_LABELS[kind]
    if not emr and kind in LABELS:
        return LABELS[kind]
    found = registry().get(emr)
    declared = found.manifest.event(kind) if found else None
    return declared.label if declared else kind.replace("_", " ").replace(".", ": ").capitalize() or "Event"
