"""A person changes the answer who a patient is: links, money, cards and what was left out follow, each once."""

from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from integrations.admin.advice import ways_on
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import (
    Contact,
    ContactLink,
    EarlierAnswer,
    Effect,
    IdentityQuestion,
    InboundEvent,
    Lane,
    LedgerRow,
)
from integrations.sync import answering, standstill
from integrations.sync.preview_event import preview_event
from integrations.sync.replay import replay, retry
from tenants.models import User
from tests.engine.test_identity import ALBA, BEA, Answer, booked, invoice
from tests.engine.world import World, at, story, visit

KINDS = ("patient-left-contact", "patient-joined-contact")


@pytest.fixture
def somebody(db: None) -> User:
    return User.objects.create_user("support@example.com", company_role="support")


@pytest.fixture
def family(world: World) -> World:
    """Alba is linked with a paid visit; her daughter's booking and invoice are held, since they share a phone."""
    world.take(booked(), apro.invoice_paid(visit(1), 901, at(0.5)))
    world.take(booked(BEA, number=2, minute=1, day=20), invoice(BEA))
    return world


def question(world: World) -> IdentityQuestion:
    return IdentityQuestion.objects.for_practice(world.practice).order_by("id").first()


def answer(world: World, user: User, choice: str, contact: str = "") -> IdentityQuestion:
    """The first answer, worked out."""
    asked = question(world)
    answering.answer(asked, choice, user, contact)
    world.work()
    return asked


def change(world: World, user: User, choice: str, contact: str = "") -> int:
    """Another answer, worked out. Events that went to work for it."""
    asked = question(world)
    count = answering.change(asked, choice, user, contact, version=answering.version_of(asked))
    world.work()
    return count


def albas(world: World) -> str:
    """CRM id of the contact in question."""
    return str(question(world).candidate_crm_ids[0])


def whole(world: World, crm_id: str) -> dict[str, Any]:
    return dict(world.door("GET", f"/contacts/{crm_id}"))


def value(world: World, crm_id: str) -> Any:
    return whole(world, crm_id)["fields"].get("Patient Lifetime Value")


def linked_to(world: World, external_id: int = BEA.client_id) -> str:
    """CRM id of a patient's contact, "" for none."""
    row = (
        ContactLink.objects.for_practice(world.practice)
        .filter(patient__external_id=str(external_id))
        .select_related("contact")
        .first()
    )
    return row.contact.crm_id if row else ""


def moves(world: World) -> list[str]:
    """States of our own events, oldest first."""
    rows = InboundEvent.objects.for_practice(world.practice).filter(kind__in=KINDS)
    return list(rows.order_by("id").values_list("state", flat=True))


def headlines(contact: dict[str, Any]) -> list[str]:
    return [note["body"].splitlines()[0] for note in reversed(contact["notes"])]


# Left out, and back in


@pytest.mark.parametrize("choice", [Answer.LINK, Answer.CREATE])
def test_what_was_left_out_goes_to_work_in_its_order_once_each(family, somebody, choice):
    answer(family, somebody, Answer.IGNORE)
    later = family.take(booked(BEA, number=3, minute=9, day=25))
    assert (later.state, len(family.contacts())) == ("skipped", 1)
    assert change(family, somebody, choice, albas(family) if choice == Answer.LINK else "") == 3
    assert family.states() == {"done": 5}
    ours = whole(family, linked_to(family))
    assert headlines(ours)[-3:] == [
        "AestheticsPro: appointment booked",
        "AestheticsPro: invoice paid",
        "AestheticsPro: appointment booked",
    ]
    assert len(ours["notes"]) == (5 if choice == Answer.LINK else 3)
    assert ours["fields"]["Patient Lifetime Value"] == (700 if choice == Answer.LINK else 350)
    assert moves(family) == [], "nothing was written elsewhere before"


