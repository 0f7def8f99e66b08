"""The pretend PatientNow practice lives: each thing that happens is a notice, and its money adds up."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from integrations.contract.demo import NEW_PATIENT, NothingToDo
from integrations.contract.stories import MOST_PEOPLE, STANDING_DAYS, Stories, serve
from integrations.emrs.patientnow_pro.pretend.office import Office
from integrations.emrs.patientnow_pro.pretend.premises import BUTTONS, Premises
from integrations.sandbox.demo.practices import demo_practices
from integrations.sandbox.demo.tidy import forget_contacts

NOW = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
EVENTS = {
    "PatientCreated",
    "PatientUpdated",
    "AppointmentCreated",
    "AppointmentStatusChanged",
    "BillCompleted",
    "MembershipCreated",
}
OPEN = {"Booked", "Confirmed", "Rescheduled"}


class Clinic:
    """Juniper without HTTP; its clock is moved by hand."""

    def __init__(self, seed=1):
        self.practice = demo_practices()["juniper"]
        self.kept, self.chance, self.now = {}, random.Random(seed), NOW
        self.notices = []
        found = self.practice.place("", "").premises()
        self.premises().furnish(found["sites"], found["rare"])

    @property
    def office(self):
        return Office(self.kept, self.now)

    def premises(self):
        return Premises(self.office, "PN-juniper", self.chance)

    def tell(self, order, *details):
        """Let the stories do something; the words. The notices are kept."""
        premises = self.premises()
        found = getattr(Stories(premises, self.chance, self.now), order)(*details)
        self.notices += [notice for _, notice in premises.told]
        return [words for words, _ in premises.told], found

    def live(self, steps):
        told = []
        for _ in range(steps):
            self.now += timedelta(minutes=7)
            told += self.tell("step")[0]
            self.tell("let_go")
        return told


@pytest.fixture
def clinic():
    return Clinic()


def test_what_stands_in_the_book_is_made_once(clinic):
    assert len(clinic.tell("standing")[1]) == len(STANDING_DAYS)
    assert clinic.tell("standing")[1] == []


def test_everything_that_can_happen_happens_and_is_told():
    clinic = Clinic(seed=2)
    told = Counter(words.split(":")[0].split(",")[0].split(" at ")[0] for words in clinic.live(2000))
    premises = clinic.premises()
    wanted = {"New patient", "Booked", "Rescheduled", *premises.appointment_acts.values()}
    assert wanted | set(premises.patient_acts.values()) <= set(told)
    assert {one["eventType"] for one in clinic.notices} == EVENTS


def test_no_notice_is_told_under_the_number_of_another_one(clinic):
    clinic.live(500)
    numbers = [one["eventId"] for one in clinic.notices]
    assert len(numbers) > 500
    assert len(set(numbers)) == len(numbers)


def test_an_appointment_is_booked_first_and_ends_once(clinic):
    history = {}
    for _ in range(700):
        clinic.live(1)
        for one in clinic.office.all("appointments"):
            statuses = history.setdefault(one["appointmentId"], [one["status"]])
            if statuses[-1] != one["status"]:
                statuses.append(one["status"])
    assert len(history) > 100
    assert all(status in OPEN for statuses in history.values() for status in statuses[:-1])


def test_a_book_does_not_grow(clinic):
    seen = set()
    for _ in range(1500):
        clinic.live(1)
        seen |= {one.id for one in clinic.premises().patients()}
        assert len(clinic.premises().patients()) <= MOST_PEOPLE
    assert len(seen) > MOST_PEOPLE + 10


def test_most_people_keep_to_one_clinic_and_a_few_are_seen_at_both(clinic):
    seen = {}
    for _ in range(1000):
        clinic.live(1)
        for one in clinic.office.all("appointments"):
            seen.setdefault(one["patientId"], set()).add(one["facility"]["id"])
    assert {site for sites in seen.values() for site in sites} == {"31", "32"}
    assert {len(sites) for sites in seen.values()} == {1, 2}
    at_31 = [one for one in clinic.office.all("appointments") if one["facility"]["id"] == "31"]
    assert 0.2 < len(at_31) / len(clinic.office.all("appointments")) < 0.8


def test_a_visit_is_paid_with_what_it_was_for_and_taken_back_once(clinic):
    place = clinic.premises().services().index("Botox")
    patient = clinic.tell("press", "book", NEW_PATIENT, place)[1][0]
    with pytest.raises(NothingToDo, match="Press Bill first"):
        clinic.tell("press", "void", patient, None)
    clinic.tell("press", "complete", patient, None)
    assert clinic.premises().urgent(patient) == ("pay",)
    assert clinic.tell("press", "pay", patient, None)[0] == ["Bill paid, $400.00: Botox"]
    assert clinic.premises().urgent(patient) == ()
    assert Decimal(clinic.office.all("bills")[-1]["total"]) == Decimal(400)
    assert clinic.tell("press", "refund", patient, None)[0] == ["Bill refunded: $400.00"]
    assert clinic.office.all("bills")[-1]["status"] == "Refunded"
    with pytest.raises(NothingToDo, match="Press Bill first"):
        clinic.tell("press", "refund", patient, None)


def test_every_button_of_the_desk_does_something(clinic):
    place = clinic.premises().services().index("Botox")
    patient = clinic.tell("press", "book", NEW_PATIENT, place)[1][0]
    for button in BUTTONS:
        clinic.tell("press", "book", patient, place)
        clinic.tell("press", "pay", patient, None)
        before = len(clinic.notices)
        clinic.tell("press", button.name, patient, None)
        assert len(clinic.notices) > before, button.name


@pytest.mark.parametrize("site", ["31", "32"])
def test_a_press_at_a_clinic_books_there(clinic, site):
    for button in ("book", "new_type", "late_cancellation") * 4:
        stories = Stories(clinic.premises(), clinic.chance, clinic.now)
        assert serve(stories, "press", {"button": button, "service": 0, "site": site})["patient"]
    assert {one["facility"]["id"] for one in clinic.office.all("appointments")} == {site}


def test_a_press_means_the_appointment_at_its_own_clinic_first(clinic):
    def press(button, site, patient=NEW_PATIENT):
        premises = clinic.premises()
        premises.site = site
        number, _ = Stories(premises, clinic.chance, clinic.now).press(button, patient, 0)
        return number, premises.told[-1][0]

    patient, words = press("book", "31")
    assert words.startswith("Booked at Juniper Old Town")
    sooner = clinic.office.all("appointments")[-1]
    press("book", "32", patient)
    clinic.office.save("appointments", {**sooner, "start": "2026-03-12T16:00:00Z"})
    assert press("cancel", "32", patient)[1].startswith("Cancelled: ")
    assert clinic.office.known("appointments", sooner["appointmentId"])["status"] == "Booked"
    assert press("cancel", "32", patient)[1].startswith("Cancelled at Juniper Old Town: ")


def test_chance_leaves_alone_what_nobody_has_confirmed(clinic):
    types = {one["type"]: one["confirmed"] for one in clinic.practice.file["categories"]}
    assert list(types.values()).count(False) == 1
    added = clinic.premises().add_service()
    usual = set(clinic.premises().usual_services())
    assert added not in usual
    assert added in clinic.premises().services()
    assert all(types[name] for name in usual)


def test_words_name_nobody(clinic):
    told = " ".join(clinic.live(200)).replace(":", "").replace(",", "").split()
    names = {part for one in clinic.premises().patients() for part in one.name.split(", ")}
    assert not names & set(told)


def test_each_clinic_has_a_sub_account_of_its_own_with_ids_of_its_own():
    practice = demo_practices()["juniper"]
    setups = [practice.crm_setup(account) for account in practice.sub_accounts]
    assert sorted(one["name"] for one in setups) == ["Juniper Foothills", "Juniper Old Town"]
    assert {one["sub_account"] for one in practice.file["locations"]} == {
        one["key"] for one in practice.sub_accounts
    }
    for part in ("pipelines", "workflows", "folders"):
        ids = [row["id"] for setup in setups for row in setup[part]]
        assert len(set(ids)) == len(ids), part
    stages = [stage["id"] for setup in setups for line in setup["pipelines"] for stage in line["stages"]]
    assert len(set(stages)) == len(stages) == 20
    assert len({setup["token"] for setup in setups}) == 2


def test_each_sub_account_maps_every_workflow_of_the_emr():
    practice = demo_practices()["juniper"]
    manifest = practice.emr.manifest
    wanted = {
        manifest.appointment_workflow,
        manifest.payment_workflow,
        manifest.membership_workflow,
        manifest.birthday_workflow,
    }
    assert [set(one["workflows"]) for one in practice.sub_accounts] == [wanted, wanted]


def test_whoever_leaves_takes_their_contact_in_every_sub_account_along(seeded, settings):
    practice = demo_practices()["juniper"]
    crm_url = f"{settings.SANDBOX_URL}/crm"
    for account in practice.sub_accounts:
        for mail in ("stays@example.com", "leaves@example.com"):
            make_contact(crm_url, account, mail)
    assert forget_contacts(practice, seeded, crm_url, frozenset({"stays@example.com"})) == 2
    left = [[one["email"] for one in seeded.contacts(crm_id, 10)] for crm_id in practice.crm_ids]
    assert left == [["stays@example.com"], ["stays@example.com"]]


def make_contact(crm_url, account, mail):

    headers = {"Authorization": f"Bearer {account['token']}", "Version": "2021-07-28"}
    body = {"locationId": account["crm_location_id"], "email": mail, "firstName": mail.partition("@")[0]}
    requests.post(f"{crm_url}/contacts/", json=body, headers=headers, timeout=5).raise_for_status()
