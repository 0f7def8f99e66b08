"""Nextech Cloud from book to CRM, row by row: what each event writes, what it leaves alone, and which money counts."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.sandbox import Office, Payment, Visit
from integrations.models import Connection, EventState, PollCursor
from tests.polling.offices import CRM_ID, Crm, events, poll_and_work, practice_file, set_up

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime.now(UTC).replace(microsecond=0)
# Eight in the evening at the clinic: the next day in UTC.
SOON = (NOW.astimezone(NEW_YORK) + timedelta(days=5)).replace(hour=20, minute=0, second=0)
DAY = SOON.date()
PAID_ON = NOW.astimezone(NEW_YORK).date()
APPOINTMENTS, PAYMENTS, BIRTHDAY, LOCATIONS = (
    "NXT Appointments Update",
    "NXT Payments Update",
    "NXT Birthday",
    "NXT Location Assignment",
)
WORKFLOWS = {APPOINTMENTS: "WF1", PAYMENTS: "WF2", BIRTHDAY: "WF3", LOCATIONS: "WF4"}
PERSON = sandbox.patient(0, practice="practice-1")
PHONE = "+1" + "".join(one for one in PERSON.mobile if one.isdigit())
BORN = PERSON.born.isoformat()
TYPES = sandbox.TYPE_NAMED
CATEGORIES = {
    "Surgery Consult": "Surgical Consult",
    "Surgery Cosmetic": "Surgical Appointment",
    "Med Spa Consult": "Non-Surgical Consult",
    "Injectables": "Non-Surgical Appointment",
    "Pre-Op": "Pre-Op Appointment",
    "Post-Op": "Post-Op Appointment",
    "Blocked Time": "Blocked",
    "Virtual Visit": "Online Appointment",
}
VISIT = Visit(
    "7001",
    PERSON,
    SOON,
    type=TYPES["Injectables"],
    purposes=TYPES["Injectables"].purposes[:2],
    created_at=NOW - timedelta(days=1),
)
PURPOSES = "Botox, Dermal Filler"


@dataclass
class Desk:
    """A practice on Nextech whose book was empty at the first poll, and its CRM."""

    connection: Connection
    office: Office
    crm: Crm

    def tell(self, *resources: dict[str, Any]) -> None:
        """Something happens at the practice, and is polled."""
        self.office.save(*resources)
        poll_and_work(self.connection)

    def contact(self) -> dict[str, Any]:
        return self.crm.contact()

    def fields(self) -> dict[str, Any]:
        return dict(self.contact()["fields"])

    def notes(self) -> list[list[str]]:
        """The only contact's notes in lines, oldest first, each without its reference, which is checked here."""
        found = [note.split("\n") for note in self.crm.notes(self.contact()["id"])]
        references = [lines[-1] for lines in found]
        assert all(line.startswith("Reference: AX-") for line in references)
        assert len(set(references)) == len(references)
        return [lines[:-1] for lines in found]

    def cards(self) -> dict[str, tuple[str, str]]:
        return self.crm.cards(self.contact()["id"])

    def values(self) -> dict[str, Decimal]:
        """Pipeline → the value of the only contact's card."""
        path = f"/opportunities/search?location_id={CRM_ID}&contact_id={self.contact()['id']}"
        rows = self.crm.api("GET", path)["opportunities"]
        return {row["pipelineId"]: Decimal(str(row.get("monetaryValue") or 0)) for row in rows}

    def enrolled(self) -> list[str]:
        return [row["workflow_id"] for row in self.crm.door("GET", "/enrolments")["enrolments"]]

    def states(self, kind: str) -> list[str]:
        return [event.state for event in events() if event.kind == kind]

    def story(self) -> str:
        """What the newest event about an appointment says of itself."""
        newest = [event for event in events() if event.kind == "appointment"][-1]
        return " ".join(row["text"] for row in newest.story)

    def crm_calls(self) -> int:
        """How many calls the CRM got; the sandbox's log counts those to the EMR too."""
        routes = self.crm.door("GET", "/requests")["routes"]
        return sum(sum(row.values()) for route, row in routes.items() if " nextech_cloud/" not in route)


