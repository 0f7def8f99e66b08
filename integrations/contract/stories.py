"""Life stories of a pretend practice that keeps its own book: people book, come, pay, move and stay away, without
end and without growth. Pure: chance and time come in. The EMR's folder brings the premises."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from integrations.contract.demo import NEW_PATIENT, Json, NothingToDo, OnFile

T = TypeVar("T")
# At most so many people; who has been through this much, and was left in peace for a while, makes room.
MOST_PEOPLE = 30
FULL_STORY = 10
QUIET = timedelta(minutes=2)
MOST_AHEAD = 2
STANDING_DAYS = (3, 6, 9)
# What may happen to an appointment whose day has not come.
BEFOREHAND = ("confirm", "cancel", "reschedule")


class Chance(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float: ...

    def choice(self, seq: Sequence[T], /) -> T: ...

    def randrange(self, stop: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Ahead:
    """An appointment that is not over. ``starts_at`` is aware, in the clinic's zone."""

    id: str
    status: str
    starts_at: datetime
    service: str


class Premises(Protocol):
    """A pretend practice as the stories use it."""

    # A JSON object in which the stories keep what they need.
    kept: Json
    # An appointment's status → what may happen next; what stands there twice is twice as likely.
    next_acts: Mapping[str, Sequence[str]]
    # Act on an appointment, or on a patient → the words for it.
    appointment_acts: Mapping[str, str]
    patient_acts: Mapping[str, str]
    # Id of the clinic where a person at the desk lets things happen; "": any.
    site: str
    # What has happened when the day begins: a service, and what became of it.
    beginnings: Sequence[tuple[str, tuple[str, ...]]]

    def patients(self) -> Sequence[OnFile]:
        """Everybody on file."""
        ...

    def services(self) -> Sequence[str]:
        """What can be booked."""
        ...

    def usual_services(self) -> Sequence[str]:
        """What chance books."""
        ...

    def add_service(self) -> str:
        """Something new on the menu."""
        ...

    def ahead(self, patient_id: str) -> Sequence[Ahead]:
        """A patient's appointments that are not over, those at ``site`` and then the next one first."""
        ...

    def add_patient(self) -> str:
        """Somebody who was never here."""
        ...

    def book(self, patient_id: str, service: str, starts_at: datetime, changed_at: datetime) -> Ahead:
        """An appointment is made, at ``site``."""
        ...

    def act(self, name: str, appointment: Ahead) -> None:
        """One of ``appointment_acts`` happens."""
        ...

    def move(self, appointment: Ahead, starts_at: datetime) -> Ahead:
        """An appointment moves to another time."""
        ...

    def act_on_patient(self, name: str, patient_id: str) -> str:
        """One of ``patient_acts`` happens; what exactly, in words. Raises NothingToDo."""
        ...

    def urgent(self, patient_id: str) -> Sequence[str]:
        """Which of ``patient_acts`` are due, such as paying."""
        ...

    def now_there(self) -> datetime:
        """Now on the clinic's clock."""
        ...

    def forget(self, patient_id: str) -> None:
        """Take a patient off the file with all that is theirs."""
        ...


