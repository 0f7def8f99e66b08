"""The front desk of one practice: everything that can happen there, each as the messages AestheticsPro sends.

Changes the book and returns bodies; sends nothing.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from integrations.emrs.aestheticspro import sandbox as emr
from integrations.emrs.aestheticspro.sandbox import RETAIL, SERVICES, Client, Site, Visit
from integrations.sandbox.demo.book import Appointment, Book, Entry
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import DemoPractice

# Places in the menu that cost something: chance books these only, since a visit ends with a paid invoice.
PAID = [place for place, service in enumerate(SERVICES) if service.price]


class NothingToDo(Exception):
    """It cannot happen to this patient now. The text says what to do first."""


@dataclass(frozen=True, slots=True)
class Message:
    """One body to send, and what it says in words (without a name)."""

    words: str
    body: dict[str, Any]


class Desk:
    """Everything that can happen to patient no. ``number``. ``now`` is aware."""

    def __init__(self, practice: DemoPractice, book: Book, chance: random.Random, now: datetime) -> None:
        self.practice, self.book, self.chance, self.now = practice, book, chance, now

    def client(self, number: int) -> Client:
        return person(self.practice, number)

    def save(self, number: int) -> Message:
        """They are put on file, or their details are saved again."""
        entry = self._happens(number)
        words = "Client saved again" if entry.is_on_file else "Client saved"
        entry.is_on_file = True
        return Message(words, emr.client_saved(self.client(number), self.now, self.practice.sites[0]))

    def book_visit(self, number: int, service: int | None = None, days_ahead: int | None = None) -> Message:
        """They book. ``service`` is a place in the menu; what is not given is left to chance."""
        if days_ahead is None:
            days_ahead = 0 if self.chance.random() < 0.6 else self.chance.randint(1, 21)
        entry = self._happens(number)
        entry.is_on_file = True
        site = number % len(self.practice.sites)
        appointment = Appointment(
            id=self.practice.number * 100_000 + self.book.new_visit_id(),
            starts_at=self._slot(site, days_ahead).isoformat(),
            services=self._choose_services(service),
            site=site,
            clinician=self.chance.randrange(len(self.practice.clinicians)),
        )
        entry.appointments.append(appointment)
        visit = self._visit(number, appointment)
        return Message(f"Booked: {_what(visit)}", emr.booked(visit, self.now))

    def cancel(self, number: int) -> Message:
        """They cancel their next appointment."""
        visit = self._take(number)
        return Message(f"Cancelled: {_what(visit)}", emr.cancelled(visit, self.now))

    def no_show(self, number: int) -> Message:
        """They do not come (today, whatever the book said)."""
        visit = self._today(self._take(number))
        return Message(f"No-show: {_what(visit)}", emr.no_show(visit, self.now))

    def delete(self, number: int) -> Message:
        """The desk removes their appointment from the book."""
        visit = self._take(number)
        return Message(f"Deleted: {_what(visit)}", emr.deleted(visit, self.now))

    def reschedule(self, number: int, days_ahead: int | None = None) -> Message:
        """Their next appointment moves to another day (some day in the next two weeks when not given)."""
        appointment = self._next(number)
        self._happens(number)
        ahead = self.chance.randint(1, 14) if days_ahead is None else days_ahead
        visit, moved_to = self._visit(number, appointment), self._slot(appointment.site, ahead)
        if moved_to.date() == visit.starts_at.date():
            moved_to += timedelta(days=1)
        appointment.starts_at = moved_to.isoformat()
        words = f"Rescheduled: {_what(visit)} moves to {_day(moved_to)}"
        return Message(words, emr.rescheduled(visit, moved_to, self.now))

    def pay(self, number: int) -> Message:
        """They come (today at the latest, whatever the book said), and pay."""
        visit = self._today(self._take(number))
        self.book.people[number].has_paid = True
        body = emr.invoice_paid(visit, self._invoice_id(), self._local_now(visit.site))
        return Message(f"Paid ${visit.price:,.2f}: {_what(visit)}", body)

    def sell(self, number: int) -> Message:
        """They buy products, without an appointment."""
        entry = self._happens(number)
        entry.is_on_file = entry.has_paid = True
        items = self.chance.sample(RETAIL, self.chance.choice((1, 1, 2)))
        site = self.practice.sites[number % len(self.practice.sites)]
        body = emr.retail_sale(self.client(number), items, self._invoice_id(), self._local_now(site), site)
        return Message(f"Retail sale: {', '.join(item.name for item in items)}", body)

    def ping(self) -> Message:
        """AestheticsPro tries the webhook."""
        return Message("Test ping", emr.test_ping(self.now))

    def late_cancellation(self, number: int, service: int | None = None) -> list[Message]:
        """A visit, a newer one, and only then the word that the first is off: the card must not go back."""
        later, self.now = self.now, self.now - timedelta(hours=2)
        first = self.book_visit(number, service, days_ahead=1)
        visit = self._visit(number, self.book.people[number].appointments.pop())
        self.now = later
        second = self.book_visit(number, service, days_ahead=12)
        self._happens(number)
        body = emr.cancelled(visit, later - timedelta(minutes=30))
        return [first, second, Message(f"Cancelled, told late: {_what(visit)}", body)]

    # --- the book ------------------------------------------------------------------------------------------

    def _happens(self, number: int) -> Entry:
        entry = self.book.people[number]
        entry.events += 1
        return entry

    def _next(self, number: int) -> Appointment:
        appointments = self.book.people[number].appointments
        if not appointments:
            raise NothingToDo("This patient has no appointment. Press Book first.")
        return min(appointments, key=lambda one: one.starts_at)

    def _take(self, number: int) -> Visit:
        """Their next appointment, which leaves the book."""
        appointment = self._next(number)
        self._happens(number).appointments.remove(appointment)
        return self._visit(number, appointment)

    def _visit(self, number: int, appointment: Appointment) -> Visit:
        return Visit(
            appointment_id=appointment.id,
            client=self.client(number),
            starts_at=appointment.start,
            services=tuple(SERVICES[place] for place in appointment.services),
            site=self.practice.sites[appointment.site],
            clinician=self.practice.clinicians[appointment.clinician],
        )

    def _today(self, visit: Visit) -> Visit:
        """The visit on the clinic's present day, unless it was before."""
        today = self._local_now(visit.site).date()
        return replace(
            visit, starts_at=datetime.combine(min(visit.starts_at.date(), today), visit.starts_at.time())
        )

    def _local_now(self, site: Site) -> datetime:
        """Now on the clinic's clock: an invoice carries the clinic's day."""
        return self.now.astimezone(self.practice.zone(site))

    def _choose_services(self, service: int | None) -> list[int]:
        if service is not None:
            return [service]
        consults = [place for place in PAID if SERVICES[place].name in self.practice.consults]
        if consults and self.chance.random() < 0.3:
            return [self.chance.choice(consults)]
        return self.chance.sample(PAID, 2 if self.chance.random() < 0.15 else 1)

    def _invoice_id(self) -> int:
        return self.practice.number * 100_000 + self.book.new_invoice_id()

    def _slot(self, site: int, days_ahead: int) -> datetime:
        """A quarter of an hour between nine and six at the clinic, that many days from today."""
        clock = self._local_now(self.practice.sites[site])
        opens = clock.replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)
        return opens + timedelta(days=days_ahead, minutes=15 * self.chance.randrange(36))


def _what(visit: Visit) -> str:
    return f"{', '.join(service.name for service in visit.services)} on {_day(visit.starts_at)}"


def _day(at: datetime) -> str:
    return f"{at:%b} {at.day}"
