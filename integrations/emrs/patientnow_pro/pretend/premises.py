"""A practice that lives: what the demo's stories and buttons do to its book, and the notices that it sends of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.dates import moment
from integrations.contract.demo import Button, NothingToDo, OnFile
from integrations.contract.stories import Ahead, Chance
from integrations.emrs.patientnow_pro.pretend import cast
from integrations.emrs.patientnow_pro.pretend.cast import Json
from integrations.emrs.patientnow_pro.pretend.desk import FrontDesk
from integrations.emrs.patientnow_pro.pretend.office import KINDS, Office

BUTTONS = (
    Button("book", "Book", "event_available", "A new appointment"),
    Button("complete", "Check out", "how_to_reg", "The next appointment took place"),
    Button("pay", "Bill", "payments", "A bill is paid: lifetime value"),
    Button("cancel", "Cancel", "event_busy", "The next appointment is cancelled"),
    Button("no_show", "No-show", "person_off", "Nobody comes to the next appointment"),
    Button("reschedule", "Reschedule", "update", "The next appointment moves to another day: recorded"),
    Button("void", "Void bill", "money_off", "The last bill is voided: lifetime value goes back"),
    Button("refund", "Refund bill", "undo", "The last bill is refunded: lifetime value goes back"),
    Button("join", "Membership", "loyalty", "A membership is sold"),
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
STATUSES = {"confirm": "Confirmed", "complete": "Checkout", "cancel": "Cancelled", "no_show": "No-Show"}
_HERE_TODAY = ("complete", "complete", "complete", "complete", "no_show", "cancel")


class Premises:
    """The stories' premises at one practice. ``told`` are the notices in order, each with words without a name."""

    next_acts: Mapping[str, Sequence[str]] = {
        "Booked": (*_HERE_TODAY, "confirm", "confirm", "reschedule"),
        "Confirmed": (*_HERE_TODAY, "reschedule"),
        "Rescheduled": (*_HERE_TODAY, "confirm", "reschedule"),
    }
    appointment_acts: Mapping[str, str] = {
        "confirm": "Confirmed",
        "complete": "Checked out",
        "cancel": "Cancelled",
        "no_show": "No-show",
    }
    patient_acts: Mapping[str, str] = {
        "pay": "Bill paid",
        "void": "Bill voided",
        "refund": "Bill refunded",
        "join": "Membership sold",
        "edit": "New address",
    }
    beginnings: Sequence[tuple[str, tuple[str, ...]]] = (
        ("Breast Aug Consult", ()),
        ("Rhinoplasty Consult", ("complete",)),
        ("Breast Augmentation", ()),
        ("Rhinoplasty", ("complete", "pay")),
        ("Botox", ("complete", "pay")),
        ("Hydrafacial", ("complete", "pay", "join")),
        ("Lip Filler", ()),
        ("Skin Consult", ("cancel",)),
        ("Breast Aug Consult", ("no_show",)),
        ("Dysport", ("complete", "pay", "void")),
    )

    def __init__(self, office: Office, practice_id: str, chance: Chance) -> None:
        self.office, self.chance = office, chance
        self.site = ""
        self.desk = FrontDesk(office, practice_id, chance)
        self.kept: Json = office.kept.setdefault("stories", {})
        self.told: list[tuple[str, Json]] = []

    def furnish(self, sites: Sequence[Mapping[str, str]], rare: Sequence[str]) -> None:
        """Clinics (``id``, ``name``, ``zone``), and types that chance leaves alone."""
        self.kept["rare"] = list(rare)
        self.office.kept["sites"] = [
            {"id": one["id"], "name": one["name"], "time_zone": one["zone"]} for one in sites
        ]

    def _tell(self, words: str, notice: Json) -> str:
        self.told.append((words, notice))
        return words

    # --- who and what --------------------------------------------------------------------------------------

    def patients(self) -> Sequence[OnFile]:
        """See contract.stories.Premises."""
        booked: dict[str, int] = {}
        for one in self._open():
            booked[one["patientId"]] = booked.get(one["patientId"], 0) + 1
        return [
            OnFile(
                one["patientId"],
                f"{one['lastName']}, {one['firstName']}",
                one["email"],
                booked.get(one["patientId"], 0),
            )
            for one in self.office.all("patients")
        ]

    def services(self) -> Sequence[str]:
        """See contract.stories.Premises."""
        return [one.name for one in self.office.offers if one.active and one.type_class != "Office"]

    def usual_services(self) -> Sequence[str]:
        """See contract.stories.Premises: what was added by hand is left to people."""
        rare = {*self.kept.get("rare", ()), *self.office.kept.get("added", ())}
        often = [name for name, _ in self.beginnings]
        return [name for name in (*often, *self.services()) if name not in rare]

    def add_service(self) -> str:
        """See contract.stories.Premises."""
        added: list[str] = self.office.kept.setdefault("added", [])
        added.append(f"New treatment {len(added) + 1}")
        return added[-1]

    def ahead(self, patient_id: str) -> Sequence[Ahead]:
        """See contract.stories.Premises."""
        own = [one for one in self._open() if one["patientId"] == patient_id]
        found = [(bool(self._elsewhere(one)), _ahead(one)) for one in own]
        return [one for _, one in sorted(found, key=lambda each: (each[0], each[1].starts_at))]

    def now_there(self) -> datetime:
        """See contract.stories.Premises."""
        return self.office.now.astimezone(ZoneInfo(self.office.sites[0].time_zone))

    def urgent(self, patient_id: str) -> Sequence[str]:
        """Whoever checked out and has not paid yet does so."""
        return ("pay",) if patient_id in self._unpaid() else ()

    # --- what happens --------------------------------------------------------------------------------------

    def add_patient(self) -> str:
        """See contract.stories.Premises."""
        notice = self.desk.new_patient()
        number = str(self.office.all("patients")[-1]["patientId"])
        self._tell("New patient", notice)
        return number

    def book(self, patient_id: str, service: str, starts_at: datetime, changed_at: datetime) -> Ahead:
        """See contract.stories.Premises. Now and then somebody goes to another clinic than the time before."""
        sites = self.office.sites
        usual = sites[(int(patient_id) + (self.chance.random() < 0.2)) % len(sites)]
        site = next((one for one in sites if one.id == self.site), usual)
        now, self.office.now = self.office.now, changed_at
        at = starts_at.replace(tzinfo=ZoneInfo(site.time_zone))
        notice = self.desk.book(patient_id, type=service, facility=site.id, starts_at=at)
        self.office.now = now
        made = _ahead(self.office.all("appointments")[-1])
        self._tell(f"Booked at {site.name}: {_what(made)}", notice)
        return made

    def act(self, name: str, appointment: Ahead) -> None:
        """See contract.stories.Premises."""
        record = self.office.known("appointments", appointment.id)
        if name == "complete":
            notice = self.desk.check_out(appointment.id)
            bought = self.office.type_named(record["appointmentType"])
            if bought and bought.items:
                self._unpaid()[record["patientId"]] = appointment.id
        else:
            notice = self.desk.set_status(appointment.id, STATUSES[name])
        where = self._elsewhere(record)
        self._tell(f"{self.appointment_acts[name]}{where}: {_what(appointment)}", notice)

    def move(self, appointment: Ahead, starts_at: datetime) -> Ahead:
        """See contract.stories.Premises."""
        at = starts_at.replace(tzinfo=appointment.starts_at.tzinfo)
        if at.date() == appointment.starts_at.date():
            at += timedelta(days=1)
        notice = self.desk.move(appointment.id, at)
        record = self.office.known("appointments", appointment.id)
        moved = _ahead(record)
        what = f"{_what(appointment)} moves to {_day(moved.starts_at)}"
        self._tell(f"Rescheduled{self._elsewhere(record)}: {what}", notice)
        return moved

    def act_on_patient(self, name: str, patient_id: str) -> str:
        """See contract.stories.Premises."""
        if not any(one["patientId"] == patient_id for one in self.office.all("patients")):
            raise NothingToDo("This patient is not on file any more.")
        if name == "pay":
            return self._pay(patient_id)
        if name in ("void", "refund"):
            return self._take_back(name, patient_id)
        if name == "join":
            notice = self.desk.membership(patient_id)
            return self._tell(f"Membership sold: {self.office.all('memberships')[-1]['programName']}", notice)
        return self._tell("New address", self.desk.update_patient(patient_id))

    def _pay(self, patient_id: str) -> str:
        """The bill of what they came for, else of something off the shelf."""
        visit = self._unpaid().pop(patient_id, "")
        items: list[str] = []
        facility = ""
        if visit:
            record = self.office.known("appointments", visit)
            facility = record["facility"]["id"]
            bought = self.office.type_named(record["appointmentType"])
            items = [cast.MENU[place].name for place in bought.items] if bought else []
        notice = self.desk.bill(patient_id, items=items, facility=facility)
        bill = self.office.all("bills")[-1]
        what = ", ".join(one["name"] for one in bill["lineItems"])
        return self._tell(f"Bill paid, ${float(bill['total']):,.2f}: {what}", notice)

    def _take_back(self, name: str, patient_id: str) -> str:
        paid = [
            one
            for one in self.office.all("bills")
            if one["patientId"] == patient_id and one["status"] == "Completed"
        ]
        if not paid:
            raise NothingToDo("This patient has no paid bill. Press Bill first.")
        bill = paid[-1]
        notice = self.desk.void(bill["billId"]) if name == "void" else self.desk.refund(bill["billId"])
        return self._tell(f"{self.patient_acts[name]}: ${float(bill['total']):,.2f}", notice)

    def forget(self, patient_id: str) -> None:
        """See contract.stories.Premises."""
        self._unpaid().pop(patient_id, None)
        for kind in KINDS:
            records = self.office.kept["records"][kind]
            for external_id in [key for key, one in records.items() if one["patientId"] == patient_id]:
                self.office.remove(kind, external_id)

    # --- the book ------------------------------------------------------------------------------------------

    def _elsewhere(self, record: Mapping[str, Any]) -> str:
        """The clinic in words, where an appointment is at another one than a person acts at; else nothing."""
        facility = record["facility"]
        return f" at {facility['name']}" if self.site not in ("", facility["id"]) else ""

    def _unpaid(self) -> dict[str, Any]:
        found: dict[str, Any] = self.kept.setdefault("unpaid", {})
        return found

    def _open(self) -> list[Json]:
        return [one for one in self.office.all("appointments") if one["status"] in self.next_acts]


def _ahead(record: Mapping[str, Any]) -> Ahead:
    starts_at = moment(record["start"], "start")
    assert starts_at is not None  # the desk wrote it
    return Ahead(record["appointmentId"], record["status"], starts_at, record["appointmentType"])


def _what(one: Ahead) -> str:
    return f"{one.service} on {_day(one.starts_at)}"


def _day(at: datetime) -> str:
    return f"{at:%b} {at.day}"
