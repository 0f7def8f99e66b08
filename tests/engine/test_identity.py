"""Who is this patient in the CRM? Linked once, doubt is for a person, and every answer is kept."""

from dataclasses import replace
from typing import Any

import pytest

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import ContactLink, IdentityQuestion, LedgerRow, Patient
from integrations.sync import answering
from integrations.sync.replay import replay
from tenants.models import User
from tests.engine.world import World, at, practice_file, story, visit

ALBA = apro.CLIENTS[0]
# Alba's daughter: another name and birth date, the same phone.
BEA = replace(apro.CLIENTS[1], first_name="Bea", last_name="Summer", mobile_phone=ALBA.mobile_phone)
PHONE = "+12125550100"
Answer = IdentityQuestion.Answer


def booked(client: apro.Client = ALBA, number: int = 1, minute: float = 0, day: int = 12) -> dict[str, Any]:
    return apro.booked(replace(visit(number, day=day), client=client), at(minute))


def question(world: World) -> IdentityQuestion:
    return IdentityQuestion.objects.for_practice(world.practice).get(answer="")


def questions(world: World) -> int:
    return int(IdentityQuestion.objects.for_practice(world.practice).count())


def named(world: World, first_name: str) -> dict[str, Any]:
    """The only contact of that first name."""
    (found,) = [row for row in world.contacts() if row["native"].get("firstName") == first_name]
    return found


@pytest.fixture
def somebody(db: None) -> User:
    return User.objects.create_user("support@example.com", company_role="support")


# Finding

SAME = {"firstName": "Alba", "lastName": "Winter"}
FOUND = [
    # what the contact in the CRM has, by what it is found
    ({**SAME, "email": "ALBA.winter@example.com"}, {}, "e-mail"),
    ({**SAME, "phone": PHONE}, {}, "phone"),
    ({**SAME, "phone": "+13105550000"}, {"APro Client ID": "5001"}, "the EMR's patient id"),
    ({"firstName": "ALBA", "lastName": "winter ", "phone": PHONE}, {}, "phone"),
    ({"firstName": "Álba", "lastName": "Winter", "phone": PHONE}, {}, "phone"),
    ({"firstName": "Ally", "lastName": "Winter", "phone": PHONE, "dateOfBirth": "1958-01-01"}, {}, "phone"),
    ({"firstName": "Ally", "lastName": "Winter", "phone": PHONE}, {"APro DOB": "1958-01-01"}, "phone"),
    ({"phone": PHONE}, {}, "phone"),  # nobody has said yet whose number it is
]


@pytest.mark.parametrize(("native", "fields", "found_by"), FOUND, ids=range(len(FOUND)))
def test_a_contact_that_fits_is_linked(world, native, fields, found_by):
    pk = world.make_contact(fields, **native)
    event = world.take(booked())
    assert event.state == "done"
    assert world.contact()["id"] == pk
    assert f"Found by {found_by}" in story(event, "matched")
    link = ContactLink.objects.for_practice(world.practice).get()
    assert (link.contact.crm_id, link.patient.external_id) == (pk, "5001")
    assert questions(world) == 0


def test_the_patient_id_counts_before_e_mail_and_phone(world):
    by_id = world.make_contact({"APro Client ID": "5001"}, **SAME, phone="+13105550001")
    world.make_contact(**SAME, phone=PHONE)
    event = world.take(booked())
    assert world.our_contact().crm_id == by_id
    assert event.state == "done"


DOES_NOT_FIT = [
    ({"firstName": "Bo", "lastName": "Stone", "phone": PHONE}, {}, ["phone"]),
    ({"firstName": "Bo", "lastName": "Stone", "email": ALBA.email}, {}, ["email"]),
    ({"firstName": "Bo", "lastName": "Stone", "email": ALBA.email, "phone": PHONE}, {}, ["email", "phone"]),
    ({**SAME, "phone": PHONE, "dateOfBirth": "1990-05-05"}, {}, ["phone"]),  # a namesake
    ({"firstName": "Bo", "lastName": "Stone"}, {"APro Client ID": "5001"}, []),
]


