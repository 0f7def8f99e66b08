"""AestheticsPro's desk: the books lie here, and each thing that happens is a body to post."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from integrations.contract.demo import Button, DeskState, Happening, NothingToDo, OnFile, Pressed
from integrations.emrs.aestheticspro.sandbox import SERVICES
from integrations.sandbox.demo.book import Book, open_books
from integrations.sandbox.demo.desk import Desk, service_at
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import DemoPractice
from integrations.sandbox.demo.stories import let_go, next_scene, opening

T = TypeVar("T")
BUTTONS = (
    Button("book_visit", "Book", "event_available", "A new appointment"),
    Button("pay", "Pay invoice", "payments", "The next appointment took place and is paid: it is complete"),
    Button("cancel", "Cancel", "event_busy", "The next appointment is called off"),
    Button("no_show", "No-show", "person_off", "Nobody comes to the next appointment"),
    Button("reschedule", "Reschedule", "update", "The next appointment moves to another day"),
    Button("delete", "Delete", "delete", "The next appointment is removed from the book"),
    Button("sell", "Retail sale", "shopping_bag", "Products, without an appointment"),
    Button("save", "Save client", "badge", "The patient's details are saved"),
    Button("new_type", "New type", "new_label", "A booking of a service that was never seen before"),
    Button("ping", "Test ping", "network_ping", "AestheticsPro tries the webhook"),
    Button(
        "late_cancellation",
        "Late cancellation",
        "history",
        "A visit, a newer one, then late the word that the first is off: the card must stay in Booked",
    ),
)


class BookDesk:
    """A DemoDesk whose book is a file in ``data_dir``."""

    buttons: Sequence[Button] = BUTTONS

    def __init__(
        self, practice: DemoPractice, data_dir: Path, now: Callable[[], datetime] | None = None
    ) -> None:
        self.practice, self.data_dir = practice, data_dir
        self._now = now or (lambda: datetime.now(UTC))

    def connection(self) -> Mapping[str, Any]:
        """Nothing: AestheticsPro posts to the address that we give it."""
        return {}

    def set_up(self) -> None:
        """Nothing: the book begins empty."""

    def state(self) -> DeskState:
        """See DemoDesk."""
        with open_books(self.data_dir) as books:
            book = books.of(self.practice.slug)
            people, added, is_down = dict(book.people), book.novelties, book.is_down
        found = [
            OnFile(
                str(number), f"{who.last_name}, {who.first_name}", who.email, len(people[number].appointments)
            )
            for number in people
            for who in [person(self.practice, number)]
        ]
        menu = [service_at(place) for place in range(len(SERVICES) + added)]
        return DeskState(found, [f"{one.name} · ${one.price}" for one in menu], is_down)

    def press(self, button: str, patient: str, service: int | None, site: str = "") -> Pressed:
        """See DemoDesk."""

        def at_site(desk: Desk) -> Pressed:
            desk.stand_at(site)
            return self._press(desk, button, patient, service)

        return self._at_desk(at_site)

    def _press(self, desk: Desk, button: str, patient: str, service: int | None) -> Pressed:
        if desk.book.is_down:
            raise NothingToDo("AestheticsPro is down: it sends nothing until it is back up.")
        if button == "ping":
            return Pressed(patient, [desk.ping()])
        is_known = patient.isdecimal() and int(patient) in desk.book.people
        number = int(patient) if is_known else desk.book.new_person()
        if service is not None and not 0 <= service < len(SERVICES) + desk.book.novelties:
            service = None
        if button == "late_cancellation":
            return Pressed(str(number), desk.late_cancellation(number, service))
        if button == "book_visit":
            return Pressed(str(number), [desk.book_visit(number, service)])
        return Pressed(str(number), [getattr(desk, button)(number)])

    def opening(self) -> Sequence[Happening]:
        """See DemoDesk. It is dated over the last quarter of an hour."""

        def earlier(desk: Desk) -> list[Happening]:
            desk.now -= timedelta(minutes=15)
            return [] if desk.book.people else opening(desk)

        return self._at_desk(earlier)

    def step(self) -> Sequence[Happening]:
        """See DemoDesk."""
        return self._at_desk(lambda desk: [] if desk.book.is_down else [next_scene(desk)])

    def let_go(self) -> frozenset[str] | None:
        """See DemoDesk."""
        with open_books(self.data_dir) as books:
            book = books.of(self.practice.slug)
            if let_go(book) is None:
                return None
            return frozenset(person(self.practice, number).email for number in book.people)

    def set_outage(self, is_on: bool) -> None:
        """See DemoDesk."""
        with open_books(self.data_dir) as books:
            books.of(self.practice.slug).is_down = is_on

    def _at_desk(self, act: Callable[[Desk], T]) -> T:
        """Let something happen now. What is returned is sent outside: whoever waits for the book must not wait
        for the network."""
        with open_books(self.data_dir) as books:
            book: Book = books.of(self.practice.slug)
            return act(Desk(self.practice, book, random.Random(), self._now()))