class Stories:
    """What happens at the premises. ``now`` is aware."""

    def __init__(self, premises: Premises, chance: Chance, now: datetime) -> None:
        self.premises, self.chance, self.now = premises, chance, now
        self.people: Json = premises.kept.setdefault("people", {})

    # --- by hand -------------------------------------------------------------------------------------------

    def press(self, button: str, patient: str, service: int | None) -> tuple[str, list[str]]:
        """One press: to whom it happened, and what. Raises NothingToDo."""
        known = {one.id for one in self.premises.patients()}
        if patient not in known and button not in ("book", "new_type", "late_cancellation"):
            self._refuse_stranger(button)
        number = patient if patient in known else self.premises.add_patient()
        return number, self._pressed(button, number, self._service(service))

    def _refuse_stranger(self, button: str) -> None:
        if button in self.premises.appointment_acts or button == "reschedule":
            raise NothingToDo("This patient has no appointment. Press Book first.")
        raise NothingToDo("Choose a patient first, or press Book for somebody new.")

    def _service(self, place: int | None) -> str:
        offered = self.premises.services()
        return offered[place] if place is not None and 0 <= place < len(offered) else ""

    def _pressed(self, button: str, number: str, service: str) -> list[str]:
        if button == "book":
            return [self.book(number, service)]
        if button == "new_type":
            return [self.book(number, self.premises.add_service())]
        if button == "late_cancellation":
            return self.late_cancellation(number, service)
        if button in self.premises.patient_acts:
            return [self._to_patient(button, number)]
        return [self._to_next(button, number)]

    def late_cancellation(self, number: str, service: str = "") -> list[str]:
        """A visit and a newer one; and then the first is off: the card must not go back."""
        service = service or self._any_service()
        second = self._make(number, service, 12, self.now - timedelta(seconds=2))
        first = self._make(number, service, 1, self.now)
        self.premises.act("cancel", first)
        return [f"Booked: {_what(second)}", f"Cancelled, after the newer booking: {_what(first)}"]

    def _to_next(self, name: str, number: str) -> str:
        ahead = self.premises.ahead(number)
        if not ahead:
            raise NothingToDo("This patient has no appointment. Press Book first.")
        return self._happens(name, number, ahead[0])

    # --- by itself -----------------------------------------------------------------------------------------

    def standing(self) -> list[str]:
        """What stood in the book before anybody asked for it."""
        if self.premises.patients():
            return []
        return [self.book(self.premises.add_patient(), self._any_service(), ahead) for ahead in STANDING_DAYS]

    def opening(self) -> list[str]:
        """Once: somebody in every stage, so that nobody looks at an empty board; and one of those who stood in
        the book comes today."""
        if self.premises.kept.get("is_open"):
            return []
        self.premises.kept["is_open"] = True
        due = [one.id for one in self.premises.patients() if one.booked][:1]
        began = [words for service, acts in self.premises.beginnings for words in self._begin(service, acts)]
        return [*(self._to_next("complete", number) for number in due), *began]

    def _begin(self, service: str, acts: Sequence[str]) -> list[str]:
        number = self.premises.add_patient()
        told = [self.book(number, service, 0 if acts else 5)]
        for name in acts:
            is_theirs = name in self.premises.patient_acts
            told.append(self._to_patient(name, number) if is_theirs else self._to_next(name, number))
        return told

    def step(self) -> list[str]:
        """One thing that fits what happened before, to somebody new or to somebody known."""
        known = self.premises.patients()
        if not known or (len(known) < MOST_PEOPLE and self.chance.random() < 0.2):
            return [self.book(self.premises.add_patient())]
        ahead = {one.id: one.booked for one in known}
        # Whoever has something booked is where the story goes on.
        number = self.chance.choice([one for one, booked in ahead.items() for _ in range(3 if booked else 1)])
        return [self._next(number)]

    def _next(self, number: str) -> str:
        ahead, urgent = self.premises.ahead(number), self.premises.urgent(number)
        if urgent and self.chance.random() < 0.8:
            return self._to_patient(self.chance.choice(urgent), number)
        if not ahead:
            acts = list(self.premises.patient_acts)
            if self.chance.random() < 0.15:
                try:
                    return self._to_patient(self.chance.choice(acts), number)
                except NothingToDo:
                    pass
            return self.book(number)
        one = ahead[0]
        acts = list(self.premises.next_acts[one.status])
        if one.starts_at.date() > self.premises.now_there().date():
            acts = [name for name in acts if name in BEFOREHAND] or ["reschedule"]
            if len(ahead) < MOST_AHEAD and self.chance.random() < 0.2:
                return self.book(number)
        return self._happens(self.chance.choice(acts), number, one)

    def let_go(self) -> list[str] | None:
        """Whoever's story is told makes room in a full book: the addresses of those who stay, else None."""
        known = self.premises.patients()
        told = [one.id for one in known if not one.booked and self._is_told(one.id)]
        if len(known) < MOST_PEOPLE or not told:
            return None
        leaving = max(told, key=lambda number: int(self.people[number]["events"]))
        self.premises.forget(leaving)
        del self.people[leaving]
        return [one.email for one in known if one.id != leaving]

    def _is_told(self, number: str) -> bool:
        story = self.people.get(number)
        if story is None or story["events"] < FULL_STORY:
            return False
        return self.now - datetime.fromisoformat(story["at"]) > QUIET

    # --- what happens --------------------------------------------------------------------------------------

    def book(self, number: str, service: str = "", days_ahead: int | None = None) -> str:
        """They book; what is not given is left to chance."""
        if days_ahead is None:
            days_ahead = 0 if self.chance.random() < 0.6 else 1 + self.chance.randrange(20)
        made = self._make(number, service or self._any_service(), days_ahead, self.now)
        return f"Booked: {_what(made)}"

    def _make(self, number: str, service: str, days_ahead: int, changed_at: datetime) -> Ahead:
        self._count(number)
        return self.premises.book(number, service, self._slot(days_ahead), changed_at)

    def _happens(self, name: str, number: str, one: Ahead) -> str:
        self._count(number)
        if name == "reschedule":
            is_far = one.starts_at.date() > self.premises.now_there().date()
            moved = self.premises.move(one, self._slot(0 if is_far else 1 + self.chance.randrange(13)))
            return f"Rescheduled: {_what(one)} moves to {_day(moved.starts_at)}"
        self.premises.act(name, one)
        return f"{self.premises.appointment_acts[name]}: {_what(one)}"

    def _to_patient(self, name: str, number: str) -> str:
        words = self.premises.act_on_patient(name, number)
        self._count(number)
        return words

    def _any_service(self) -> str:
        return self.chance.choice(self.premises.usual_services())

    def _count(self, number: str) -> None:
        story = self.people.setdefault(number, {"events": 0})
        self.people[number] = {"events": story["events"] + 1, "at": self.now.isoformat()}

    def _slot(self, days_ahead: int) -> datetime:
        """A quarter of an hour between nine and six at the clinic, that many days from today."""
        opens = self.premises.now_there().replace(hour=9, minute=0, second=0, microsecond=0)
        return opens + timedelta(days=days_ahead, minutes=15 * self.chance.randrange(36))