Opened = Callable[..., Desk]


@pytest.fixture
def opened(db: None, crm: Crm, office: Office) -> Opened:
    """Makes the practice, with these switches, and polls its empty book."""

    def make(
        kind: str = "plastic_surgery",
        sites: tuple[sandbox.Site, ...] = (),
        workflows: dict[str, str] = WORKFLOWS,
        categories: list[dict[str, Any]] | None = None,
        **switches: Any,
    ) -> Desk:
        connection = {
            "base_url": office.base_url,
            "credentials": office.credentials(),
            "switches": switches,
        }
        locations = [
            {"external_id": site.id, "name": site.name, "time_zone": None, "sub_account": "main"}
            for site in sites
        ]
        rows = [confirmed(name, category) for name, category in CATEGORIES.items()]
        document = practice_file(
            "nextech_cloud",
            connection,
            kind=kind,
            locations=locations,
            workflows=workflows,
            categories=rows + (categories or []),
        )
        found = set_up(document)
        poll_and_work(found)
        assert events() == []
        assert crm.contacts() == []
        return Desk(found, office, crm)

    return make


def confirmed(type_name: str, category: str, purpose: str = "") -> dict[str, Any]:
    return {
        "connection": "nextech_cloud",
        "type": type_name,
        "purpose": purpose,
        "category": category,
        "confirmed": True,
    }


@pytest.fixture
def desk(opened: Opened) -> Desk:
    return opened()


@pytest.fixture
def till(opened: Opened) -> Desk:
    """A desk where payments are switched on."""
    return opened(payments=True)


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def on_file(person: sandbox.PatientEntry = PERSON, at: datetime = NOW) -> dict[str, Any]:
    return sandbox.patient_saved(person, at)


def visit(status: str, *, minutes: int = 0, name: str = "", **changes: Any) -> dict[str, Any]:
    """The visit as it was so many minutes after ``NOW``; ``status`` "" is a status of the practice's own."""
    return sandbox.appointment(replace(VISIT, **changes), status, name=name, at=after(minutes))


def of_type(type_name: str) -> dict[str, Any]:
    kind = TYPES[type_name]
    return {"type": kind, "purposes": kind.purposes[:1]}


def written(day: date) -> str:
    """A day as notes have it."""
    return f"{day.month}/{day.day}/{day.year}"


def fields_of(status: str, **more: str) -> dict[str, str]:
    """Every custom field of a contact with the one visit."""
    return {
        "NXT Appointment Status": status,
        "NXT Appointment Date": DAY.isoformat(),
        "NXT Appointment Type": "Injectables",
        "NXT Appointment Purpose": PURPOSES,
        "NXT Appointment Practitioner": "Davison, Darren",
        "NXT Appointment Location": "South Dermatology",
        "NXT Patient ID": PERSON.id,
        "Appointment Category": "Non-Surgical Appointment",
    } | more


def note_of(event: str, status: str) -> list[str]:
    """The note of the one visit without its reference."""
    return [
        f"Nextech Cloud: appointment {event}",
        f"Status: {status}",
        "Type: Injectables",
        f"Purpose: {PURPOSES}",
        "Practitioner: Davison, Darren",
        "Location: South Dermatology",
        f"Date: {written(DAY)}",
        "Category: Non-Surgical Appointment",
    ]


NEXT = {"Next Visit Date": DAY.isoformat(), "Next Visit Service": PURPOSES}
LAST = {"Last Visit Date": DAY.isoformat(), "Last Visit Service": PURPOSES}


# What each status writes


@dataclass(frozen=True)
class Row:
    """What one status writes for a lead's injectables."""

    status: str
    shown: str
    event: str
    card: tuple[str, str]
    more: dict[str, str] = field(default_factory=dict)
    born: str = ""
    enrolled: tuple[str, ...] = ("WF1",)


