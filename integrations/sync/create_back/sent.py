"""The one write to the EMR as an effect of the event, so that its story shows what was sent and what came back."""

from typing import Any

from django.utils import timezone

from integrations.contract.errors import ContractError, TransientError
from integrations.models import CreateRequest, Effect, EffectKind, EffectState, InboundEvent


def begin(event: InboundEvent, request: CreateRequest) -> Effect:
    """Write down that the patient is about to be sent."""
    now = timezone.now()
    position = Effect.objects.for_practice(event.practice_id).filter(event=event).count()
    effect = Effect(
        practice_id=event.practice_id,
        event=event,
        kind=EffectKind.PATIENT,
        target=_target(request),
        position=position,
        state=EffectState.SENDING,
        body={"person": request.person},
        planned_at=now,
        sent_at=now,
    )
    effect.save()
    return effect


def _target(request: CreateRequest) -> str:
    return f"{request.pk}:{request.attempts}:{request.sends}"


def may_have_happened(error: TransientError) -> bool:
    """Whether the patient could have been made. A plain 503 says that nothing was done."""
    return error.may_have_happened and error.status != 503


def confirmed(effect: Effect, external_id: str) -> None:
    """The EMR said yes."""
    _ended(effect, EffectState.DONE, answer={"patient": external_id})


def answered(event: InboundEvent, request: CreateRequest) -> str:
    """The EMR's id of the patient where it said yes and nobody lived to write down what follows; "" otherwise."""
    rows = Effect.objects.for_practice(event.practice_id).filter(
        kind=EffectKind.PATIENT, target=_target(request), state=EffectState.DONE
    )
    answer = rows.values_list("answer", flat=True).first() or {}
    return str(answer.get("patient") or "")


def refused(effect: Effect, error: ContractError) -> None:
    """It surely did not happen."""
    _ended(effect, EffectState.SKIPPED, error)


def doubted(effect: Effect, error: ContractError) -> None:
    """Nobody knows: it stays "being sent" until the EMR was searched."""
    _ended(effect, EffectState.SENDING, error)


def found(event: InboundEvent, request: CreateRequest, external_id: str) -> None:
    """The search showed that it had happened."""
    answer = {"patient": external_id}
    _settle(event, request, EffectState.DONE, "It had happened before the interruption.", answer)


def never_was(event: InboundEvent, request: CreateRequest) -> None:
    """The search showed that it had not happened."""
    _settle(event, request, EffectState.SKIPPED, "It had not happened: the EMR does not have the patient.")


def _settle(
    event: InboundEvent,
    request: CreateRequest,
    state: EffectState,
    reason: str,
    answer: dict[str, Any] | None = None,
) -> None:
    rows = Effect.objects.for_practice(event.practice_id).filter(
        kind=EffectKind.PATIENT, target=_target(request), state=EffectState.SENDING
    )
    rows.update(state=state, reason=reason, answer=answer or {}, confirmed_at=timezone.now())


def _ended(
    effect: Effect,
    state: EffectState,
    error: ContractError | None = None,
    answer: dict[str, Any] | None = None,
) -> None:
    attempt: dict[str, Any] = {
        "at": timezone.now().isoformat(timespec="milliseconds"),
        "ms": round((timezone.now() - effect.planned_at).total_seconds() * 1000),
        "status": getattr(error, "status", None) or ("ok" if error is None else type(error).__name__),
    }
    if error is not None:
        attempt["error"] = f"{error} {error.vendor_words}".strip()[:400]
    effect.state, effect.reason = state, str(error or "")[:500]
    effect.answer, effect.attempts = answer or {}, [*effect.attempts, attempt]
    effect.confirmed_at = None if state == EffectState.SENDING else timezone.now()
    effect.save()
