"""The way out: which calls an event makes, and what becomes of every kind of trouble on the way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Effect, IdentityQuestion, InboundEvent, Incident, Lane, LedgerRow, Opportunity
from integrations.sync import circuit, crm_mirror, deliver, incidents, lanes
from integrations.sync.contact_values import write_birth_date_again
from integrations.sync.crm_access import client_for
from integrations.sync.replay import replay, retry
from tests.engine.world import STAGES, WORKFLOWS, World, at, practice_file, story, visit

ALBA = apro.CLIENTS[0]
VISIT, NEXT = visit(1), visit(2, day=20)
PUT, NOTE, CARD = "PUT /contacts/{id}", "POST /contacts/{id}/notes", "PUT /opportunities/{id}"
READ, ENROL = "GET /contacts/{id}", "POST /contacts/{id}/workflow/{workflowId}"
MAKE, MAKE_CARD = "POST /contacts", "POST /opportunities"
FIND_CARD, FIELDS = "GET /opportunities/search", "GET /locations/{id}/customFields"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubts are looked up at once; one test sets the pause."""
    monkeypatch.setattr(deliver, "DOUBT_PAUSE_SECONDS", 0.0)


@pytest.fixture
def linked(world: World) -> World:
    """A patient with a contact, a note and a card."""
    world.take(apro.booked(VISIT, at(0)))
    world.forget_calls()
    return world


def calls_for(world: World, *bodies: Any) -> dict[str, int]:
    world.forget_calls()
    world.take(*bodies)
    return world.calls()


def event_of(world: World) -> InboundEvent:
    """The newest event."""
    return world.events()[-1]


def cut(route: str, *, after: bool = True, **more: Any) -> dict[str, Any]:
    """A connection that breaks, by default after the CRM did its work."""
    return {"route": route, "kind": "close", "after": after} | more


def refuse(route: str, status: int, **more: Any) -> dict[str, Any]:
    return {"route": route, "status": status} | more


# Calls per event

CALLS = [
    ("booked, decides", apro.booked(NEXT, at(5)), {PUT: 1, NOTE: 1, CARD: 1}),
    ("cancelled, another is ahead", apro.cancelled(NEXT, at(5)), {PUT: 1, NOTE: 1}),
    ("late", apro.no_show(VISIT, at(-5)), {NOTE: 1}),
    ("client saved", apro.client_saved(ALBA, at(5)), {PUT: 1}),
    ("invoice", apro.invoice_paid(VISIT, 900, at(5)), {READ: 1, PUT: 1, NOTE: 1, CARD: 1}),
    ("only recorded", apro.rescheduled(NEXT, NEXT.starts_at, at(5)), {}),
    ("the same again", apro.booked(VISIT, at(0)) | {"event_id": "another"}, {}),
    ("the same state later", apro.booked(VISIT, at(5)), {PUT: 1, CARD: 1}),
]


@pytest.mark.parametrize(("name", "body", "calls"), CALLS, ids=[row[0] for row in CALLS])
def test_an_event_of_a_linked_contact_makes_these_calls_and_no_more(linked, name, body, calls):
    assert calls_for(linked, body) == calls


@pytest.mark.parametrize(("name", "body", "calls"), CALLS[:2], ids=[row[0] for row in CALLS[:2]])
def test_a_mapped_workflow_is_one_call_more(linked, name, body, calls):
    linked.map_workflows()
    assert calls_for(linked, body) == calls | {ENROL: 1}


def test_a_new_contact_is_looked_for_by_id_e_mail_and_phone_and_made_with_its_card(world):
    assert calls_for(world, apro.booked(VISIT, at(0))) == {
        FIELDS: 1,
        "POST /contacts/search": 1,
        "GET /contacts/search/duplicate": 2,
        MAKE: 1,
        NOTE: 1,
        MAKE_CARD: 1,
    }


def test_a_repeated_invoice_makes_no_call(linked):
    linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    assert calls_for(linked, apro.invoice_paid(VISIT, 900, at(5)) | {"event_id": "another"}) == {}
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 350


# Keys