def serve(stories: Stories, order: str, body: Mapping[str, Any]) -> Json | None:
    """Answer an order of a RemoteDesk; None for one that there is not. An outage is the EMR's own affair."""
    if order == "state":
        listed = [asdict(one) for one in stories.premises.patients()]
        return {"patients": listed, "services": list(stories.premises.services())}
    if order == "press":
        return _press(stories, body)
    if order == "let_go":
        return {"staying": stories.let_go()}
    if order in ("standing", "opening", "step"):
        happened: list[str] = getattr(stories, order)()
        return {"happened": happened}
    return None


def _press(stories: Stories, body: Mapping[str, Any]) -> Json:
    button, place = str(body.get("button", "")), body.get("service")
    premises = stories.premises
    known = {*premises.appointment_acts, *premises.patient_acts, "book", "reschedule", "new_type"}
    if button not in known | {"late_cancellation"}:
        return {"nothing": "There is no such button."}
    premises.site = str(body.get("site") or "")
    try:
        patient, happened = stories.press(
            button, str(body.get("patient") or NEW_PATIENT), place if isinstance(place, int) else None
        )
    except NothingToDo as nothing:
        return {"nothing": str(nothing)}
    return {"patient": patient, "happened": happened}


def _what(one: Ahead) -> str:
    return f"{one.service} on {_day(one.starts_at)}"


def _day(at: datetime) -> str:
    return f"{at:%b} {at.day}"
