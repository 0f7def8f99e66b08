"""Every flow of PatientNow Pro, from its notice to the CRM, over HTTP: exactly what is read and what is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from integrations.models import EventState, Lane
from tests.patientnow.clinic import Clinic, Json, told

Act = Callable[[Clinic, str], Json]

PATIENT, APPOINTMENT = {"GET /patients/{id}": 1}, {"GET /appointments/{id}": 1}
BILL, MEMBERSHIP = {"GET /bills/{id}": 1}, {"GET /memberships/{id}": 1}
LOOKED_FOR = {"POST /contacts/search": 1, "GET /contacts/search/duplicate": 2}
MADE = LOOKED_FOR | {"POST /contacts": 1}
PUT, READ = {"PUT /contacts/{id}": 1}, {"GET /contacts/{id}": 1}
NOTE, TAG = {"POST /contacts/{id}/notes": 1}, {"POST /contacts/{id}/tags": 1}
NEW_CARD, CARD = {"POST /opportunities": 1}, {"PUT /opportunities/{id}": 1}
LOOK_FOR_CARD = {"GET /opportunities/search": 1}
ENROL = "POST /contacts/{id}/workflow/{workflowId}"
DAY, TODAY = "2026-11-21", "2026-11-18"


def status(what: str) -> Act:
    """The patient's last appointment gets a status."""

    def act(clinic: Clinic, who: str) -> Json:
        last = last_appointment(clinic)
        acts = {"checkout": "check_out", "cancel": "cancel", "no-show": "no_show"}
        if what in acts:
            return getattr(clinic.desk, acts[what])(last)
        return clinic.desk.set_status(last, what)

    return act


def last_appointment(clinic: Clinic) -> str:
    count = int(clinic.desk._ask("GET", "")["counts"]["appointments"])
    return str(90_300 + count)


def books(type: str = "Botox", comments: str = "", **more: Any) -> Act:
    """An appointment is made."""

    def act(clinic: Clinic, who: str) -> Json:
        notice = clinic.booked(who, type, **more)
        record = clinic.desk.record("appointments", last_appointment(clinic))
        clinic.desk.save("appointments", {**record, "comments": comments})
        return notice

    return act


def pays(*items: str) -> Act:
    return lambda clinic, who: clinic.desk.bill(who, items, seed=1)


def last_bill(clinic: Clinic) -> str:
    return f"B-{5_500 + int(clinic.desk._ask('GET', '')['counts']['bills'])}"


def updates(**changes: Any) -> Act:
    return lambda clinic, who: clinic.desk.update_patient(who, **changes)


def joins(program: str = "VIP Gold") -> Act:
    return lambda clinic, who: clinic.desk.membership(who, program)


def is_created(clinic: Clinic, who: str) -> Json:
    """The notice of a patient who is on file already."""
    notice = clinic.desk.update_patient(who, unsubscribed=False)
    return {**notice, "eventType": "PatientCreated"}


@dataclass(frozen=True)
class Flow:
    """What happened ``before``, what happens, and what comes of this last event alone.

    ``fields`` are the contact's custom fields afterwards as far as this event changed them, ``note`` its note
    ("" for none), ``card`` the pipeline, stage, status and value afterwards, ``enrolled`` the workflows of this
    event; ``emr`` and ``crm`` the calls it took, route by route.
    """

    act: Act
    before: tuple[Act, ...] = ()
    fields: Json = field(default_factory=dict)
    note: str = ""
    card: tuple[str, str, str, float] | None = None
    enrolled: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    native: Json = field(default_factory=dict)
    emr: Json = field(default_factory=dict)
    crm: Json = field(default_factory=dict)
    switches: Json = field(default_factory=dict)
    state: str = EventState.DONE


def note(headline: str, *lines: str) -> str:
    return "\n".join([f"PatientNow Pro: {headline}", *lines])


def visit_note(headline: str, word: str, number: int = 90_301) -> str:
    return note(
        headline,
        f"Status: {word}",
        "Event type: Treatment",
        "Reason: Frown lines",
        "Category: Non-Surgical Appointment",
        f"Appointment ID: {number}",
    )