def test_an_effect_is_unique_by_event_kind_and_target(linked):
    first = linked.effects()[0]
    twin = Effect(
        practice=first.practice,
        event=first.event,
        kind=first.kind,
        target=first.target,
        position=9,
        planned_at=timezone.now(),
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_a_replay_writes_fields_and_stage_again_and_nothing_twice(linked):
    linked.map_workflows()
    linked.take(apro.invoice_paid(VISIT, 900, at(5)), apro.booked(NEXT, at(9)))
    before, effects = linked.contact(), len(linked.effects())
    linked.write_field(before["id"], "APro Provider", "Somebody else")
    for event in linked.events():
        assert replay(event)
    linked.work()
    after = linked.contact()
    assert linked.states() == {"done": 3}
    assert after["fields"] == before["fields"]
    assert after["notes"] == before["notes"]
    assert after["enrolments"] == before["enrolments"]
    assert [(card["stage"], card["status"]) for card in after["opportunities"]] == [("Booked", "won")]
    assert len(linked.effects()) == effects


# In doubt: the connection broke, before or after the CRM did it

DOUBTS = [
    (apro.booked(VISIT, at(0)), MAKE),
    (apro.booked(VISIT, at(0)), NOTE),
    (apro.booked(VISIT, at(0)), MAKE_CARD),
    (apro.booked(NEXT, at(5)), PUT),
    (apro.booked(NEXT, at(5)), NOTE),
    (apro.booked(NEXT, at(5)), CARD),
    (apro.invoice_paid(VISIT, 900, at(5)), PUT),
    (apro.invoice_paid(VISIT, 900, at(5)), NOTE),
    (apro.invoice_paid(VISIT, 900, at(5)), CARD),
    (apro.retail_sale(ALBA, apro.RETAIL[:1], 901, at(0)), MAKE),
    (apro.retail_sale(ALBA, apro.RETAIL[:1], 901, at(0)), MAKE_CARD),
]


def whole(world: World) -> Any:
    """The contact without what differs between two runs of one story."""
    contact = world.contact()
    cards = [(card["stage"], card["status"], card["monetary_value"]) for card in contact["opportunities"]]
    notes = sorted(note["body"].rsplit("\n", 1)[0] for note in contact["notes"])
    native = {name: contact["native"].get(name) for name in ("firstName", "email", "phone", "dateOfBirth")}
    ledger = [(row.amount, row.state) for row in LedgerRow.objects.for_practice(world.practice)]
    return native, contact["fields"], notes, cards, len(contact["enrolments"]), ledger


def undisturbed(world: World, body: Any) -> Any:
    """What ``body`` leads to without trouble; the pretend CRM and our records are empty again afterwards."""
    savepoint = transaction.savepoint()
    prepare(world, body)
    world.take(body)
    expected = whole(world)
    transaction.savepoint_rollback(savepoint)
    world.door("POST", "/reset", {})
    return expected


def prepare(world: World, body: Any) -> None:
    """Events at minute 5 are about somebody known."""
    if body["timestamp"] != apro.test_ping(at(0))["timestamp"]:
        world.take(apro.booked(VISIT, at(0)))


@pytest.mark.parametrize("after", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize(("body", "route"), DOUBTS, ids=range(len(DOUBTS)))
def test_a_connection_that_breaks_loses_and_doubles_nothing(world, body, route, after):
    expected = undisturbed(world, body)
    prepare(world, body)
    world.faults(cut(route, after=after))
    world.take(body)
    assert event_of(world).state == "waiting"
    world.work(hurry=True)
    assert event_of(world).state == "done", event_of(world).reason
    assert whole(world) == expected


class Killed(BaseException):
    """The process dies here."""


def die(monkeypatch: pytest.MonkeyPatch, method: str, *, after: bool) -> None:
    """Let the next call of a client's method end the process, before or after it was made."""
    real: Callable[..., Any] = getattr(CrmClient, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(CrmClient, method, real)
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(CrmClient, method, call)


KILLED_IN = [
    (apro.booked(VISIT, at(0)), "create_contact"),
    (apro.booked(VISIT, at(0)), "create_note"),
    (apro.booked(VISIT, at(0)), "create_opportunity"),
    (apro.booked(VISIT, at(0)), "find_duplicate"),
    (apro.booked(NEXT, at(5)), "update_contact"),
    (apro.booked(NEXT, at(5)), "create_note"),
    (apro.booked(NEXT, at(5)), "update_opportunity"),
    (apro.invoice_paid(VISIT, 900, at(5)), "get_contact"),
    (apro.invoice_paid(VISIT, 900, at(5)), "update_contact"),
]


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
@pytest.mark.parametrize(("body", "method"), KILLED_IN, ids=range(len(KILLED_IN)))
def test_a_worker_killed_around_a_call_loses_and_doubles_nothing(world, monkeypatch, body, method, after):
    expected = undisturbed(world, body)
    prepare(world, body)
    die(monkeypatch, method, after=after)
    with pytest.raises(Killed):
        world.take(body)
    assert lanes.release_dead("test")
    world.work(hurry=True)
    assert event_of(world).state == "done"
    assert whole(world) == expected


def test_a_note_in_doubt_is_looked_for_by_our_reference(linked):
    linked.faults(cut(NOTE))
    linked.take(apro.booked(NEXT, at(5)))
    linked.forget_calls()
    linked.work(hurry=True)
    assert linked.calls() == {"GET /contacts/{id}/notes": 1, CARD: 1}
    (effect,) = linked.effects(event=event_of(linked), kind="note")
    assert effect.reason == "It had been written before the interruption."
    assert effect.reference in linked.contact()["notes"][0]["body"]


LOOK_UPS = [
    (apro.booked(NEXT, at(5)), NOTE, "GET /contacts/{id}/notes"),
    (apro.invoice_paid(VISIT, 900, at(5)), PUT, READ),
    (apro.booked(VISIT, at(0)), MAKE, "GET /contacts/search/duplicate"),
    (apro.booked(VISIT, at(0)), MAKE_CARD, FIND_CARD),
]


@pytest.mark.parametrize("trouble", [503, 429, 400])
@pytest.mark.parametrize(("body", "write", "look_up"), LOOK_UPS, ids=["note", "money", "contact", "card"])
def test_a_doubt_stays_one_when_its_look_up_fails(world, body, write, look_up, trouble):
    """The write happened; that the look-up failed says nothing of it, so it is looked up once more."""
    world.redo_sub_account(settings={"allowDuplicateContact": True, "allowDuplicateOpportunity": True})
    expected = undisturbed(world, body)
    prepare(world, body)
    world.faults(cut(write))
    world.take(body)
    world.faults(refuse(look_up, trouble, retry_after=0))
    world.work(hurry=True, rounds=1)
    if event_of(world).state == "parked":
        assert retry(event_of(world))
    world.work(hurry=True)
    assert event_of(world).state == "done", event_of(world).reason
    assert whole(world) == expected


def test_what_may_have_been_made_is_searched_for_after_a_pause(world, monkeypatch):
    """The CRM's search lags some seconds."""
    monkeypatch.setattr(deliver, "DOUBT_PAUSE_SECONDS", 60.0)
    world.faults(cut(MAKE_CARD))
    world.take(apro.booked(VISIT, at(0)))
    world.forget_calls()
    world.work(hurry=True, rounds=3)
    assert world.calls() == {}
    lane = Lane.objects.for_practice(world.practice).get()
    assert lane.waits_because == "A write may have happened; it is looked up before it is repeated."
    assert 50 < (lane.next_at - timezone.now()).total_seconds() <= 60
    Effect.objects.for_practice(world.practice).update(sent_at=timezone.now() - timedelta(seconds=61))
    world.work(hurry=True)
    assert len(world.contact()["opportunities"]) == 1


def test_an_enrolment_in_doubt_is_not_repeated_and_shown(linked):
    linked.map_workflows()
    for after in (True, False):
        linked.faults(cut(ENROL, after=after))
        event = linked.take(apro.booked(visit(3 + after, day=25), at(5 + after)))
        assert event.state == "done"
        (effect,) = linked.effects(event=event, kind="enrol")
        assert effect.state == "in_doubt"
        assert "not repeated" in effect.reason
        assert "not repeated" in story(event, "enrolment")
    assert len(linked.enrolments()) == 1
    assert not retry(event)
    linked.work(hurry=True)
    assert len(linked.enrolments()) == 1


def test_a_worker_killed_while_it_enrols_does_not_enrol_again(linked, monkeypatch):
    linked.map_workflows()
    die(monkeypatch, "enrol", after=True)
    with pytest.raises(Killed):
        linked.take(apro.booked(NEXT, at(5)))
    lanes.release_dead("test")
    linked.work(hurry=True)
    assert event_of(linked).state == "done"
    assert linked.enrolments() == [WORKFLOWS["APro Appointments Update"]]
    assert [effect.state for effect in linked.effects(kind="enrol")] == ["in_doubt"]


def test_a_birthday_enrolment_in_doubt_is_not_made_again_by_the_next_invoice(linked):
    linked.map_workflows()
    linked.faults(cut(ENROL, skip=1))
    linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    linked.take(apro.retail_sale(ALBA, apro.RETAIL[:1], 901, at(6)))
    assert linked.enrolments().count(WORKFLOWS["APro Birthday"]) == 1


def test_an_enrolment_that_surely_did_not_happen_is_made(linked):
    linked.map_workflows()
    linked.faults(refuse(ENROL, 503))
    linked.take(apro.booked(NEXT, at(5)))
    linked.work(hurry=True)
    assert linked.enrolments() == [WORKFLOWS["APro Appointments Update"]]


# Money in doubt


def pay_in_doubt(world: World, *, done: bool) -> None:
    world.faults(cut(PUT, after=done))
    world.take(apro.invoice_paid(VISIT, 900, at(5)))


def test_money_in_doubt_that_was_written_is_not_written_again(linked):
    pay_in_doubt(linked, done=True)
    linked.forget_calls()
    linked.work(hurry=True)
    assert linked.calls() == {READ: 1, NOTE: 1, CARD: 1}
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 350
    assert linked.opportunity()["monetary_value"] == 350


def test_money_in_doubt_that_was_not_written_is_written(linked):
    pay_in_doubt(linked, done=False)
    linked.forget_calls()
    linked.work(hurry=True)
    assert linked.calls() == {READ: 1, PUT: 1, NOTE: 1, CARD: 1}
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 350


def test_money_that_was_written_and_then_changed_by_hand_is_known_by_its_payment_id(linked):
    pay_in_doubt(linked, done=True)
    linked.write_field(linked.contact()["id"], "Patient Lifetime Value", 1000)
    linked.work(hurry=True)
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 1000
    assert LedgerRow.objects.for_practice(linked.practice).get().state == "written"


def test_money_that_was_not_written_when_somebody_changed_the_value_needs_attention_with_both_numbers(linked):
    pay_in_doubt(linked, done=False)
    linked.write_field(linked.contact()["id"], "Patient Lifetime Value", 77)
    linked.work(hurry=True)
    event = event_of(linked)
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 77
    assert LedgerRow.objects.for_practice(linked.practice).get().state == "needs_attention"
    (effect,) = linked.effects(event=event, kind="contact")
    assert effect.state == "in_doubt"
    for number in ("350.00", "77.00"):
        assert number in effect.reason
    assert event.state == "done"
    assert len(linked.notes()) == 2


# Trouble of the other side


def lane_of(world: World) -> Lane:
    return Lane.objects.for_practice(world.practice).order_by("-id")[0]


def seconds_to_wait(world: World) -> float:
    return float((lane_of(world).next_at - timezone.now()).total_seconds())


def test_a_429_waits_as_told_and_counts_as_no_failure(linked):
    linked.faults(refuse(PUT, 429, retry_after=1))
    linked.take(apro.booked(NEXT, at(5)))
    lane = lane_of(linked)
    assert lane.waits_because == "Waiting for the CRM's request limit."
    assert (lane.attempts, event_of(linked).attempts) == (0, 0)
    assert 0 < seconds_to_wait(linked) <= 1.2
    assert linked.account.failures_in_a_row == 0
    linked.forget_calls()
    linked.work(hurry=True, rounds=2)
    assert linked.calls() == {}, "the budget keeps everybody back for that time"


def test_a_503_backs_off_by_the_table_and_then_needs_attention(linked):
    linked.faults(refuse(PUT, 503, times=None))
    linked.take(apro.booked(NEXT, at(5)))
    for attempt, seconds in enumerate(lanes.BACK_OFF, start=1):
        assert 0.79 * seconds < seconds_to_wait(linked) < 1.21 * seconds
        assert lane_of(linked).attempts == attempt
        close_circuit(linked)
        linked.work(hurry=True, rounds=1)
    event = event_of(linked)
    assert (event.state, event.parked_as) == ("parked", "exhausted")
    assert event.attempts == len(lanes.BACK_OFF) + 1
    linked.faults()
    close_circuit(linked)
    assert linked.take(apro.client_saved(ALBA, at(9))).state == "done", "the lane goes on"
    assert retry(event)
    linked.work()
    assert event_of(linked).state == "done"


def close_circuit(world: World) -> None:
    circuit.reauthenticated(type(world.account), world.account.pk, world.practice.pk)


def test_back_off_is_10_s_1_m_5_m_30_m_2_h_5_h_10_h_24_h():
    assert lanes.BACK_OFF == (10, 60, 300, 1800, 7200, 18000, 36000, 86400)
    assert lanes.back_off_seconds(8) is None
    assert lanes.back_off_seconds(0, 3600) == 3600
    waits = {lanes.back_off_seconds(1) for _ in range(50)}
    assert len(waits) > 1, "with jitter"


def others(count: int) -> list[Any]:
    """Bookings of so many other patients."""
    return [apro.booked(visit(50 + n, client=n + 1), at(20 + n)) for n in range(count)]


def test_a_circuit_opens_after_five_failures_with_one_incident_and_closes_by_itself(linked):
    linked.take(*others(6))
    linked.forget_calls()
    linked.faults(outage=True)
    for number in range(6):
        linked.post(apro.cancelled(visit(50 + number, client=number + 1), at(40)))
    linked.work()
    assert linked.calls()[PUT] == circuit.FAILURES_TO_OPEN
    assert linked.incidents() == ["unreachable"]
    waits = Lane.objects.for_practice(linked.practice).filter(next_at__isnull=False)
    assert "The other side does not answer; waiting for it." in set(
        waits.values_list("waits_because", flat=True)
    )
    linked.forget_calls()
    linked.work(hurry=True, rounds=3)
    assert linked.calls() == {}, "while it is open nobody calls"

    linked.faults(outage=False)
    type(linked.account).objects.for_practice(linked.practice).update(circuit_open_until=timezone.now())
    circuit.forget()
    linked.work(hurry=True)
    assert linked.nothing_waits()
    assert linked.incidents() == []
    assert linked.account.failures_in_a_row == 0


def test_an_open_circuit_keeps_unlinked_patients_from_calling_too(linked):
    linked.take(*others(5))
    linked.faults(outage=True)
    for number in range(5):
        linked.post(apro.cancelled(visit(50 + number, client=number + 1), at(40)))
    linked.work()
    assert linked.incidents() == ["unreachable"]
    linked.forget_calls()
    linked.take(apro.booked(visit(70, client=20), at(50)))
    assert linked.calls() == {}


@pytest.mark.parametrize("is_known", [True, False], ids=["linked", "new"])
def test_refused_credentials_stop_the_sub_account_with_one_incident_until_new_ones_come(world, is_known):
    if is_known:
        world.take(apro.booked(VISIT, at(0)), *others(3))
    world.redo_sub_account(token="pit-another")
    world.forget_calls()
    for body in (apro.cancelled(VISIT, at(60)), *others_cancelled(3)):
        world.post(body)
    world.work()
    world.work(hurry=True, rounds=3)
    assert sum(world.calls().values()) == 1, "nobody hammers"
    assert world.incidents() == ["needs_reauth"]
    assert world.account.needs_reauth_since is not None
    assert "Waiting for new credentials." in lane_of(world).waits_because
    assert world.states()["waiting"] == 4
    assert lane_of(world).attempts == 0

    account = practice_file()["sub_accounts"][0] | {"token": "pit-another"}
    world.setup(sub_accounts=[account])
    world.work()
    assert world.nothing_waits()
    assert set(world.states()) == {"done"}
    assert world.incidents() == []


def others_cancelled(count: int) -> list[Any]:
    return [apro.cancelled(visit(50 + n, client=n + 1), at(80 + n)) for n in range(count)]


# A setting must change


def parked(world: World) -> InboundEvent:
    event = event_of(world)
    assert (event.state, event.parked_as) == ("parked", "config"), event.reason
    return event


def without_stage(name: str) -> dict[str, Any]:
    document = practice_file()
    del document["sub_accounts"][0]["pipelines"]["non_surgical"]["stages"][name]
    return document


def test_an_unmapped_stage_parks_and_the_event_goes_on_by_itself_when_it_is_mapped(world):
    world.setup(**without_stage("Booked"))
    world.take(apro.booked(VISIT, at(0)))
    assert '"Booked"' in parked(world).reason
    assert len(world.notes()) == 1, "contact and note do not wait for it"
    world.setup()
    world.work()
    assert event_of(world).state == "done"
    assert world.opportunity()["stage"] == "Booked"
    assert len(world.notes()) == 1


def test_a_parked_event_that_goes_on_does_not_take_the_card_back(world):
    """While it was parked a newer event moved the card: the newer one counts."""
    world.setup(**without_stage("Booked"))
    world.take(apro.booked(VISIT, at(0)))
    world.take(apro.cancelled(VISIT, at(5)))
    assert world.opportunity()["stage"] == "Cancelled / No-Show"
    world.setup()
    world.work()
    assert world.states() == {"done": 2}
    assert world.opportunity()["stage"] == "Cancelled / No-Show"
    assert world.contact()["fields"]["APro Appt Status"] == "Cancelled"
    assert len(world.notes()) == 2


def test_a_missing_custom_field_parks_and_the_event_goes_on_when_it_is_there(world):
    forget_field(world, "APro Provider")
    world.take(apro.booked(VISIT, at(0)))
    assert '"APro Provider"' in parked(world).reason
    world.provision()
    world.work()
    assert event_of(world).state == "done"
    assert world.contact()["fields"]["APro Provider"] == "Dana Reyes, NP"


def test_a_missing_scope_parks_and_the_event_goes_on_when_it_is_ticked(world):
    scopes = ["contacts.readonly", "locations/customFields.readonly", "opportunities.readonly"]
    world.redo_sub_account(tokens=[{"token": "pit-narrow", "scopes": scopes}], token=None)
    account = practice_file()["sub_accounts"][0] | {"token": "pit-narrow"}
    world.setup(sub_accounts=[account])
    world.take(apro.booked(VISIT, at(0)))
    assert "contacts.write" in parked(world).reason
    assert world.incidents() == []
    world.redo_sub_account()
    world.setup()
    world.work()
    assert event_of(world).state == "done"


def forget_field(world: World, name: str) -> None:
    """Somebody deletes a custom field in the CRM."""
    fields = world.crm.accounts["LOC1"].fields
    found = fields.named(name, "contact")
    del fields.by_id[found["id"]], fields._by_key[found["fieldKey"]]
    for contact in world.crm.contacts.values():
        contact["customFields"].pop(found["id"], None)


def make_field(world: World, name: str, pk: str, kind: str = "TEXT", **more: Any) -> None:
    fields = world.crm.accounts["LOC1"].fields
    fields.add({"id": pk, "name": name, "dataType": kind, "model": "contact"} | more)


# Fields that the CRM does not keep


def test_a_stale_field_id_is_put_right_by_reading_the_fields_once(linked):
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "NEWID")
    calls = calls_for(linked, apro.booked(NEXT, at(5)))
    assert calls == {PUT: 2, FIELDS: 1, NOTE: 1, CARD: 1}
    assert linked.contact()["fields"]["APro Provider"] == "Dana Reyes, NP"
    assert linked.incidents() == []
    assert calls_for(linked, apro.booked(visit(3, day=25), at(6))) == {PUT: 1, NOTE: 1, CARD: 1}


def test_a_field_that_is_never_kept_is_an_incident_and_no_reason_to_stop(linked):
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "NEWID", "SINGLE_OPTIONS", picklistOptions=["Nobody"])
    event = linked.take(apro.booked(NEXT, at(5)))
    assert event.state == "done"
    assert linked.incidents() == ["field_not_stored"]
    calls = calls_for(linked, apro.booked(visit(3, day=25), at(6)))
    assert calls == {PUT: 1, NOTE: 1, CARD: 1}, "known: the fields are not read again each time"
    assert linked.incidents() == ["field_not_stored"]


def test_a_field_that_is_kept_again_ends_its_incident(linked):
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "NEWID", "SINGLE_OPTIONS", picklistOptions=["Nobody"])
    linked.take(apro.booked(NEXT, at(5)))
    assert linked.incidents() == ["field_not_stored"]
    linked.crm.accounts["LOC1"].fields.by_id["NEWID"]["picklistOptions"] = ["Dana Reyes, NP"]
    calls = calls_for(linked, apro.booked(visit(3, day=25), at(6)))
    assert calls == {PUT: 1, NOTE: 1, CARD: 1}, "its end costs no call"
    assert linked.incidents() == []