@pytest.mark.parametrize(("native", "fields", "clashes"), DOES_NOT_FIT, ids=range(len(DOES_NOT_FIT)))
def test_a_contact_of_somebody_else_is_never_merged(world, native, fields, clashes):
    pk = world.make_contact(fields, **native)
    before = world.contact()
    event = world.take(booked())
    assert (event.state, event.held_for) == ("held", "identity")
    assert world.contact() == before
    asked = question(world)
    assert (asked.candidate_crm_ids, asked.clashes, asked.is_held) == ([pk], clashes, True)
    assert ALBA.first_name not in event.reason
    assert "Stone" not in event.reason


CLASHES = [
    ("email", {"phone": PHONE}, ["phone"]),
    ("phone", {"email": ALBA.email}, ["email"]),
]


@pytest.mark.parametrize(("right_by", "others", "left_out"), CLASHES)
def test_when_one_value_finds_the_person_and_the_other_is_somebody_elses_it_is_left_out_and_listed(
    world, right_by, others, left_out
):
    right = {"email": ALBA.email} if right_by == "email" else {"phone": PHONE}
    pk = world.make_contact(**SAME, **right)
    other = world.make_contact(firstName="Bo", lastName="Stone", **others)
    event = world.take(booked())
    assert event.state == "done"
    assert world.our_contact().crm_id == pk
    ours = world.door("GET", f"/contacts/{pk}")
    assert left_out[0] not in ours["native"]
    assert ours["fields"]["APro Appt Status"] == "Booked"
    asked = question(world)
    assert (asked.candidate_crm_ids, asked.clashes, asked.is_held) == ([other], left_out, False)
    world.forget_calls()
    world.take(booked(number=2, minute=5, day=20))
    assert world.calls()["PUT /contacts/{id}"] == 1, "left out without asking the CRM again"
    assert questions(world) == 1


def test_a_listed_question_becomes_one_that_is_waited_for_once_the_contact_is_gone(world, somebody):
    right = world.make_contact(**SAME, email=ALBA.email)
    other = world.make_contact(firstName="Bo", lastName="Stone", phone=PHONE)
    world.take(booked())
    assert not question(world).is_held
    world.api("DELETE", f"/contacts/{right}")
    event = world.take(booked(number=2, minute=5, day=20))
    assert (event.state, event.held_for) == ("held", "identity")
    asked = question(world)
    assert (asked.candidate_crm_ids, asked.clashes, asked.is_held) == ([other], ["phone"], True)
    answering.answer(asked, Answer.CREATE, somebody)
    world.work()
    event.refresh_from_db()
    assert event.state == "done", "one answer is enough"
    made = named(world, "Alba")
    assert (made["native"]["email"], made["native"].get("phone")) == (ALBA.email, None)
    assert questions(world) == 1


def test_an_open_question_learns_who_else_it_may_be(world):
    world.make_contact(firstName="Bo", lastName="Stone", phone=PHONE)
    world.take(booked())
    world.make_contact(firstName="Cy", lastName="Stone", email=ALBA.email)
    world.take(booked(number=2, minute=5, day=20))
    asked = question(world)
    assert len(asked.candidate_crm_ids) == 2
    assert sorted(asked.clashes) == ["email", "phone"]


def test_once_linked_a_patient_is_written_by_contact_id_whatever_changes(world):
    world.take(booked())
    pk = world.our_contact().crm_id
    married = replace(ALBA, last_name="Frost", email="alba.frost@example.com", mobile_phone="(212) 555-0188")
    world.take(booked(married, number=2, minute=5))
    contact = world.contact()
    assert contact["id"] == pk
    assert (contact["native"]["email"], contact["native"]["phone"]) == (
        "alba.frost@example.com",
        "+12125550188",
    )


