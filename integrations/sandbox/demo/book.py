"""The appointment books of the practices whose EMR posts to us: who has which appointment. One JSON file, shared by
the quiet day and the board's buttons; it holds numbers and dates, no names."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

FORMAT = 1
FIRST_VISIT_ID, FIRST_INVOICE_ID = 100_000, 500_000


@dataclass
class Appointment:
    """One appointment still to come. ``services`` are places in the menu, ``starts_at`` is local time."""

    id: int
    starts_at: str
    services: list[int]
    site: int
    clinician: int

    @property
    def start(self) -> datetime:
        """Local time of its clinic, without a zone."""
        return datetime.fromisoformat(self.starts_at)


@dataclass
class Entry:
    """One patient: whether they are on file, how much has happened to them, what they have booked."""

    is_on_file: bool = False
    has_paid: bool = False
    events: int = 0
    appointments: list[Appointment] = field(default_factory=list)


@dataclass
class Book:
    """One practice's book. Numbers are given once and never again. ``is_down``: its EMR pretends to be down."""

    people: dict[int, Entry] = field(default_factory=dict)
    next_person: int = 0
    visits: int = 0
    invoices: int = 0
    novelties: int = 0
    is_down: bool = False

    def new_person(self) -> int:
        """The number of somebody who was never here before."""
        number, self.next_person = self.next_person, self.next_person + 1
        self.people[number] = Entry()
        return number

    def new_visit_id(self) -> int:
        self.visits += 1
        return FIRST_VISIT_ID + self.visits

    def new_invoice_id(self) -> int:
        self.invoices += 1
        return FIRST_INVOICE_ID + self.invoices


@dataclass
class Books:
    """All books, and until when the CRM pretends to be down (Unix time; 0: it does not)."""

    by_slug: dict[str, Book] = field(default_factory=dict)
    outage_until: float = 0.0

    def of(self, slug: str) -> Book:
        """A practice's book, an empty one at first."""
        return self.by_slug.setdefault(slug, Book())


@contextmanager
def open_books(data_dir: Path) -> Iterator[Books]:
    """The books, for one process at a time; what was changed in them is kept at the end, unless it raised."""
    path = data_dir / "demo-books.json"
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "demo-books.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        books = _read(path)
        yield books
        _write(path, books)


def _read(path: Path) -> Books:
    try:
        found = json.loads(path.read_text())
        if found["format"] == FORMAT:
            books = {slug: _book(one) for slug, one in found["books"].items()}
            return Books(books, found["outage_until"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    # A demo may always begin anew: books that cannot be read are empty ones.
    return Books()


def _book(found: dict[str, Any]) -> Book:
    people = {
        int(number): Entry(**(one | {"appointments": [Appointment(**each) for each in one["appointments"]]}))
        for number, one in found["people"].items()
    }
    return Book(**(found | {"people": people}))


def _write(path: Path, books: Books) -> None:
    kept = {
        "format": FORMAT,
        "outage_until": books.outage_until,
        "books": {slug: asdict(book) for slug, book in books.by_slug.items()},
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w") as file:
        json.dump(kept, file)
    os.replace(name, path)