def test_left_out_again_and_back_in_again_writes_nothing_twice(family, somebody):
    answer(family, somebody, Answer.CREATE)
    made = linked_to(family)
    change(family, somebody, Answer.IGNORE)
    assert linked_to(family) == ""
    before = whole(family, made)
    assert family.take(booked(BEA, number=3, minute=9, day=25)).state == "skipped"
    assert whole(family, made) == before, "nothing is written from now on"
    assert change(family, somebody, Answer.CREATE) == 1
    assert linked_to(family) == made, "nobody is made twice"
    assert len(family.contacts()) == 2
    assert len(whole(family, made)["notes"]) == 3
    assert value(family, made) == 350


def test_an_event_whose_payload_is_gone_stays_left_out(family, somebody):
    answer(family, somebody, Answer.IGNORE)
    gone = family.events()[2]
    InboundEvent.objects.for_practice(family.practice).filter(pk=gone.pk).update(payload="")
    where = answering.standing(question(family))
    assert (where.left_out, where.unreadable) == (1, 1)
    assert change(family, somebody, Answer.CREATE) == 1
    gone.refresh_from_db()
    assert gone.state == "skipped"
    assert value(family, linked_to(family)) == 350


def test_a_left_out_event_that_ran_again_is_found_too(family, somebody):
    answer(family, somebody, Answer.IGNORE)
    assert replay(family.events()[2])
    family.work()
    assert change(family, somebody, Answer.CREATE) == 2
    assert family.states() == {"done": 4}


# From one contact to another


def test_from_a_link_to_a_contact_of_its_own(family, somebody):
    """The e-mail stands on the wrong contact by now: somebody takes it off there, as the page asks."""
    answer(family, somebody, Answer.LINK, albas(family))
    wrong = albas(family)
    assert value(family, wrong) == 700
    family.api("PUT", f"/contacts/{wrong}", {"email": ALBA.email, "firstName": "Alba", "lastName": "Winter"})
    change(family, somebody, Answer.CREATE)
    assert moves(family) == ["done", "done"]
    own = linked_to(family)
    assert own not in ("", wrong)
    assert (value(family, wrong), value(family, own)) == (350, 350)
    made = whole(family, own)
    assert (made["native"]["firstName"], made["native"]["email"]) == ("Bea", BEA.email)
    assert "phone" not in made["native"]
    assert made["fields"]["APro Client ID"] == str(BEA.client_id)
    assert made["fields"]["APro Appt Status"] == "Completed"
    (card,) = made["opportunities"]
    assert (card["stage"], card["status"], card["monetary_value"]) == ("Patient", "won", 350)
    assert headlines(made) == ["AX Connect: lifetime value +350.00"]
    assert headlines(whole(family, wrong))[-1] == "AX Connect: lifetime value -350.00"
    assert LedgerRow.objects.for_practice(family.practice).exclude(state="written").count() == 0


def test_a_contact_that_keeps_the_patients_e_mail_is_never_linked_again(family, somebody):
    """Only the e-mail is left to reach her by, and the wrong contact has it: the event says what to do."""
    wrong = albas(family)
    answer(family, somebody, Answer.LINK, wrong)
    change(family, somebody, Answer.CREATE)
    assert linked_to(family) == ""
    assert moves(family) == ["done", "parked"]
    stuck = family.events()[-1]
    assert "stands on the one that a person said is somebody else" in stuck.reason
    assert value(family, wrong) == 350
    family.api("PUT", f"/contacts/{wrong}", {"email": ALBA.email})
    assert retry(stuck)
    family.work()
    assert linked_to(family) not in ("", wrong)
    assert value(family, linked_to(family)) == 350


def test_from_one_link_to_another(family, somebody):
    wrong, right = albas(family), family.make_contact(firstName="Bea", lastName="Summer")
    asked = question(family)
    asked.candidate_crm_ids = [wrong, right]
    asked.save()
    answer(family, somebody, Answer.LINK, wrong)
    change(family, somebody, Answer.LINK, right)
    assert linked_to(family) == right
    assert (value(family, wrong), value(family, right)) == (350, 350)
    assert whole(family, right)["fields"]["Contact Type"] == "Patient"
    assert len(whole(family, right)["opportunities"]) == 1
    notes = len(whole(family, wrong)["notes"])
    family.take(booked(BEA, number=3, minute=9, day=25))
    assert len(whole(family, wrong)["notes"]) == notes
    assert headlines(whole(family, right))[-1] == "AestheticsPro: appointment booked"


