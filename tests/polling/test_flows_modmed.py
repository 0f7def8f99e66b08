"""ModMed from book to CRM, row by row: what each event writes, what it leaves alone, and what moves the card."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase
from django.utils import timezone

from categorization.categories import name_key
from categorization.models import AppointmentType
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.sandbox import Door
from integrations.models import Connection, EventState
from tests.polling.offices import Crm, events, poll_and_work, practice_file, set_up

NOW = datetime.now(UTC).replace(microsecond=0)
# About noon in New York.
SOON = (NOW + timedelta(days=5)).replace(hour=16, minute=0, second=0)
DAY = SOON.date()
FLOW, BIRTHDAY = "ModMed Appointments and Pipeline Update", "ModMed Birthday"
TYPES = {one.name: one for one in cast.TYPES}
CONSULT = TYPES["Rhinoplasty Consult"]
PERSON = cast.patient(0)
# Type → the category that the practice confirmed for it. Nobody has confirmed one for "Follow-up".
CATEGORIES = {
    "Rhinoplasty Consult": "Surgical Consult",
    "Surgery": "Surgical Appointment",
    "Cosmetic Consult": "Non-Surgical Consult",
    "Botox": "Non-Surgical Appointment",
    "Pre-Op": "Pre-Op Appointment",
    "Post-Op": "Post-Op Appointment",
    "Block": "Blocked",
}


@dataclass
class Desk:
    """A practice on ModMed whose book was empty at the first poll, and its CRM."""

    connection: Connection
    firm: Door
    crm: Crm

    def tell(self, *resources: dict[str, Any]) -> None:
        """Something happens at the practice, and is polled."""
        self.firm.save(*resources)
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

    def enrolled(self) -> list[str]:
        return [row["workflow_id"] for row in self.crm.door("GET", "/enrolments")["enrolments"]]

    def confirm(self, type_name: str, category: str) -> None:
        """A reviewer confirms what a type counts as; what waited for that goes on when it is committed."""
        # The set-up's own callbacks still wait: a test never commits.
        transaction.get_connection().run_on_commit.clear()
        with TestCase.captureOnCommitCallbacks(execute=True):
            rows = AppointmentType.objects.for_practice(self.connection.practice_id)
            known = rows.get(connection_key=self.connection.key, name_key=name_key(type_name))
            known.category, known.confirmed_at = category, timezone.now()
            known.save()

    def told(self, step: str) -> list[str]:
        """What the newest event says about a step."""
        return [row["text"] for row in events()[-1].story if row["step"] == step]


Opened = Callable[..., Desk]


@pytest.fixture
def opened(db: None, crm: Crm, firm: Door) -> Opened:
    """Makes the practice, with these switches, and polls its empty book."""

    def make(**switches: Any) -> Desk:
        credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
        connection = {"base_url": firm.base_url, "credentials": credentials, "switches": switches}
        rows = [
            {"connection": "modmed", "type": name, "purpose": "", "category": category, "confirmed": True}
            for name, category in CATEGORIES.items()
        ]
        found = set_up(
            practice_file("modmed", connection, categories=rows, workflows={FLOW: "WF1", BIRTHDAY: "WF2"})
        )
        poll_and_work(found)
        assert events() == []
        assert crm.contacts() == []
        return Desk(found, firm, crm)

    return make


@pytest.fixture
def desk(opened: Opened) -> Desk:
    return opened()


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def on_file(person: cast.Patient = PERSON, at: datetime = NOW) -> dict[str, Any]:
    return shapes.patient(person, at)


def visit(
    status: str,
    *,
    minutes: int = 0,
    type: cast.Type = CONSULT,
    external_id: str = "9001",
    starts_at: datetime = SOON,
    practitioner_id: str = "375399",
    location_id: str = "826",
    **more: Any,
) -> dict[str, Any]:
    """An appointment that reached this status so many minutes after ``NOW``."""
    return shapes.appointment(
        external_id,
        PERSON.id,
        starts_at,
        after(minutes),
        status=status,
        type=type,
        practitioner_id=practitioner_id,
        location_id=location_id,
        booked_at=NOW - timedelta(days=1),
        **more,
    )


def written(day: date) -> str:
    """A day as notes have it."""
    return f"{day.month}/{day.day}/{day.year}"


def fields_of(status: str, **more: str) -> dict[str, str]:
    """Every custom field of a contact with one Rhinoplasty Consult."""
    return {
        "ModMed Appt Status": status,
        "ModMed Appt Date": DAY.isoformat(),
        "ModMed Appt Type": "Rhinoplasty Consult",
        "ModMed Appt Description": "Interested in rhinoplasty",
        "ModMed Appt ID": "9001",
        "ModMed Location": "Main Street Clinic",
        "ModMed Provider": "Miles Harcourt",
        "ModMed Patient ID": PERSON.id,
        "Appointment Category": "Surgical Consult",
    } | more


def note_of(event: str, status: str, category: str = "Surgical Consult", *more: str) -> list[str]:
    """The note of one Rhinoplasty Consult without its reference."""
    return [
        f"ModMed: appointment {event}",
        f"Status: {status}",
        "Type: Rhinoplasty Consult",
        "Description: Interested in rhinoplasty",
        "Provider: Miles Harcourt",
        "Location: Main Street Clinic",
        f"Date: {written(DAY)}",
        f"Category: {category}",
        "Appointment ID: 9001",
        *more,
    ]


NEXT = {"Next Visit Date": DAY.isoformat(), "Next Visit Service": "Rhinoplasty Consult"}
LAST = {"Last Visit Date": DAY.isoformat(), "Last Visit Service": "Rhinoplasty Consult"}


# What each status writes


@dataclass(frozen=True)
class Row:
    """What one status writes for a lead's surgical consult."""

    status: str
    shown: str
    event: str
    stage: str
    more: dict[str, str] = field(default_factory=dict)
    born: str = ""
    enrolled: tuple[str, ...] = ("WF1",)