def test_a_field_that_is_made_anew_ends_the_incident_about_the_old_one(linked):
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "NEWID", "SINGLE_OPTIONS", picklistOptions=["Nobody"])
    linked.take(apro.booked(NEXT, at(5)))
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "ANOTHER")
    crm_mirror.refresh_fields(linked.account, client_for(linked.account))
    assert linked.incidents() == []


def test_a_field_deleted_while_money_is_written_does_not_count_the_money_twice(linked):
    forget_field(linked, "Last Visit Service")
    linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    assert '"Last Visit Service"' in parked(linked).reason
    linked.provision()
    linked.work()
    assert event_of(linked).state == "done"
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 350
    assert linked.opportunity()["monetary_value"] == 350


def test_a_refused_date_of_birth_is_left_out_and_the_sub_account_is_flagged(world):
    world.redo_sub_account(knobs={"birth_date": "refuse"})
    assert world.take(apro.booked(VISIT, at(0))).state == "done"
    contact = world.contact()
    assert "dateOfBirth" not in contact["native"]
    assert contact["fields"]["APro DOB"] == "1958-01-01"
    assert world.account.refuses_birth_date
    assert world.incidents() == ["birth_date_refused"]
    assert calls_for(world, apro.booked(NEXT, at(5))) == {PUT: 1, NOTE: 1, CARD: 1}