ROWS = [
    Row("pending", "Pending", "booked", ("Booked", "open"), NEXT),
    Row("booked", "Confirmed", "booked", ("Booked", "open"), NEXT),
    Row(
        "fulfilled",
        "Fulfilled",
        "completed",
        ("Patient", "won"),
        LAST | {"NXT Birthday": BORN, "Contact Type": "Patient"},
        BORN,
        ("WF1", "WF3"),
    ),
    Row("cancelled", "Cancelled", "cancelled", ("Cancelled / No-Show", "open")),
    Row("noshow", "No-Show", "no-show", ("Cancelled / No-Show", "open")),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.status)
def test_a_status_writes_its_fields_one_note_the_card_and_the_workflows(desk, row):
    desk.tell(on_file(), visit(row.status))
    contact = desk.contact()
    assert contact["fields"] == fields_of(row.shown, **row.more)
    core = (contact["firstName"], contact["lastName"], contact["email"], contact["phone"])
    assert core == (PERSON.first_name, PERSON.last_name, PERSON.email, PHONE)
    assert (contact.get("dateOfBirth") or "")[:10] == row.born
    assert not contact.get("address1")
    assert desk.notes() == [note_of(row.event, row.shown)]
    assert desk.cards() == {"P2": row.card}
    assert desk.enrolled() == list(row.enrolled)


@pytest.mark.parametrize(("status", "name"), [("arrived", ""), ("proposed", ""), ("", "Online Book")])
def test_other_statuses_make_no_contact(desk, status, name):
    desk.tell(visit(status, name=name))
    assert desk.states("appointment") == [EventState.DONE]
    assert desk.crm.contacts() == []
    assert "is recorded; nothing is written for it." in desk.story()


@pytest.mark.parametrize(("status", "name"), [("arrived", ""), ("proposed", ""), ("", "Online Book")])
def test_other_statuses_change_nothing_of_the_booking(desk, status, name):
    desk.tell(on_file(), visit("booked"))
    before, notes, cards = desk.contact(), desk.notes(), desk.cards()
    calls = desk.crm_calls()
    desk.tell(visit(status, minutes=1, name=name))
    assert desk.crm_calls() == calls
    assert (desk.contact(), desk.notes(), desk.cards()) == (before, notes, cards)
    assert desk.enrolled() == ["WF1"]


MEANINGS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "booked": ("Pending", "booked", ("Booked", "open")),
    "confirmed": ("Confirmed", "booked", ("Booked", "open")),
    "fulfilled": ("Fulfilled", "completed", ("Patient", "won")),
    "cancelled": ("Cancelled", "cancelled", ("Cancelled / No-Show", "open")),
    "no-show": ("No-Show", "no-show", ("Cancelled / No-Show", "open")),
}


@pytest.mark.parametrize("meaning", MEANINGS)
def test_a_custom_status_means_what_the_connection_says(opened, meaning):
    word, event, card = MEANINGS[meaning]
    desk = opened(status_map=["Online Hold = recorded", f" online  BOOK = {meaning}"])
    desk.tell(on_file(), visit("", name="Online Book"))
    assert desk.fields()["NXT Appointment Status"] == word
    (note,) = desk.notes()
    assert note == note_of(event, f"{word} (Online Book)")
    assert desk.cards() == {"P2": card}


@pytest.mark.parametrize("name", ["Online Hold", "Online Book"])
def test_a_custom_status_that_is_not_mapped_or_mapped_to_recorded_is_recorded(opened, name):
    desk = opened(status_map=["Online Hold = recorded"])
    desk.tell(visit("", name=name))
    assert (desk.states("appointment"), desk.crm.contacts()) == ([EventState.DONE], [])


def test_the_fhir_status_counts_whatever_the_custom_one_is_mapped_to(opened):
    desk = opened(status_map=["Online Book = cancelled"])
    desk.tell(on_file(), visit("booked", name="Online Book"))
    assert desk.cards() == {"P2": ("Booked", "open")}


# Purposes, names and ids


@pytest.mark.parametrize("status", ["pending", "fulfilled"])
@pytest.mark.parametrize(
    ("count", "service"), [(0, "Injectables"), (1, "Botox"), (2, PURPOSES), (3, f"{PURPOSES}, Kybella")]
)
def test_the_service_is_the_purposes_else_the_type(desk, status, count, service):
    desk.tell(on_file(), visit(status, purposes=TYPES["Injectables"].purposes[:count]))
    fields = desk.fields()
    which = "Next" if status == "pending" else "Last"
    assert fields[f"{which} Visit Service"] == service
    assert fields.get("NXT Appointment Purpose") == (service if count else None)
    lines = [line for line in desk.notes()[0] if line.startswith("Purpose:")]
    assert lines == ([f"Purpose: {service}"] if count else [])


