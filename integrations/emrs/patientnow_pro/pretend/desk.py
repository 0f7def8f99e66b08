"""The front desk of a pretend practice: patients come, book, pay, and do not come. Each act changes what is on file
and gives the notice that PatientNow Pro would send. Chance and time come in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from integrations.contract.dates import moment
from integrations.emrs.patientnow_pro.pretend import cast
from integrations.emrs.patientnow_pro.pretend.cast import Json
from integrations.emrs.patientnow_pro.pretend.office import Office, Refused

T = TypeVar("T")
FIRST_APPOINTMENT_ID, FIRST_BILL_ID, FIRST_MEMBERSHIP_ID, FIRST_EVENT_ID = 90_301, 5_501, 31, 1_001
OPENS_AT, HOURS_OPEN = 9, 9
MOST_OPEN = 12


class Chance(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float: ...

    def choice(self, seq: Sequence[T], /) -> T: ...

    def randrange(self, stop: int, /) -> int: ...


class FrontDesk:
    """Everything that can happen at one practice. Every act returns the notice of it, and raises Refused for ids
    that are not on file."""

    def __init__(self, office: Office, practice_id: str, chance: Chance) -> None:
        self.office, self.practice_id, self.chance = office, practice_id, chance

    # --- patients ------------------------------------------------------------------------------------------

    def new_patient(self, **changes: Any) -> Json:
        """Somebody who was never here before is put on file; ``changes`` replace values of the record."""
        number = self.office.number("patients", 0) % cast.DIFFERENT
        record = self.office.save("patients", {**cast.patient(number), **changes})
        return self._notice("PatientCreated", record["patientId"])

    def update_patient(self, patient: str, **changes: Any) -> Json:
        """A patient's record changes: what is given, else a new address."""
        known = self.office.known("patients", patient)
        line = f"{1 + self.chance.randrange(900)} Grove Boulevard"
        changed = changes or {"address": {**known["address"], "line1": line}}
        self.office.save("patients", {**known, **changed})
        return self._notice("PatientUpdated", patient)

    # --- appointments --------------------------------------------------------------------------------------

    def book(
        self,
        patient: str,
        *,
        type: str = "",
        facility: str = "",
        days_ahead: int | None = None,
        starts_at: datetime | None = None,
    ) -> Json:
        """An appointment is made, in opening hours. ``type`` by name, ``facility`` by id; what is not given is left
        to chance."""
        self.office.known("patients", patient)
        booked = self.office.type_named(type) or self.chance.choice(
            [one for one in self.office.offers if one.active]
        )
        site = next((one for one in self.office.sites if one.id == facility), None)
        site = site or self.chance.choice(self.office.sites)
        clinician = self.chance.choice(cast.CLINICIANS)
        ahead = self.chance.randrange(21) if days_ahead is None else days_ahead
        record: Json = {
            "appointmentId": str(self.office.number("appointments", FIRST_APPOINTMENT_ID)),
            "patientId": patient,
            "status": "Booked",
            "eventType": booked.event_type,
            "appointmentType": booked.name,
            "typeClass": booked.type_class,
            "reason": booked.reason,
            "comments": "Prefers mornings" if self.chance.random() < 0.2 else "",
            "start": self._stamp(starts_at or self._slot(site, ahead), site),
            "provider": {"id": clinician.id, "name": clinician.name},
            "facility": {"id": site.id, "name": site.name},
            "modifiedAt": self._stamp(self.office.now, site),
        }
        self.office.save("appointments", record)
        return self._notice("AppointmentCreated", patient, appointmentId=record["appointmentId"])

    def check_out(self, appointment: str) -> Json:
        """They came (today at the latest, whatever the book said) and leave."""
        known = self.office.known("appointments", appointment)
        starts_at = moment(known["start"], "start")
        if starts_at and starts_at > self.office.now:
            self.office.kept["records"]["appointments"][appointment] = known = {
                **known,
                "start": self._stamp(self.office.now - timedelta(hours=1), self._site_of(known)),
            }
        return self.set_status(appointment, "Checkout")

    def cancel(self, appointment: str) -> Json:
        """The appointment is cancelled."""
        return self.set_status(appointment, "Cancelled")

    def no_show(self, appointment: str) -> Json:
        """They do not come."""
        return self.set_status(appointment, "No-Show")

    def set_status(self, appointment: str, status: str) -> Json:
        """The appointment gets any status, such as Confirmed or Arrived."""
        known = self.office.known("appointments", appointment)
        changed_at = self._stamp(self.office.now, self._site_of(known))
        self.office.save("appointments", {**known, "status": status, "modifiedAt": changed_at})
        return self._notice(
            "AppointmentStatusChanged", known["patientId"], appointmentId=appointment, status=status
        )

    def move(self, appointment: str, starts_at: datetime) -> Json:
        """The appointment moves to another time."""
        known = self.office.known("appointments", appointment)
        self.office.save("appointments", {**known, "start": self._stamp(starts_at, self._site_of(known))})
        return self.set_status(appointment, "Rescheduled")

    # --- money ---------------------------------------------------------------------------------------------

    def bill(self, patient: str, *, items: Sequence[str] = (), facility: str = "") -> Json:
        """A bill is paid. ``items`` by name; one or two by chance when not given."""
        self.office.known("patients", patient)
        bought = [one for name in items for one in cast.MENU if one.name == name] or [
            self.chance.choice(cast.MENU) for _ in range(1 + self.chance.randrange(2))
        ]
        site = next((one for one in self.office.sites if one.id == facility), self.office.sites[0])
        record: Json = {
            "billId": f"B-{self.office.number('bills', FIRST_BILL_ID)}",
            "patientId": patient,
            "total": f"{sum((one.price for one in bought), Decimal(0)):.2f}",
            "completedAt": self._stamp(self.office.now, site),
            "provider": {"name": self.chance.choice(cast.CLINICIANS).name},
            "lineItems": [{"name": one.name, "quantity": 1, "amount": f"{one.price:.2f}"} for one in bought],
            "status": "Completed",
        }
        self.office.save("bills", record)
        return self._notice("BillCompleted", patient, billId=record["billId"])

    def void(self, bill: str) -> Json:
        """A bill is voided: a notice about the known bill, which now says so."""
        return self._bill_becomes(bill, "Voided")

    def refund(self, bill: str) -> Json:
        """A bill is refunded as a whole."""
        return self._bill_becomes(bill, "Refunded")

    def _bill_becomes(self, bill: str, status: str) -> Json:
        known = self.office.known("bills", bill)
        self.office.save("bills", {**known, "status": status})
        return self._notice("BillCompleted", known["patientId"], billId=bill)

    def membership(self, patient: str, *, program: str = "") -> Json:
        """A membership is sold. ``program`` by name; by chance when not given."""
        self.office.known("patients", patient)
        sold = next((one for one in cast.PROGRAMS if one.name == program), None)
        sold = sold or self.chance.choice(cast.PROGRAMS)
        record = {
            "membershipId": f"M-{self.office.number('memberships', FIRST_MEMBERSHIP_ID)}",
            "patientId": patient,
            "programName": sold.name,
            "amount": f"{sold.price:.2f}",
            "startDate": self._local(self.office.now, self.office.sites[0]).date().isoformat(),
            "status": "Active",
        }
        self.office.save("memberships", record)
        return self._notice("MembershipCreated", patient, membershipId=record["membershipId"])

    def test_notice(self) -> Json:
        """PatientNow tries the webhook."""
        return self._notice("Test")

    # --- a day ---------------------------------------------------------------------------------------------

    def step(self) -> list[Json]:
        """One thing happens: the day goes on for somebody, or somebody new turns up. Its notices, in order."""
        waiting = [one for one in self.office.all("appointments") if one["status"] == "Booked"]
        chance = self.chance.random()
        if waiting and (len(waiting) >= MOST_OPEN or chance < 0.5):
            return self._goes_on(self.chance.choice(waiting))
        known = self.office.all("patients")
        if known and chance < 0.58:
            return [self.update_patient(self.chance.choice(known)["patientId"])]
        if known and chance < 0.63:
            return [self.membership(self.chance.choice(known)["patientId"])]
        if known and chance < 0.75:
            return [self.book(self.chance.choice(known)["patientId"])]
        created = self.new_patient()
        return [created, self.book(self.office.all("patients")[-1]["patientId"])]

    def _goes_on(self, appointment: Json) -> list[Json]:
        """They check out and mostly pay, cancel, or do not come; now and then a bill is voided later."""
        external_id, chance = appointment["appointmentId"], self.chance.random()
        if chance < 0.2:
            return [self.cancel(external_id) if chance < 0.12 else self.no_show(external_id)]
        notices = [self.check_out(external_id)]
        billed = self.office.type_named(appointment["appointmentType"])
        if billed and billed.items:
            items = [cast.MENU[place].name for place in billed.items]
            facility = appointment["facility"]["id"]
            notices.append(self.bill(appointment["patientId"], items=items, facility=facility))
            if self.chance.random() < 0.05:
                notices.append(self.void(self.office.all("bills")[-1]["billId"]))
        return notices

    # --- what all of it needs ------------------------------------------------------------------------------

    def _notice(self, event: str, patient: str = "", **more: str) -> Json:
        notice: Json = {
            "eventType": event,
            "eventId": f"e-{self.practice_id}-{self.office.number('events', FIRST_EVENT_ID)}",
            "occurredAt": self._stamp(self.office.now, self.office.sites[0]),
            "practiceId": self.practice_id,
        }
        if patient:
            notice["patientId"] = patient
        styled: Json = self.office.styled({**notice, **more})
        return styled

    def _slot(self, site: cast.Facility, ahead: int) -> datetime:
        """A quarter of an hour in opening hours at the clinic, that many days from today."""
        opens = self._local(self.office.now, site).replace(hour=OPENS_AT, minute=0, second=0, microsecond=0)
        return opens + timedelta(days=ahead, minutes=15 * self.chance.randrange(HOURS_OPEN * 4))

    def _local(self, at: datetime, site: cast.Facility) -> datetime:
        return at.astimezone(ZoneInfo(site.time_zone))

    def _stamp(self, at: datetime, site: cast.Facility) -> str:
        return self._local(at, site).isoformat(timespec="milliseconds")

    def _site_of(self, appointment: Mapping[str, Any]) -> cast.Facility:
        """The clinic of an appointment. Raises Refused for one that the practice does not have."""
        wanted = appointment.get("facility", {}).get("id")
        found = next((one for one in self.office.sites if one.id == wanted), None)
        if found is None:
            raise Refused(400, {"error": "the appointment is at none of the facilities"})
        return found
