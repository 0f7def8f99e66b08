"""What waits for a category goes on when somebody confirms it, and ends as if the category had always been known."""

import random
from collections import Counter
from typing import Any

import pytest

from categorization.models import AppointmentType
from integrations.models import EventState, InboundEvent
from integrations.sync.categories.moving import OTHER_VISIT, prepare, release_categories_due
from tests.categories.changing import carry_out, say, type_named
from tests.categories.conftest import unsettled
from tests.patientnow.clinic import CATEGORIES, Clinic

BOTOX = "Non-Surgical Appointment"


def test_a_type_is_known_with_a_suggestion_from_its_first_event(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    row = type_named(clinic.practice, "Botox")
    assert (row.suggested, row.category) == (BOTOX, "")
    assert row.confidence >= 0.6
    assert row.reason


def test_a_suggestion_routes_nothing(clinic):
    event = clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    assert type_named(clinic.practice, "Botox").may_be_agreed_with
    assert event.state == EventState.HELD
    assert clinic.contact()["opportunities"] == []
    assert "Category: not yet set" in clinic.notes()[0]


def test_on_confirmation_the_step_goes_on_by_itself(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    batch = say(clinic.practice, Botox=BOTOX)
    found = carry_out(clinic, batch)
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
    assert clinic.contact()["fields"]["Appointment Category"] == BOTOX
    assert clinic.enrolments() == ["WF1"]
    assert len(clinic.notes()) == 1
    assert (found.total, found.done, found.moved, found.is_finished) == (1, 1, 1, True)


def test_what_another_type_waits_for_stays_held(clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who, type="Botox"), clinic.booked(who, type="Breast Aug Consult", days=9))
    found = carry_out(clinic, say(clinic.practice, Botox=BOTOX))
    assert clinic.states() == {"done": 1, "held": 1}
    assert found.total == 1


def test_who_stays_where_they_are_is_counted_with_the_reason(clinic):
    who = clinic.patient()
    first = clinic.booked(who, type="Botox")
    clinic.take(first)
    clinic.later()
    clinic.take(clinic.booked(who, type="Skin Consult", days=8))
    clinic.later()
    clinic.take(clinic.desk.cancel(first["appointmentId"]))
    assert clinic.cards() == {"Non-Surgical": ("Booked", "open")}
    found = carry_out(clinic, say(clinic.practice, Botox=BOTOX))
    assert (found.moved, dict(found.kept)) == (0, {OTHER_VISIT: 1})


def test_a_release_does_not_write_over_what_later_events_wrote(clinic):
    """A held visit of last week must not bring back its date and status over those of yesterday's visit."""
    who = clinic.patient()
    clinic.take(clinic.booked(who, type="Botox", days=3))
    clinic.later()
    clinic.take(clinic.booked(who, type="Skin Consult", days=30))
    before = clinic.contact()["fields"]
    assert before["Next Visit Service"] == "Skin Consult"
    carry_out(clinic, say(clinic.practice, Botox=BOTOX))
    assert clinic.contact()["fields"] == before


def test_nothing_is_confirmed_twice(clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    assert say(clinic.practice, Botox=BOTOX) is not None
    assert say(clinic.practice, Botox=BOTOX) is None


def test_a_worker_that_dies_before_or_after_finding_the_events_leaves_nothing_undone(clinic, monkeypatch):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    batch = say(clinic.practice, Botox=BOTOX)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("integrations.sync.categories.moving.requeue", dies)
        with pytest.raises(KeyboardInterrupt):
            release_categories_due()
    assert clinic.states() == {"held": 1}
    assert batch.release.events.count() == 0
    prepare(batch.release)
    prepare(batch.release)
    assert batch.release.events.count() == 1
    assert carry_out(clinic, batch).moved == 1
    assert len(clinic.notes()) == 1


def _live_through(clinic: Clinic, chance: random.Random, people: int, visits: int) -> int:
    """Many patients' visits of all kinds, each notice sent and worked on when it happens. How many notices."""
    names = [name for name in CATEGORIES if name != "Block"]
    whom = [clinic.patient(seed=number) for number in range(people)]
    sent = 0
    while sent < visits:
        booked = clinic.booked(chance.choice(whom), type=chance.choice(names), days=chance.randint(-5, 40))
        clinic.take(booked)
        clinic.later(7)
        act = chance.choice([clinic.desk.check_out, clinic.desk.cancel, clinic.desk.no_show, None, None])
        sent += 1 if act is None else 2
        if act is not None:
            clinic.take(act(booked["appointmentId"]))
            clinic.later(3)
    return sent


def _looks(clinic: Clinic) -> dict[str, Any]:
    """Cards, fields and notes of everybody, by patient id. Of notes the category line is left out: it says what was
    known when they were written."""
    return {
        row["fields"]["PNOW ID"]: (
            sorted((card["pipeline"], card["stage"], card["status"]) for card in row["opportunities"]),
            row["fields"],
            sorted(_without_category(note["body"]) for note in row["notes"]),
        )
        for row in clinic.contacts()
    }


def _differences(expected: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """By patient: cards, fields and notes that are not as expected."""
    assert expected.keys() == found.keys()
    different: dict[str, Any] = {}
    for who, (cards, fields, notes) in expected.items():
        now = found[who]
        names = {name for name in fields.keys() | now[1].keys() if fields.get(name) != now[1].get(name)}
        if cards != now[0] or names or notes != now[2]:
            wrong = {name: (fields.get(name), now[1].get(name)) for name in names}
            different[who] = (
                cards,
                now[0],
                wrong,
                [pair for pair in zip(notes, now[2], strict=False) if pair[0] != pair[1]][:1],
            )
    return different


def _without_category(note: str) -> list[str]:
    return [line for line in note.split("\n") if not line.startswith(("Category:", "Reference:"))]


def test_five_hundred_held_events_end_as_if_the_types_had_always_been_known(db, sandbox):
    known = Clinic(sandbox)
    count = _live_through(known, random.Random(7), people=60, visits=500)
    assert Counter(event.state for event in known.events()) == {"done": count}
    expected = _looks(known)
    InboundEvent.objects.for_practice(known.practice).delete()
    known.practice.delete()
    known.door("POST", "/reset", {"everything": True})
    late = Clinic(sandbox, categories=unsettled(*CATEGORIES))
    assert _live_through(late, random.Random(7), people=60, visits=500) == count
    assert Counter(event.state for event in late.events()) == {"held": count}
    answers = {name.replace(" ", "_"): category for name, category in CATEGORIES.items() if name != "Block"}
    found = carry_out(late, say(late.practice, **answers))
    assert found.total == found.done == count
    assert _differences(expected, _looks(late)) == {}
    assert AppointmentType.objects.for_practice(late.practice).filter(confirmed_at=None).count() == 0
