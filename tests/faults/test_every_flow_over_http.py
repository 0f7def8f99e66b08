"""Every flow of AestheticsPro through real processes into the sandbox over HTTP: exactly what is written."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests

from integrations.emrs.aestheticspro import sandbox as apro
from tests.engine.world import at
from tests.faults.stack import Stack
from tests.faults.stories import SITE, Body, visit

pytestmark = pytest.mark.faults

UPDATE, INVOICE, BIRTHDAY = "APro Appointments Update", "APro Invoice Paid", "APro Birthday"
BOOKED_NOTE = (
    "AestheticsPro: appointment booked\nStatus: Booked\nService: Botox\nDate: 3/12/2026\nLocation: Downtown"
)
ADDRESS = {"address1": "1 Alder St", "city": "New York", "state": "NY", "postalCode": "10001"}


def _booking(who: apro.Client, **changes: object) -> Body:
    """Fields that a booking of Botox on March 12 writes."""
    return {
        "APro Appt Status": "Booked",
        "APro Appt Date": "2026-03-12",
        "APro Appt ID": f"{who.client_id}00",
        "APro Appt Services": "Botox",
        "APro Appt Service Type": "Injectable",
        "APro Provider": "Dana Reyes, NP",
        "APro Location": "Downtown",
        "APro Client ID": f"{who.client_id}",
        "APro DOB": "1958-01-01",
        "Next Visit Date": "2026-03-12",
        "Next Visit Service": "Botox",
    } | changes


def _paid(who: apro.Client, **changes: object) -> Body:
    """Fields that an invoice of 350 for that visit adds."""
    return {
        "APro Appt Status": "Completed",
        "APro Invoice ID": f"{who.client_id}50",
        "APro Location": "Downtown",
        "APro Client ID": f"{who.client_id}",
        "APro DOB": "1958-01-01",
        "Last Visit Date": "2026-03-12",
        "Last Visit Service": "Botox",
        "Invoice Paid Amount": 350,
        "Patient Lifetime Value": 350,
        "Contact Type": "Patient",
    } | changes


@dataclass(frozen=True)
class Flow:
    """What is sent about a patient, and what the CRM then shows; ``card`` is (stage, status, value)."""

    sent: Callable[[apro.Client], list[Body]]
    fields: Callable[[apro.Client], Body]
    notes: Callable[[apro.Client], list[str]]
    card: tuple[str, str, float] | None
    enrolled: tuple[str, ...] = ()
    native: dict[str, str] = field(default_factory=dict)
    connection: str = "apro"


def _notes(*notes: str) -> Callable[[apro.Client], list[str]]:
    """These notes; ``{id}`` in them stands for the patient's id."""
    return lambda who: [note.replace("{id}", str(who.client_id)) for note in notes]


def _note(what: str, status: str, *more: str, day: str = "3/12/2026") -> str:
    lines = [f"AestheticsPro: appointment {what}", f"Status: {status}", "Service: Botox", f"Date: {day}"]
    return "\n".join([*lines, "Location: Downtown", *more])


def _invoice_note(amount: str, service: str, number: int = 50) -> str:
    lines = ["AestheticsPro: invoice paid", f"Amount: ${amount}", f"Service: {service}"]
    return "\n".join([*lines, f"Invoice number: INV-{{id}}{number}", "Location: Downtown"])


def _invoice(who: apro.Client, minute: int, number: int = 50) -> Body:
    return apro.invoice_paid(visit(who, 0, 12), who.client_id * 100 + number, at(minute))


def _retail(who: apro.Client, minute: int, number: int = 50) -> Body:
    return apro.retail_sale(who, apro.RETAIL[:2], who.client_id * 100 + number, at(minute), SITE)


def _rescheduled(who: apro.Client) -> list[Body]:
    booked = visit(who, 0, 12)
    return [apro.booked(booked, at(0)), apro.rescheduled(booked, booked.starts_at.replace(day=28), at(5))]


def _deleted(who: apro.Client) -> list[Body]:
    return [apro.booked(visit(who, 0, 12), at(0)), apro.deleted(visit(who, 0, 12), at(5))]


