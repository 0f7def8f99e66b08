"""A firm that lives: what the demo's stories and buttons do to its book."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.dates import moment
from integrations.contract.demo import Button, NothingToDo, OnFile
from integrations.contract.stories import Ahead, Chance
from integrations.emrs.modmed.fhir import (
    contact_points,
    human_name,
    participant_id,
    reference_id,
)
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.pretend.day import FrontDesk
from integrations.emrs.modmed.pretend.firm import Firm
from integrations.emrs.modmed.pretend.shapes import Json

BUTTONS = (
    Button("book", "Book", "event_available", "A new appointment, pending"),
    Button("confirm", "Confirm", "task_alt", "The next appointment is confirmed"),
    Button("complete", "Check out", "how_to_reg", "The next appointment took place and is charged"),
    Button("cancel", "Cancel", "event_busy", "The next appointment is called off"),
    Button("no_show", "No-show", "person_off", "Nobody comes to the next appointment"),
    Button("reschedule", "Reschedule", "update", "The next appointment moves to another day"),
    Button(
        "pay", "Charge", "receipt_long", "A charge without a visit: fields only, ModMed shows no payments"
    ),
    Button("edit", "New address", "badge", "The patient moves house"),
    Button(
        "new_type", "New type", "new_label", "A booking of a type that nobody has categorized: it is held"
    ),
    Button(
        "late_cancellation",
        "Late cancellation",
        "history",
        "A visit, a newer one, then the word that the first is off: the card must not go back",
    ),
)
STATUSES = {
    "confirm": "booked",
    "arrive": "arrived",
    "check_in": "checked-in",
    "complete": "fulfilled",
    "cancel": "cancelled",
    "no_show": "noshow",
}
GOODS = (("Recovery garment", "58.00"), ("Scar cream", "42.50"), ("Sunscreen SPF 50", "36.00"))
AREAS = ("561", "754", "954", "786")
BLOCK = cast.TYPES[-1].name
FIRST_NEW_CODE, NEW_PRICE = 3000, "250.00"


class Desk:
    """The stories' Premises at one firm."""

    next_acts: Mapping[str, Sequence[str]] = {
        "pending": ("confirm", "confirm", "confirm", "cancel", "reschedule"),
        "booked": ("arrive", "arrive", "arrive", "complete", "complete", "no_show", "cancel", "reschedule"),
        "arrived": ("check_in",),
        "checked-in": ("complete",),
    }
    appointment_acts: Mapping[str, str] = {
        "confirm": "Confirmed",
        "arrive": "Arrived",
        "check_in": "Checked in",
        "complete": "Checked out",
        "cancel": "Cancelled",
        "no_show": "No-show",
    }
    patient_acts: Mapping[str, str] = {"pay": "Charged", "edit": "New address"}
    beginnings: Sequence[tuple[str, tuple[str, ...]]] = (
        ("Breast Aug Consult", ()),
        ("Rhinoplasty Consult", ("confirm", "complete")),
        ("Surgery", ()),
        ("Surgery", ("confirm", "complete")),
        ("Botox", ("complete",)),
        ("Filler", ("confirm",)),
        ("Botox", ()),
        ("Cosmetic Consult", ("cancel",)),
        ("Breast Aug Consult", ("no_show",)),
        ("Laser Treatment", ()),
    )

    def __init__(self, firm: Firm, chance: Chance) -> None:
        self.firm, self.chance, self.now = firm, chance, firm.now
        self.site = ""
        self.front = FrontDesk(firm, chance)
        self.kept: Json = firm.kept.setdefault("stories", {})

    def furnish(self, sites: Sequence[Mapping[str, str]], zone: str, rare: Sequence[str]) -> None:
        """Clinics (``id``, ``name``, ``zone``), practitioners, the practice's zone, and types that chance leaves
        alone."""
        self.kept |= {"zone": zone, "rare": list(rare), "zones": {one["id"]: one["zone"] for one in sites}}
        for one in sites:
            if not self.firm.find("Location", one["id"]):
                self.firm.save(shapes.location(cast.Site(one["id"], one["name"]), self.now))
        for who in cast.PRACTITIONERS:
            if not self.firm.find("Practitioner", who.id):
                self.firm.save(shapes.practitioner(who, self.now))

    # --- who and what --------------------------------------------------------------------------------------

    def patients(self) -> Sequence[OnFile]:
        """See Premises."""
        booked: dict[str, int] = {}
        for one in self._open():
            whose = participant_id(one, "Patient")
            booked[whose] = booked.get(whose, 0) + 1
        return [_on_file(one, booked.get(one["id"], 0)) for one in self.firm.all("Patient")]

    def services(self) -> Sequence[str]:
        """See Premises: what moves a pipeline first."""
        often = dict.fromkeys(name for name, _ in self.beginnings)
        return [*often, *(name for _, name in self.firm.kept["types"] if name not in often and name != BLOCK)]

    def usual_services(self) -> Sequence[str]:
        """See Premises: what was added by hand is left to people."""
        rare = {*self.kept.get("rare", ()), *self.kept.get("added", ())}
        often = [name for name, _ in self.beginnings]
        return [name for name in (*often, *self.services()) if name not in rare]

    def add_service(self) -> str:
        """See Premises."""
        added = self.kept.setdefault("added", [])
        name = f"New treatment {len(added) + 1}"
        added.append(name)
        self.firm.kept["types"].append([str(FIRST_NEW_CODE + len(added)), name])
        return name

    def ahead(self, patient_id: str) -> Sequence[Ahead]:
        """See Premises."""
        own = [self._ahead(one) for one in self._open() if participant_id(one, "Patient") == patient_id]
        return sorted(own, key=lambda one: one.starts_at)

    def now_there(self) -> datetime:
        """See Premises."""
        return self.now.astimezone(self._zone(""))

    def urgent(self, patient_id: str) -> Sequence[str]:
        """Nothing: a visit is charged when the patient checks out."""
        return ()

    # --- what happens --------------------------------------------------------------------------------------

    def add_patient(self) -> str:
        """See Premises."""
        number = self.kept["next"] = self.kept.get("next", 0) + 1
        area = AREAS[number // 100 % len(AREAS)]
        return str(self.firm.save(shapes.patient(cast.patient(number, area), self.now))["id"])

    def book(self, patient_id: str, service: str, starts_at: datetime, changed_at: datetime) -> Ahead:
        """See Premises. ``starts_at`` is what the clock on the clinic's wall says."""
        site = self.site if self.firm.find("Location", self.site) else self._any_site()
        made = self.front.book(
            patient_id,
            type=self._type(service),
            starts_at=starts_at.replace(tzinfo=self._zone(site)),
            location_id=site,
            changed_at=changed_at,
        )
        return self._ahead(made)

    def act(self, name: str, appointment: Ahead) -> None:
        """See Premises."""
        self.front.move_to(STATUSES[name], appointment.id)

    def move(self, appointment: Ahead, starts_at: datetime) -> Ahead:
        """See Premises."""
        zone = appointment.starts_at.tzinfo
        at = starts_at.replace(tzinfo=zone)
        if at.date() == appointment.starts_at.date():
            at += timedelta(days=1)
        return self._ahead(self.front.move_start(appointment.id, at))

    def act_on_patient(self, name: str, patient_id: str) -> str:
        """See Premises."""
        if self.firm.find("Patient", patient_id) is None:
            raise NothingToDo("This patient is not on file any more.")
        if name == "edit":
            self.front.move_house(patient_id)
            return "New address"
        goods, price = self.chance.choice(GOODS)
        self.firm.save(shapes.charge(self.firm.number(), patient_id, self.now, lines=[goods], amount=price))
        return f"Charged ${price}: {goods}"

    def forget(self, patient_id: str) -> None:
        """See Premises."""
        for one in self.firm.all("Appointment"):
            if participant_id(one, "Patient") == patient_id:
                self.firm.remove("Appointment", one["id"])
        for one in self.firm.all("ChargeItem"):
            if reference_id(one.get("subject"), "Patient") == patient_id:
                self.firm.remove("ChargeItem", one["id"])
        self.firm.remove("Patient", patient_id)

    # --- the book ------------------------------------------------------------------------------------------

    def _open(self) -> list[Json]:
        found = self.firm.all("Appointment")
        return [one for one in found if one["status"] in self.next_acts and participant_id(one, "Patient")]

    def _ahead(self, appointment: Mapping[str, Any]) -> Ahead:
        starts_at = moment(appointment["start"], "start") or self.now
        zone = self._zone(participant_id(appointment, "Location"))
        name = appointment["appointmentType"]["text"]
        return Ahead(appointment["id"], appointment["status"], starts_at.astimezone(zone), name)

    def _any_site(self) -> str:
        return str(self.chance.choice(self.firm.all("Location"))["id"])

    def _zone(self, site_id: str) -> ZoneInfo:
        return ZoneInfo(self.kept.get("zones", {}).get(site_id) or self.kept.get("zone", "UTC"))

    def _type(self, name: str) -> cast.Type:
        known = next((one for one in cast.TYPES if one.name == name), None)
        code = next((code for code, shown in self.firm.kept["types"] if shown == name), "")
        return known or cast.Type(code, name, price=NEW_PRICE)


def _on_file(patient: Mapping[str, Any], booked: int) -> OnFile:
    first, last = human_name(patient)
    email = next((str(one.get("value", "")) for one in contact_points(patient, "email")), "")
    return OnFile(patient["id"], f"{last}, {first}", email, booked)