BORN = PERSON.born.isoformat()
ROWS = [
    Row("pending", "Pending", "booked", "Consult Booked", NEXT),
    Row("booked", "Confirmed", "booked", "Consult Booked", NEXT),
    Row(
        "fulfilled",
        "Checked Out",
        "completed",
        "Consult Complete",
        LAST | {"ModMed Birthday": BORN},
        BORN,
        ("WF1", "WF2"),
    ),
    Row("cancelled", "Cancelled", "cancelled", "Cancelled / No-Show"),
    Row("noshow", "No-Show", "no-show", "Cancelled / No-Show"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.status)
def test_a_status_writes_its_fields_one_note_the_card_and_the_workflows(desk, row):
    desk.tell(on_file(), visit(row.status))
    contact = desk.contact()
    assert contact["fields"] == fields_of(row.shown, **row.more)
    core = (contact["firstName"], contact["lastName"], contact["email"], contact["phone"])
    assert core == (PERSON.first_name, PERSON.last_name, PERSON.email, f"+1{PERSON.phone}")
    assert (contact.get("dateOfBirth") or "")[:10] == row.born
    assert desk.notes() == [note_of(row.event, row.shown)]
    assert desk.cards() == {"P1": (row.stage, "open")}
    assert desk.enrolled() == list(row.enrolled)


@pytest.mark.parametrize("status", ["arrived", "checked-in", "checkedin"])
def test_a_patient_in_the_building_who_is_new_on_file_is_a_patient_without_a_visit(desk, status):
    desk.tell(on_file(), visit(status))
    # The patient who is new on file makes the contact; the visit adds nothing to it.
    assert desk.fields() == {"ModMed Patient ID": PERSON.id}
    assert desk.notes() == []
    assert desk.cards() == {}
    assert desk.enrolled() == []


@pytest.mark.parametrize("status", ["arrived", "checked-in"])
def test_a_patient_in_the_building_makes_no_contact(desk, status):
    desk.tell(visit(status))
    assert [event.state for event in events()] == [EventState.DONE]
    assert desk.crm.contacts() == []
    assert "is recorded; nothing is written for it." in " ".join(desk.told("decided"))


@pytest.mark.parametrize("status", ["arrived", "checked-in"])
def test_a_patient_in_the_building_changes_nothing_of_the_booking(desk, status):
    desk.tell(on_file(), visit("booked"))
    before, notes, cards = desk.contact(), desk.notes(), desk.cards()
    calls = desk.crm.calls()
    desk.tell(visit(status, minutes=1))
    assert desk.crm.calls() == calls
    assert (desk.contact(), desk.notes(), desk.cards()) == (before, notes, cards)
    assert desk.enrolled() == ["WF1"]


def test_what_the_front_desk_does_is_polled_like_what_is_saved(desk):
    """The same through the pretend practice's own acts: booked, confirmed, here, gone home."""
    person = desk.firm.act("new_patient", seed=1)["id"]
    booked = desk.firm.act("book", patient=person, days_ahead=3, seed=1)["id"]
    for act in ("confirm", "arrive", "check_in", "check_out"):
        poll_and_work(desk.connection)
        desk.firm.act(act, appointment=booked, seed=1)
    poll_and_work(desk.connection)
    fields = desk.fields()
    assert (fields["ModMed Appt ID"], fields["ModMed Appt Status"]) == (booked, "Checked Out")
    assert fields["Last Visit Date"] == fields["ModMed Appt Date"]
    assert [lines[1] for lines in desk.notes()] == [
        "Status: Pending",
        "Status: Confirmed",
        "Status: Checked Out",
    ]


def test_a_visit_at_half_past_midnight_in_utc_is_of_the_day_before_in_new_york(desk):
    midnight = SOON.replace(hour=0, minute=30)
    desk.tell(on_file(), visit("booked", starts_at=midnight))
    eve = (midnight - timedelta(days=1)).date()
    fields = desk.fields()
    assert (fields["ModMed Appt Date"], fields["Next Visit Date"]) == (eve.isoformat(), eve.isoformat())
    assert f"Date: {written(eve)}" in desk.notes()[0]


def test_a_visit_completed_at_half_past_midnight_in_utc_was_the_day_before_too(desk):
    midnight = SOON.replace(hour=0, minute=30)
    desk.tell(on_file(), visit("fulfilled", starts_at=midnight))
    eve = (midnight - timedelta(days=1)).date().isoformat()
    fields = desk.fields()
    assert (fields["ModMed Appt Date"], fields["Last Visit Date"]) == (eve, eve)


# Distinct states: one note each


DISTINCT: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"status": "booked"}, "Status: Confirmed"),
    "type": ({"type": TYPES["Breast Aug Consult"]}, "Type: Breast Aug Consult"),
    "provider": ({"practitioner_id": "375397"}, "Provider: Frances Ashdown"),
    "location": ({"location_id": "827"}, "Location: Lakeside Clinic"),
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
    # Nobody has confirmed what a Breast Aug Consult is: that step waits.
    assert desk.enrolled() == (["WF1"] if change == "type" else ["WF1", "WF1"])