APPT = {
    "PNOW ID": "40001",
    "PNOW Primary Employee": "Dr. Lena Ortiz",
    "PNOW Location": "Miami",
    "PNOW Event Type": "Treatment",
    "PNOW Last Appt ID": "90301",
    "PNOW Appt Reason": "Frown lines",
    "Appointment Category": "Non-Surgical Appointment",
    "Gender": "female",
}
BOOKED = APPT | {
    "PNOW Appt Status": "Booked",
    "Next Visit Date": DAY,
    "Next Visit Service": "Botox",
    "Lead Status": "Booked",
}
CORE = {
    "firstName": "Rosa",
    "lastName": "Imbert",
    "email": "rosa.imbert.0@example.com",
    "phone": "+13055550000",
}
ADDRESS = {"address1": "1 Bay Rd", "city": "Miami", "state": "FL", "postalCode": "33101"}
GOLD = {
    "PNOW ID": "40001",
    "Gender": "female",
    "PNOW Membership ID": "M-31",
    "PNOW Membership Program Name": "VIP Gold",
    "PNOW Membership Sold Date": TODAY,
    "PNOW Membership Amount": 199,
}
BOUGHT = {
    "PNOW ID": "40001",
    "PNOW Last Order ID": "B-5501",
    "PNOW DOB": "1955-01-01",
    "PNOW Primary Employee": "Dr. Lena Ortiz",
    "Last Visit Service": "Botox, Dysport",
    "Invoice Paid Amount": 850,
    "Patient Lifetime Value": 850,
    "Gender": "female",
}
TAKEN_BACK = {"Patient Lifetime Value": 0}