def test_a_refused_date_of_birth_may_be_left_so_and_is_written_again_when_a_person_says_so(world):
    world.redo_sub_account(knobs={"birth_date": "refuse"})
    world.take(apro.booked(VISIT, at(0)))
    incident = Incident.objects.for_practice(world.practice).get()
    assert incidents.leave(incident)
    assert world.incidents() == []
    assert world.account.refuses_birth_date, "left as it is"
    incident.refresh_from_db()
    assert not incidents.leave(incident), "it is over"

    assert write_birth_date_again(world.account)
    assert not write_birth_date_again(world.account), "it is written already"
    world.take(apro.booked(NEXT, at(5)))
    assert world.incidents() == ["birth_date_refused"], "the CRM refuses it still"
    world.redo_sub_account(knobs={"birth_date": "accept"})
    write_birth_date_again(world.account)
    assert world.incidents() == []
    world.take(apro.booked(visit(3, day=25), at(6)))
    assert world.contact()["native"]["dateOfBirth"].startswith("1958-01-01")
    assert world.incidents() == []


def test_what_ends_by_itself_is_not_left_so_by_a_person(linked):
    forget_field(linked, "APro Provider")
    make_field(linked, "APro Provider", "NEWID", "SINGLE_OPTIONS", picklistOptions=["Nobody"])
    linked.take(apro.booked(NEXT, at(5)))
    assert not incidents.leave(Incident.objects.for_practice(linked.practice).get())
    assert linked.incidents() == ["field_not_stored"]