def test_a_comment_updates_its_field_without_a_note(desk):
    desk.tell(on_file(), visit("booked"))
    desk.tell(visit("booked", minutes=1, type=replace(CONSULT, reason="Second opinion")))
    assert desk.fields() == fields_of("Confirmed", **NEXT) | {"ModMed Appt Description": "Second opinion"}
    assert desk.notes() == [note_of("booked", "Confirmed")]
    assert desk.enrolled() == ["WF1"]


def test_the_same_state_polled_five_times_is_one_note_and_no_crm_call(desk):
    desk.tell(on_file(), visit("booked"))
    calls = desk.crm.calls()
    for minute in range(1, 6):
        desk.tell(visit("booked", minutes=minute))
    assert desk.crm.calls() == calls
    assert desk.notes() == [note_of("booked", "Confirmed")]
    assert desk.enrolled() == ["WF1"]


def test_an_untouched_book_polled_five_times_is_no_event_and_no_crm_call(desk):
    desk.tell(on_file(), visit("booked"))
    count, calls = len(events()), desk.crm.calls()
    for _ in range(5):
        poll_and_work(desk.connection)
    assert (len(events()), desk.crm.calls()) == (count, calls)


# Patients and charges


def address(contact: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(contact.get(name) for name in ("address1", "city", "state", "postalCode"))


def on_letters(person: cast.Patient) -> tuple[str, ...]:
    """ModMed writes streets and towns in capitals."""
    return (person.line.upper(), person.city.upper(), person.state, person.postal_code)


@pytest.mark.parametrize(
    ("switches", "is_on"),
    [({}, True), ({"sync_address": True}, True), ({"sync_address": False}, False)],
    ids=["by default", "switched on", "switched off"],
)
def test_a_patient_is_created_and_updated_without_note_card_or_workflow(opened, switches, is_on):
    desk = opened(**switches)
    desk.tell(on_file())
    contact = desk.contact()
    assert contact["fields"] == {"ModMed Patient ID": PERSON.id}
    assert (contact["email"], contact["phone"]) == (PERSON.email, f"+1{PERSON.phone}")
    assert [one or None for one in address(contact)] == list(on_letters(PERSON) if is_on else [None] * 4)
    moved = replace(
        PERSON, line="7 Grove Boulevard", city="Tampa", email="moved@example.com", last_name="Vale"
    )
    desk.tell(on_file(moved, after(1)))
    contact = desk.contact()
    assert contact["fields"] == {"ModMed Patient ID": PERSON.id}
    assert (contact["email"], contact["lastName"]) == ("moved@example.com", "Vale")
    assert [one or None for one in address(contact)] == list(on_letters(moved) if is_on else [None] * 4)
    assert not contact.get("dateOfBirth")
    assert (desk.notes(), desk.cards(), desk.enrolled()) == ([], {}, [])


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("Charged", {"ModMed Charge Type": "Botox, Filler", "ModMed Transaction ID": "CHG|1"}),
        ("Pending", {}),
        ("Voided", {}),
    ],
)
def test_a_charge_writes_two_fields_when_it_is_charged_and_else_nothing(desk, status, more):
    desk.tell(on_file(), visit("booked"))
    before, notes, calls = desk.contact(), desk.notes(), desk.crm.calls()
    desk.tell(shapes.charge(1, PERSON.id, NOW, lines=["Botox", "Filler"], amount="1110.00", status=status))
    assert (desk.crm.calls() == calls) is (not more)
    assert desk.fields() == before["fields"] | more
    assert (desk.notes(), desk.cards()) == (notes, {"P1": ("Consult Booked", "open")})
    assert desk.enrolled() == ["WF1"]
    assert [event.state for event in events() if event.kind == "charge"] == [
        EventState.DONE if more else EventState.IGNORED
    ]


