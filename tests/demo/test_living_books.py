"""The pretend EMRs that are polled live: what happens in their books fits, goes on for ever, and does not grow."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from integrations.contract.demo import NEW_PATIENT, NothingToDo
from integrations.contract.stories import FULL_STORY, MOST_PEOPLE, STANDING_DAYS, Stories, serve
from integrations.emrs.modmed.pretend.desk import Desk as ModMed
from integrations.emrs.modmed.pretend.firm import Firm
from integrations.emrs.nextech_cloud.pretend.desk import Desk as Nextech
from integrations.sandbox.demo.practices import demo_practices

NOW = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
OVER = {"fulfilled", "cancelled", "noshow"}


class Book:
    """One pretend practice whose clock is moved by hand."""

    def __init__(self, slug, seed=1):
        self.practice = demo_practices()[slug]
        self.kept, self.chance, self.now = {"prefix": slug}, random.Random(seed), NOW
        self.premises().furnish(**self.practice.place("", "").premises())

    def premises(self):
        if self.practice.slug == "bluestone":
            return ModMed(Firm(self.kept, self.now), self.chance)
        return Nextech(self.practice.slug, self.kept, self.chance, self.now)

    @property
    def stories(self):
        return Stories(self.premises(), self.chance, self.now)

    def pass_time(self, minutes=7):
        self.now += timedelta(minutes=minutes)

    def resources(self, kind):
        if self.practice.slug == "bluestone":
            return list(self.kept["resources"][kind].values())
        return [row["resource"] for row in self.kept.get(kind, {}).values()]

    def statuses(self):
        return {one["id"]: one.get("status", "") for one in self.resources("Appointment")}


@pytest.fixture(params=["bluestone", "northlight"])
def book(request):
    return Book(request.param)


def test_an_appointment_is_booked_before_anything_else_and_ends_once(book):
    seen = {}
    for _ in range(700):
        book.pass_time()
        book.stories.step()
        book.stories.let_go()
        for number, status in book.statuses().items():
            history = seen.setdefault(number, [])
            if not history or history[-1] != status:
                history.append(status)
    assert {history[0] for history in seen.values()} <= {"pending", ""}
    for history in seen.values():
        assert not [before for before, _ in pairwise(history) if before in OVER]


def test_everything_that_can_happen_happens(book):
    told = Counter()
    for _ in range(700):
        book.pass_time()
        told.update(words.split(":")[0].split(" $")[0] for words in book.stories.step())
        book.stories.let_go()
    premises = book.premises()
    wanted = {"Booked", "Rescheduled", *premises.appointment_acts.values(), *premises.patient_acts.values()}
    assert wanted <= set(told)


def test_a_book_does_not_grow(book):
    gone = 0
    for _ in range(1500):
        book.pass_time()
        book.stories.step()
        gone += book.stories.let_go() is not None
        assert len(book.premises().patients()) <= MOST_PEOPLE
    assert gone > 30
    assert len(book.resources("Appointment")) < MOST_PEOPLE * FULL_STORY
    assert len(book.stories.people) <= MOST_PEOPLE


def test_nobody_leaves_a_book_that_has_room_or_before_others_had_time_to_read_it(book):
    while len(book.premises().patients()) < MOST_PEOPLE:
        book.premises().add_patient()
    assert book.stories.let_go() is None
    told = book.premises().patients()[3]
    book.stories.people[told.id] = {"events": FULL_STORY, "at": book.now.isoformat()}
    assert book.stories.let_go() is None
    book.pass_time(3)
    staying = book.stories.let_go()
    assert told.email not in staying
    assert len(staying) == MOST_PEOPLE - 1
    assert told.id not in {one.id for one in book.premises().patients()}


def test_what_stands_in_the_book_at_first_is_made_once(book):
    assert len(book.stories.standing()) == len(STANDING_DAYS)
    assert book.stories.standing() == []


def test_the_people_of_one_time_differ_in_name_mail_and_phone(book):
    for _ in range(120):
        book.premises().add_patient()
    patients = book.premises().patients()
    assert len({one.name for one in patients}) == len({one.email for one in patients}) == 120
    phones = [
        {point["value"] for point in one["telecom"] if point["system"] == "phone" and point.get("value")}
        for one in book.resources("Patient")
    ]
    assert sum(map(len, phones)) == len(set().union(*phones))


def test_visits_are_made_in_the_hours_of_their_clinic(book):
    premises = book.premises()
    patient = premises.add_patient()
    for _ in range(60):
        book.stories.book(patient)
    starts = [one.starts_at for one in premises.ahead(patient)]
    assert all(9 <= at.hour < 18 for at in starts)
    assert starts == sorted(starts)
    assert len({str(at.tzinfo) for at in starts}) <= len(book.practice.file["locations"])


def test_chance_leaves_alone_what_nobody_has_confirmed_and_what_was_added_by_hand(book):
    premises = book.premises()
    new = premises.add_service()
    rare = book.practice.place("", "").premises()["rare"]
    usual = premises.usual_services()
    assert new not in usual
    assert not [one for one in usual if one.partition(":")[0] in rare]
    assert new in premises.services()


def test_words_name_nobody(book):
    told = []
    for _ in range(200):
        book.pass_time()
        told += book.stories.step()
    names = {part for one in book.premises().patients() for part in one.name.split(", ")}
    assert not names & set(" ".join(told).replace(":", "").split())


def test_pressing_says_what_has_to_be_done_first(book):
    for button in book.premises().appointment_acts:
        with pytest.raises(NothingToDo, match="Press Book first"):
            book.stories.press(button, NEW_PATIENT, None)
    with pytest.raises(NothingToDo, match="Choose a patient first"):
        book.stories.press("edit", NEW_PATIENT, None)
    assert book.premises().patients() == []


def test_of_two_appointments_the_next_one_is_meant(book):
    patient, _ = book.stories.press("book", NEW_PATIENT, 0)
    premises = book.premises()
    later = book.stories.book(patient, premises.services()[0], 19)
    book.stories.press("cancel", patient, None)
    (left,) = premises.ahead(patient)
    assert f"{left.starts_at:%b} {left.starts_at.day}" in later or left.starts_at.date() > NOW.date()


def test_a_press_at_a_clinic_books_there(book):
    sites = [{"id": name, "name": f"Clinic {name}", "zone": "America/Denver"} for name in ("701", "702")]
    book.premises().furnish(sites=sites, zone="America/Denver", rare=[])
    for site in ("701", "702") * 3:
        serve(book.stories, "press", {"button": "book", "site": site})
        assert f"Location/{site}" in str(book.resources("Appointment")[-1])
    assert serve(book.stories, "press", {"button": "book", "site": "of another practice"})["patient"]


def test_an_order_that_nobody_knows_is_none(book):
    assert serve(book.stories, "dance", {}) is None
    assert serve(book.stories, "press", {"button": "dance"}) == {"nothing": "There is no such button."}


def test_nextech_money_is_paid_once_given_back_once_and_voided_with_its_opposite():
    book = Book("northlight")
    patient, _ = book.stories.press(
        "book", NEW_PATIENT, book.premises().services().index("Injectables: Botox")
    )
    book.stories.press("complete", patient, None)
    assert book.stories.press("pay", patient, None)[1] == ["Paid $420.00"]
    assert book.premises().urgent(patient) == ()
    assert book.stories.press("refund", patient, None)[1] == ["Refunded $210.00 of $420.00"]
    with pytest.raises(NothingToDo, match="Press Pay first"):
        book.stories.press("void", patient, None)
    book.stories.press("pay", patient, None)
    book.stories.press("void", patient, None)
    found = [(one["status"], one["total"]["value"] < 0) for one in book.resources("PaymentReconciliation")]
    assert sorted(found) == [("active", False), ("active", True), ("cancelled", False), ("cancelled", True)]


def test_modmed_charges_a_visit_at_check_out_and_goods_by_themselves():
    book = Book("bluestone")
    patient, _ = book.stories.press("book", NEW_PATIENT, book.premises().services().index("Botox"))
    book.stories.press("complete", patient, None)
    assert len(book.resources("ChargeItem")) == 1
    assert book.stories.press("pay", patient, None)[1][0].startswith("Charged $")
    assert len(book.resources("ChargeItem")) == 2
    book.premises().forget(patient)
    assert book.resources("ChargeItem") == book.resources("Appointment") == book.resources("Patient") == []
