"""Taking a practice live, pausing and resuming it: one set of rules for every page that offers it."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from integrations.sync.golive import Check, State, checklist, is_ready
from tenants.models import Practice, PracticeState
from tenants.roles import Right, may
from tenants.scoped_admin import UserError

GO_LIVE_MEANS = "From then on AX Connect writes to the practice's CRM. What was held until now runs in order."
PAUSE_MEANS = "AX Connect goes on receiving and keeps everything, but writes nothing until you resume."
RESUME_MEANS = "Everything that waited runs in the order in which it came."


def done(checks: Sequence[Check]) -> int:
    """How many do not stand in the way."""
    return sum(check.state is not State.RED for check in checks)


def percent(checks: Sequence[Check]) -> int:
    """The same of a hundred; 0 where there are none."""
    return done(checks) * 100 // len(checks) if checks else 0


def go_live(practice: Practice, user: Any, reason: str = "") -> str:
    """Take it live: everything green, or an administrator with a reason. Says what happened.

    Raises UserError otherwise. While everything is green a reason is not kept: nothing was overridden.
    """
    reason = reason.strip()
    if practice.state != PracticeState.ONBOARDING:
        raise UserError(f"{practice} is {practice.get_state_display().lower()} already.")
    if is_ready(checklist(practice)):
        reason = ""
    elif not may(user, Right.GO_LIVE, practice):
        raise UserError("Not everything is green yet. Only an administrator can go live before that.")
    elif not reason:
        raise UserError("Not everything is green yet. Say why it should go live anyway.")
    practice.state, practice.live_reason = PracticeState.LIVE, reason
    practice.live_at, practice.live_by = timezone.now(), user
    practice.save(update_fields=["state", "live_reason", "live_at", "live_by"])
    return f"{practice} is live."


def pause(practice: Practice) -> str:
    """Hold everything of a live practice. Raises UserError where it is not live."""
    if practice.state != PracticeState.LIVE:
        raise UserError(f"{practice} is not live, so there is nothing to pause.")
    practice.state = PracticeState.PAUSED
    practice.save(update_fields=["state"])
    return f"{practice} is paused. Events are kept and wait."


def resume(practice: Practice) -> str:
    """Let a paused practice go on. Raises UserError where it is not paused."""
    if practice.state != PracticeState.PAUSED:
        raise UserError(f"{practice} is not paused, so there is nothing to resume.")
    practice.state = PracticeState.LIVE
    practice.save(update_fields=["state"])
    return f"{practice} is live again. What waited goes on."
