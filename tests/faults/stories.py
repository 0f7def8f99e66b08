"""What happens to patients in fault tests, and how the CRM shows a patient afterwards."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from integrations.emrs.aestheticspro import sandbox as apro
from tests.engine.world import at

Body = dict[str, Any]
SITE = apro.Site("12", "Downtown")
_OWN_FIELDS = ("APro Client ID", "APro Appt ID", "APro Invoice ID")


def client(number: int) -> apro.Client:
    """A made-up patient: all alike but for name, id, e-mail and phone."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}")
    return replace(
        apro.CLIENTS[0],
        client_id=70_000 + number,
        last_name=f"Probe{letters}",
        email=f"probe.{letters}@example.com",
        mobile_phone=f"({212 + number // 10_000}) 555-{number % 10_000:04}",
    )


def visit(who: apro.Client, number: int, day: int) -> apro.Visit:
    """The patient's visit ``number`` on March ``day``; the time of day tells visits of one day apart."""
    starts = datetime(2026, 3, day, 9 + number % 9, number)
    service = apro.SERVICES[number % 4]
    return apro.Visit(who.client_id * 100 + number, who, starts, (service,), SITE)


def story(who: apro.Client) -> list[Body]:
    """Five events that need every kind of write: two bookings, an invoice, a cancellation, a retail sale."""
    first, second = visit(who, 0, 12), visit(who, 1, 14)
    return [
        apro.booked(first, at(0)),
        apro.booked(second, at(10)),
        apro.invoice_paid(first, who.client_id * 100 + 50, at(20)),
        apro.cancelled(second, at(30)),
        apro.retail_sale(who, apro.RETAIL[:1], who.client_id * 100 + 51, at(40), SITE),
    ]


BOOKED, BOOKED_AGAIN, PAID, CANCELLED, RETAIL = range(5)


def long_story(who: apro.Client, variant: int) -> list[Body]:
    """Twelve events of one patient; ``variant`` 0 to 3 are four different ones."""
    visits = [visit(who, number, 8 + 2 * number) for number in range(6)]
    number = who.client_id * 100
    paid = [apro.invoice_paid(visits[n], number + 50 + n, at(100 + n)) for n in range(3)]
    events = [
        *(apro.booked(one, at(n)) for n, one in enumerate(visits[: 4 + variant % 2])),
        apro.no_show(visits[variant], at(50)),
        apro.cancelled(visits[3], at(60)),
        *paid[: 2 + variant % 2],
        apro.retail_sale(who, apro.RETAIL[variant : variant + 2], number + 60, at(110), SITE),
        apro.booked(visits[5], at(120)),
        apro.rescheduled(visits[5], visits[5].starts_at.replace(day=28), at(121)),
        apro.client_saved(who, at(122), SITE),
        apro.cancelled(visits[5], at(123)),
    ]
    return events[:12]


def picture(shown: Body, who: apro.Client) -> Body:
    """What the CRM shows of a contact, without what tells one patient of a story from another.

    ``fields``, ``notes`` (oldest first), ``opportunities`` and ``enrolments`` (oldest first).
    """
    natives = ("firstName", "dateOfBirth", "gender", "address1", "city", "state", "postalCode")
    plain = {
        "native": {name: shown["native"].get(name) for name in natives},
        "fields": {name: value for name, value in shown["fields"].items() if name not in _OWN_FIELDS},
        "notes": [_without_reference(note["body"]) for note in reversed(shown["notes"])],
        "opportunities": [
            {name: card[name] for name in ("pipeline", "stage", "status", "monetary_value")}
            for card in shown["opportunities"]
        ],
        "enrolments": [one["workflow"] for one in reversed(shown["enrolments"])],
    }
    told: Body = json.loads(json.dumps(plain).replace(str(who.client_id), "(patient)"))
    return told


def _without_reference(note: str) -> str:
    return "\n".join(line for line in note.splitlines() if not line.startswith("Reference: "))