FLOWS = {
    "booked": Flow(
        lambda who: [apro.booked(visit(who, 0, 12), at(0))],
        _booking,
        _notes(BOOKED_NOTE),
        ("Booked", "open", 0),
        (UPDATE,),
    ),
    "booked, then cancelled": Flow(
        lambda who: [apro.booked(visit(who, 0, 12), at(0)), apro.cancelled(visit(who, 0, 12), at(5))],
        lambda who: _booking(who, **{"APro Appt Status": "Cancelled"}),
        _notes(BOOKED_NOTE, _note("cancelled", "Cancelled")),
        ("Cancelled / No-Show", "open", 0),
        (UPDATE, UPDATE),
    ),
    "booked, then nobody came": Flow(
        lambda who: [apro.booked(visit(who, 0, 12), at(0)), apro.no_show(visit(who, 0, 12), at(5))],
        lambda who: _booking(who, **{"APro Appt Status": "NoShow"}),
        _notes(BOOKED_NOTE, _note("no-show", "NoShow")),
        ("Cancelled / No-Show", "open", 0),
        (UPDATE, UPDATE),
    ),
    "booked, then paid": Flow(
        lambda who: [apro.booked(visit(who, 0, 12), at(0)), _invoice(who, 5)],
        lambda who: _booking(who) | _paid(who),
        _notes(BOOKED_NOTE, _invoice_note("350.00", "Botox")),
        ("Patient", "won", 350),
        (UPDATE, INVOICE, BIRTHDAY),
    ),
    "paid before the booking is heard of": Flow(
        lambda who: [_invoice(who, 5)],
        _paid,
        _notes(_invoice_note("350.00", "Botox")),
        ("Patient", "won", 350),
        (INVOICE, BIRTHDAY),
    ),
    "retail sale": Flow(
        lambda who: [_retail(who, 5)],
        lambda who: _paid(
            who,
            **{
                "Last Visit Date": "2026-03-10",
                "Last Visit Service": "SPF 50 Sunscreen, Vitamin C Serum",
                "Invoice Paid Amount": 160,
                "Patient Lifetime Value": 160,
            },
        ),
        _notes(_invoice_note("160.00", "SPF 50 Sunscreen, Vitamin C Serum")),
        ("Patient", "won", 160),
        (INVOICE, BIRTHDAY),
    ),
    "paid twice": Flow(
        lambda who: [_invoice(who, 5), _retail(who, 10, 51)],
        lambda who: _paid(
            who,
            **{
                "APro Invoice ID": f"{who.client_id}51",
                "Last Visit Date": "2026-03-10",
                "Last Visit Service": "SPF 50 Sunscreen, Vitamin C Serum",
                "Invoice Paid Amount": 160,
                "Patient Lifetime Value": 510,
            },
        ),
        _notes(
            _invoice_note("350.00", "Botox"),
            _invoice_note("160.00", "SPF 50 Sunscreen, Vitamin C Serum", 51),
        ),
        ("Patient", "won", 510),
        (INVOICE, BIRTHDAY, INVOICE),
    ),
    "the same invoice twice": Flow(
        lambda who: [_invoice(who, 5), _invoice(who, 6)],
        _paid,
        _notes(_invoice_note("350.00", "Botox")),
        ("Patient", "won", 350),
        (INVOICE, BIRTHDAY),
    ),
    "one of two visits cancelled": Flow(
        lambda who: [
            apro.booked(visit(who, 0, 12), at(0)),
            apro.booked(visit(who, 4, 20), at(5)),
            apro.cancelled(visit(who, 0, 12), at(10)),
        ],
        lambda who: _booking(who, **{"APro Appt Status": "Cancelled", "Next Visit Date": "2026-03-20"}),
        _notes(BOOKED_NOTE, _note("booked", "Booked", day="3/20/2026"), _note("cancelled", "Cancelled")),
        ("Booked", "open", 0),
        (UPDATE, UPDATE, UPDATE),
    ),
    "client saved": Flow(
        lambda who: [apro.client_saved(who, at(5), SITE)],
        lambda who: {"APro Client ID": f"{who.client_id}", "APro DOB": "1958-01-01"},
        _notes(),
        None,
        native=ADDRESS,
    ),
    "rescheduled, only recorded": Flow(
        _rescheduled, _booking, _notes(BOOKED_NOTE), ("Booked", "open", 0), (UPDATE,)
    ),
    "deleted, only recorded": Flow(_deleted, _booking, _notes(BOOKED_NOTE), ("Booked", "open", 0), (UPDATE,)),
    "rescheduled, acted on": Flow(
        _rescheduled,
        lambda who: _booking(who, **{"APro Appt Date": "2026-03-28", "Next Visit Date": "2026-03-28"}),
        _notes(
            BOOKED_NOTE,
            _note(
                "rescheduled",
                "Booked",
                "Rescheduled: rescheduled from 3/12/2026 to 3/28/2026",
                day="3/28/2026",
            ),
        ),
        ("Booked", "open", 0),
        (UPDATE, UPDATE),
        connection="apro-acting",
    ),
    "deleted, acted on": Flow(
        _deleted,
        lambda who: _booking(who, **{"APro Appt Status": "Cancelled"}),
        _notes(BOOKED_NOTE, _note("deleted", "Cancelled")),
        ("Cancelled / No-Show", "open", 0),
        (UPDATE, UPDATE),
        connection="apro-acting",
    ),
}