def test_without_clinician_and_site_those_fields_and_lines_are_left_out(desk):
    desk.tell(on_file(), visit("booked", clinician=None, site=None))
    left_out = {"NXT Appointment Practitioner", "NXT Appointment Location"}
    wanted = fields_of("Confirmed", **NEXT)
    assert desk.fields() == {name: value for name, value in wanted.items() if name not in left_out}
    assert [line.split(":")[0] for line in desk.notes()[0]][1:] == [
        "Status",
        "Type",
        "Purpose",
        "Date",
        "Category",
    ]


def test_a_patient_in_whatever_case_is_one_patient(till):
    """The appointment has the GUID in capitals, the patient in small letters, this payment again in capitals."""
    assert PERSON.id != PERSON.id.upper()
    till.tell(on_file())
    assert till.fields() == {"NXT Patient ID": PERSON.id}
    contact = till.contact()["id"]
    booked = visit("booked")
    assert any(PERSON.id.upper() in str(one) for one in booked["participant"])
    shouting = replace(PERSON, id=PERSON.id.upper())
    till.tell(booked, sandbox.paid(replace(PAYMENT, patient=shouting), after(1)))
    assert till.contact()["id"] == contact
    fields = till.fields()
    assert fields["NXT Patient ID"] == PERSON.id
    assert Decimal(str(fields["Patient Lifetime Value"])) == 420
    assert len(till.notes()) == 2


# Patients


def test_a_patient_is_created_and_updated_without_note_card_workflow_or_address(desk):
    desk.tell(on_file())
    contact = desk.contact()
    assert contact["fields"] == {"NXT Patient ID": PERSON.id}
    assert (contact["email"], contact["phone"]) == (PERSON.email, PHONE)
    desk.tell(on_file(replace(PERSON, email="moved@example.com", last_name="Vale"), after(1)))
    contact = desk.contact()
    assert contact["fields"] == {"NXT Patient ID": PERSON.id}
    assert (contact["email"], contact["lastName"]) == ("moved@example.com", "Vale")
    assert not any(contact.get(name) for name in ("address1", "city", "state", "postalCode", "dateOfBirth"))
    assert (desk.notes(), desk.cards(), desk.enrolled()) == ([], {}, [])


def test_the_address_is_written_where_it_is_switched_on(opened):
    desk = opened(sync_address=True)
    desk.tell(on_file())
    contact = desk.contact()
    found = tuple(contact[name] for name in ("address1", "city", "state", "postalCode"))
    assert found == (PERSON.street, PERSON.city, PERSON.state, PERSON.postal_code)


# Distinct states: one note each


DISTINCT: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"status": "booked"}, "Status: Confirmed"),
    "purpose": ({"purposes": TYPES["Injectables"].purposes[:1]}, "Purpose: Botox"),
    "practitioner": ({"clinician": sandbox.CLINICIANS[1]}, "Practitioner: Whitlow, Sage"),
    "location": ({"site": sandbox.SITES[1]}, "Location: Harbor Med Spa"),
    "date": (
        {"starts_at": SOON + timedelta(days=2)},
        f"Rescheduled: rescheduled from {written(DAY)} to {written(DAY + timedelta(days=2))}",
    ),
}


@pytest.mark.parametrize("change", DISTINCT)
def test_a_visit_that_changed_gets_another_note_and_enrols_again(desk, change):
    changes, line = DISTINCT[change]
    desk.tell(on_file(), visit("pending"))
    desk.tell(visit(**({"status": "pending", "minutes": 1} | changes)))
    first, second = desk.notes()
    assert first == note_of("booked", "Pending")
    assert line in second
    assert desk.enrolled() == ["WF1", "WF1"]