def test_a_date_of_birth_that_is_dropped_in_silence_changes_nothing(world):
    world.redo_sub_account(knobs={"birth_date": "drop"})
    assert world.take(apro.booked(VISIT, at(0))).state == "done"
    assert calls_for(world, apro.booked(NEXT, at(5))) == {PUT: 1, NOTE: 1, CARD: 1}


# A record that the other side refuses


def test_a_refused_record_parks_with_the_vendors_words_and_the_lane_goes_on(linked):
    message = "Field postalCode of jane.doe@example.com (212) 555-0199 is wrong"
    linked.faults(refuse(PUT, 400, body={"statusCode": 400, "message": message}))
    linked.post(apro.booked(NEXT, at(5)))
    linked.take(apro.no_show(NEXT, at(6)))
    first = linked.events()[1]
    assert (first.state, first.parked_as) == ("parked", "rejected")
    assert "postalCode" in first.reason
    assert "jane.doe" not in first.reason
    assert "555" not in first.reason
    assert event_of(linked).state == "done"
    assert linked.account.failures_in_a_row == 0


def test_a_refused_event_that_is_tried_again_does_not_overwrite_a_newer_one(linked):
    linked.faults(refuse(PUT, 400))
    linked.post(apro.booked(NEXT, at(5)))
    linked.take(apro.no_show(NEXT, at(6)), apro.no_show(VISIT, at(7)))
    before = linked.contact()
    assert retry(linked.events()[1])
    linked.work()
    after = linked.contact()
    assert linked.states() == {"done": 4}
    assert after["fields"] == before["fields"]
    assert after["opportunities"][0]["stage"] == "Cancelled / No-Show"
    assert len(after["notes"]) == len(before["notes"]) + 1


