"""Every AestheticsPro event, row by row: exactly these contact fields, this note, stage, status, value, workflows."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import LedgerRow
from tests.engine.world import WORKFLOWS, World, at, practice_file, story, visit

ALBA = apro.CLIENTS[0]
VISIT = visit()
RETAIL = apro.RETAIL[:2]  # 42.00 + 118.00
APPOINTMENTS, INVOICES, BIRTHDAYS = (WORKFLOWS[name] for name in WORKFLOWS)

WHO = {"APro Client ID": "5001", "APro DOB": "1958-01-01"}
WHAT = {
    "APro Appt Date": "2026-03-12",
    "APro Appt ID": "88001",
    "APro Appt Services": "Botox",
    "APro Appt Service Type": "Injectable",
    "APro Provider": "Dana Reyes, NP",
    "APro Location": "Downtown",
}
NEXT = {"Next Visit Date": "2026-03-12", "Next Visit Service": "Botox"}
LAST = {"Last Visit Date": "2026-03-12", "Last Visit Service": "Botox"}
SOLD = {"Last Visit Date": "2026-03-10", "Last Visit Service": "SPF 50 Sunscreen, Vitamin C Serum"}
PAID = {"APro Appt Status": "Completed", "APro Location": "Downtown", "Contact Type": "Patient"}
CORE = {
    "firstName": "Alba",
    "lastName": "Winter",
    "email": "alba.winter@example.com",
    "phone": "+12125550100",
    "dateOfBirth": "1958-01-01",
}
ADDRESS = {"address1": "1 Alder St", "city": "New York", "state": "NY", "postalCode": "10001"}


@dataclass(frozen=True)
class Row:
    """What one event writes. ``status`` is a lead's; a patient's is won wherever there is a card."""

    name: str
    body: dict[str, Any]
    fields: dict[str, Any] = field(default_factory=dict)
    note: tuple[str, ...] = ()
    stage: str = ""
    status: str = "open"
    amount: int = 0
    workflows: tuple[str, ...] = ()
    native: dict[str, str] = field(default_factory=dict)
    switches: dict[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        return bool(self.fields)


def note(headline: str, *lines: str) -> tuple[str, ...]:
    return (f"AestheticsPro: {headline}", *lines)


DETAILS = ("Service: Botox", "Date: 3/12/2026", "Location: Downtown")
ACTING = {"act_on_reschedules": True}
ROWS = [
    Row(
        "booked",
        apro.booked(VISIT, at(0)),
        WHO | WHAT | NEXT | {"APro Appt Status": "Booked"},
        note("appointment booked", "Status: Booked", *DETAILS),
        "Booked",
        workflows=(APPOINTMENTS,),
    ),
    Row(
        "cancelled",
        apro.cancelled(VISIT, at(0)),
        WHO | WHAT | {"APro Appt Status": "Cancelled"},
        note("appointment cancelled", "Status: Cancelled", *DETAILS),
        "Cancelled / No-Show",
        workflows=(APPOINTMENTS,),
    ),
    Row(
        "no-show",
        apro.no_show(VISIT, at(0)),
        WHO | WHAT | {"APro Appt Status": "NoShow"},
        note("appointment no-show", "Status: NoShow", *DETAILS),
        "Cancelled / No-Show",
        workflows=(APPOINTMENTS,),
    ),
    Row(
        "invoice of a visit",
        apro.invoice_paid(VISIT, 900, at(0)),
        WHO | PAID | LAST | {"APro Invoice ID": "900", "Invoice Paid Amount": 350},
        note("invoice paid", "Amount: $350.00", "Service: Botox", "Invoice number: INV-900", DETAILS[2]),
        "Patient",
        "won",
        350,
        (INVOICES, BIRTHDAYS),
    ),
    Row(
        "retail only",
        apro.retail_sale(ALBA, RETAIL, 901, at(0), VISIT.site),
        WHO | PAID | SOLD | {"APro Invoice ID": "901", "Invoice Paid Amount": 160},
        note(
            "invoice paid",
            "Amount: $160.00",
            "Service: SPF 50 Sunscreen, Vitamin C Serum",
            "Invoice number: INV-901",
            DETAILS[2],
        ),
        "Patient",
        "won",
        160,
        (INVOICES, BIRTHDAYS),
    ),
    Row("client saved", apro.client_saved(ALBA, at(0), VISIT.site), WHO, native=ADDRESS),
    Row(
        "client saved, address off",
        apro.client_saved(ALBA, at(0), VISIT.site),
        WHO,
        switches={"sync_address": False},
    ),
    Row("reschedule, off", apro.rescheduled(VISIT, VISIT.starts_at, at(0))),
    Row("deletion, off", apro.deleted(VISIT, at(0))),
    Row(
        "reschedule, on",
        apro.rescheduled(VISIT, VISIT.starts_at, at(0)),
        WHO | WHAT | NEXT | {"APro Appt Status": "Booked"},
        note("appointment rescheduled", "Status: Booked", *DETAILS),
        "Booked",
        workflows=(APPOINTMENTS,),
        switches=ACTING,
    ),
    Row(
        "deletion, on",
        apro.deleted(VISIT, at(0)),
        WHO | WHAT | {"APro Appt Status": "Cancelled"},
        note("appointment deleted", "Status: Cancelled", *DETAILS),
        "Cancelled / No-Show",
        workflows=(APPOINTMENTS,),
        switches=ACTING,
    ),
    Row("test ping", apro.test_ping(at(0))),
]
LEAD = {"Contact Type": "Lead", "Next Visit Service": "Facial, long ago", "Patient Lifetime Value": 0}
PATIENT = {"Contact Type": "Patient", "Last Visit Service": "Peel, long ago", "Patient Lifetime Value": 100}


def stands(world: World, fields: dict[str, Any], native: dict[str, str], row: Row, **expected: Any) -> None:
    """Compare the only contact with all that is expected of it, and nothing else."""
    contact = world.contact()
    plumbing = ("type", "dnd", "dateAdded", "dateUpdated")
    assert {name: value for name, value in contact["native"].items() if name not in plumbing} == native
    assert contact["fields"] == fields
    assert world.notes() == (["\n".join(row.note)] if row.note else [])
    cards = [(card["stage"], card["status"], card["monetary_value"]) for card in contact["opportunities"]]
    assert cards == expected["cards"]
    assert contact["tags"] == []
    assert world.enrolments() == list(row.workflows)


def row_id(row: Row) -> str:
    return row.name


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_new_contact_gets_exactly_this(world, row):
    world.map_workflows(**row.switches)
    event = world.take(row.body)
    if not row.writes:
        assert world.contacts() == []
        assert event.state == ("ignored" if row.name == "test ping" else "done")
        return
    assert event.state == "done", event.reason
    value = {"Patient Lifetime Value": row.amount} if row.amount else {}
    cards = [(row.stage, row.status, row.amount)] if row.stage else []
    native = CORE | row.native | {"gender": "female"}
    stands(world, row.fields | value, native, row, cards=cards)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_linked_lead_gets_exactly_this(world, row):
    world.map_workflows(**row.switches)
    world.make_contact(LEAD, firstName="Alba", lastName="Winter", email=ALBA.email)
    world.take(row.body)
    if not row.writes:
        name = {name: CORE[name] for name in ("firstName", "lastName", "email")}
        stands(world, LEAD, name, row, cards=[])
        return
    value = {"Patient Lifetime Value": row.amount}
    cards = [(row.stage, row.status, row.amount)] if row.stage else []
    stands(world, LEAD | row.fields | value, CORE | row.native, row, cards=cards)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_patient_gets_exactly_this_and_stays_won(world, row):
    world.map_workflows(**row.switches)
    pk = world.make_contact(PATIENT, firstName="Alba", lastName="Winter", phone="+12125550100")
    world.make_opportunity(pk, "Patient", "won", monetaryValue=100)
    world.take(row.body)
    if not row.writes:
        name = {name: CORE[name] for name in ("firstName", "lastName", "phone")}
        stands(world, PATIENT, name, row, cards=[("Patient", "won", 100)])
        return
    value = {"Patient Lifetime Value": 100 + row.amount}
    cards = [(row.stage or "Patient", "won", 100 + row.amount)]
    stands(world, PATIENT | row.fields | value, CORE | row.native, row, cards=cards)


# Where the CRM's own locked workflow does the rest

LEFT_TO_CRM = ("Contact Type", "Patient Lifetime Value")


@pytest.mark.parametrize("row", [row for row in ROWS if row.writes], ids=row_id)
def test_with_crm_workflow_logic_only_fields_and_the_enrolment_are_ours(world, row):
    world.map_workflows(logic="crm_workflow", **row.switches)
    event = world.take(row.body)
    fields = {name: value for name, value in row.fields.items() if name not in LEFT_TO_CRM}
    stands(world, fields, CORE | row.native | {"gender": "female"}, replace(row, note=()), cards=[])
    assert "left to the CRM's own workflow" in story(event, "left to the CRM")
    for line in LedgerRow.objects.for_practice(world.practice):
        assert line.state == "left_to_crm"


# Workflows


def test_without_a_mapping_nothing_is_enrolled_and_nothing_is_missed(world):
    assert world.take(apro.booked(VISIT, at(0))).state == "done"
    assert world.take(apro.invoice_paid(VISIT, 900, at(9))).state == "done"
    assert world.enrolments() == []


def test_a_connection_may_call_its_workflows_by_other_names(world):
    world.redo_sub_account(workflows=[{"id": "WF9", "name": "Our reminders"}])
    world.switch(
        workflows={"Our reminders": "WF9"}, workflow_names={"APro Appointments Update": "Our reminders"}
    )
    world.take(apro.booked(VISIT, at(0)))
    assert world.enrolments() == ["WF9"]


def test_an_event_enrols_once_however_often_its_state_is_told(world):
    world.map_workflows()
    world.take(apro.booked(VISIT, at(0)))
    world.take(apro.booked(VISIT, at(1)))
    assert world.enrolments() == [APPOINTMENTS]


def test_a_late_event_is_noted_and_not_enrolled(world):
    world.map_workflows()
    world.take(apro.cancelled(VISIT, at(5)))
    event = world.take(apro.booked(VISIT, at(1)))
    assert world.enrolments() == [APPOINTMENTS]
    assert world.notes()[1] == "\n".join(
        [*note("appointment booked", "Status: Booked", *DETAILS), "Order: arrived late"]
    )
    assert "Arrived late" in story(event, "decided")
    assert world.opportunity()["stage"] == "Cancelled / No-Show"
    assert world.contact()["fields"]["APro Appt Status"] == "Cancelled"


def test_the_birthday_workflow_comes_once_per_birth_date(world):
    world.map_workflows()
    world.take(apro.invoice_paid(VISIT, 900, at(0)), apro.retail_sale(ALBA, RETAIL, 901, at(1), VISIT.site))
    assert world.enrolments() == [INVOICES, BIRTHDAYS, INVOICES]
    put_right = replace(ALBA, born=ALBA.born.replace(day=2))
    world.take(apro.retail_sale(put_right, RETAIL, 902, at(2), VISIT.site))
    assert world.enrolments() == [INVOICES, BIRTHDAYS, INVOICES, INVOICES, BIRTHDAYS]


# A moved visit


def test_a_moved_visit_says_from_when_to_when(world):
    world.switch(act_on_reschedules=True)
    world.take(apro.booked(VISIT, at(0)))
    world.take(apro.rescheduled(VISIT, datetime(2026, 3, 20, 9), at(1)))
    assert world.notes()[1].splitlines()[-1] == "Rescheduled: rescheduled from 3/12/2026 to 3/20/2026"
    assert world.contact()["fields"]["Next Visit Date"] == "2026-03-20"


def test_a_reschedule_with_the_switch_off_keeps_the_stage_when_another_visit_is_cancelled(world):
    """Booked for the 12th and moved to the 20th; as of the 15th another visit is cancelled."""
    world.take(apro.booked(VISIT, at(0)), apro.booked(visit(2, day=14), at(1)))
    told = world.take(apro.rescheduled(VISIT, datetime(2026, 3, 20, 9), at(2)))
    assert "switch to act on them is off" in story(told, "decided")
    assert world.contact()["fields"]["Next Visit Date"] == "2026-03-14"
    event = world.take(apro.cancelled(visit(2, day=14), at(5 * 24 * 60)))
    assert world.opportunity()["stage"] == "Booked"
    assert "Stage kept: another visit is booked for 3/20/2026." in story(event, "pipeline")


# Who can be reached


def test_without_e_mail_and_phone_the_event_is_skipped_and_says_so(world):
    nobody = replace(ALBA, email="", mobile_phone="")
    for body in (
        apro.booked(visit(), at(0)) | {"data": apro.booked(replace(VISIT, client=nobody), at(0))["data"]},
        apro.retail_sale(nobody, RETAIL, 901, at(1), VISIT.site),
    ):
        event = world.take(body)
        assert (event.state, event.reason) == (
            "skipped",
            "No usable e-mail or phone: the CRM needs one of them.",
        )
        assert event.reason in story(event, "skipped")
    assert world.contacts() == []
    assert [row.state for row in LedgerRow.objects.for_practice(world.practice)] == ["not_written"]


USABLE = [
    ("alba.winter@example.com", "none", "email", "The phone number cannot be read."),
    ("alba.winter@example.com", "999-999-9999", "email", "The phone number is not one that can be called."),
    ("not an address", "(212) 555-0100", "phone", "The e-mail address is not valid."),
]


@pytest.mark.parametrize(("email", "phone", "kept", "words"), USABLE)
def test_an_unusable_e_mail_or_phone_is_left_out_and_said(world, email, phone, kept, words):
    client = replace(ALBA, email=email, mobile_phone=phone)
    event = world.take(apro.booked(replace(VISIT, client=client), at(0)))
    native = world.contact()["native"]
    assert native[kept] == CORE[kept]
    assert {"email", "phone"} & native.keys() == {kept}
    assert words in story(event, "contact")


def test_neither_of_two_unusable_ones_is_sent(world):
    client = replace(ALBA, email="@", mobile_phone="000")
    assert world.take(apro.booked(replace(VISIT, client=client), at(0))).state == "skipped"


def test_an_e_mail_is_trimmed_and_lower_case_and_a_phone_read_by_the_practices_country(world):
    client = replace(ALBA, email="  Alba.Winter@Example.COM ", mobile_phone="1 (212) 555 0100")
    world.take(apro.booked(replace(VISIT, client=client), at(0)))
    assert {name: world.contact()["native"][name] for name in ("email", "phone")} == {
        name: CORE[name] for name in ("email", "phone")
    }


def test_empty_values_never_overwrite_what_the_crm_has(world):
    world.take(apro.booked(VISIT, at(0)))
    body = apro.cancelled(VISIT, at(1))
    for name in ("services", "provider", "date_time"):
        del body["data"][name]
    body["data"]["client"] |= {"email": "", "mobile_phone": "", "birthdate": ""}
    world.take(body)
    fields = world.contact()["fields"]
    assert fields == WHO | WHAT | NEXT | {"APro Appt Status": "Cancelled"}
    assert world.contact()["native"]["email"] == CORE["email"]


def test_gender_is_mirrored_where_the_sub_account_has_the_field(world):
    world.redo_sub_account(custom_fields=[{"id": "CFG", "name": "Gender", "dataType": "TEXT"}])
    world.setup()
    world.take(apro.booked(VISIT, at(0)))
    world.take(apro.booked(visit(2, client=0), at(1)))
    assert world.contact()["fields"]["Gender"] == "female"


# Days

WHEN = [
    # time as sent, the location's zone, the day written
    ("2026-03-12T20:00:00", None, "2026-03-12"),
    ("2026-03-13T00:30:00Z", None, "2026-03-12"),  # 8.30 in the evening in New York
    ("2026-03-13T05:30:00Z", None, "2026-03-13"),
    ("2026-03-13T05:30:00Z", "America/Los_Angeles", "2026-03-12"),
    ("2026-03-12T23:30:00-07:00", None, "2026-03-13"),
    ("2026-03-12T23:30:00-07:00", "America/Los_Angeles", "2026-03-12"),
    ("03/12/2026 11:45 PM", "America/Los_Angeles", "2026-03-12"),
]


@pytest.mark.parametrize(("sent", "zone", "day"), WHEN)
def test_a_visit_falls_on_the_day_at_its_location(world, sent, zone, day):
    document = practice_file()
    document["locations"][0]["time_zone"] = zone
    world.setup(**document)
    body = apro.booked(VISIT, at(0))
    body["data"]["date_time"] = sent
    world.take(body)
    fields = world.contact()["fields"]
    assert (fields["APro Appt Date"], fields["Next Visit Date"]) == (day, day)


# Refunds


def test_a_refund_takes_back_its_amount_and_touches_no_visit(world):
    world.map_workflows()
    world.take(apro.invoice_paid(VISIT, 900, at(0)))
    before = world.contact()["fields"]
    refund = apro.retail_sale(ALBA, RETAIL, 900, at(9 * 24 * 60), VISIT.site)
    refund["data"] |= {"total": "-350.00", "paid_amount": "-350.00"}
    assert world.take(refund).state == "done"
    assert world.contact()["fields"] == before | {"Patient Lifetime Value": 0}
    assert (world.opportunity()["status"], world.opportunity()["monetary_value"]) == ("won", 0)
    assert world.enrolments() == [INVOICES, BIRTHDAYS]
    assert "Amount: -$350.00" in world.notes()[-1]


def test_a_refund_of_somebody_without_a_card_makes_none(world):
    refund = apro.retail_sale(ALBA, RETAIL, 900, at(0), VISIT.site)
    refund["data"] |= {"total": "-42.00", "paid_amount": "-42.00"}
    assert world.take(refund).state == "done"
    assert world.contact()["opportunities"] == []


# Categories that a med spa may set


def categories(**rows: str) -> list[dict[str, Any]]:
    return [
        {"connection": "apro", "type": name, "purpose": "", "category": category, "confirmed": True}
        for name, category in rows.items()
    ]


@pytest.mark.parametrize("category", ["Pre-Op Appointment", "Post-Op Appointment", "Blocked"])
def test_a_type_that_moves_nothing_gets_contact_and_note_only(world, category):
    world.setup(categories=categories(Botox=category))
    event = world.take(apro.booked(VISIT, at(0)))
    assert event.state == "done"
    assert len(world.notes()) == 1
    assert world.contact()["opportunities"] == []
    assert f"{category} never moves the pipeline." in story(event, "pipeline")


@pytest.mark.parametrize("paid_first", [True, False])
def test_a_paid_visit_that_moves_no_stage_makes_a_patient_all_the_same(world, paid_first):
    world.setup(categories=categories(Botox="Pre-Op Appointment"))
    bodies = [apro.invoice_paid(VISIT, 900, at(0)), apro.booked(visit(2, service=3), at(1))]
    world.take(*(bodies if paid_first else bodies[::-1]))
    assert (world.opportunity()["stage"], world.opportunity()["status"]) == ("Booked", "won")
    assert world.contact()["fields"]["Contact Type"] == "Patient"


def test_consults_have_stages_of_their_own_with_the_switch(world):
    names = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}
    names |= {"Consult Booked": "T4", "Consult Complete": "T5"}
    world.stages(names)
    document = practice_file(categories=categories(Botox="Non-Surgical Consult"))
    document["sub_accounts"][0]["pipelines"]["non_surgical"]["stages"] = names
    document["connections"][0]["switches"] = {"separate_consult_stages": True}
    world.setup(**document)
    world.take(apro.booked(VISIT, at(0)))
    assert world.opportunity()["stage"] == "Consult Booked"
    world.take(apro.invoice_paid(VISIT, 900, at(1)))
    assert (world.opportunity()["stage"], world.opportunity()["status"]) == ("Consult Complete", "open")


# Two visits


def test_a_late_cancellation_does_not_move_the_contact_back(world):
    world.take(apro.booked(VISIT, at(0)), apro.booked(visit(2, day=20), at(10)))
    event = world.take(apro.cancelled(VISIT, at(20)))
    assert world.opportunity()["stage"] == "Booked"
    assert "Stage kept: another visit is booked for 3/20/2026." in story(event, "pipeline")
    assert len(world.notes()) == 3


def test_a_patient_who_books_again_stays_won(world):
    world.take(apro.invoice_paid(VISIT, 900, at(0)), apro.booked(visit(2, day=20), at(10)))
    assert (world.opportunity()["stage"], world.opportunity()["status"]) == ("Booked", "won")
    world.take(apro.no_show(visit(2, day=20), at(20)))
    assert (world.opportunity()["stage"], world.opportunity()["status"]) == ("Cancelled / No-Show", "won")