def test_the_same_state_polled_five_times_is_one_note_and_no_crm_call(desk):
    desk.tell(on_file(), visit("booked"))
    calls = desk.crm_calls()
    for minute in range(1, 6):
        desk.tell(visit("booked", minutes=minute))
    assert desk.crm_calls() == calls
    assert desk.notes() == [note_of("booked", "Confirmed")]
    assert desk.enrolled() == ["WF1"]


# Category × outcome


CARDS: dict[str, tuple[str, str, str, str] | None] = {
    "Surgery Consult": ("P1", "Consult Booked", "Consult Complete", "open"),
    "Surgery Cosmetic": ("P1", "Surgery Scheduled", "Surgery Complete", "won"),
    "Med Spa Consult": ("P2", "Booked", "Patient", "won"),
    "Injectables": ("P2", "Booked", "Patient", "won"),
    "Pre-Op": None,
    "Post-Op": None,
    "Blocked Time": None,
}


@pytest.mark.parametrize("status", ["booked", "fulfilled", "cancelled", "noshow"])
@pytest.mark.parametrize("type_name", CARDS)
def test_category_and_outcome_of_a_lead_give_stage_and_status(desk, type_name, status):
    desk.tell(on_file(), visit(status, **of_type(type_name)))
    expected: dict[str, tuple[str, str]] = {}
    if CARDS[type_name]:
        pipeline, booked, completed, won = CARDS[type_name]
        expected[pipeline] = {"booked": (booked, "open"), "fulfilled": (completed, won)}.get(
            status, ("Cancelled / No-Show", "open")
        )
    assert desk.cards() == expected
    fields = desk.fields()
    assert fields["Appointment Category"] == CATEGORIES[type_name]
    is_patient = any(state == "won" for _, state in expected.values())
    assert fields.get("Contact Type") == ("Patient" if is_patient else None)
    assert f"Category: {CATEGORIES[type_name]}" in desk.notes()[0]


def test_a_late_cancellation_keeps_the_stage_while_another_visit_is_booked(desk):
    later = SOON + timedelta(days=7)
    desk.tell(on_file(), visit("booked"))
    desk.tell(visit("booked", minutes=1, id="7002", starts_at=later))
    desk.tell(visit("cancelled", minutes=2))
    assert desk.cards() == {"P2": ("Booked", "open")}
    assert f"Stage kept: another visit is booked for {written(later.date())}." in desk.story()
    assert len(desk.notes()) == 3


def test_of_purposes_with_different_categories_the_furthest_counts(opened):
    desk = opened(
        categories=[
            confirmed("Injectables", "Surgical Consult", "Botox"),
            confirmed("Injectables", "Surgical Appointment", "Dermal Filler"),
        ]
    )
    desk.tell(on_file(), visit("booked"))
    assert desk.cards() == {"P1": ("Surgery Scheduled", "open")}
    assert "the one that moves furthest counts" in desk.story()


def test_the_exact_pair_of_type_and_purpose_counts_before_the_type(opened):
    desk = opened(categories=[confirmed("Injectables", "Surgical Consult", "Botox")])
    desk.tell(on_file(), visit("booked", purposes=TYPES["Injectables"].purposes[:1]))
    assert desk.cards() == {"P1": ("Consult Booked", "open")}


@pytest.mark.parametrize(
    ("switches", "cards", "state"),
    [
        ({}, {}, EventState.HELD),
        (
            {"online_appointment_counts_as": "Surgical Consult"},
            {"P1": ("Consult Booked", "open")},
            EventState.DONE,
        ),
    ],
    ids=["not chosen", "chosen"],
)
def test_an_online_appointment_counts_as_what_the_practice_chose(opened, switches, cards, state):
    desk = opened(**switches)
    desk.tell(on_file(), visit("booked", **of_type("Virtual Visit")))
    assert (desk.cards(), desk.states("appointment")) == (cards, [state])
    assert len(desk.notes()) == 1


def test_a_type_that_nobody_confirmed_is_held(desk):
    desk.tell(on_file(), visit("booked", **of_type("Laser")))
    assert desk.states("appointment") == [EventState.HELD]
    assert "Category: not yet set" in desk.notes()[0]
    assert "Appointment Category" not in desk.fields()
    assert (desk.cards(), desk.enrolled()) == ({}, [])


