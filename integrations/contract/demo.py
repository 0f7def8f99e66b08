"""What a pretend EMR offers to the demo: a desk of one practice, at which things can be made to happen.

A folder's ``sandbox.py`` has ``demo_desk(place) -> DemoDesk``. What happens there is posted to us where the EMR
posts (``Happening.body``), or stands in the pretend EMR's book until it is polled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]
NEW_PATIENT = "new"


class NothingToDo(Exception):
    """It cannot happen to this patient now. The text says what to do first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose desk it is. ``file`` is the practice file, ``url`` where the sandbox listens, ``key`` opens its
    doors."""

    slug: str
    file: Mapping[str, Any]
    url: str
    key: str

    def premises(self) -> Json:
        """What the pretend EMR must know of the practice file: ``sites`` (``id``, ``name``, ``zone``), ``zone``, and
        ``rare``, the types that nobody has confirmed."""
        zone = self.file["practice"]["time_zone"]
        sites = [
            {"id": one["external_id"], "name": one["name"], "zone": one["time_zone"] or zone}
            for one in self.file["locations"]
        ]
        rare = [one["type"] for one in self.file["categories"] if not one["confirmed"]]
        return {"sites": sites, "zone": zone, "rare": rare}


@dataclass(frozen=True, slots=True)
class Button:
    """Something that a person can make happen: what it is called, its icon, and what it means."""

    name: str
    label: str
    icon: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, in words without a name. ``body`` is what the EMR posts about it, None where it
    waits to be polled."""

    words: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OnFile:
    """A patient of the pretend practice, and how many appointments they have ahead."""

    id: str
    name: str
    email: str
    booked: int


@dataclass(frozen=True, slots=True)
class DeskState:
    """What a person may choose from, and whether the EMR pretends to be down."""

    patients: Sequence[OnFile]
    services: Sequence[str]
    is_down: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press led to, and to whom."""

    patient: str
    happenings: Sequence[Happening]


class DemoDesk(Protocol):
    """One pretend practice. Its methods may raise requests' own errors when the sandbox does not answer."""

    @property
    def buttons(self) -> Sequence[Button]:
        """What a person can make happen, the most usual first."""
        ...

    def connection(self) -> Mapping[str, Any]:
        """What the practice file cannot know of its connection: ``base_url`` and ``credentials``."""
        ...

    def set_up(self) -> None:
        """Make the practice in the pretend EMR. Again changes nothing."""
        ...

    def state(self) -> DeskState:
        """Who and what there is now."""
        ...

    def press(self, button: str, patient: str, service: int | None, site: str = "") -> Pressed:
        """Let it happen to a patient (NEW_PATIENT: to somebody new). ``service`` is a place in the list of
        services, ``site`` the id of the clinic where it happens ("": any). Raises NothingToDo."""
        ...

    def opening(self) -> Sequence[Happening]:
        """The first handful, so that nobody looks at an empty board; nothing when it was played before."""
        ...

    def step(self) -> Sequence[Happening]:
        """The day goes on: one thing happens."""
        ...

    def let_go(self) -> frozenset[str] | None:
        """Where the book is full, somebody whose story is told leaves it: the e-mail addresses of those who
        stay; None when nobody left."""
        ...

    def set_outage(self, is_on: bool) -> None:
        """Let the EMR pretend to be down until it is switched on again."""
        ...


class RemoteDesk:
    """A desk whose book is kept by the pretend EMR itself (``stories.serve`` answers there). ``ask`` sends one
    order to its control door and returns the answer."""

    def __init__(
        self,
        buttons: Sequence[Button],
        ask: Callable[[str, Json], Json],
        *,
        connection: Callable[[], Mapping[str, Any]],
        set_up: Callable[[], None],
    ) -> None:
        self.buttons = tuple(buttons)
        self._ask, self._connection, self._set_up = ask, connection, set_up

    def connection(self) -> Mapping[str, Any]:
        """See DemoDesk."""
        return self._connection()

    def set_up(self) -> None:
        """See DemoDesk. A few appointments stand in the book before anybody asks for it."""
        self._set_up()
        self._ask("standing", {})

    def state(self) -> DeskState:
        """See DemoDesk."""
        found = self._ask("state", {})
        patients = tuple(OnFile(**one) for one in found["patients"])
        return DeskState(patients, tuple(found["services"]), bool(found["is_down"]))

    def press(self, button: str, patient: str, service: int | None, site: str = "") -> Pressed:
        """See DemoDesk."""
        order = {"button": button, "patient": patient, "service": service, "site": site}
        found = self._ask("press", order)
        if "nothing" in found:
            raise NothingToDo(found["nothing"])
        return Pressed(found["patient"], _happenings(found))

    def opening(self) -> Sequence[Happening]:
        """See DemoDesk."""
        return _happenings(self._ask("opening", {}))

    def step(self) -> Sequence[Happening]:
        """See DemoDesk."""
        return _happenings(self._ask("step", {}))

    def let_go(self) -> frozenset[str] | None:
        """See DemoDesk."""
        staying = self._ask("let_go", {})["staying"]
        return None if staying is None else frozenset(staying)

    def set_outage(self, is_on: bool) -> None:
        """See DemoDesk."""
        self._ask("outage", {"is_on": is_on})


def _happenings(found: Json) -> tuple[Happening, ...]:
    """What happened, each with what the EMR posts about it where it posts (``bodies``, in the same order)."""
    words = found["happened"]
    bodies = found.get("bodies") or [None] * len(words)
    return tuple(Happening(*one) for one in zip(words, bodies, strict=True))