# Category × outcome


@dataclass(frozen=True)
class Stages:
    """Where a category's visits stand: booked, completed, cancelled. ``is_final``: completed makes a patient."""

    pipeline: str
    booked: str
    completed: str
    is_final: bool

    def card(self, status: str) -> tuple[str, str]:
        stage = {"booked": self.booked, "fulfilled": self.completed}.get(status, "Cancelled / No-Show")
        return stage, "won" if self.is_final and status == "fulfilled" else "open"


SURGICAL, NON_SURGICAL = "P1", "P2"
ROUTES: dict[str, Stages | None] = {
    "Surgical Consult": Stages(SURGICAL, "Consult Booked", "Consult Complete", False),
    "Surgical Appointment": Stages(SURGICAL, "Surgery Scheduled", "Surgery Complete", True),
    "Non-Surgical Consult": Stages(NON_SURGICAL, "Booked", "Patient", True),
    "Non-Surgical Appointment": Stages(NON_SURGICAL, "Booked", "Patient", True),
    "Pre-Op Appointment": None,
    "Post-Op Appointment": None,
    "Blocked": None,
}
TYPE_OF = {category: TYPES[name] for name, category in CATEGORIES.items()}


def matrix(routes: Iterable[str], *statuses: str) -> list[Any]:
    return [pytest.param(one, status, id=f"{one}-{status}") for one in routes for status in statuses]


@pytest.mark.parametrize(("category", "status"), matrix(ROUTES, "booked", "fulfilled", "cancelled", "noshow"))
def test_category_and_outcome_of_a_lead_give_stage_and_status(desk, category, status):
    route = ROUTES[category]
    desk.tell(on_file(), visit(status, type=TYPE_OF[category]))
    assert desk.cards() == ({route.pipeline: route.card(status)} if route else {})
    fields = desk.fields()
    assert fields["Appointment Category"] == category
    is_patient = bool(route) and route.is_final and status == "fulfilled"
    assert fields.get("Contact Type") == ("Patient" if is_patient else None)
    assert len(desk.notes()) == 1
    assert f"Category: {category}" in desk.notes()[0]
    assert desk.enrolled() == (["WF1", "WF2"] if status == "fulfilled" else ["WF1"])


@pytest.mark.parametrize("category", [one for one, route in ROUTES.items() if route])
def test_one_visits_life_moves_one_card(desk, category):
    route = ROUTES[category]
    seen = []
    desk.tell(on_file())
    for minute, status in enumerate(("booked", "cancelled", "booked", "noshow", "fulfilled")):
        desk.tell(visit(status, minutes=minute, type=TYPE_OF[category]))
        seen.append(desk.cards())
    assert seen == [
        {route.pipeline: route.card(status)}
        for status in ("booked", "cancelled", "booked", "noshow", "fulfilled")
    ]
    assert len(desk.notes()) == 5


