"""What happens next at a practice: life stories, person by person, without end and without growth."""

import random
from collections.abc import Callable
from datetime import timedelta

from integrations.contract.demo import Happening
from integrations.sandbox.demo.book import Appointment, Book, Entry
from integrations.sandbox.demo.clinics import zone_of
from integrations.sandbox.demo.desk import Desk

# At most so many people per practice; who has been through this much makes room for somebody new.
MOST_PEOPLE = 40
FULL_STORY = 10
Scene = Callable[[int], Happening]


def next_scene(desk: Desk) -> Happening:
    """One thing that fits what happened before, to somebody new or to somebody known."""
    number = _who(desk.book, desk.chance)
    return _scene(desk, number)(number)


def opening(desk: Desk) -> list[Happening]:
    """The first handful: somebody in every stage, so that nobody looks at an empty board."""
    paid, due, off, missed, ahead, buyer = (desk.book.new_person() for _ in range(6))
    scenes: list[Callable[[], Happening]] = [
        lambda: desk.save(paid),
        lambda: desk.book_visit(paid, days_ahead=0),
        lambda: desk.book_visit(due, days_ahead=0),
        lambda: desk.book_visit(off, days_ahead=3),
        lambda: desk.save(missed),
        lambda: desk.book_visit(missed, days_ahead=0),
        lambda: desk.book_visit(ahead, days_ahead=9),
        lambda: desk.pay(paid),
        lambda: desk.cancel(off),
        lambda: desk.no_show(missed),
        lambda: desk.sell(buyer),
    ]
    return [_play(desk, scene) for scene in scenes]


def _play(desk: Desk, scene: Callable[[], Happening]) -> Happening:
    """A scene, a minute after the one before: of two messages with one time nobody knows the later one."""
    desk.now += timedelta(minutes=1)
    return scene()


def let_go(book: Book) -> int | None:
    """Takes somebody whose story is told out of a full book; returns their number, or None."""
    told = [
        number for number, one in book.people.items() if one.events >= FULL_STORY and not one.appointments
    ]
    if len(book.people) < MOST_PEOPLE or not told:
        return None
    leaving = max(told, key=lambda number: book.people[number].events)
    del book.people[leaving]
    return leaving


def _who(book: Book, chance: random.Random) -> int:
    if not book.people or (len(book.people) < MOST_PEOPLE and chance.random() < 0.2):
        return book.new_person()
    numbers = list(book.people)
    # Whoever has something booked, and whoever is new, is where the story goes on.
    weights = [3 if one.appointments else 2 if one.events < 3 else 1 for one in book.people.values()]
    return chance.choices(numbers, weights)[0]


def _scene(desk: Desk, number: int) -> Scene:
    entry = desk.book.people[number]
    options = _first_steps(desk, entry) if not entry.appointments else _next_steps(desk, entry)
    scenes, weights = zip(*options, strict=True)
    chosen: Scene = desk.chance.choices(scenes, weights)[0]
    return chosen


def _first_steps(desk: Desk, entry: Entry) -> list[tuple[Scene, int]]:
    if not entry.is_on_file:
        return [(desk.save, 6), (desk.book_visit, 4)]
    return [(desk.book_visit, 16), (desk.sell, 3), (desk.save, 1)]


def _next_steps(desk: Desk, entry: Entry) -> list[tuple[Scene, int]]:
    if _is_due(desk, min(entry.appointments, key=lambda one: one.starts_at)):
        return [(desk.pay, 13), (desk.no_show, 3), (desk.cancel, 3), (desk.reschedule, 1)]
    moved_up: Scene = lambda number: desk.reschedule(number, 0)  # noqa: E731  (one argument fixed)
    again = [(desk.book_visit, 2)] if len(entry.appointments) < 2 else []
    return [(desk.cancel, 6), (moved_up, 6), (desk.reschedule, 4), (desk.delete, 1), *again]


def _is_due(desk: Desk, appointment: Appointment) -> bool:
    zone = zone_of(desk.practice, desk.sites[appointment.site])
    return appointment.start.date() <= desk.now.astimezone(zone).date()