def test_the_card_that_was_left_is_decided_without_the_patient(world, somebody):
    world.take(booked(day=20))
    world.take(booked(BEA, number=2, minute=1, day=22))
    answer(world, somebody, Answer.LINK, albas(world))
    world.take(apro.cancelled(visit(1, day=20), at(5)))
    wrong = albas(world)
    (card,) = whole(world, wrong)["opportunities"]
    assert card["stage"] == "Booked", "kept by the daughter's booking"
    change(world, somebody, Answer.IGNORE)
    (card,) = whole(world, wrong)["opportunities"]
    assert card["stage"] == "Cancelled / No-Show"
    assert moves(world) == ["done"]


def test_there_and_back_leaves_every_amount_where_it_was(family, somebody):
    wrong, right = albas(family), family.make_contact(firstName="Bea", lastName="Summer")
    IdentityQuestion.objects.for_practice(family.practice).update(candidate_crm_ids=[wrong, right])
    answer(family, somebody, Answer.LINK, wrong)
    for target, amounts in ((right, (350, 350)), (wrong, (700, 0)), (right, (350, 350))):
        change(family, somebody, Answer.LINK, target)
        assert (value(family, wrong), value(family, right)) == amounts
    assert moves(family) == ["done"] * 6
    for event in family.events():
        replay(event)
    family.work()
    assert (value(family, wrong), value(family, right)) == (350, 350), "a replay moves nothing again"


def test_the_ledger_says_at_which_contact_an_amount_is_now(family, somebody):
    wrong, right = albas(family), family.make_contact(firstName="Bea", lastName="Summer")
    IdentityQuestion.objects.for_practice(family.practice).update(candidate_crm_ids=[wrong, right])
    answer(family, somebody, Answer.LINK, wrong)
    change(family, somebody, Answer.LINK, right)
    patient = question(family).patient
    assert answering.contact_moves.written_for(patient, question(family).sub_account_id) == {
        Contact.objects.for_practice(family.practice).get(crm_id=right).pk: Decimal("350.00")
    }


def test_a_change_that_is_changed_before_it_was_written_is_not_written(family, somebody):
    wrong, right = albas(family), family.make_contact(firstName="Bea", lastName="Summer")
    IdentityQuestion.objects.for_practice(family.practice).update(candidate_crm_ids=[wrong, right])
    answer(family, somebody, Answer.LINK, wrong)
    asked = question(family)
    answering.change(asked, Answer.LINK, somebody, right, version=answering.version_of(asked))
    change(family, somebody, Answer.LINK, wrong)
    assert moves(family) == ["skipped", "skipped"]
    assert (value(family, wrong), value(family, right)) == (700, None)


def test_from_a_contact_of_its_own_to_a_link_keeps_what_was_made(family, somebody):
    answer(family, somebody, Answer.CREATE)
    made, chosen = linked_to(family), albas(family)
    change(family, somebody, Answer.LINK, chosen)
    assert linked_to(family) == chosen
    assert (value(family, made), value(family, chosen)) == (0, 700)
    assert len(headlines(whole(family, made))) == 3, "its notes stay there"
    kept = EarlierAnswer.objects.for_practice(family.practice).get()
    assert (kept.answer, kept.contact.crm_id, kept.answered_by) == ("create", made, somebody)
    assert family.take(booked(BEA, number=3, minute=9, day=25)).state == "done"
    assert headlines(whole(family, chosen))[-1] == "AestheticsPro: appointment booked"


def test_leaving_out_takes_no_money_and_says_how_much_is_there(family, somebody):
    wrong = albas(family)
    answer(family, somebody, Answer.LINK, wrong)
    change(family, somebody, Answer.IGNORE)
    where = answering.standing(question(family))
    assert (where.contact.crm_id, where.notes, where.written) == (wrong, 2, Decimal("350.00"))
    assert value(family, wrong) == 700


