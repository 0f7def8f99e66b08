"""The way out: planned effects are sent one by one and confirmed with what the CRM answered.

Each is marked as being sent before the call, so that after a crash we know that it may have happened: then it
is in doubt and looked up, not blindly repeated (how, says each of the files named ``write_…``).
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.utils import timezone

from integrations.contract.errors import NotFoundError, TransientError
from integrations.contract.records import Person
from integrations.models import Effect, EffectKind, EffectState
from integrations.models.subaccounts import PipelineKind
from integrations.sync import hot, lanes
from integrations.sync.effects import UNFINISHED, update_effect
from integrations.sync.profile import SubAccountProfile
from integrations.sync.recipient import ContactGone, HeldForIdentity, Recipient
from integrations.sync.work import Work
from integrations.sync.write_contact import write_contact
from integrations.sync.write_enrolment import remember_birthday, write_enrolment
from integrations.sync.write_note import write_note
from integrations.sync.write_opportunity import write_opportunity
from integrations.sync.write_tag import write_tag

__all__ = ["ContactGone", "Delivery", "HeldForIdentity", "InDoubt"]

# The CRM's search shows a write some seconds late: look after this pause.
DOUBT_PAUSE_SECONDS = 6.0

_WRITERS: dict[EffectKind, Callable[[Recipient, Effect, bool], dict[str, Any]]] = {
    EffectKind.CONTACT: write_contact,
    EffectKind.NOTE: write_note,
    EffectKind.TAG: write_tag,
    EffectKind.ENROL: write_enrolment,
    EffectKind.OPPORTUNITY: write_opportunity,
}
_ABOUT_CONTACT = (EffectKind.NOTE, EffectKind.TAG, EffectKind.ENROL)


class InDoubt(Exception):
    """A write may have happened and the CRM does not show it yet: look again in ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__("A write may have happened; it is looked up before it is repeated.")
        self.seconds = seconds


class Delivery:
    """Sends one event's effects to its sub-account."""

    def __init__(self, work: Work, account: SubAccountProfile, person: Person) -> None:
        self.work = work
        self.recipient = Recipient(work, account, person)

    def run(self, effects: Sequence[Effect]) -> None:
        """Send what is not done yet, in order. Raises the contract's errors, HeldForIdentity, InDoubt, LeaseLost."""
        todo = [effect for effect in effects if effect.state in UNFINISHED]
        crashed = {effect.pk for effect in todo if effect.state == EffectState.SENDING}
        for position, effect in enumerate(todo):
            in_doubt = effect.pk in crashed
            if in_doubt and effect.kind == EffectKind.ENROL:
                self._leave_in_doubt(effect)
                continue
            if in_doubt:
                self._wait_out_doubt(effect)
            elif effect.state == EffectState.PLANNED:
                self._mark_sending(effect)
            following = todo[position + 1] if position + 1 < len(todo) else None
            self._send(
                effect, None if following and following.pk in crashed else following, in_doubt=in_doubt
            )

    def _send(self, effect: Effect, following: Effect | None, *, in_doubt: bool) -> None:
        started = time.monotonic()
        self.recipient.begin_effect()
        try:
            answer = _WRITERS[EffectKind(effect.kind)](self.recipient, effect, in_doubt)
        except Exception as error:
            # Whoever has the lane now may have done it meanwhile: then this error says nothing any more.
            self.recipient.check_lease()
            _note_attempt(effect, started, error)
            if effect.kind == EffectKind.ENROL and _may_have_happened(error):
                self._leave_in_doubt(effect)
                return
            # What surely did not happen is planned again; what may have happened stays "sending", in doubt. A
            # doubt that could not be settled stays one: the look-up failed, which says nothing of the write.
            is_unsure = in_doubt or _may_have_happened(error)
            state = EffectState.SENDING if is_unsure else EffectState.PLANNED
            update_effect(
                effect, state=state, attempts=effect.attempts, reason=str(error)[:500], body=effect.body
            )
            if isinstance(error, NotFoundError) and effect.kind in _ABOUT_CONTACT:
                self.recipient.raise_if_gone()
            raise
        self._confirm(effect, following, started, answer)

    def _mark_sending(self, effect: Effect) -> None:
        if not hot.mark_sending(effect, self.work.lane.id, self.work.lane.owner, timezone.now()):
            raise lanes.LeaseLost

    def _wait_out_doubt(self, effect: Effect) -> None:
        """Before looking up what may have happened, give the CRM's search the time to show it."""
        since = (timezone.now() - effect.sent_at).total_seconds() if effect.sent_at else DOUBT_PAUSE_SECONDS
        if self._is_searched_for(effect) and since < DOUBT_PAUSE_SECONDS:
            raise InDoubt(DOUBT_PAUSE_SECONDS - since)

    def _is_searched_for(self, effect: Effect) -> bool:
        """Whether the write may have made something whose id we do not have."""
        if effect.kind == EffectKind.CONTACT:
            return self.recipient.contact is None
        if effect.kind != EffectKind.OPPORTUNITY:
            return False
        return PipelineKind(effect.body["pipeline"]) not in self.recipient.opportunities()

    def _confirm(
        self, effect: Effect, following: Effect | None, started: float, answer: dict[str, Any]
    ) -> None:
        """Write down what was answered and, in the same statement, that the next effect is about to be sent."""
        _note_attempt(effect, started, None)
        skipped = answer.pop("skipped", "")
        effect.state = EffectState.SKIPPED if skipped else EffectState.DONE
        if answer.pop("unsure", False):
            effect.state = EffectState.IN_DOUBT
        effect.reason = (skipped or answer.pop("reason", ""))[:500]
        effect.answer, effect.confirmed_at = answer, timezone.now()
        effect.contact = self.recipient.contact
        lane = self.work.lane
        if following is None:
            hot.confirm(effect)
        elif not hot.confirm_and_mark(effect, following, lane.id, lane.owner, timezone.now()):
            # It happened all the same; the worker that has the lane now must not repeat it.
            hot.confirm(effect)
            raise lanes.LeaseLost

    def _leave_in_doubt(self, effect: Effect) -> None:
        words = (
            "It is not certain that the enrolment happened. "
            "It is not repeated: the patient could be written to twice."
        )
        update_effect(effect, state=EffectState.IN_DOUBT, reason=words, attempts=effect.attempts)
        if self.recipient.contact is not None:
            remember_birthday(effect, self.recipient.contact)
        self.work.tell("enrolment", words)


def _note_attempt(effect: Effect, started: float, error: Exception | None) -> None:
    attempt: dict[str, Any] = {
        "at": timezone.now().isoformat(timespec="milliseconds"),
        "ms": round((time.monotonic() - started) * 1000),
        "status": getattr(error, "status", None) or ("ok" if error is None else type(error).__name__),
    }
    if error is not None:
        attempt["error"] = f"{error} {getattr(error, 'vendor_words', '')}".strip()[:400]
    effect.attempts = [*effect.attempts[-19:], attempt]


def _may_have_happened(error: Exception) -> bool:
    """Whether the write behind an error could have been done. A plain 503 says that it was not."""
    return isinstance(error, TransientError) and error.may_have_happened and error.status != 503