FLOWS = {
    "patient created": Flow(
        is_created,
        fields={
            "PNOW ID": "40001",
            "Gender": "female",
            "Referral Source": "Instagram",
            "PNOW Unsubscribed": "No",
        },
        native=CORE | {"gender": "female"},
        emr=PATIENT,
        crm=MADE,
    ),
    "patient created, address wanted": Flow(
        is_created,
        fields={
            "PNOW ID": "40001",
            "Gender": "female",
            "Referral Source": "Instagram",
            "PNOW Unsubscribed": "No",
        },
        native=CORE | ADDRESS,
        emr=PATIENT,
        crm=MADE,
        switches={"sync_address": True},
    ),
    "patient updated": Flow(
        updates(lastName="Brandt", unsubscribed=True, referralSource="Friend"),
        before=(is_created,),
        fields={"PNOW Unsubscribed": "Yes"},
        native=CORE | {"lastName": "Brandt"},
        emr=PATIENT,
        crm=PUT,
    ),
    "patient updated, never heard of before": Flow(
        updates(lastName="Brandt"),
        fields={"PNOW ID": "40001", "Gender": "female", "PNOW Unsubscribed": "No"},
        native=CORE | {"lastName": "Brandt"},
        emr=PATIENT,
        crm=MADE,
    ),
    "booked": Flow(
        books(comments="Prefers mornings"),
        fields=BOOKED | {"PNOW Appt Comments": "Prefers mornings"},
        note=visit_note("appointment booked", "Booked"),
        card=("Non-Surgical", "Booked", "open", 0),
        enrolled=("WF1",),
        native=CORE,
        emr=APPOINTMENT | PATIENT,
        crm=MADE | NOTE | NEW_CARD | {ENROL: 1},
    ),
    "booked, known already": Flow(
        books(),
        before=(is_created,),
        fields={name: BOOKED[name] for name in BOOKED if name not in ("PNOW ID", "Gender")},
        note=visit_note("appointment booked", "Booked"),
        card=("Non-Surgical", "Booked", "open", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | LOOK_FOR_CARD | NEW_CARD | {ENROL: 1},
    ),
    "checked out": Flow(
        status("checkout"),
        before=(books(),),
        fields={
            "PNOW Appt Status": "Checkout",
            "Last Visit Date": TODAY,
            "Lead Status": "Patient",
            "Contact Type": "Patient",
        },
        note=visit_note("appointment completed", "Checkout"),
        card=("Non-Surgical", "Patient", "won", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | CARD | {ENROL: 1},
    ),
    "checked out, surgical consult": Flow(
        status("checkout"),
        before=(books("Breast Aug Consult"),),
        fields={
            "PNOW Appt Status": "Checkout",
            "Last Visit Date": TODAY,
            "Lead Status": "Consult Complete",
        },
        note=note(
            "appointment completed",
            "Status: Checkout",
            "Event type: Consultation",
            "Reason: Breast augmentation",
            "Category: Surgical Consult",
            "Appointment ID: 90301",
        ),
        card=("Surgical", "Consult Complete", "open", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | CARD | {ENROL: 1},
    ),
    "cancelled": Flow(
        status("cancel"),
        before=(books(),),
        fields={"PNOW Appt Status": "Cancelled", "Lead Status": "Cancelled / No-Show"},
        note=visit_note("appointment cancelled", "Cancelled"),
        card=("Non-Surgical", "Cancelled / No-Show", "open", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | CARD | {ENROL: 1},
    ),
    "no-show": Flow(
        status("no-show"),
        before=(books(),),
        fields={"PNOW Appt Status": "No-Show", "Lead Status": "Cancelled / No-Show"},
        note=visit_note("appointment no-show", "No-Show"),
        card=("Non-Surgical", "Cancelled / No-Show", "open", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | CARD | {ENROL: 1},
    ),
    "cancelled while another visit is booked": Flow(
        lambda clinic, who: clinic.desk.cancel("90301"),
        before=(books(), books()),
        fields={"PNOW Appt Status": "Cancelled", "PNOW Last Appt ID": "90301"},
        note=visit_note("appointment cancelled", "Cancelled"),
        card=("Non-Surgical", "Booked", "open", 0),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | {ENROL: 1},
    ),
    "another status": Flow(
        status("Arrived"),
        before=(books(),),
        card=("Non-Surgical", "Booked", "open", 0),
        emr=APPOINTMENT,
    ),
    "the same notice once more, as a new event": Flow(
        lambda clinic, who: (
            clinic.desk.record("appointments", "90301")
            and {**clinic.desk.test_notice(), "eventType": "AppointmentCreated", "appointmentId": "90301"}
            | {"patientId": who, "occurredAt": "2026-11-18T10:00:00.000-05:00"}
        ),
        before=(books(),),
        card=("Non-Surgical", "Booked", "open", 0),
        emr=APPOINTMENT | PATIENT,
    ),
    "pre-op": Flow(
        books("Pre-Op"),
        before=(is_created,),
        fields={
            **{name: APPT[name] for name in ("PNOW Primary Employee", "PNOW Location", "PNOW Last Appt ID")},
            "PNOW Appt Status": "Booked",
            "PNOW Event Type": "Pre-Op",
            "PNOW Appt Reason": "Before surgery",
            "Appointment Category": "Pre-Op Appointment",
            "Next Visit Date": DAY,
            "Next Visit Service": "Pre-Op",
        },
        note=note(
            "appointment booked",
            "Status: Booked",
            "Event type: Pre-Op",
            "Reason: Before surgery",
            "Category: Pre-Op Appointment",
            "Appointment ID: 90301",
        ),
        enrolled=("WF1",),
        emr=APPOINTMENT | PATIENT,
        crm=PUT | NOTE | {ENROL: 1},
    ),
    "bill, no card yet": Flow(
        pays("Botox", "Dysport"),
        fields=BOUGHT,
        note=note("patient bill", "Total: $850.00", "Line items: Botox, Dysport", "Order ID: B-5501"),
        enrolled=("WF2", "WF4"),
        native=CORE | {"dateOfBirth": "1955-01-01"},
        emr=BILL | PATIENT,
        crm=MADE | NOTE | {ENROL: 2},
    ),
    "bill": Flow(
        pays("Botox", "Dysport"),
        before=(books(), status("checkout")),
        fields={
            name: BOUGHT[name] for name in BOUGHT.keys() - {"PNOW ID", "Gender", "PNOW Primary Employee"}
        },
        note=note("patient bill", "Total: $850.00", "Line items: Botox, Dysport", "Order ID: B-5501"),
        card=("Non-Surgical", "Patient", "won", 850),
        enrolled=("WF2", "WF4"),
        native=CORE | {"dateOfBirth": "1955-01-01"},
        emr=BILL | PATIENT,
        crm=READ | PUT | NOTE | CARD | {ENROL: 2},
    ),
    "bill voided": Flow(
        lambda clinic, who: clinic.desk.void(last_bill(clinic)),
        before=(books(), pays("Botox")),
        fields=TAKEN_BACK | {"PNOW Last Order ID": "B-5501 voided"},
        note=note(
            "payment voided", "Status: Voided", "Total: -$400.00", "Line items: Botox", "Order ID: B-5501"
        ),
        card=("Non-Surgical", "Booked", "open", 0),
        emr=BILL | PATIENT,
        crm=READ | PUT | NOTE | CARD,
    ),
    "bill refunded": Flow(
        lambda clinic, who: clinic.desk.refund(last_bill(clinic)),
        before=(books(), pays("Botox")),
        fields=TAKEN_BACK | {"PNOW Last Order ID": "B-5501 refunded"},
        note=note(
            "payment refunded", "Status: Refunded", "Total: -$400.00", "Line items: Botox", "Order ID: B-5501"
        ),
        card=("Non-Surgical", "Booked", "open", 0),
        emr=BILL | PATIENT,
        crm=READ | PUT | NOTE | CARD,
    ),
    "membership": Flow(
        joins(),
        fields=GOLD,
        tags=("membership",),
        enrolled=("WF3",),
        native=CORE,
        emr=MEMBERSHIP | PATIENT,
        crm=MADE | TAG | {ENROL: 1},
    ),
    "membership with its name in the tag": Flow(
        joins(),
        before=(is_created,),
        fields={name: GOLD[name] for name in GOLD if name not in ("PNOW ID", "Gender")},
        tags=("membership - vip gold",),
        enrolled=("WF3",),
        emr=MEMBERSHIP | PATIENT,
        crm=PUT | TAG | {ENROL: 1},
        switches={"dynamic_membership_tag": True},
    ),
    "test notice": Flow(lambda clinic, who: clinic.desk.test_notice(), state=EventState.IGNORED),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_reads_and_writes_exactly_this(clinic: Clinic, name: str) -> None:
    flow = FLOWS[name]
    if flow.switches:
        clinic.set_up(switches=flow.switches)
    who = clinic.patient()
    for act in flow.before:
        assert clinic.take(act(clinic, who)).state == EventState.DONE
        clinic.later()
    before = clinic.contact() if clinic.contacts() else _NOBODY
    notice = flow.act(clinic, who)
    clinic.forget_calls()
    event = clinic.take(notice)
    assert (event.state, event.reason) == (flow.state, event.reason)
    assert clinic.desk.calls() == flow.emr
    assert clinic.crm_calls() == flow.crm
    after = clinic.contact() if clinic.contacts() else _NOBODY
    assert changed(before["fields"], after["fields"]) == flow.fields
    assert {name: after["native"].get(name) for name in flow.native} == flow.native
    assert new_notes(before, after) == ([flow.note] if flow.note else [])
    assert cards(after) == ([flow.card] if flow.card else [])
    count = len(after["enrolments"]) - len(before["enrolments"])
    assert sorted(one["workflow_id"] for one in after["enrolments"][:count]) == sorted(flow.enrolled)
    assert tuple(after["tags"]) == flow.tags


_NOBODY: Json = {"fields": {}, "native": {}, "notes": [], "opportunities": [], "enrolments": [], "tags": []}


def changed(before: Json, after: Json) -> Json:
    """Fields that are new or have another value."""
    assert set(before) <= set(after), "a field was emptied"
    return {name: value for name, value in after.items() if before.get(name) != value}


def new_notes(before: Json, after: Json) -> list[str]:
    count = len(after["notes"]) - len(before["notes"])
    return [one["body"].rsplit("\nReference: AX-", 1)[0] for one in after["notes"][:count]]


def cards(contact: Json) -> list[tuple[str, str, str, float]]:
    return [
        (row["pipeline"], row["stage"], row["status"], row["monetary_value"])
        for row in contact["opportunities"]
    ]


# People


def test_a_patient_with_neither_email_nor_phone_is_skipped_and_nothing_is_asked_of_the_crm(clinic):
    who = clinic.patient(email="", cellPhone="", homePhone="")
    clinic.forget_calls()
    event = clinic.take(is_created(clinic, who))
    assert (event.state, event.reason) == (
        EventState.SKIPPED,
        "No usable e-mail or phone: the CRM needs one of them.",
    )
    assert clinic.crm_calls() == {}
    assert clinic.desk.calls() == PATIENT
    event = clinic.take(clinic.desk.update_patient(who, email="rosa.late@example.com"))
    assert event.state == EventState.DONE
    assert clinic.contact()["native"]["email"] == "rosa.late@example.com"


@pytest.mark.parametrize("what", ["bill", "membership", "appointment"])
def test_what_a_patient_without_email_and_phone_does_is_skipped_too(clinic, what):
    who = clinic.patient(email="", cellPhone="", homePhone="")
    acts = {"bill": pays("Botox"), "membership": joins(), "appointment": books()}
    assert clinic.take(acts[what](clinic, who)).state == EventState.SKIPPED
    assert clinic.contacts() == []


def test_a_home_phone_alone_makes_a_contact(clinic):
    who = clinic.patient(email="", cellPhone="", homePhone="305-555-0142")
    clinic.take(is_created(clinic, who))
    assert clinic.contact()["native"]["phone"] == "+13055550142"


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("patients", is_created),
        ("patients", books()),
        ("appointments", books()),
        ("bills", pays("Botox")),
        ("memberships", joins()),
    ],
)
def test_what_is_gone_in_patientnow_parks_its_event_with_the_reason(clinic, kind, act):
    who = clinic.patient()
    notice = act(clinic, who)
    ids = {"patients": who, "appointments": "appointmentId", "bills": "billId", "memberships": "membershipId"}
    gone = who if kind == "patients" else notice[ids[kind]]
    clinic.desk.set_up(gone=[f"{kind}/{gone}"])
    event = clinic.take(notice)
    assert (event.state, event.parked_as) == (EventState.PARKED, "rejected")
    assert event.reason.startswith(f"PatientNow Pro has no such {kind.removesuffix('s')} any more")
    assert clinic.contacts() == []
    # It does not stand in the way of what comes after it.
    clinic.desk.set_up(gone=[])
    assert clinic.take(is_created(clinic, who)).state == EventState.DONE


# Trouble with PatientNow


def test_a_get_that_fails_is_retried_in_its_lane_and_keeps_the_order(clinic):
    who = clinic.patient()
    first = clinic.booked(who)
    clinic.desk.set_up(server_error=2)
    event = clinic.take(first)
    assert event.state == EventState.WAITING
    lane = Lane.objects.for_practice(clinic.practice).get()
    assert lane.attempts == 1
    assert "could not answer" in lane.waits_because
    clinic.desk.set_up(server_error=1)
    clinic.later()
    clinic.take(clinic.desk.cancel("90301"))
    assert clinic.states() == {"waiting": 2}
    clinic.work(hurry=True)
    assert clinic.states() == {"done": 2}
    assert len(clinic.notes()) == 2
    assert clinic.cards() == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert clinic.events()[0].finished_at < clinic.events()[1].finished_at


def test_a_429_waits_as_told_and_is_no_failure(clinic):
    who = clinic.patient()
    notice = clinic.booked(who)
    clinic.desk.set_up(throttle=1, retry_after="1")
    clinic.take(notice)
    lane = Lane.objects.for_practice(clinic.practice).get()
    assert (lane.attempts, clinic.states()) == (0, {"waiting": 1})
    clinic.work(hurry=True)
    assert clinic.states() == {"done": 1}


def test_a_refused_key_stops_the_connection_until_there_is_a_new_one(clinic):
    who = clinic.patient()
    clinic.desk.set_up(revoked=True)
    clinic.take(clinic.booked(who))
    assert clinic.states() == {"waiting": 1}
    clinic.connection.refresh_from_db()
    assert clinic.connection.needs_reauth_since is not None


# The notice and the record


def test_a_notice_that_was_overtaken_gets_its_note_and_the_record_decides(clinic):
    who = clinic.patient()
    booked = clinic.booked(who)
    clinic.later()
    clinic.desk.cancel("90301")
    event = clinic.take(booked)
    assert event.state == EventState.DONE
    assert clinic.cards() == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert [text.split("\n")[0] for text in clinic.notes()] == [
        "PatientNow Pro: appointment cancelled",
        "PatientNow Pro: appointment booked",
    ]
    assert clinic.contact()["fields"]["PNOW Appt Status"] == "Cancelled"


def test_a_record_older_than_its_notice_does_not_decide(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who))
    clinic.later()
    notice = clinic.desk.no_show("90301")
    clinic.desk.set_up(stale=1)
    clinic.take(notice)
    assert clinic.cards() == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert clinic.contact()["fields"]["PNOW Appt Status"] == "No-Show"


@pytest.mark.parametrize(
    "traps", [{"key_style": "snake", "dates": "us"}, {"ids_as_numbers": True, "money": "dollars"}]
)
def test_other_spellings_of_the_same_give_the_same(clinic, traps):
    who = clinic.patient()
    clinic.desk.set_up(**traps)
    clinic.take(books()(clinic, who), pays("Botox", "Dysport")(clinic, who))
    contact = clinic.contact()
    assert {name: contact["fields"][name] for name in BOOKED} == BOOKED
    assert contact["fields"]["Patient Lifetime Value"] == 850


# Switches and set-up


def test_the_address_stays_out_unless_the_practice_wants_it(clinic):
    clinic.take(is_created(clinic, clinic.patient()))
    native = clinic.contact()["native"]
    assert {name: native.get(name) for name in ADDRESS} == dict.fromkeys(ADDRESS)


def test_appointments_write_no_address_even_with_the_switch(clinic):
    clinic.set_up(switches={"sync_address": True})
    clinic.take(books()(clinic, clinic.patient()))
    assert clinic.contact()["native"].get("address1") is None


def test_a_type_nobody_confirmed_holds_the_pipeline_step_only_and_is_released(clinic):
    event = clinic.take(books("Lip Filler")(clinic, clinic.patient()))
    assert (event.state, event.held_for) == (EventState.HELD, "category")
    assert "Category: not yet set" in clinic.notes()[0]
    assert clinic.contact()["opportunities"] == []
    assert "Lead Status" not in clinic.contact()["fields"]
    assert clinic.enrolments() == []
    names = {"connection": "pnow", "type": "Lip Filler", "purpose": ""}
    clinic.set_up(categories=[{**names, "category": "Non-Surgical Appointment", "confirmed": True}])
    clinic.work()
    contact = clinic.contact()
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
    assert contact["fields"]["Lead Status"] == "Booked"
    assert contact["fields"]["Appointment Category"] == "Non-Surgical Appointment"
    assert clinic.enrolments() == ["WF1"]
    assert len(clinic.notes()) == 1


def test_a_field_under_its_longer_name_is_written_and_not_made_twice(sandbox, db):
    fields = [{"name": "PNOW Last Appointment ID", "dataType": "TEXT"}]
    clinic = Clinic(sandbox, crm={"custom_fields": fields})
    clinic.take(books()(clinic, clinic.patient()))
    written = clinic.contact()["fields"]
    assert written["PNOW Last Appointment ID"] == "90301"
    assert "PNOW Last Appt ID" not in written


def test_where_the_crms_own_workflow_does_the_rest_fields_are_written_and_it_is_enrolled(clinic):
    document = clinic.document()
    document["sub_accounts"][0]["pipeline_logic"] = "crm_workflow"
    clinic.set_up_with(document)
    who = clinic.patient()
    clinic.take(books()(clinic, who), pays("Botox")(clinic, who), joins()(clinic, who))
    contact = clinic.contact()
    assert (contact["notes"], contact["opportunities"], contact["tags"]) == ([], [], [])
    assert sorted(clinic.enrolments()) == ["WF1", "WF2", "WF3", "WF4"]
    assert "Patient Lifetime Value" not in contact["fields"]
    assert contact["fields"]["Invoice Paid Amount"] == 400
    assert [row.state for row in clinic.ledger()] == ["left_to_crm"]


def test_a_medical_spa_has_one_pipeline_and_no_category(sandbox, db):
    clinic = Clinic(sandbox, kind="med_spa", categories=[])
    clinic.take(books("Breast Aug Consult")(clinic, clinic.patient()))
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
    assert "Appointment Category" not in clinic.contact()["fields"]
    assert "Category" not in clinic.notes()[0]


def test_the_birthday_is_enrolled_once(clinic):
    who = clinic.patient()
    clinic.take(pays("Botox")(clinic, who))
    clinic.later()
    clinic.take(pays("Dysport")(clinic, who))
    assert sorted(clinic.enrolments()) == ["WF2", "WF2", "WF4"]


def test_the_story_names_what_was_told_and_what_decided(clinic):
    who = clinic.patient()
    clinic.take(books()(clinic, who))
    clinic.later()
    event = clinic.take(status("Arrived")(clinic, who))
    assert told(event, "decided") == 'Status "Arrived" is recorded; nothing is written for it.'