# Several locations


@pytest.mark.parametrize(
    ("sites", "workflows", "enrolled"),
    [
        (sandbox.SITES, WORKFLOWS, ["WF1", "WF4"]),
        (sandbox.SITES, {APPOINTMENTS: "WF1"}, ["WF1"]),
        (sandbox.SITES[:1], WORKFLOWS, ["WF1"]),
    ],
    ids=["several, mapped", "several, not mapped", "one"],
)
def test_location_assignment_is_enrolled_where_there_are_several_and_it_is_mapped(
    opened, sites, workflows, enrolled
):
    desk = opened(sites=sites, workflows=workflows)
    desk.tell(on_file(), visit("booked"))
    assert desk.enrolled() == enrolled
    desk.tell(visit("booked", minutes=1))
    assert desk.enrolled() == enrolled
    desk.tell(visit("booked", minutes=2, site=sandbox.SITES[1]))
    if len(sites) > 1:
        assert desk.enrolled() == enrolled * 2
    assert desk.fields()["NXT Appointment Location"] == "Harbor Med Spa"


# Money

PAYMENT = Payment("501", PERSON, Decimal("420.00"), PAID_ON)
INSURED = replace(PAYMENT, insurer="Example Shield")
Told = Callable[[datetime], Any]


def active(at: datetime) -> Any:
    return sandbox.paid(PAYMENT, at)


def taken_back(at: datetime) -> Any:
    return sandbox.voided(PAYMENT, "502", at)


def given_back(at: datetime) -> Any:
    return sandbox.refund(PAYMENT, "504", Decimal("20.00"), at)


def adjusted(at: datetime) -> Any:
    return sandbox.adjustment(PAYMENT, at)


def insured(at: datetime) -> Any:
    return sandbox.insurance_payment(INSURED, "Example Shield", at)


def corrected(at: datetime) -> Any:
    return sandbox.corrected(PAYMENT, Decimal("400.00"), "502", "503", at)


PAID = {
    "Invoice Paid Amount": "420",
    "Patient Lifetime Value": "420",
    "NXT Last Payment Date": PAID_ON.isoformat(),
    "NXT Payment Status": "Active",
    "NXT Last Payment ID": "501",
}
ACTIVE_NOTE = ["Nextech Cloud: payment", "Status: Active", "Amount: $420.00"]


@dataclass(frozen=True)
class Money:
    """What the entries of each round of polls come to."""

    name: str
    rounds: tuple[Told, ...]
    fields: dict[str, str] = field(default_factory=dict)
    notes: tuple[list[str], ...] = ()
    enrolled: int = 0
    switches: dict[str, bool] = field(default_factory=dict)


MONEY = [
    Money("active", (active,), PAID, (ACTIVE_NOTE,), 1),
    Money("active, told again", (active, active, active), PAID, (ACTIVE_NOTE,), 1),
    Money(
        "cancelled after it was active",
        (active, taken_back),
        PAID
        | {
            "Patient Lifetime Value": "0",
            "NXT Payment Status": "Cancelled",
            "NXT Last Payment ID": "501 cancelled",
        },
        (ACTIVE_NOTE, ["Nextech Cloud: payment cancelled", "Status: Cancelled", "Amount: -$420.00"]),
        1,
    ),
    Money("cancelled, never counted", (taken_back,)),
    Money(
        "refunded in part",
        (active, given_back),
        PAID
        | {
            "Patient Lifetime Value": "400",
            "NXT Payment Status": "Refunded",
            "NXT Last Payment ID": "504",
        },
        (ACTIVE_NOTE, ["Nextech Cloud: payment", "Status: Refunded", "Amount: -$20.00"]),
        1,
    ),
    Money(
        "corrected",
        (active, corrected),
        PAID
        | {
            "Patient Lifetime Value": "400",
            "Invoice Paid Amount": "400",
            "NXT Last Payment ID": "503",
        },
        (
            ACTIVE_NOTE,
            ["Nextech Cloud: payment cancelled", "Status: Cancelled", "Amount: -$420.00"],
            ["Nextech Cloud: payment", "Status: Active", "Amount: $400.00"],
        ),
        2,
    ),
    Money("an adjustment", (adjusted,)),
    Money(
        "an adjustment that counts",
        (adjusted,),
        PAID,
        (ACTIVE_NOTE,),
        1,
        switches={"count_adjustments": True},
    ),
    Money("insurance", (insured,)),
    Money("insurance that counts", (insured,), PAID, (ACTIVE_NOTE,), 1, switches={"count_insurance": True}),
    Money("insurance, with only adjustments counting", (insured,), switches={"count_adjustments": True}),
    Money("an adjustment, with only insurance counting", (adjusted,), switches={"count_insurance": True}),
]
AMOUNTS = ("Invoice Paid Amount", "Patient Lifetime Value")


