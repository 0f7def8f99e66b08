"""An event's story, top to bottom, in the words of its page: what each write was, its answer, its attempts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_datetime

from integrations.admin.labels import EFFECT
from integrations.models import Effect, EffectKind, LedgerRow
from integrations.sync.settle import is_in_doubt

ICONS = {
    EffectKind.CONTACT.value: "contacts",
    EffectKind.NOTE.value: "sticky_note_2",
    EffectKind.OPPORTUNITY.value: "view_kanban",
    EffectKind.TAG.value: "sell",
    EffectKind.ENROL.value: "conversion_path",
    EffectKind.PATIENT.value: "personal_injury",
}
STEP_ICONS = {
    "matched": "link",
    "category": "category",
    "pipeline": "view_kanban",
    "money": "payments",
    "note": "sticky_note_2",
    "held": "pause_circle",
    "skipped": "do_not_disturb_on",
    "ignored": "do_not_disturb_on",
    "contact": "contacts",
    "location": "location_on",
}
NATIVE = {
    "firstName": "First name",
    "lastName": "Last name",
    "email": "E-mail",
    "phone": "Phone",
    "address1": "Street",
    "city": "City",
    "state": "State",
    "postalCode": "Postal code",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence of why, with the icon of its subject."""

    icon: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, how long in milliseconds, the other side's status, and what went wrong in words."""

    at: datetime | None
    milliseconds: float | None
    status: str
    words: str


@dataclass(frozen=True, slots=True)
class Write:
    """One effect. ``fields`` are the names of what was written, ``values`` what was sent (after a reveal)."""

    icon: str
    title: str
    state: str
    colour: str
    reason: str
    fields: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    text: str
    answer: tuple[tuple[str, str], ...]
    attempts: tuple[Attempt, ...]
    confirmed_at: datetime | None
    payment: LedgerRow | None
    in_doubt: int = 0  # the effect's number where a person can settle it


def steps_of(story: Iterable[Any]) -> list[Step]:
    """The sentences that the engine stored, in order."""
    found = [step for step in story if isinstance(step, Mapping) and step.get("text")]
    return [
        Step(
            STEP_ICONS.get(str(step.get("step")), "arrow_right_alt"),
            str(step.get("step", "")),
            _sentence(str(step["text"])),
        )
        for step in found
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def writes_of(
    effects: Iterable[Effect], payments: Iterable[LedgerRow], *, reveal: bool = False
) -> list[Write]:
    """The effects in the order in which they are delivered; values of a patient only with ``reveal``."""
    payment = next(iter(payments), None)
    return [_write(effect, payment, reveal) for effect in effects]


def _write(effect: Effect, payment: LedgerRow | None, reveal: bool) -> Write:
    body = effect.body if isinstance(effect.body, Mapping) else {}
    has_money = effect.kind == EffectKind.CONTACT and "money" in body
    values = tuple(values_in(body)) if effect.kind == EffectKind.CONTACT else ()
    return Write(
        icon=ICONS.get(effect.kind, "bolt"),
        title=title_of(EffectKind(effect.kind), body, effect.reference),
        state=effect.get_state_display(),
        colour=EFFECT.get(effect.state, "default"),
        reason=effect.reason,
        fields=tuple(label for label, _ in values),
        values=values if reveal else (),
        text=str(body.get("text", "")) if reveal else "",
        answer=tuple(
            (str(name), str(value))
            for name, value in (effect.answer or {}).items()
            if value not in ("", None)
        ),
        attempts=tuple(_attempt(found) for found in effect.attempts or ()),
        confirmed_at=effect.confirmed_at,
        payment=payment if has_money else None,
        in_doubt=effect.pk if is_in_doubt(effect) else 0,
    )


def title_of(of: EffectKind, body: Mapping[str, Any], reference: str = "") -> str:
    """What a write is, without anything of the patient."""
    kind = str(of.label)
    if of == EffectKind.OPPORTUNITY:
        pipeline = str(body.get("pipeline", "")).replace("_", "-")
        stage = f"to “{body['stage']}”" if body.get("stage") else "keeps its stage"
        return f"{kind}, {pipeline} pipeline: {stage}" if pipeline else kind
    if of == EffectKind.ENROL and body.get("workflow"):
        return f"{kind}: {body['workflow']}"
    if of == EffectKind.TAG and body.get("tag"):
        return f"{kind}: {body['tag']}"
    return f"{kind} {reference}".strip()


def values_in(body: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(label, value) of what goes into the contact."""
    native, custom = body.get("native"), body.get("custom")
    for name, value in (native if isinstance(native, Mapping) else {}).items():
        yield NATIVE.get(str(name), str(name)), str(value)
    for name, value in (custom if isinstance(custom, Mapping) else {}).items():
        shown = next(iter(value.values()), "") if isinstance(value, Mapping) else value
        if shown not in (None, ""):
            yield str(name), str(shown)
    if body.get("birth_date"):
        yield "Date of birth", str(body["birth_date"])
    if body.get("gender"):
        yield "Gender (new contacts)", str(body["gender"])


def _attempt(found: Any) -> Attempt:
    row = found if isinstance(found, Mapping) else {}
    at = row.get("at") or row.get("when")
    words = row.get("error") or row.get("words") or ""
    status = row.get("status")
    return Attempt(
        at=parse_datetime(at) if isinstance(at, str) else None,
        milliseconds=_number(row.get("ms", row.get("milliseconds"))),
        status=str(status) if status else "",
        words=str(words),
    )


def _number(value: Any) -> float | None:
    try:
        return float(Decimal(str(value))) if value is not None else None
    except (InvalidOperation, ValueError):
        return None