def test_every_flow_writes_exactly_what_it_should(stack: Stack) -> None:
    told = {name: stack.patient() for name in FLOWS}
    for name, flow in FLOWS.items():
        stack.tell(*flow.sent(told[name]), connection=flow.connection)
    stack.settle()
    found = {name: _seen(stack.shown(who)) for name, who in told.items()}
    assert found == {name: _expected(flow, told[name]) for name, flow in FLOWS.items()}
    assert stack.totals()["contacts"] == len(FLOWS)


def _seen(shown: Body) -> Body:
    """The contact without the CRM's own ids and times; notes oldest first, without our reference."""
    native = {name: value for name, value in shown["native"].items() if not name.startswith("date")}
    references = [note["body"].rpartition("\n")[2] for note in shown["notes"]]
    assert all(line.startswith("Reference: AX-") for line in references)
    assert len(set(references)) == len(references)
    return {
        "native": native | {"born": shown["native"].get("dateOfBirth")},
        "tags": shown["tags"],
        "fields": shown["fields"],
        "notes": [note["body"].rpartition("\n")[0] for note in reversed(shown["notes"])],
        "cards": [
            (card["pipeline"], card["stage"], card["status"], card["monetary_value"], card["name"])
            for card in shown["opportunities"]
        ],
        "enrolled": [one["workflow"] for one in reversed(shown["enrolments"])],
    }


def _expected(flow: Flow, who: apro.Client) -> Body:
    name = f"{who.first_name} {who.last_name}"
    return {
        "native": {
            "type": "lead",
            "dnd": False,
            "firstName": who.first_name,
            "lastName": who.last_name,
            "email": who.email,
            "phone": "+1" + "".join(char for char in who.mobile_phone if char.isdigit()),
            "gender": "female",
            "born": "1958-01-01",
            **flow.native,
        },
        "tags": [],
        "fields": flow.fields(who),
        "notes": flow.notes(who),
        "cards": [("Non-Surgical", *flow.card, name)] if flow.card else [],
        "enrolled": list(flow.enrolled),
    }


def test_what_is_not_for_the_crm_is_answered_and_writes_nothing(stack: Stack) -> None:
    who = stack.patient()
    ping = stack.post(apro.test_ping(at(0)))
    assert (ping.status_code, ping.json()["result"]) == (200, "ignored")
    nameless = replace(who, email="", mobile_phone="")
    unreachable = stack.post(apro.booked(visit(nameless, 0, 12), at(0)))
    assert (unreachable.status_code, unreachable.json()["result"]) == (202, "stored")
    stack.until(lambda: stack.ask("unfinished") == 0, "everything is finished")
    states = {event["id"]: (event["state"], event["reason"]) for event in stack.events()}
    assert states[ping.json()["event"]][0] == "ignored"
    assert states[unreachable.json()["event"]] == (
        "skipped",
        "No usable e-mail or phone: the CRM needs one of them.",
    )
    assert stack.totals() == {"contacts": 0, "notes": 0, "opportunities": 0}


def test_a_repeated_event_is_a_duplicate_and_costs_no_call(stack: Stack) -> None:
    who = stack.patient()
    body = apro.booked(visit(who, 0, 12), at(0))
    stack.tell(body)
    stack.settle()
    stack.door("DELETE", "/requests")
    again = stack.post(body)
    assert (again.status_code, again.json()["result"]) == (200, "duplicate")
    # Sent once more under another id: the same state of the same visit.
    assert stack.post(body | {"event_id": "another-id"}).status_code == 202
    stack.settle()
    assert stack.door("GET", "/requests")["total"] == 0


def test_a_booking_of_a_linked_contact_costs_four_calls(stack: Stack) -> None:
    who = stack.patient()
    stack.tell(apro.booked(visit(who, 0, 12), at(0)))
    stack.settle()
    stack.door("DELETE", "/requests")
    stack.tell(apro.booked(visit(who, 1, 14), at(5)))
    stack.settle()
    routes: dict[str, Any] = stack.door("GET", "/requests")["routes"]
    assert routes == {
        "PUT /contacts/{id}": {"200": 1},
        "POST /contacts/{id}/notes": {"201": 1},
        "PUT /opportunities/{id}": {"200": 1},
        "POST /contacts/{id}/workflow/{workflowId}": {"200": 1},
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe not text", 400),
        (b"[1, 2]", 400),
        (b"{" + b'"a":{' * 10_000 + b"}" * 10_001, 400),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}', 413),
    ],
    ids=["not UTF-8", "not an object", "nested 10,000 deep", "2 MB"],
)
def test_hostile_bodies_get_a_json_error_in_words(stack: Stack, body: bytes, status: int) -> None:
    answer = requests.post(stack.webhooks["apro"], data=body, timeout=60)
    assert answer.status_code == status
    assert answer.json()["error"]
    wrong = requests.post(f"{stack.url}/webhooks/emr/no-such-key/", data=b"{}", timeout=60)
    assert wrong.status_code == 404
    assert stack.events() == []