def test_a_parked_event_that_is_replayed_gets_its_note_and_its_money(linked):
    linked.faults(refuse(PUT, 400))
    event = linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    assert event.parked_as == "rejected"
    assert replay(event)
    linked.work()
    assert event_of(linked).state == "done"
    assert len(linked.notes()) == 2
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 350


def test_an_event_given_up_in_doubt_is_finished_by_a_replay(linked):
    linked.faults(cut(NOTE), refuse("GET /contacts/{id}/notes", 503, times=None))
    linked.take(apro.booked(NEXT, at(5)))
    for _ in lanes.BACK_OFF:
        close_circuit(linked)
        linked.work(hurry=True, rounds=1)
    event = event_of(linked)
    assert event.parked_as == "exhausted"
    linked.faults()
    close_circuit(linked)
    assert replay(event)
    linked.work(hurry=True)
    assert event_of(linked).state == "done"
    assert len(linked.notes()) == 2
    assert {effect.state for effect in linked.effects(event=event)} == {"done"}


# 422 on create: refused, and made all the same


@pytest.mark.parametrize("made", [True, False])
def test_a_422_on_create_is_looked_up_before_it_is_tried_once_more(world, made):
    world.faults(refuse(MAKE, 422, after=made))
    world.take(apro.booked(VISIT, at(0)))
    assert event_of(world).state == "waiting"
    world.work(hurry=True)
    assert event_of(world).state == "done"
    assert world.contact()["fields"]["APro Appt Status"] == "Booked"
    assert world.opportunity()["stage"] == "Booked"