def test_one_person_at_two_connections_is_one_contact(world):
    document = practice_file()
    document["connections"].append(document["connections"][0] | {"key": "second"})
    world.setup(**document)
    world.take(booked())
    world.connection = type(world.connection).objects.for_practice(world.practice).get(key="second")
    world.take(booked(number=2, minute=5, day=20))
    assert len(world.contacts()) == 1
    assert ContactLink.objects.for_practice(world.practice).count() == 2
    assert Patient.objects.for_practice(world.practice).count() == 2
    assert len(world.notes()) == 2


def test_visits_of_two_patients_in_one_contact_decide_its_stage_together(world):
    """A chart that the EMR keeps twice: the booking under one number keeps out the cancellation of the other."""
    twice = replace(ALBA, client_id=9001)
    world.take(booked(day=20), booked(twice, number=2, minute=1))
    world.take(apro.cancelled(replace(visit(2), client=twice), at(5)))
    assert world.opportunity()["stage"] == "Booked"


def test_a_sub_account_per_location_has_a_contact_of_its_own(world):
    world.door("POST", "/sub-accounts", world._sub_account("LOC2", "pit-two", name="Riverside"))
    document = practice_file()
    second = document["sub_accounts"][0] | {
        "key": "river",
        "default": False,
        "crm_location_id": "LOC2",
        "token": "pit-two",
    }
    document["sub_accounts"].append(second)
    document["locations"].append(
        {"external_id": "14", "name": "Riverside", "time_zone": None, "sub_account": "river"}
    )
    world.setup(**document)
    world.take(booked())
    elsewhere = replace(visit(2), site=apro.SITES[1])
    world.take(apro.booked(elsewhere, at(5)))
    assert sorted(row["location_id"] for row in world.contacts()) == ["LOC1", "LOC2"]
    assert ContactLink.objects.for_practice(world.practice).count() == 2


# A family that shares a phone


@pytest.fixture
def family(world: World) -> World:
    """Alba is linked; her daughter's booking and invoice are held, since they share a phone."""
    world.take(booked())
    world.take(booked(BEA, number=2, minute=1), invoice(BEA))
    return world


def invoice(client: apro.Client, number: int = 900, minute: float = 2) -> dict[str, Any]:
    return apro.invoice_paid(replace(visit(2), client=client), number, at(minute))


def test_a_family_that_shares_a_phone_is_not_merged(family):
    assert family.states() == {"done": 1, "held": 2}
    assert family.contact()["native"]["firstName"] == "Alba"
    assert questions(family) == 1, "one question, however many events wait"
    assert {event.held_key for event in family.events()[1:]} == {
        f"patient:{question(family).patient_id}:{question(family).sub_account_id}"
    }


def test_answer_create_makes_a_contact_without_the_shared_value(family, somebody):
    assert answering.answer(question(family), Answer.CREATE, somebody) == 2
    family.work()
    assert family.states() == {"done": 3}
    bea = named(family, "Bea")
    assert "phone" not in bea["native"]
    assert bea["native"]["email"] == BEA.email
    assert bea["fields"]["Patient Lifetime Value"] == 350
    assert len(bea["notes"]) == 2
    assert len(named(family, "Alba")["notes"]) == 1
    answered = IdentityQuestion.objects.for_practice(family.practice).get()
    assert (answered.answer, answered.answered_by) == ("create", somebody)


def test_after_answer_create_the_shared_value_stays_out_and_nobody_is_asked_again(family, somebody):
    answering.answer(question(family), Answer.CREATE, somebody)
    family.work()
    family.forget_calls()
    family.take(apro.client_saved(BEA, at(9)))
    assert family.calls() == {"PUT /contacts/{id}": 1}
    assert "phone" not in named(family, "Bea")["native"]
    assert questions(family) == 1


