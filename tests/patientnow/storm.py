"""A storm: everything that happened to many patients is told at once, and several lanes work on it meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connections

from integrations.models import EventState, InboundEvent
from integrations.sync.drain import Drain
from tests.patientnow.clinic import Clinic, Json

# What each kind of notice has to read, see FLOWS in test_flows.py.
NEEDED = {
    "appointment": {"GET /appointments/{id}": 1, "GET /patients/{id}": 1},
    "recorded only": {"GET /appointments/{id}": 1},
    "patient": {"GET /patients/{id}": 1},
    "bill": {"GET /bills/{id}": 1, "GET /patients/{id}": 1},
    "membership": {"GET /memberships/{id}": 1, "GET /patients/{id}": 1},
}


@dataclass
class Tale:
    """What happens to one patient. ``notices`` in their order, ``kinds`` says of each what it needs; ``notes`` are
    the notes that the contact has in the end, oldest first, ``fields`` and ``native`` its newest values."""

    who: str
    number: int
    notices: list[Json] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    fields: Json = field(default_factory=dict)
    native: Json = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def tell(self, kind: str, notice: Json) -> None:
        self.kinds.append(kind)
        self.notices.append(notice)


def tale(clinic: Clinic, number: int) -> Tale:
    """A patient of whom nobody has heard; five notices about them are to come."""
    made = Tale(clinic.patient(), number)
    record = clinic.desk.record("patients", made.who)
    made.native = {"firstName": record["firstName"], "email": record["email"]}
    return made


def books(clinic: Clinic, one: Tale) -> None:
    """The first visit, of which more is heard in the end."""
    one.tell("appointment", clinic.booked(one.who, "Botox", days=3 + one.number % 5))


def pays(clinic: Clinic, one: Tale) -> None:
    """A bill over an odd amount."""
    notice = clinic.desk.bill(one.who, ["Botox"], seed=1)
    total = Decimal(10_000 + one.number * 37) / 100
    clinic.desk.save("bills", {**clinic.desk.record("bills", notice["billId"]), "total": f"{total:.2f}"})
    one.tell("bill", notice)
    one.fields |= {"Patient Lifetime Value": float(total), "PNOW Last Order ID": notice["billId"]}


def moves_house(clinic: Clinic, one: Tale) -> None:
    """Another family name and phone number, and no mail any more."""
    phone = f"305-555-{5000 + one.number:04d}"
    changes = {"lastName": f"Newname{one.number}", "cellPhone": phone, "unsubscribed": True}
    one.tell("patient", clinic.desk.update_patient(one.who, **changes))
    one.native |= {"lastName": f"Newname{one.number}", "phone": f"+1305555{5000 + one.number:04d}"}
    one.fields |= {"PNOW Unsubscribed": "Yes"}


def comes_again(clinic: Clinic, one: Tale) -> None:
    """A second visit; every fifth patient joins the club instead."""
    if one.number % 5 == 0:
        notice = clinic.desk.membership(one.who, "Glow Club")
        one.tell("membership", notice)
        one.fields |= {"PNOW Membership ID": notice["membershipId"]}
        one.tags = ["membership"]
    else:
        one.tell("appointment", clinic.booked(one.who, "Skin Consult", days=10))


def ends(clinic: Clinic, one: Tale) -> None:
    """The newest visit is cancelled, or the patient arrives for it, which is recorded only."""
    visits = [notice["appointmentId"] for notice in one.notices if "appointmentId" in notice]
    newest, is_cancelled = visits[-1], one.number % 2 == 0
    notice = clinic.desk.cancel(newest) if is_cancelled else clinic.desk.set_status(newest, "Arrived")
    one.tell("appointment" if is_cancelled else "recorded only", notice)
    one.fields |= {"PNOW Last Appt ID": newest, "PNOW Appt Status": "Cancelled" if is_cancelled else "Booked"}
    told = [("appointment booked", visit) for visit in visits]
    if is_cancelled:
        # The record says so when the booking's notice is worked on: that decides, and the booking gets its note.
        told.insert(len(told) - 1, ("appointment cancelled", newest))
    bill = ("patient bill", one.notices[1]["billId"])
    firsts = [row for row in told if row[1] == visits[0]]
    one.notes = [*firsts, bill, *(row for row in told if row not in firsts)]


STEPS: Sequence[Callable[[Clinic, Tale], None]] = (books, pays, moves_house, comes_again, ends)


def tales(clinic: Clinic, patients: int) -> list[Tale]:
    """Everything that happens, step after step, before anybody hears of it."""
    found = [tale(clinic, number) for number in range(patients)]
    for step in STEPS:
        clinic.later()
        for one in found:
            step(clinic, one)
    return found


def needed(told: Sequence[Tale]) -> dict[str, int]:
    """Calls to PatientNow Pro by route, if none is refused."""
    counts: dict[str, int] = {}
    for kind in (kind for one in told for kind in one.kinds):
        for route, count in NEEDED[kind].items():
            counts[route] = counts.get(route, 0) + count
    return counts


def post_all(clinic: Clinic, told: Sequence[Tale], posters: int = 4) -> None:
    """All notices at once: every poster has patients of its own, and tells of them in turn."""
    refused: list[int] = []

    def post(mine: Sequence[Tale]) -> None:
        try:
            for step in range(len(STEPS)):
                answers = [clinic.post(one.notices[step]).status_code for one in mine]
                refused.extend(status for status in answers if status != 202)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post, args=(told[place::posters],)) for place in range(posters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []


@contextmanager
def working(clinic: Clinic, lanes_at_once: int, seconds: float) -> Iterator[None]:
    """A worker's drain beside what is done inside, and until nothing waits any more. ``seconds`` at most."""
    enough = threading.Event()

    def work() -> None:
        try:
            while not enough.is_set():
                Drain(lanes_at_once, enough.is_set).run(seconds=5.0, linger=0.2)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
        deadline = time.monotonic() + seconds
        while _waiting(clinic) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        enough.set()
        thread.join()


def _waiting(clinic: Clinic) -> bool:
    rows = InboundEvent.objects.for_practice(clinic.practice)
    return rows.filter(state=EventState.WAITING).exists()