def test_payments_that_the_crms_own_workflow_counted_are_named_not_moved(world, somebody):
    world.switch(logic="crm_workflow")
    world.take(booked())
    world.take(booked(BEA, number=2, minute=1), invoice(BEA))
    answer(world, somebody, Answer.LINK, albas(world))
    right = world.make_contact(firstName="Bea", lastName="Summer")
    IdentityQuestion.objects.for_practice(world.practice).update(candidate_crm_ids=[albas(world), right])
    assert answering.standing(question(world)).by_hand == Decimal("350.00")
    change(world, somebody, Answer.LINK, right)
    assert not LedgerRow.objects.for_practice(world.practice).filter(external_id__startswith="moved").exists()
    assert whole(world, right)["fields"]["APro Appt Status"] == "Completed"


def test_a_question_that_held_nothing_can_be_answered_otherwise(world, somebody):
    """Found by e-mail, the phone somebody else's: a person says that it is the other one after all."""
    mine = world.make_contact(firstName="Alba", lastName="Winter", email=ALBA.email)
    other = world.make_contact(firstName="Bo", lastName="Stone", phone="+12125550100")
    world.take(booked(), apro.invoice_paid(visit(1), 901, at(0.5)))
    answer(world, somebody, Answer.LINK, other)
    assert linked_to(world, ALBA.client_id) == other
    assert (value(world, mine), value(world, other)) == (0, 350)
    change(world, somebody, Answer.CREATE)
    assert linked_to(world, ALBA.client_id) == mine, "the one that was found by itself"
    assert (value(world, mine), value(world, other)) == (350, 0)
    change(world, somebody, Answer.IGNORE)
    assert world.take(booked(number=5, minute=9, day=25)).state == "skipped"


# What is in work, in doubt, or half done


def test_a_parked_event_goes_wholly_to_the_new_contact(family, somebody):
    wrong, right = albas(family), family.make_contact(firstName="Bea", lastName="Summer")
    IdentityQuestion.objects.for_practice(family.practice).update(candidate_crm_ids=[wrong, right])
    answer(family, somebody, Answer.LINK, wrong)
    family.faults({"route": "POST /contacts/{id}/notes", "status": 400, "times": 1})
    parked = family.take(booked(BEA, number=3, minute=9, day=25))
    assert parked.state == "parked"
    family.faults()
    notes = len(whole(family, wrong)["notes"])
    change(family, somebody, Answer.LINK, right)
    assert retry(parked)
    family.work()
    parked.refresh_from_db()
    assert (parked.state, parked.contact.crm_id) == ("done", right)
    assert len(whole(family, wrong)["notes"]) == notes + 1, "only that money was taken off"
    assert headlines(whole(family, right))[-1] == "AestheticsPro: appointment booked"


def test_a_half_written_payment_makes_the_new_contact_without_its_money(family, somebody):
    """Its money was written to the old contact: that comes with what is taken off there, once."""
    wrong = albas(family)
    answer(family, somebody, Answer.LINK, wrong)
    family.faults({"route": "POST /contacts/{id}/notes", "status": 503, "times": 1})
    half = family.take(invoice(BEA, number=902, minute=9))
    assert (half.state, value(family, wrong)) == ("waiting", 1050)
    family.faults()
    family.api("PUT", f"/contacts/{wrong}", {"email": ALBA.email})
    asked = question(family)
    answering.change(asked, Answer.CREATE, somebody, version=answering.version_of(asked))
    family.work(hurry=True)
    half.refresh_from_db()
    own = linked_to(family)
    assert (half.state, half.contact.crm_id) == ("done", own)
    assert (value(family, wrong), value(family, own)) == (350, 700)
    assert headlines(whole(family, own)) == [
        "AestheticsPro: invoice paid",
        "AX Connect: lifetime value +700.00",
    ]