def test_a_second_422_is_a_refusal(world):
    world.faults(refuse(MAKE, 422, times=None))
    world.take(apro.booked(VISIT, at(0)))
    world.work(hurry=True)
    assert (event_of(world).state, event_of(world).parked_as) == ("parked", "rejected")
    assert world.contacts() == []


def test_refused_creates_do_not_open_the_circuit(world):
    world.faults(refuse(MAKE, 422, times=None))
    for body in others(7):
        world.post(body)
    world.work()
    assert world.account.failures_in_a_row == 0
    assert world.incidents() == []


# Duplicates


def test_a_phone_that_is_somebody_elses_is_left_out_of_an_update_and_listed(linked):
    linked.make_contact(firstName="Bo", lastName="Stone", phone="+12125550177")
    changed = replace(ALBA, mobile_phone="(212) 555-0177")
    event = linked.take(apro.client_saved(changed, at(5)))
    assert event.state == "done"
    ours = linked.door("GET", f"/contacts/{linked.our_contact().crm_id}")
    assert ours["native"]["phone"] == "+12125550100"
    assert ours["native"]["city"] == "New York"
    assert "belongs to another contact" in story(event, "contact")
    (question,) = IdentityQuestion.objects.for_practice(linked.practice)
    assert (question.clashes, question.is_held) == (["phone"], False)
    assert calls_for(linked, apro.client_saved(changed, at(6))) == {PUT: 1}, "known from now on"


