"""A practice that lives: what the demo's stories and buttons do to what it has on file."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from integrations.contract.demo import Button, NothingToDo, OnFile
from integrations.contract.stories import Ahead, Chance
from integrations.emrs.nextech_cloud.fhir import patient_of
from integrations.emrs.nextech_cloud.pretend import resources, store
from integrations.emrs.nextech_cloud.pretend.cast import (
    CLINICIANS,
    CUSTOM_STATUSES,
    TYPES,
    AppointmentType,
    PatientEntry,
    Purpose,
    Site,
    patient,
)
from integrations.emrs.nextech_cloud.pretend.resources import Json, Payment, Visit

BUTTONS = (
    Button("book", "Book", "event_available", "A new appointment, pending"),
    Button("confirm", "Confirm", "task_alt", "The next appointment is confirmed"),
    Button("complete", "Complete", "how_to_reg", "The next appointment took place; paying comes after"),
    Button("pay", "Pay", "payments", "What is owed for the last visit is paid, else products are bought"),
    Button("cancel", "Cancel", "event_busy", "The next appointment is called off"),
    Button("no_show", "No-show", "person_off", "Nobody comes to the next appointment"),
    Button("reschedule", "Reschedule", "update", "The next appointment moves to another day"),
    Button("refund", "Refund", "currency_exchange", "Half of the last payment is given back"),
    Button("void", "Void", "money_off", "The last payment is taken back"),
    Button("edit", "New phone", "badge", "The patient's mobile number changes"),
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
    "complete": "fulfilled",
    "cancel": "cancelled",
    "no_show": "noshow",
}
ONLINE, ONLINE_STATUS = "online", CUSTOM_STATUSES["6"]
PRODUCTS = (Decimal("42.00"), Decimal("118.00"), Decimal("86.50"))
NEW_PRICE = Decimal("250.00")
FIRST_APPOINTMENT_ID, FIRST_PAYMENT_ID = 12_000, 126_000
BETWEEN = ": "


class Desk:
    """The stories' Premises at one practice. ``file`` is what it has on file, ``now`` is aware."""

    next_acts: Mapping[str, Sequence[str]] = {
        ONLINE: ("confirm", "confirm", "cancel"),
        "pending": ("confirm", "confirm", "confirm", "cancel", "reschedule"),
        "booked": ("arrive", "arrive", "complete", "complete", "no_show", "cancel", "reschedule"),
        "arrived": ("complete",),
    }
    appointment_acts: Mapping[str, str] = {
        "confirm": "Confirmed",
        "arrive": "Arrived",
        "complete": "Fulfilled",
        "cancel": "Cancelled",
        "no_show": "No-show",
    }
    patient_acts: Mapping[str, str] = {
        "pay": "Paid",
        "refund": "Refunded",
        "void": "Voided",
        "edit": "New phone",
    }
    beginnings: Sequence[tuple[str, tuple[str, ...]]] = (
        ("Surgery Consult: Rhinoplasty Consult", ()),
        ("Surgery Consult: Tummy Tuck Consult", ("complete",)),
        ("Surgery Cosmetic: Rhinoplasty", ("confirm",)),
        ("Surgery Cosmetic: Abdominoplasty", ("complete", "pay")),
        ("Injectables: Botox", ("complete", "pay")),
        ("Injectables: Dermal Filler", ()),
        ("Skin Care: Hydrafacial", ("complete", "pay")),
        ("Laser: IPL Photofacial", ("cancel",)),
        ("Med Spa Consult: Laser Consult", ("no_show",)),
        ("Skin Care: Chemical Peel", ()),
        ("Virtual Visit: Video Consult", ()),
    )

    def __init__(self, practice_id: str, file: Json, chance: Chance, now: datetime) -> None:
        self.practice_id, self.file, self.chance, self.now = practice_id, file, chance, now
        self.site = ""
        self.kept: Json = file.setdefault("stories", {})

    def furnish(self, sites: Sequence[Mapping[str, str]], zone: str, rare: Sequence[str]) -> None:
        """Locations (``id``, ``name``, ``zone``), the menu, the practice's zone, and types that chance leaves alone."""
        self.kept |= {"zone": zone, "rare": list(rare), "sites": [dict(one) for one in sites]}
        self._put(*resources.locations(self._sites()), *resources.menu())

    # --- who and what --------------------------------------------------------------------------------------

    def patients(self) -> Sequence[OnFile]:
        """See Premises."""
        booked: dict[str, int] = {}
        for one in self._open():
            whose = patient_of(one).id
            booked[whose] = booked.get(whose, 0) + 1
        return [_on_file(entry_of(one), booked.get(one["id"], 0)) for one in self._all("Patient")]

    def services(self) -> Sequence[str]:
        """See Premises: type and purpose."""
        offered = [f"{kind.name}{BETWEEN}{one.name}" for kind in TYPES[:-1] for one in kind.purposes]
        return [*offered, *self.kept.get("added", ())]

    def usual_services(self) -> Sequence[str]:
        """See Premises: what was added by hand is left to people."""
        rare, added = self.kept.get("rare", ()), self.kept.get("added", ())
        return [one for one in self.services() if one.partition(BETWEEN)[0] not in rare and one not in added]

    def add_service(self) -> str:
        """See Premises: a type of its own."""
        added = self.kept.setdefault("added", [])
        added.append(f"New Treatment {len(added) + 1}{BETWEEN}First Visit")
        kind, _ = self._named(added[-1])
        self._put(*resources.menu([kind])[:2])
        return str(added[-1])

    def ahead(self, patient_id: str) -> Sequence[Ahead]:
        """See Premises."""
        own = [_ahead(one) for one in self._open() if patient_of(one).id == patient_id]
        return sorted(own, key=lambda one: one.starts_at)

    def now_there(self) -> datetime:
        """See Premises."""
        return self.now.astimezone(ZoneInfo(self.kept.get("zone", "UTC")))

    def urgent(self, patient_id: str) -> Sequence[str]:
        """Paying, after a visit that costs something."""
        return ("pay",) if self._purse(patient_id).get("owed") else ()

    # --- appointments --------------------------------------------------------------------------------------

    def add_patient(self) -> str:
        """See Premises."""
        number = self.kept["next"] = self.kept.get("next", 0) + 1
        entry = patient(number, practice=self.practice_id)
        self._put(resources.patient_saved(entry))
        return entry.id

    def book(self, patient_id: str, service: str, starts_at: datetime, changed_at: datetime) -> Ahead:
        """See Premises. Some book online, which leaves a status of the practice's own."""
        kind, purpose = self._named(service)
        sites = self._sites()
        site = self.chance.choice([one for one in sites if one.id == self.site] or sites)
        visit = Visit(
            id=str(FIRST_APPOINTMENT_ID + self._number()),
            patient=self._entry(patient_id),
            starts_at=starts_at.replace(tzinfo=self._zone(site.id)),
            type=kind,
            purposes=(purpose,),
            site=site,
            clinician=self.chance.choice(CLINICIANS),
            created_at=self.now,
        )
        is_online = self.chance.random() < 0.15
        made = resources.custom(visit) if is_online else resources.pending(visit)
        made["meta"] = {"lastUpdated": resources.stamp(changed_at)}
        self._put(made)
        return _ahead(made)

    def act(self, name: str, appointment: Ahead) -> None:
        """See Premises. Whoever comes early is seen today."""
        known = store.read(self.file, "Appointment", appointment.id)
        changed = {**known, "status": STATUSES[name], "extension": _renamed(known, STATUSES[name])}
        if name in ("arrive", "complete", "no_show") and appointment.starts_at > self.now:
            changed |= _times(self.now.astimezone(appointment.starts_at.tzinfo) - timedelta(minutes=20))
        self._change(changed)
        if name == "complete":
            price = self._named(appointment.service)[1].price
            if price:
                purse = self._purse(patient_of(known).id)
                purse["owed"] = str(Decimal(purse.get("owed", "0")) + price)

    def move(self, appointment: Ahead, starts_at: datetime) -> Ahead:
        """See Premises."""
        at = starts_at.replace(tzinfo=appointment.starts_at.tzinfo)
        if at.date() == appointment.starts_at.date():
            at += timedelta(days=1)
        moved = store.read(self.file, "Appointment", appointment.id) | _times(at)
        self._change(moved)
        return _ahead(moved)

    # --- patients and money --------------------------------------------------------------------------------

    def act_on_patient(self, name: str, patient_id: str) -> str:
        """See Premises."""
        if name == "edit":
            self._new_phone(patient_id)
            return "New phone"
        return self._pay(patient_id) if name == "pay" else self._give_back(patient_id, name)

    def _new_phone(self, patient_id: str) -> None:
        known = store.read(self.file, "Patient", patient_id)
        mobile = f"({400 + self.chance.randrange(90)}) 555-01{self.chance.randrange(100):02d}"
        telecom = [
            one | ({"value": mobile} if one.get("use") == "mobile" and "value" in one else {})
            for one in known["telecom"]
        ]
        self._change(known | {"telecom": telecom})

    def _pay(self, patient_id: str) -> str:
        purse = self._purse(patient_id)
        amount = Decimal(purse.pop("owed", "0")) or self.chance.choice(PRODUCTS)
        payment = self._payment(patient_id, self._payment_id(), amount, self.now_there().date())
        purse.setdefault("paid", []).append([payment.id, str(amount), self.now_there().date().isoformat()])
        self._put(resources.paid(payment))
        return f"Paid ${amount:,.2f}"

    def _give_back(self, patient_id: str, name: str) -> str:
        paid = self._purse(patient_id).get("paid")
        if not paid:
            raise NothingToDo("This patient has paid nothing that could be given back. Press Pay first.")
        payment_id, written, day = paid.pop()
        amount = Decimal(written)
        payment = self._payment(patient_id, payment_id, amount, date.fromisoformat(day))
        if name == "void":
            self._put(*resources.voided(payment, self._payment_id()))
            return f"Voided ${amount:,.2f}"
        half = (amount / 2).quantize(Decimal("0.01"))
        self._put(resources.refund(payment, self._payment_id(), half))
        return f"Refunded ${half:,.2f} of ${amount:,.2f}"

    def forget(self, patient_id: str) -> None:
        """See Premises."""
        for kind in ("Appointment", "PaymentReconciliation", "Patient"):
            for one in self._all(kind):
                if patient_of(one).id == patient_id:
                    store.remove(self.file, kind, one["id"])
        self.kept.get("purses", {}).pop(patient_id, None)

    def _payment(self, patient_id: str, payment_id: str, amount: Decimal, paid_on: date) -> Payment:
        return Payment(payment_id, self._entry(patient_id), amount, paid_on, self._sites()[0])

    def _payment_id(self) -> str:
        return str(FIRST_PAYMENT_ID + self._number())

    def _purse(self, patient_id: str) -> Json:
        """What somebody owes, and has paid: ``[[id, amount, day]]``."""
        purses: Json = self.kept.setdefault("purses", {})
        found: Json = purses.setdefault(patient_id, {})
        return found

    # --- the file ------------------------------------------------------------------------------------------

    def _all(self, kind: str) -> list[Json]:
        return [dict(row["resource"]) for row in self.file.get(kind, {}).values()]

    def _open(self) -> list[Json]:
        return [
            one for one in self._all("Appointment") if _status(one) in self.next_acts and patient_of(one).id
        ]

    def _put(self, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            store.put(self.file, row, self.now)

    def _change(self, resource: Mapping[str, Any]) -> None:
        self._put({name: value for name, value in resource.items() if name != "meta"})

    def _entry(self, patient_id: str) -> PatientEntry:
        return entry_of(store.read(self.file, "Patient", patient_id))

    def _sites(self) -> tuple[Site, ...]:
        return tuple(Site(one["id"], one["name"]) for one in self.kept["sites"])

    def _zone(self, site_id: str) -> ZoneInfo:
        return ZoneInfo(next(one["zone"] for one in self.kept["sites"] if one["id"] == site_id))

    def _number(self) -> int:
        """A number that was never given before."""
        self.kept["numbers"] = self.kept.get("numbers", 0) + 1
        return int(self.kept["numbers"])

    def _named(self, service: str) -> tuple[AppointmentType, Purpose]:
        kind_name, _, purpose_name = service.partition(BETWEEN)
        known = next((one for one in TYPES if one.name == kind_name), None)
        if known is None:
            number = 1 + self.kept.get("added", []).index(service)
            purpose = Purpose(str(900 + number), purpose_name, NEW_PRICE)
            return AppointmentType(str(200 + number), kind_name, (purpose,)), purpose
        return known, next(one for one in known.purposes if one.name == purpose_name)


def entry_of(found: Mapping[str, Any]) -> PatientEntry:
    """A patient as they are on file, as far as the builders need them."""
    name, address = found["name"][0], found["address"][0]
    reached = {one.get("use", one["system"]): str(one.get("value", "")) for one in found["telecom"]}
    return PatientEntry(
        id=found["id"],
        chart_number=next((one["value"] for one in found["identifier"] if one["use"] == "usual"), ""),
        first_name=next(iter(name["given"]), ""),
        last_name=name["family"],
        born=date.fromisoformat(found["birthDate"]),
        gender=found.get("gender", ""),
        email=reached.get("email", ""),
        mobile=reached.get("mobile", ""),
        home=reached.get("home", ""),
        street=next(iter(address.get("line", ())), ""),
        city=address.get("city", ""),
        state=address.get("state", ""),
        postal_code=address.get("postalCode", ""),
    )


def _on_file(entry: PatientEntry, booked: int) -> OnFile:
    return OnFile(entry.id, f"{entry.last_name}, {entry.first_name}", entry.email, booked)


def _status(appointment: Mapping[str, Any]) -> str:
    return str(appointment.get("status") or ONLINE)


def _ahead(appointment: Mapping[str, Any]) -> Ahead:
    shown = {
        one["url"].rpartition("/")[2]: one["valueReference"]["display"] for one in appointment["extension"]
    }
    service = f"{shown['appointment-type']}{BETWEEN}{shown['appointment-purpose']}"
    return Ahead(
        appointment["id"], _status(appointment), datetime.fromisoformat(appointment["start"]), service
    )


def _renamed(appointment: Mapping[str, Any], status: str) -> list[Json]:
    """The extensions, with Nextech's own name of another status."""
    name = resources.status_name(status)
    return [
        one | {"valueReference": {"reference": "appointment-status/0", "display": name}}
        if one["url"].endswith("appointment-status")
        else one
        for one in appointment["extension"]
    ]


def _times(starts_at: datetime) -> Json:
    ends_at = starts_at + timedelta(minutes=30)
    return {
        "start": starts_at.isoformat(timespec="seconds"),
        "end": ends_at.isoformat(timespec="seconds"),
    }
