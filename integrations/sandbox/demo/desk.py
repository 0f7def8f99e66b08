"""The front desk of one practice: everything that can happen there, each as the messages AestheticsPro sends.

Changes the book and returns bodies; sends nothing.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from integrations.contract.demo import Happening, NothingToDo
from integrations.emrs.aestheticspro import sandbox as emr
from integrations.emrs.aestheticspro.sandbox import RETAIL, SERVICES, Client, Service, Site, Visit
from integrations.sandbox.demo.book import Appointment, Book, Entry
from integrations.sandbox.demo.clinics import clinicians_of, consults_of, sites_of, zone_of
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import DemoPractice

NEW_PRICE = Decimal("250.00")
# Places in the menu that cost something: chance books these only, since a visit ends with a paid invoice.
PAID = [place for place, service in enumerate(SERVICES) if service.price]


class Desk:
    """Everything that can happen to patient no. ``number``. ``now`` is aware."""

    def __init__(self, practice: DemoPractice, book: Book, chance: random.Random, now: datetime) -> None:
        self.practice, self.book, self.chance, self.now = practice, book, chance, now
        self.sites, self.clinicians = sites_of(practice), clinicians_of(practice)
        self._site: int | None = None

    def stand_at(self, site_id: str) -> None:
        """Whoever books now books at this clinic; "" or one that is not the practice's: each at their own."""
        self._site = next((place for place, site in enumerate(self.sites) if site.id == site_id), None)

    def client(self, number: int) -> Client:
        return person(self.practice, number)

    def save(self, number: int) -> Happening:
        """They are put on file, or their details are saved again."""
        entry = self._happens(number)
        words = "Client saved again" if entry.is_on_file else "Client saved"
        entry.is_on_file = True
        return Happening(words, emr.client_saved(self.client(number), self.now, self.sites[0]))

    def book_visit(self, number: int, service: int | None = None, days_ahead: int | None = None) -> Happening:
        """They book. ``service`` is a place in the menu; what is not given is left to chance."""
        if days_ahead is None:
            days_ahead = 0 if self.chance.random() < 0.6 else self.chance.randint(1, 21)
        entry = self._happens(number)
        entry.is_on_file = True
        site = number % len(self.sites) if self._site is None else self._site
        appointment = Appointment(
            id=self.practice.number * 100_000 + self.book.new_visit_id(),
            starts_at=self._slot(site, days_ahead).isoformat(),
            services=self._choose_services(service),
            site=site,
            clinician=self.chance.randrange(len(self.clinicians)),
        )
        entry.appointments.append(appointment)
        visit = self._visit(number, appointment)
        return Happening(f"Booked: {_what(visit)}", emr.booked(visit, self.now))

    def cancel(self, number: int) -> Happening:
        """They cancel their next appointment."""
        visit = self._take(number)
        return Happening(f"Cancelled: {_what(visit)}", emr.cancelled(visit, self.now))

    def no_show(self, number: int) -> Happening:
        """They do not come (today, whatever the book said)."""
        visit = self._today(self._take(number))
        return Happening(f"No-show: {_what(visit)}", emr.no_show(visit, self.now))

    def delete(self, number: int) -> Happening:
        """The desk removes their appointment from the book."""
        visit = self._take(number)
        return Happening(f"Deleted: {_what(visit)}", emr.deleted(visit, self.now))

    def reschedule(self, number: int, days_ahead: int | None = None) -> Happening:
        """Their next appointment moves to another day (some day in the next two weeks when not given)."""
        appointment = self._next(number)
        self._happens(number)
        ahead = self.chance.randint(1, 14) if days_ahead is None else days_ahead
        visit, moved_to = self._visit(number, appointment), self._slot(appointment.site, ahead)
        if moved_to.date() == visit.starts_at.date():
            moved_to += timedelta(days=1)
        appointment.starts_at = moved_to.isoformat()
        words = f"Rescheduled: {_what(visit)} moves to {_day(moved_to)}"
        return Happening(words, emr.rescheduled(visit, moved_to, self.now))

    def pay(self, number: int) -> Happening:
        """They come (today at the latest, whatever the book said), and pay."""
        visit = self._today(self._take(number))
        self.book.people[number].has_paid = True
        body = emr.invoice_paid(visit, self._invoice_id(), self._local_now(visit.site))
        return Happening(f"Paid ${visit.price:,.2f}: {_what(visit)}", body)

    def sell(self, number: int) -> Happening:
        """They buy products, without an appointment."""
        entry = self._happens(number)
        entry.is_on_file = entry.has_paid = True
        items = self.chance.sample(RETAIL, self.chance.choice((1, 1, 2)))
        site = self.sites[number % len(self.sites)]
        body = emr.retail_sale(self.client(number), items, self._invoice_id(), self._local_now(site), site)
        return Happening(f"Retail sale: {', '.join(item.name for item in items)}", body)

    def new_type(self, number: int) -> Happening:
        """They book something that was never on the menu."""
        self.book.novelties += 1
        return self.book_visit(number, len(SERVICES) - 1 + self.book.novelties)

    def ping(self) -> Happening:
        """AestheticsPro tries the webhook."""
        return Happening("Test ping", emr.test_ping(self.now))

    def late_cancellation(self, number: int, service: int | None = None) -> list[Happening]:
        """A visit, a newer one, and only then the word that the first is off: the card must not go back."""
        later, self.now = self.now, self.now - timedelta(hours=2)
        first = self.book_visit(number, service, days_ahead=1)
        visit = self._visit(number, self.book.people[number].appointments.pop())
        self.now = later
        second = self.book_visit(number, service, days_ahead=12)
        self._happens(number)
        body = emr.cancelled(visit, later - timedelta(minutes=30))
        return [first, second, Happening(f"Cancelled, told late: {_what(visit)}", body)]

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
            services=tuple(map(service_at, appointment.services)),
            site=self.sites[appointment.site],
            clinician=self.clinicians[appointment.clinician],
        )

    def _today(self, visit: Visit) -> Visit:
        """The visit on the clinic's present day, unless it was before."""
        today = self._local_now(visit.site).date()
        return replace(
            visit, starts_at=datetime.combine(min(visit.starts_at.date(), today), visit.starts_at.time())
        )

    def _local_now(self, site: Site) -> datetime:
        """Now on the clinic's clock: an invoice carries the clinic's day."""
        return self.now.astimezone(zone_of(self.practice, site))

    def _choose_services(self, service: int | None) -> list[int]:
        if service is not None:
            return [service]
        wanted = consults_of(self.practice)
        consults = [place for place in PAID if SERVICES[place].name in wanted]
        if consults and self.chance.random() < 0.3:
            return [self.chance.choice(consults)]
        return self.chance.sample(PAID, 2 if self.chance.random() < 0.15 else 1)

    def _invoice_id(self) -> int:
        return self.practice.number * 100_000 + self.book.new_invoice_id()

    def _slot(self, site: int, days_ahead: int) -> datetime:
        """A quarter of an hour between nine and six at the clinic, that many days from today."""
        clock = self._local_now(self.sites[site])
        opens = clock.replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)
        return opens + timedelta(days=days_ahead, minutes=15 * self.chance.randrange(36))


def service_at(place: int) -> Service:
    """A place in the menu; beyond its end stands what came new."""
    if place < len(SERVICES):
        return SERVICES[place]
    return Service(f"New treatment {place - len(SERVICES) + 1}", "New", NEW_PRICE)


def _what(visit: Visit) -> str:
    return f"{', '.join(service.name for service in visit.services)} on {_day(visit.starts_at)}"


def _day(at: datetime) -> str:
    return f"{at:%b} {at.day}"
