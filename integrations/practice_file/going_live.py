"""What a practice file says about being live: an override with a reason, or a green checklist."""

from django.utils import timezone

from integrations.practice_file.changes import Changes
from integrations.practice_file.parts import PracticePart
from integrations.practice_file.problems import PracticeFileError
from integrations.sync.golive import State, checklist
from tenants.models import Practice, PracticeState


def set_live(practice: Practice, part: PracticePart, changes: Changes) -> None:
    """Take the practice live or pause it, where the file says so.

    Raises PracticeFileError naming every red check when it may not go live without a reason.
    """
    is_live = practice.state == PracticeState.LIVE
    if part.live is False and is_live:
        changes.save(practice, "practice", {"state": PracticeState.PAUSED})
        changes.notes.append("The practice was live and is paused now: its events are kept and wait.")
    if not part.live or (is_live and part.live_reason in ("", practice.live_reason)):
        return
    if not part.live_reason:
        _refuse_red(practice)
    values = {"state": PracticeState.LIVE, "live_reason": part.live_reason}
    changes.save(practice, "practice", values if is_live else {**values, "live_at": timezone.now()})


def _refuse_red(practice: Practice) -> None:
    red = [check for check in checklist(practice) if check.state is State.RED]
    if red:
        remedy = "or give a live_reason, which is an administrator's override"
        raise PracticeFileError(
            [f"practice.live: {check.label}: {check.reason} (solve this, {remedy})" for check in red]
        )
