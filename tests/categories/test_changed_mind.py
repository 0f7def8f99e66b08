"""Changing what a confirmed type counts as: who would move is shown before, and who moves is a person's choice."""

from categorization.confirming import undo
from categorization.engine import Preview
from integrations.models import InboundEvent, Source
from integrations.sync.categories.answers import Answers
from tests.categories.changing import carry_out, say, type_named
from tests.engine.world import committed
from tests.patientnow.clinic import Clinic

CONSULT, TREATMENT = "Surgical Consult", "Non-Surgical Appointment"


def preview(clinic: Clinic, name: str, category: str) -> Preview:
    return Answers().preview(clinic.practice.pk, {type_named(clinic.practice, name).pk: category})


def test_the_preview_says_who_would_move_and_moves_nobody(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    before = clinic.states()
    found = preview(clinic, "Skin Consult", CONSULT)
    assert (found.visits, found.contacts, found.moving, found.held) == (2, 2, 2, 0)
    shown = {(one.pipeline, one.before, one.after, one.count) for one in found.shifts}
    assert shown == {("Surgical", "", "Consult Booked", 2), ("Non-surgical", "Booked", "", 2)}
    assert clinic.states() == before


def test_the_preview_of_a_first_confirmation_says_how_many_events_wait(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    found = preview(clinic, "Botox", TREATMENT)
    assert (found.held, found.moving) == (1, 1)


def test_contacts_are_decided_again_when_the_person_says_so(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    found = carry_out(clinic, say(clinic.practice, Skin_Consult=CONSULT))
    cards = clinic.cards()
    assert cards["Surgical"] == ("Consult Booked", "open")
    assert cards["Non-Surgical"] == ("Booked", "open"), "cards are never taken away"
    assert clinic.contact()["fields"]["Appointment Category"] == CONSULT
    assert (found.total, found.moved) == (1, 1)
    event = clinic.events()[-1]
    assert (event.source, event.state) == (Source.SETTINGS, "done")
    assert "Consult Booked" in " ".join(row["text"] for row in event.story)
    assert len(clinic.notes()) == 1


def test_from_now_on_only_moves_nobody(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    found = carry_out(clinic, say(clinic.practice, moves_contacts=False, Skin_Consult=CONSULT))
    assert found.total == 0
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}


def test_a_stage_that_does_not_change_writes_nothing(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    clinic.forget_calls()
    found = carry_out(clinic, say(clinic.practice, Skin_Consult=TREATMENT))
    assert found.total == 0
    assert clinic.crm_calls() == {}


def test_only_the_stage_is_written_and_no_patient_data(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    before = clinic.contact()
    clinic.forget_calls()
    carry_out(clinic, say(clinic.practice, Skin_Consult=CONSULT))
    after = clinic.contact()
    changed = {name for name, value in after["native"].items() if before["native"].get(name) != value}
    assert changed == {"dateUpdated"}
    assert {**after["fields"], "Appointment Category": "Non-Surgical Consult"} == before["fields"]
    assert sum(clinic.crm_calls().values()) <= 3, "contact, a search for the card, the card"


def test_payloads_that_retention_has_deleted_are_not_needed(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    InboundEvent.objects.for_practice(clinic.practice).update(payload="")
    carry_out(clinic, say(clinic.practice, Skin_Consult=CONSULT))
    assert clinic.cards()["Surgical"] == ("Consult Booked", "open")


def test_an_undo_decides_them_again_too(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    batch = say(clinic.practice, Skin_Consult="Pre-Op Appointment")
    assert carry_out(clinic, batch).total == 0
    clinic.take(clinic.booked(clinic.patient(), type="Skin Consult"))
    with committed():
        back, kept = undo(batch, user=None)
    assert kept == []
    found = carry_out(clinic, back)
    assert found.moved == 1
    everybody = [row["opportunities"] for row in clinic.contacts()]
    assert [[card["stage"] for card in cards] for cards in everybody] == [["Booked"], ["Booked"]]


def test_a_category_taken_away_moves_nobody_and_holds_what_comes(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who, type="Skin Consult"))
    assert carry_out(clinic, say(clinic.practice, Skin_Consult="")).total == 0
    clinic.later()
    event = clinic.take(clinic.booked(who, type="Skin Consult", days=20))
    assert event.state == "held"
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
