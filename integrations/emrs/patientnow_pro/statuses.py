"""PatientNow Pro's status words, and what counts where the notice and the fetched record disagree. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integrations.contract.reading import plain_key
from integrations.contract.records import Outcome

# One word for each outcome: spellings of it must not look like changes of the appointment.
WORDS = {
    Outcome.BOOKED: "Booked",
    Outcome.COMPLETED: "Checkout",
    Outcome.CANCELLED: "Cancelled",
    Outcome.NO_SHOW: "No-Show",
}
_OUTCOMES: Mapping[str, Outcome] = {
    "booked": Outcome.BOOKED,
    "scheduled": Outcome.BOOKED,
    "checkout": Outcome.COMPLETED,
    "checkedout": Outcome.COMPLETED,
    "cancelled": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "noshow": Outcome.NO_SHOW,
}
LONGEST_STATUS = 60
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class State:
    """What is said of an appointment: its outcome, the word for it, and since when (None: not said)."""

    outcome: Outcome
    status: str
    version: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether it is more than recorded."""
        return self.outcome is not Outcome.OTHER


def state_of(word: str, version: datetime | None) -> State:
    """The state behind a status word. Words that move nothing keep their own spelling."""
    outcome = _OUTCOMES.get(plain_key(word), Outcome.OTHER)
    return State(outcome, WORDS.get(outcome) or word[:LONGEST_STATUS], version)


def is_older(found: State, told: State) -> bool:
    """Whether the fetched record is from before the notice."""
    return found.version is not None and told.version is not None and found.version < told.version


def settle(told: State, found: State, received_at: datetime) -> tuple[State, ...]:
    """The states to act on, from what the notice told and what the fetched record says: the first decides
    fields and stage, a second one is older than it and only gets its note.

    The record decides, unless it is older than the notice. A word that is only recorded ("Arrived") decides
    nothing: beside it the other one counts, except that no record older than the notice is acted on.
    """
    if not found.counts:
        return (told if told.counts or told.status else found,)
    if not told.counts:
        return (told,) if told.status and is_older(found, told) else (found,)
    if told.outcome is found.outcome:
        return (replace(found, version=_newest(told.version, found.version)),)
    if is_older(found, told):
        return (told,)
    current = found.version or received_at
    before = current - _TICK
    return replace(found, version=current), replace(told, version=min(told.version or before, before))


def _newest(*versions: datetime | None) -> datetime | None:
    return max((version for version in versions if version), default=None)