def test_answer_link_takes_the_chosen_contact(family, somebody):
    pk = family.our_contact().crm_id
    assert answering.answer(question(family), Answer.LINK, somebody, pk) == 2
    family.work()
    assert family.states() == {"done": 3}
    assert family.contact()["id"] == pk
    assert family.contact()["fields"]["Patient Lifetime Value"] == 350
    assert len(family.notes()) == 3
    assert family.take(apro.client_saved(BEA, at(9))).state == "done"
    assert family.contact()["native"]["firstName"] == "Bea"


def test_answer_link_takes_only_a_contact_that_was_shown(family, somebody):
    with pytest.raises(ValueError, match="Choose one of the contacts shown"):
        answering.answer(question(family), Answer.LINK, somebody, "somebody-else")
    assert family.states() == {"done": 1, "held": 2}


def test_answer_ignore_leaves_the_patient_out_of_the_crm_for_good(family, somebody):
    assert answering.answer(question(family), Answer.IGNORE, somebody) == 2
    family.work()
    assert family.states() == {"done": 1, "skipped": 2}
    later = family.take(booked(BEA, number=3, minute=9, day=20))
    assert later.state == "skipped"
    assert later.reason == "A person decided to leave this patient out of the CRM."
    assert questions(family) == 1
    assert family.contact()["native"]["firstName"] == "Alba"
    assert not LedgerRow.objects.for_practice(family.practice).exists()


def test_an_ignored_patient_is_left_out_by_a_replay_too(family, somebody):
    answering.answer(question(family), Answer.IGNORE, somebody)
    assert replay(family.events()[1])
    family.work()
    assert family.states() == {"done": 1, "skipped": 2}


def test_events_that_waited_for_an_answer_run_in_their_order(family, somebody):
    family.take(apro.cancelled(replace(visit(2), client=BEA), at(-9)))
    answering.answer(question(family), Answer.CREATE, somebody)
    family.work()
    notes = [note["body"].splitlines()[0] for note in reversed(named(family, "Bea")["notes"])]
    assert notes == [
        "AestheticsPro: appointment booked",
        "AestheticsPro: invoice paid",
        "AestheticsPro: appointment cancelled",
    ]


@pytest.mark.parametrize("choice", [Answer.CREATE, Answer.LINK, Answer.IGNORE])
def test_an_event_held_when_its_contact_was_to_be_made_goes_on_too(world, monkeypatch, somebody, choice):
    """The look-up showed nobody, but the CRM refused the create: the answer counts for what is planned already."""
    stone = world.make_contact(firstName="Bo", lastName="Stone", phone=PHONE)
    monkeypatch.setattr("integrations.crm.client.CrmClient.find_duplicate", lambda *_, **__: None)
    event = world.take(invoice(ALBA, minute=0))
    assert event.held_for == "identity"
    answering.answer(question(world), choice, somebody, stone)
    world.work()
    event.refresh_from_db()
    if choice == Answer.IGNORE:
        assert (event.state, len(world.contacts())) == ("skipped", 1)
        return
    assert event.state == "done", event.reason
    assert len(world.contacts()) == (2 if choice == Answer.CREATE else 1)
    ours = named(world, "Alba")
    assert ours["fields"]["Patient Lifetime Value"] == 350
    assert len(ours["notes"]) == 1
    assert ("phone" in ours["native"]) == (choice == Answer.LINK)
    assert LedgerRow.objects.for_practice(world.practice).get().state == "written"


def test_a_shared_value_that_was_all_there_was_skips_the_patient(world, somebody):
    world.take(booked())
    alone = replace(BEA, email="")
    world.take(booked(alone, number=2, minute=1))
    answering.answer(question(world), Answer.CREATE, somebody)
    world.work()
    assert world.states() == {"done": 1, "skipped": 1}


# What is only recorded asks nobody


def test_an_event_that_writes_nothing_looks_for_nobody(world):
    world.make_contact(firstName="Bo", lastName="Stone", phone=PHONE)
    world.forget_calls()
    assert world.take(apro.deleted(visit(), at(0))).state == "done"
    assert world.calls() == {}
    assert questions(world) == 0