@pytest.mark.parametrize("row", MONEY, ids=lambda row: row.name)
def test_which_money_counts_and_what_it_writes(opened, row):
    desk = opened(payments=True, **row.switches)
    desk.tell(on_file())
    for minute, told in enumerate(row.rounds, 1):
        found = told(after(minute))
        desk.tell(*(found if isinstance(found, tuple) else (found,)))
    expected: dict[str, Any] = {"NXT Patient ID": PERSON.id} | row.fields
    fields = desk.fields()
    for name in AMOUNTS:
        if name in fields:
            fields[name] = Decimal(str(fields[name]))
            expected[name] = Decimal(expected[name])
    assert fields == expected
    assert sorted(desk.notes()) == sorted(row.notes)
    assert desk.enrolled() == ["WF2"] * row.enrolled
    assert desk.cards() == {}, "a payment alone makes no card"
    assert set(desk.states("payment")) == {EventState.DONE}


@pytest.mark.parametrize(
    ("switches", "surgical"),
    [
        pytest.param({}, "0", id="by default"),
        pytest.param(
            {"surgical_value": True},
            "420",
            id="switched on",
        ),
    ],
)
def test_the_cards_carry_the_lifetime_value(opened, switches, surgical):
    desk = opened(payments=True, **switches)
    desk.tell(on_file(), visit("booked"), visit("booked", id="7002", **of_type("Surgery Consult")))
    desk.tell(active(after(1)))
    assert desk.values() == {"P2": Decimal("420"), "P1": Decimal(surgical)}
    assert desk.cards() == {"P2": ("Booked", "open"), "P1": ("Consult Booked", "open")}


def test_a_second_payment_adds_to_what_a_person_wrote_by_hand(till):
    till.tell(on_file(), active(after(1)))
    contact = till.contact()
    fields = till.crm.api("GET", f"/locations/{CRM_ID}/customFields")["customFields"]
    value_id = next(row["id"] for row in fields if row["name"] == "Patient Lifetime Value")
    by_hand = {"customFields": [{"id": value_id, "field_value": 1000}]}
    till.crm.api("PUT", f"/contacts/{contact['id']}", by_hand)
    till.tell(sandbox.paid(replace(PAYMENT, id="505", amount=Decimal("0.55")), after(2)))
    assert Decimal(str(till.fields()["Patient Lifetime Value"])) == Decimal("1000.55")


@pytest.mark.parametrize(
    ("kind", "switches", "is_read"),
    [
        ("plastic_surgery", {}, False),
        ("plastic_surgery", {"payments": True}, True),
        ("med_spa", {}, True),
        ("med_spa", {"payments": False}, False),
    ],
)
def test_payments_are_read_by_default_only_where_there_is_no_surgery(opened, kind, switches, is_read):
    desk = opened(kind=kind, **switches)
    desk.tell(on_file(), active(after(1)))
    assert len(desk.states("payment")) == is_read
    assert ("Patient Lifetime Value" in desk.fields()) is is_read
    assert len(desk.notes()) == is_read
    asked = {row["path"] for row in desk.office.requests()}
    assert ("/PaymentReconciliation" in asked) is is_read
    polled = PollCursor.objects.across_practices().filter(primed_at__isnull=False)
    assert polled.filter(resource="payments").exists() is is_read
