"""Storing the effects of a plan, keyed: what an earlier run of the event wrote already is not planned again."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils import timezone

from integrations.models import Effect, EffectKind, EffectState
from integrations.sync.decide import Plan
from integrations.sync.effect_bodies import bodies
from integrations.sync.identity import Reachable
from integrations.sync.work import Found, Work

UNFINISHED = (EffectState.PLANNED, EffectState.SENDING)
# The effects of an event's second record are numbered from here on, those of its third from twice that.
_PER_RECORD = 100


def store_effects(work: Work, result: Plan, found: Found, person: Reachable, position: int) -> list[Effect]:
    """What is to be sent for the event's record at ``position``, in order, with what earlier runs still owe.

    ``person``: the e-mail and phone that are written.
    """
    known = _known_effects(work, position) if work.event.runs else {}
    unfinished = [effect for effect in known.values() if effect.state in UNFINISHED]
    makes_contact = any(effect.kind == EffectKind.NOTE for effect in unfinished)
    now = timezone.now()
    effects: list[Effect] = []
    for kind, target, body, reference in bodies(
        work, result, found, person, position, makes_contact=makes_contact
    ):
        if kind == EffectKind.CONTACT and work.event.runs and not _keep_own(work, found, body):
            continue
        effect = known.get((kind, target))
        if effect is not None and found.who.contact is None and _is_paid(effect):
            # Its money is at a contact that is theirs no more: the new one is made without it.
            target = f"{target}:new"
            effect = known.get((kind, target))
        if effect is None:
            effect = Effect(
                practice_id=work.profile.id,
                event=work.event,
                kind=kind,
                target=target,
                reference=reference,
                position=len(effects) + _PER_RECORD * position,
            )
        elif not _again(effect):
            continue
        elif effect.body.get("money"):
            body["money"] = effect.body["money"]
        effect.contact, effect.body, effect.planned_at = found.who.contact, body, now
        effect.state, effect.reason = EffectState.PLANNED, ""
        effects.append(effect)
    _save(effects)
    rest = [effect for effect in unfinished if effect not in effects]
    return sorted([*effects, *_still_owed(rest, found)], key=lambda effect: effect.position)


def _is_paid(effect: Effect) -> bool:
    return (
        effect.kind == EffectKind.CONTACT
        and effect.state == EffectState.DONE
        and bool(effect.body.get("money"))
    )


def _save(effects: Iterable[Effect]) -> None:
    fresh = [effect for effect in effects if effect.pk is None]
    changed = [effect for effect in effects if effect.pk is not None]
    Effect.objects.bulk_create(fresh)
    Effect.objects.bulk_update(changed, ["contact", "body", "planned_at", "state", "reason"])


def _known_effects(work: Work, position: int) -> dict[tuple[str, str], Effect]:
    """What earlier runs of this event planned for this record."""
    rows = Effect.objects.for_practice(work.profile.id).filter(event=work.event)
    own = rows.filter(position__gte=_PER_RECORD * position, position__lt=_PER_RECORD * (position + 1))
    return {(effect.kind, effect.target): effect for effect in own}


def _keep_own(work: Work, found: Found, body: dict[str, Any]) -> bool:
    """Take out of a second run's contact values what later events have written since: the newest one's stand, as
    they would had this event gone through the first time. Whether anything is left to write."""
    contact = found.who.contact
    if contact is None:
        return True
    rows = Effect.objects.for_practice(work.profile.id).filter(
        contact=contact, kind=EffectKind.CONTACT, event_id__gt=work.event.pk
    )
    later = [row.body or {} for row in rows.exclude(state=EffectState.SKIPPED)]
    if not later:
        return True
    body["native"] = {}
    # Of a write whose body retention has deleted nobody knows what it said: it counts as having said everything.
    is_unknown = any("custom" not in one for one in later)
    values = [pair for one in later for pair in one.get("custom", {}).items()]
    written = {name for name, value in values if value not in ("", None)}  # empty ones are never sent
    own_id = work.connection.manifest.patient_id_field
    body["custom"] = {
        name: value
        for name, value in body["custom"].items()
        if name == own_id or not (is_unknown or name in written)
    }
    return bool(body.get("money")) or set(body["custom"]) > {own_id}


def _still_owed(unfinished: Sequence[Effect], found: Found) -> list[Effect]:
    """Of what an earlier run left and this one did not plan: notes and tags are written all the same, a write in
    doubt is settled; a stage or field that a newer event decided meanwhile is not."""
    owed: list[Effect] = []
    for effect in unfinished:
        in_doubt = effect.state == EffectState.SENDING
        is_settled_by_asking = effect.kind == EffectKind.ENROL or bool(effect.body.get("money"))
        is_written_anyway = effect.kind in (EffectKind.NOTE, EffectKind.TAG)
        if is_written_anyway or (in_doubt and (found.who.contact is None or is_settled_by_asking)):
            owed.append(effect)
        else:
            effect.state, effect.reason = EffectState.SKIPPED, "A newer event decided this meanwhile."
            effect.save(update_fields=["state", "reason"])
    return owed


def _again(effect: Effect) -> bool:
    """Whether a second run of the event writes this effect once more: never notes, money and enrolments."""
    if effect.state in (EffectState.PLANNED, EffectState.SKIPPED, EffectState.FAILED):
        return True
    if effect.state != EffectState.DONE or effect.kind in (EffectKind.NOTE, EffectKind.ENROL):
        return False
    return not effect.body.get("money")


def update_effect(effect: Effect, **values: Any) -> None:
    """Set columns of an effect, in the row too."""
    for name, value in values.items():
        setattr(effect, name, value)
    Effect.objects.across_practices().filter(pk=effect.pk).update(**values)