@pytest.mark.parametrize("category", [one for one, route in ROUTES.items() if not route])
@pytest.mark.parametrize("status", ["booked", "fulfilled", "cancelled"])
def test_what_moves_nothing_leaves_the_card_of_another_visit(desk, category, status):
    desk.tell(on_file(), visit("booked"))
    desk.tell(visit(status, minutes=1, type=TYPE_OF[category], external_id="9002"))
    assert desk.cards() == {"P1": ("Consult Booked", "open")}
    assert len(desk.notes()) == 2


@pytest.mark.parametrize("status", ["booked", "cancelled", "noshow"])
def test_a_patient_stays_won_through_every_stage(desk, status):
    desk.tell(on_file(), visit("fulfilled", type=TYPES["Surgery"]))
    assert desk.cards() == {"P1": ("Surgery Complete", "won")}
    desk.tell(visit(status, minutes=1, external_id="9002", starts_at=SOON + timedelta(days=30)))
    stage = "Consult Booked" if status == "booked" else "Cancelled / No-Show"
    assert desk.cards() == {"P1": (stage, "won")}
    assert desk.fields()["Contact Type"] == "Patient"


@pytest.mark.parametrize("status", ["cancelled", "noshow"])
def test_a_late_cancellation_keeps_the_stage_while_another_visit_is_booked(desk, status):
    later = SOON + timedelta(days=7)
    desk.tell(on_file(), visit("booked"))
    desk.tell(visit("booked", minutes=1, external_id="9002", starts_at=later))
    desk.tell(visit(status, minutes=2))
    assert desk.cards() == {"P1": ("Consult Booked", "open")}
    words = f"Stage kept: another visit is booked for {written(later.date())}."
    assert any(words in text for text in desk.told("pipeline"))
    assert len(desk.notes()) == 3


def test_a_cancellation_moves_the_card_when_the_other_visit_is_cancelled_too(desk):
    desk.tell(
        on_file(), visit("booked"), visit("booked", external_id="9002", starts_at=SOON + timedelta(days=7))
    )
    desk.tell(visit("cancelled", minutes=1))
    assert desk.cards() == {"P1": ("Consult Booked", "open")}
    desk.tell(visit("cancelled", minutes=2, external_id="9002", starts_at=SOON + timedelta(days=7)))
    assert desk.cards() == {"P1": ("Cancelled / No-Show", "open")}


def test_one_contact_has_a_card_in_each_pipeline(desk):
    desk.tell(on_file(), visit("booked"), visit("booked", external_id="9002", type=TYPES["Botox"]))
    assert desk.cards() == {"P1": ("Consult Booked", "open"), "P2": ("Booked", "open")}


# Not categorized yet


def test_an_uncategorized_type_is_held_and_released_when_it_is_confirmed(desk):
    desk.tell(on_file(), visit("booked", type=TYPES["Follow-up"]))
    (held,) = [event for event in events() if event.kind == "appointment"]
    assert (held.state, held.held_for) == (EventState.HELD, "category")
    fields = desk.fields()
    assert "Appointment Category" not in fields
    assert (fields["ModMed Appt Status"], fields["Next Visit Service"]) == ("Confirmed", "Follow-up")
    (note,) = desk.notes()
    assert "Category: not yet set" in note
    assert (desk.cards(), desk.enrolled()) == ({}, [])

    desk.confirm("Follow-up", "Non-Surgical Appointment")
    poll_and_work(desk.connection)
    held.refresh_from_db()
    assert held.state == EventState.DONE
    assert desk.fields() == fields | {"Appointment Category": "Non-Surgical Appointment"}
    assert desk.notes() == [note]
    assert desk.cards() == {"P2": ("Booked", "open")}
    assert desk.enrolled() == ["WF1"]


def test_of_several_held_steps_only_the_current_one_decides(desk):
    desk.tell(on_file(), visit("booked", type=TYPES["Follow-up"]))
    desk.tell(visit("fulfilled", minutes=1, type=TYPES["Follow-up"]))
    assert desk.cards() == {}
    desk.confirm("follow-UP ", "Non-Surgical Appointment")
    poll_and_work(desk.connection)
    assert {event.state for event in events() if event.kind == "appointment"} == {EventState.DONE}
    assert desk.cards() == {"P2": ("Patient", "won")}
    fields = desk.fields()
    assert (fields["Contact Type"], fields["Appointment Category"]) == ("Patient", "Non-Surgical Appointment")
    assert len(desk.notes()) == 2
    assert desk.enrolled() == ["WF1", "WF2"]
