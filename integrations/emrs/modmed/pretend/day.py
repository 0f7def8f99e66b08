"""The front desk of a pretend practice: patients book, come, pay, and do not come. Each act changes what is on
file, so that the next poll finds it. Chance and time come in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from integrations.contract.dates import moment
from integrations.emrs.modmed.fhir import participant_id
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.pretend.firm import Firm, Refused
from integrations.emrs.modmed.pretend.shapes import Json

T = TypeVar("T")
# Where an appointment goes from each status. The first is the usual way.
NEXT = {
    "pending": ("booked", "booked", "booked", "cancelled"),
    "booked": ("arrived", "arrived", "arrived", "noshow", "cancelled"),
    "arrived": ("checked-in",),
    "checked-in": ("fulfilled",),
}
ACTS = {
    "confirm": "booked",
    "arrive": "arrived",
    "check_in": "checked-in",
    "check_out": "fulfilled",
    "cancel": "cancelled",
    "no_show": "noshow",
}
OPENS_AT, HOURS_OPEN = 14, 10  # UTC: nine in the morning to seven at night in Florida
MOST_OPEN = 12
FIRST_APPOINTMENT_ID = 204_000


class Chance(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float: ...

    def choice(self, seq: Sequence[T], /) -> T: ...

    def randrange(self, stop: int, /) -> int: ...


class FrontDesk:
    """Everything that can happen at one firm."""

    def __init__(self, firm: Firm, chance: Chance) -> None:
        self.firm, self.chance, self.now = firm, chance, firm.now

    def new_patient(self) -> Json:
        """Somebody who was never here before is put on file."""
        number = len(self.firm.all("Patient")) % cast.DIFFERENT
        return self.firm.save(shapes.patient(cast.patient(number), self.now))

    def move_house(self, patient_id: str) -> Json:
        """A patient's address changes. Raises Refused for one who is not on file."""
        known = self._known("Patient", patient_id)
        line = f"{1 + self.chance.randrange(900)} Grove Boulevard"
        place = {**known["address"][0], "line": [line.upper()]}
        return self.firm.save({**known, "address": [place], "meta": self._changed()})

    def book(
        self,
        patient_id: str,
        *,
        type: cast.Type | None = None,
        days_ahead: int | None = None,
        starts_at: datetime | None = None,
        location_id: str = "",
        changed_at: datetime | None = None,
    ) -> Json:
        """An appointment is made: pending. Without ``starts_at`` in working hours, some day in the next three
        weeks; without a clinic in any."""
        self._known("Patient", patient_id)
        return self.firm.save(
            shapes.appointment(
                str(FIRST_APPOINTMENT_ID + self.firm.number()),
                patient_id,
                starts_at or self._some_time(days_ahead),
                changed_at or self.now,
                type=type or self.chance.choice(cast.TYPES[:-1]),
                practitioner_id=self._some("Practitioner"),
                location_id=location_id or self._some("Location"),
            )
        )

    def _some_time(self, days_ahead: int | None) -> datetime:
        ahead = self.chance.randrange(22) if days_ahead is None else days_ahead
        day = (self.now + timedelta(days=ahead)).replace(hour=OPENS_AT, minute=0, second=0, microsecond=0)
        return day + timedelta(minutes=15 * self.chance.randrange(HOURS_OPEN * 4))

    def block(self) -> Json:
        """Time without a patient is blocked in the book."""
        return self.firm.save(
            shapes.appointment(
                str(FIRST_APPOINTMENT_ID + self.firm.number()),
                "",
                self.now + timedelta(days=1),
                self.now,
                type=cast.TYPES[-1],
                status="booked",
                location_id=self._some("Location"),
            )
        )

    def act(self, name: str, appointment_id: str) -> Json:
        """One of ACTS happens to an appointment. Raises Refused for another name or an unknown appointment."""
        if name not in ACTS:
            raise Refused(400, {"message": f"nothing is called that; there is {', '.join(ACTS)}"})
        return self.move_to(ACTS[name], appointment_id)

    def move_to(self, status: str, appointment_id: str) -> Json:
        """An appointment gets a status. A visit that happens today or earlier happened; one checked out is
        charged."""
        known = self._known("Appointment", appointment_id)
        changed = {**known, "status": status, "meta": self._changed()}
        starts_at = moment(known["start"], "start")
        if status not in ("booked", "cancelled") and starts_at and starts_at > self.now:
            changed["start"] = shapes.stamp(self.now - timedelta(minutes=self.chance.randrange(30)))
        if status == "fulfilled":
            self._charge(changed)
        return self.firm.save(changed)

    def reschedule(self, appointment_id: str, days_ahead: int) -> Json:
        """An appointment moves to the same hour of another day."""
        known = self._known("Appointment", appointment_id)
        starts_at = moment(known["start"], "start") or self.now
        return self.move_start(appointment_id, starts_at + timedelta(days=days_ahead))

    def move_start(self, appointment_id: str, starts_at: datetime) -> Json:
        """An appointment moves to another time. Raises Refused for one that is not in the book."""
        known = self._known("Appointment", appointment_id)
        return self.firm.save({**known, "start": shapes.stamp(starts_at), "meta": self._changed()})

    def step(self) -> Json:
        """One thing happens: the day goes on for somebody, or somebody new turns up."""
        open_ones = [
            one for one in self.firm.all("Appointment") if one["status"] in NEXT and _has_patient(one)
        ]
        chance = self.chance.random()
        if open_ones and (len(open_ones) >= MOST_OPEN or chance < 0.6):
            one = self.chance.choice(open_ones)
            return self.move_to(self.chance.choice(NEXT[one["status"]]), one["id"])
        known = self.firm.all("Patient")
        if known and chance < 0.68:
            return self.move_house(self.chance.choice(known)["id"])
        patient = self.chance.choice(known) if known and chance < 0.78 else self.new_patient()
        return self.book(patient["id"])

    def _charge(self, appointment: Mapping[str, Any]) -> None:
        code = appointment["appointmentType"]["coding"][0]["code"]
        type_ = next((one for one in cast.TYPES if one.code == code), None)
        if type_ is None or not type_.price:
            return
        self.firm.save(
            shapes.charge(
                self.firm.number(),
                participant_id(appointment, "Patient"),
                self.now,
                lines=[type_.name],
                amount=type_.price,
                location_id=participant_id(appointment, "Location"),
            )
        )

    def _known(self, kind: str, external_id: str) -> Json:
        found = self.firm.find(kind, external_id)
        if found is None:
            raise Refused(404, {"message": f"there is no {kind} with this id"})
        return found

    def _some(self, kind: str) -> str:
        known = self.firm.all(kind)
        return str(self.chance.choice(known)["id"]) if known else ""

    def _changed(self) -> Json:
        return {"lastUpdated": shapes.stamp(self.now)}


def _has_patient(appointment: Mapping[str, Any]) -> bool:
    return bool(participant_id(appointment, "Patient"))