def test_nothing_changes_while_an_event_of_the_patient_is_in_work(family, somebody, monkeypatch):
    monkeypatch.setattr(standstill, "WAIT_SECONDS", 0.2)
    answer(family, somebody, Answer.CREATE)
    event = family.events()[-1]
    leased = Lane.objects.for_practice(family.practice).filter(pk=event.lane_id)
    leased.update(lease_owner="worker/1", lease_until=timezone.now() + standstill.LEASE)
    with pytest.raises(standstill.Busy, match="being written at this moment"):
        change(family, somebody, Answer.IGNORE)
    assert (question(family).answer, linked_to(family) != "") == ("create", True)
    leased.update(lease_owner="", lease_until=None)
    change(family, somebody, Answer.IGNORE)
    assert linked_to(family) == ""
    assert not leased.get().lease_owner


def test_nothing_changes_while_a_write_is_in_doubt(family, somebody):
    answer(family, somebody, Answer.CREATE)
    Effect.objects.for_practice(family.practice).filter(event=family.events()[-1], kind="contact").update(
        state="in_doubt"
    )
    with pytest.raises(ValueError, match="not certain yet"):
        change(family, somebody, Answer.IGNORE)
    assert question(family).answer == "create"


def test_of_two_people_the_second_is_told(family, somebody):
    answer(family, somebody, Answer.CREATE)
    asked = question(family)
    seen = answering.version_of(asked)
    answering.change(asked, Answer.IGNORE, somebody, version=seen)
    with pytest.raises(answering.ChangedMeanwhile, match="Somebody has changed this in the meantime"):
        answering.change(question(family), Answer.LINK, somebody, albas(family), version=seen)
    assert question(family).answer == "ignore"
    assert EarlierAnswer.objects.for_practice(family.practice).count() == 1


def test_the_same_answer_again_is_no_change(family, somebody):
    answer(family, somebody, Answer.LINK, albas(family))
    with pytest.raises(ValueError, match="the answer already"):
        change(family, somebody, Answer.LINK, albas(family))
    assert not EarlierAnswer.objects.for_practice(family.practice).exists()


def test_a_contact_that_is_gone_is_left_without_taking_from_anybody_else(family, somebody):
    answer(family, somebody, Answer.CREATE)
    made = linked_to(family)
    family.api("DELETE", f"/contacts/{made}")
    change(family, somebody, Answer.LINK, albas(family))
    assert moves(family) == ["skipped", "done"]
    assert "gone in the CRM" in story(family.events()[-2], "skipped")
    assert value(family, albas(family)) == 700


def test_the_two_events_can_be_previewed(family, somebody):
    answer(family, somebody, Answer.CREATE)
    made = linked_to(family)
    change(family, somebody, Answer.LINK, albas(family))
    left, joined = family.events()[-2:]
    for event in (left, joined):
        shown = preview_event(event)
        assert "Something went wrong" not in shown.headline
        assert not any(write.kind == "note" and write.changes for write in shown.writes)
    assert (value(family, made), value(family, albas(family))) == (0, 700)


def test_an_event_that_was_left_out_leads_to_its_question(family, somebody):
    answer(family, somebody, Answer.IGNORE)
    (way,) = ways_on(family.events()[-1])
    assert way.label == "Change the answer"
    assert way.link.endswith(f"/{question(family).pk}/change/")


def test_no_worker_takes_a_lane_of_the_patient_while_the_answer_changes(family, somebody):
    """What arrives meanwhile waits, and then goes wholly by the new answer."""
    answer(family, somebody, Answer.CREATE)
    patient = question(family).patient
    with standstill.standing_still(patient, None):
        waiting = family.take(booked(BEA, number=3, minute=9, day=25))
        assert waiting.state == "waiting"
    family.work()
    waiting.refresh_from_db()
    assert waiting.state == "done"


def test_events_left_out_before_they_kept_a_key_get_theirs(family, somebody):
    answer(family, somebody, Answer.IGNORE)
    InboundEvent.objects.for_practice(family.practice).update(held_key="")
    import_module("integrations.migrations.0008_left_out_keys").keep_keys(apps, None)
    assert change(family, somebody, Answer.CREATE) == 2
    assert value(family, linked_to(family)) == 350
