"""What this package asks of the engine, which it must not import: the engine says so itself when it starts.

``connections`` tells what a practice's connections are, ``held`` how many events wait for each type, ``preview`` who
would move. A change of categories is announced by the ``categories_changed`` signal, inside its transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from django.dispatch import Signal

if TYPE_CHECKING:
    from categorization.models import AppointmentType

# Sent with ``batch`` (a CategoryBatch), inside the transaction that made it.
categories_changed = Signal()


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What a person must know of a connection: the EMR's name, whether its visits may count as Online Appointment,
    and whether they are routed to two pipelines (so that every type needs a category)."""

    key: str
    emr: str
    offers_online: bool
    has_two_pipelines: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """So many contacts that go from one stage to another in a pipeline. ``before`` "" is no card yet, ``after`` ""
    means that the card stays, because ``why``."""

    pipeline: str
    before: str
    after: str
    count: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of categories would do to contacts: how many visits have those types, and who would move."""

    visits: int = 0
    contacts: int = 0
    moving: int = 0
    shifts: Sequence[Shift] = field(default_factory=tuple)
    held: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change of categories is carried out: events in all, done, still waiting and stopped; contacts that
    moved, and those that stayed where they were (reason → how many)."""

    total: int
    done: int
    moved: int
    kept: Mapping[str, int]
    waiting: int
    stopped: int
    is_finished: bool


class Engine(Protocol):
    """What the engine answers."""

    def connections(self, practice_id: int) -> Mapping[str, ConnectionFacts]:
        """The practice's connections by key."""
        ...

    def held(self, types: "Iterable[AppointmentType]") -> Mapping[int, int]:
        """Type id → how many events wait for it, of these types; those without any are not there."""
        ...

    def preview(self, practice_id: int, choices: Mapping[int, str]) -> Preview:
        """Who would move if these types (id → category) counted so. Changes nothing."""
        ...

    def progress(self, batch_id: int) -> Progress | None:
        """How far a change of categories is carried out; None where nothing is known of it."""
        ...


_engine: list[Engine] = []


def use(engine: Engine) -> None:
    """Called once by the engine when it starts."""
    _engine[:] = [engine]


def engine() -> Engine:
    """The engine. Raises RuntimeError before it has started."""
    if not _engine:
        raise RuntimeError("The engine has not said who it is: is integrations among the installed apps?")
    return _engine[0]