def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up does not show who is there (a lag, another form of the number)."""
    monkeypatch.setattr(CrmClient, "find_duplicate", lambda *_, **__: None)


def test_a_create_that_meets_the_same_person_links_them(world, monkeypatch):
    pk = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    hidden(monkeypatch)
    assert world.take(apro.booked(VISIT, at(0))).state == "done"
    assert world.contact()["id"] == pk
    assert world.contact()["fields"]["APro Appt Status"] == "Booked"


def test_a_create_that_meets_somebody_else_is_held_for_a_person(world, monkeypatch):
    pk = world.make_contact(firstName="Bo", lastName="Stone", email=ALBA.email)
    hidden(monkeypatch)
    event = world.take(apro.invoice_paid(VISIT, 900, at(0)))
    assert (event.state, event.held_for) == ("held", "identity")
    (question,) = IdentityQuestion.objects.for_practice(world.practice)
    assert (question.candidate_crm_ids, question.clashes, question.is_held) == ([pk], ["email"], True)
    assert len(world.contacts()) == 1


# Gone


def test_a_contact_deleted_in_the_crm_is_matched_again_and_made_anew(linked):
    linked.api("DELETE", f"/contacts/{linked.contact()['id']}")
    event = linked.take(apro.booked(NEXT, at(5)))
    assert event.state == "done"
    assert "deleted or merged in the CRM" in story(event, "contact")
    assert linked.contact()["fields"]["Next Visit Date"] == "2026-03-20"
    assert len(linked.notes()) == 1
    assert linked.opportunity()["stage"] == "Booked"


def test_a_contact_merged_into_another_is_found_again(linked):
    linked.api("DELETE", f"/contacts/{linked.contact()['id']}")
    kept = linked.make_contact(
        {"Patient Lifetime Value": 20}, firstName="Alba", lastName="Winter", email=ALBA.email
    )
    event = linked.take(apro.invoice_paid(VISIT, 900, at(5)))
    assert event.state == "done"
    assert linked.contact()["id"] == kept
    assert linked.contact()["fields"]["Patient Lifetime Value"] == 370
    assert linked.opportunity()["stage"] == "Patient"


def test_a_late_note_for_a_contact_that_is_gone_finds_the_new_one(linked):
    linked.api("DELETE", f"/contacts/{linked.contact()['id']}")
    kept = linked.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    event = linked.take(apro.no_show(VISIT, at(-5)))
    linked.work(hurry=True)
    assert event_of(linked).state == "done", event.reason
    assert linked.contact()["id"] == kept
    assert len(linked.notes()) == 1


# Opportunities


def test_an_opportunity_deleted_in_the_crm_is_made_again(linked):
    linked.api("DELETE", f"/opportunities/{linked.opportunity()['opportunity_id']}")
    assert linked.take(apro.booked(NEXT, at(5))).state == "done"
    assert linked.opportunity()["stage"] == "Booked"
    assert Opportunity.objects.across_practices().count() == 1


def test_a_duplicate_in_the_wanted_pipeline_is_adopted(world):
    pk = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    world.faults(index_lag_ms=600_000)
    card = world.make_opportunity(pk, "Patient")
    assert world.take(apro.booked(VISIT, at(0))).state == "done"
    assert (world.opportunity()["opportunity_id"], world.opportunity()["stage"]) == (card, "Booked")


def test_a_duplicate_in_another_pipeline_is_a_setting_to_change(world):
    world.redo_sub_account(knobs={"duplicate_opportunity_scope": "contact"})
    pk = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    world.make_opportunity(pk, "S1", pipelineId="P1")
    world.take(apro.booked(VISIT, at(0)))
    assert "allow duplicate opportunities in this sub-account" in parked(world).reason
    assert world.opportunity()["pipeline_id"] == "P1"


LOST = [
    ("lost", apro.booked(NEXT, at(5)), ("Booked", "open")),
    ("abandoned", apro.booked(NEXT, at(5)), ("Booked", "open")),
    ("lost", apro.cancelled(VISIT, at(5)), ("Cancelled / No-Show", "lost")),
    ("lost", apro.no_show(VISIT, at(5)), ("Cancelled / No-Show", "lost")),
    ("lost", apro.invoice_paid(VISIT, 900, at(5)), ("Patient", "won")),
]


@pytest.mark.parametrize(("status", "body", "ended"), LOST)
def test_a_lost_opportunity_is_opened_again_by_a_booking_and_not_by_a_cancellation(
    linked, status, body, ended
):
    card = linked.opportunity()["opportunity_id"]
    linked.api("PUT", f"/opportunities/{card}", {"status": status})
    linked.take(body)
    assert (linked.opportunity()["stage"], linked.opportunity()["status"]) == ended


SEVERAL = [
    # what somebody made, oldest first; which one is ours
    ([("won", "Patient"), ("open", "Booked"), ("open", "Cancelled / No-Show"), ("lost", "Booked")], 2),
    ([("won", "Patient"), ("won", "Booked"), ("lost", "Booked")], 1),
    ([("lost", "Booked"), ("abandoned", "Booked")], 1),
]


@pytest.mark.parametrize(("cards", "ours"), SEVERAL)
def test_of_several_opportunities_the_newest_open_else_the_newest_won_counts(world, cards, ours):
    world.redo_sub_account(settings={"allowDuplicateOpportunity": True})
    pk = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    made = []
    for number, (status, stage) in enumerate(cards):
        made.append(world.make_opportunity(pk, stage, status))
        world.crm.opportunities[made[-1]]["createdAt"] = f"2026-01-0{number + 1}T00:00:00.000Z"
    before = {card["opportunity_id"]: card for card in world.contact()["opportunities"]}
    world.take(apro.no_show(VISIT, at(0)))
    after = {card["opportunity_id"]: card for card in world.contact()["opportunities"]}
    assert set(after) == set(before)
    assert after[made[ours]]["stage_id"] == STAGES["Cancelled / No-Show"]
    untouched = [card for pk, card in after.items() if pk != made[ours]]
    assert untouched == [card for pk, card in before.items() if pk != made[ours]]


def test_a_card_moved_by_hand_is_respected_until_the_next_newer_visit_event(linked):
    card = linked.opportunity()["opportunity_id"]
    linked.api("PUT", f"/opportunities/{card}", {"pipelineId": "P2", "pipelineStageId": STAGES["Patient"]})
    linked.take(apro.client_saved(ALBA, at(5)), apro.no_show(VISIT, at(-5)))
    assert linked.opportunity()["stage"] == "Patient"
    linked.take(apro.booked(NEXT, at(6)))
    assert linked.opportunity()["stage"] == "Booked"


def test_a_contact_type_that_somebody_set_makes_a_patient(linked):
    linked.write_field(linked.contact()["id"], "Contact Type", "Patient")
    linked.take(apro.booked(NEXT, at(5)))
    assert (linked.opportunity()["stage"], linked.opportunity()["status"]) == ("Booked", "won")


def test_without_a_contact_type_a_won_opportunity_makes_a_patient(world):
    pk = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    world.make_opportunity(pk, "Patient", "won")
    world.take(apro.booked(VISIT, at(0)))
    assert (world.opportunity()["stage"], world.opportunity()["status"]) == ("Booked", "won")


def test_a_lead_by_contact_type_is_open_even_with_a_won_opportunity(world):
    pk = world.make_contact({"Contact Type": "Lead"}, firstName="Alba", lastName="Winter", email=ALBA.email)
    world.make_opportunity(pk, "Patient", "won")
    world.take(apro.booked(VISIT, at(0)))
    assert world.opportunity()["status"] == "open"


# What each effect remembers


def test_an_effect_keeps_each_attempt_and_what_was_answered(linked):
    linked.faults(refuse(NOTE, 503))
    event = linked.take(apro.booked(NEXT, at(5)))
    linked.work(hurry=True)
    (note,) = linked.effects(event=event, kind="note")
    assert [attempt["status"] for attempt in note.attempts] == [503, "ok"]
    assert note.attempts[0]["error"].startswith("The CRM could not make the note (503).")
    assert note.answer == {"note": linked.contact()["notes"][0]["id"]}
    (contact,) = linked.effects(event=event, kind="contact")
    assert contact.answer == {"contact": linked.contact()["id"]}
    assert [effect.state for effect in linked.effects(event=event)] == ["done"] * 3


def test_the_lifetime_value_is_exact_to_the_cent(linked):
    prices = ["0.10", "0.20", "19.99", "1234567.89"]
    for number, price in enumerate(prices):
        body = apro.retail_sale(
            ALBA, [apro.Service("Cream", "retail", Decimal(price))], 910 + number, at(9 + number)
        )
        linked.take(body)
    total = sum(map(Decimal, prices))
    assert Decimal(str(linked.contact()["fields"]["Patient Lifetime Value"])) == total
    assert Decimal(str(linked.opportunity()["monetary_value"])) == total
