"""Locations and sub-accounts: each contact where the patient is seen, the default meanwhile, held without one."""

import json
from typing import Any

import pytest
from django.urls import reverse

from integrations.models import ContactLink, DefaultUse, EventState, LocationRoute, Visit
from integrations.practice_file.exporting import export_practice
from integrations.sync.replay import replay
from tenants.models import Location, Role, User
from tests.admin.conftest import person, signed_in
from tests.engine.world import committed
from tests.patientnow.clinic import Clinic, Json, account_part, crm_account, told
from tests.patientnow.test_money import VALUE, bill_of

MIAMI = {"external_id": "F1", "name": "Miami", "sub_account": "main"}
GABLES = {"external_id": "F2", "name": "Coral Gables", "sub_account": "gables"}


def two_accounts(default: bool = True) -> list[Json]:
    return [account_part("main", "LOC1", default=default), account_part("gables", "LOC2", default=False)]


@pytest.fixture
def two(sandbox: str, db: None) -> Clinic:
    """Miami goes to LOC1, which is the default, Coral Gables to LOC2."""
    return open_two(sandbox, locations=[MIAMI, GABLES])


def open_two(sandbox: str, *, default: bool = True, **changes: Any) -> Clinic:
    found = Clinic(sandbox)
    found.door("POST", "/sub-accounts", crm_account("LOC2"))
    found.set_up(sub_accounts=two_accounts(default), **changes)
    return found


def card(clinic: Clinic, crm_id: str) -> dict[str, tuple[str, str]]:
    return clinic.cards(crm_id)


# Each where the patient is seen


def test_a_patient_seen_at_two_locations_is_linked_in_each_sub_account(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"))
    assert [row["location_id"] for row in two.contacts()] == ["LOC1"]
    two.take(two.booked(who, "Breast Aug Consult", facility="F2"))
    assert sorted(row["location_id"] for row in two.contacts()) == ["LOC1", "LOC2"]
    links = ContactLink.objects.for_practice(two.practice)
    assert links.filter(patient__external_id=who).count() == 2
    assert card(two, "LOC1") == {"Non-Surgical": ("Booked", "open")}
    assert card(two, "LOC2") == {"Surgical": ("Consult Booked", "open")}
    assert two.contact("LOC2")["fields"]["PNOW Location"] == "Coral Gables"


def test_what_happens_at_one_location_does_not_move_the_card_of_the_other(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"), two.booked(who, facility="F2"))
    two.later()
    two.take(two.desk.check_out("90302"))
    assert card(two, "LOC2") == {"Non-Surgical": ("Patient", "won")}
    assert card(two, "LOC1") == {"Non-Surgical": ("Booked", "open")}


def test_money_goes_where_the_patient_was_last_seen(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"), two.booked(who, facility="F2"))
    two.take(bill_of(two, who, "90.00"))
    assert two.contact("LOC2")["fields"][VALUE] == 90
    assert VALUE not in two.contact("LOC1")["fields"]
    assert two.ledger()[0].sub_account == two.account("gables")
    two.later()
    two.take(two.desk.set_status("90301", "Booked"), bill_of(two, who, "10.00"))
    assert two.contact("LOC1")["fields"][VALUE] == 10


def test_taking_back_goes_where_the_bill_went_wherever_the_patient_was_seen_since(two):
    """The refund belongs to the sub-account whose lifetime value the bill raised."""
    who = two.patient()
    two.take(two.booked(who, facility="F1"))
    paid = bill_of(two, who, "90.00")
    two.take(paid)
    two.later()
    two.take(two.booked(who, facility="F2"))
    two.take(two.desk.refund(paid["billId"]))
    assert two.contact("LOC1")["fields"][VALUE] == 0
    assert VALUE not in two.contact("LOC2")["fields"]
    assert {row.sub_account for row in two.ledger()} == {two.account("main")}


def test_a_replay_of_a_payment_stays_where_it_counted(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"))
    paid = two.take(bill_of(two, who, "90.00"))
    two.take(two.booked(who, facility="F2"))
    before = two.contact("LOC2")["fields"]
    assert replay(paid)
    two.work()
    assert two.contact("LOC2")["fields"] == before
    assert two.contact("LOC1")["fields"][VALUE] == 90


def test_a_membership_goes_where_the_patient_was_last_seen(two):
    who = two.patient()
    two.take(two.booked(who, facility="F2"))
    two.take(two.desk.membership(who, "VIP Gold"))
    assert two.contact("LOC2")["tags"] == ["membership"]


def test_somebody_who_was_never_seen_goes_to_the_default(two):
    who = two.patient()
    two.take(two.desk.update_patient(who))
    assert two.contact()["location_id"] == "LOC1"


def test_a_visit_that_moves_to_another_location_goes_there(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"))
    two.later()
    record = two.desk.record("appointments", "90301")
    two.desk.save("appointments", {**record, "facility": {"id": "F2", "name": "Coral Gables"}})
    two.take(two.desk.set_status("90301", "Booked"))
    assert card(two, "LOC2") == {"Non-Surgical": ("Booked", "open")}


# Not mapped


def test_an_unmapped_location_uses_the_default_and_is_listed_with_its_events(sandbox, db):
    clinic = open_two(sandbox, locations=[MIAMI])
    who = clinic.patient()
    event = clinic.take(clinic.booked(who, facility="F2"))
    clinic.take(clinic.booked(who, facility="F1"))
    assert {row["location_id"] for row in clinic.contacts()} == {"LOC1"}
    assert told(event, "location") == "This location is not mapped yet: the default sub-account was used."
    location = Location.objects.for_practice(clinic.practice).get(external_id="F2")
    assert location.name == "Coral Gables"
    (use,) = DefaultUse.objects.for_practice(clinic.practice)
    assert (use.location, use.event) == (location, event)


def test_a_replay_is_listed_once(sandbox, db):
    clinic = open_two(sandbox, locations=[MIAMI])
    event = clinic.take(clinic.booked(clinic.patient(), facility="F2"))
    assert replay(event)
    clinic.work()
    assert DefaultUse.objects.for_practice(clinic.practice).count() == 1


def test_with_one_sub_account_no_location_has_to_be_mapped(sandbox, db):
    clinic = Clinic(sandbox, locations=[])
    event = clinic.take(clinic.booked(clinic.patient(), facility="F2"))
    assert event.state == EventState.DONE
    assert told(event, "location") == ""
    assert not Location.objects.for_practice(clinic.practice).exists()
    assert not DefaultUse.objects.for_practice(clinic.practice).exists()


def test_the_staff_pages_list_what_is_not_mapped(sandbox, db):
    clinic = open_two(sandbox, locations=[MIAMI])
    event = clinic.take(clinic.booked(clinic.patient(), facility="F2"))
    location = Location.objects.for_practice(clinic.practice).get(external_id="F2")
    browser = signed_in(person("onboarding@example.com", clinic.practice, Role.ONBOARDING))
    page = reverse("admin:tenants_location_change", args=[location.pk])
    home = browser.get(reverse("admin:index")).content.decode()
    assert "“Coral Gables”" in home
    assert "1 event went to the default sub-account" in home
    assert page in home
    shown = browser.get(page).content.decode()
    assert "its events went to the default one" in shown
    assert reverse("admin:integrations_inboundevent_change", args=[event.pk]) in shown
    listed = browser.get(reverse("admin:tenants_location_changelist")).content.decode()
    assert "Events at the default one" in listed
    # Once it is mapped nothing asks any more; what went to the default stays listed on its page.
    LocationRoute.objects.create(location=location, sub_account=clinic.account("gables"))
    assert "“Coral Gables”" not in browser.get(reverse("admin:index")).content.decode()
    shown = browser.get(page).content.decode()
    assert "its events went to the default one" not in shown
    assert "Went to the default sub-account" in shown


def test_another_practices_people_see_nothing_of_it(sandbox, db):
    clinic = open_two(sandbox, locations=[MIAMI])
    clinic.take(clinic.booked(clinic.patient(), facility="F2"))
    stranger = User.objects.create_user("stranger@example.com", name="Stranger", is_staff=True)
    assert not DefaultUse.objects.for_user(stranger).exists()


# Held and released


def map_by_file(clinic: Clinic) -> None:
    clinic.set_up(provision=False, sub_accounts=two_accounts(False), locations=[MIAMI, GABLES])


def map_by_form(clinic: Clinic) -> None:
    location = Location.objects.for_practice(clinic.practice).get(external_id="F2")
    browser = signed_in(person("onboarding@example.com", clinic.practice, Role.ONBOARDING))
    values = {"name": "Coral Gables", "external_id": "F2", "time_zone": "", "_save": "Save"}
    with committed():
        answer = browser.post(
            reverse("admin:tenants_location_change", args=[location.pk]),
            {**values, "sub_account": clinic.account("gables").pk},
        )
    assert answer.status_code == 302, answer.content.decode()


def choose_a_default(clinic: Clinic) -> None:
    clinic.set_up(provision=False, sub_accounts=two_accounts(True), locations=[MIAMI])


@pytest.mark.parametrize(
    ("release", "crm_id"), [(map_by_file, "LOC2"), (map_by_form, "LOC2"), (choose_a_default, "LOC1")]
)
def test_without_a_default_everything_at_an_unmapped_location_is_held_and_released(
    sandbox, db, release, crm_id
):
    clinic = open_two(sandbox, default=False, locations=[MIAMI])
    who = clinic.patient()
    clinic.take(clinic.booked(who, facility="F2"))
    clinic.later()
    event = clinic.take(clinic.desk.no_show("90301"))
    assert (event.state, event.held_for) == (EventState.HELD, "location")
    assert '"Coral Gables" is not mapped to a sub-account and the practice has no default one' in event.reason
    assert clinic.contacts() == []
    assert clinic.states() == {"held": 2}
    release(clinic)
    clinic.work()
    assert clinic.states() == {"done": 2}
    assert clinic.contact()["location_id"] == crm_id
    assert clinic.cards() == {"Non-Surgical": ("Cancelled / No-Show", "open")}
    assert len(clinic.notes()) == 2


def test_what_is_held_at_one_location_stays_held_when_another_is_mapped(sandbox, db):
    clinic = open_two(sandbox, default=False, locations=[])
    first, second = clinic.patient(), clinic.patient()
    clinic.take(clinic.booked(first, facility="F1"), clinic.booked(second, facility="F2"))
    assert clinic.states() == {"held": 2}
    map_by_form(clinic)
    clinic.work()
    assert clinic.states() == {"held": 1, "done": 1}
    assert clinic.contact()["location_id"] == "LOC2"


def test_a_location_heard_of_is_in_the_practice_file(sandbox, db):
    clinic = open_two(sandbox, locations=[MIAMI])
    clinic.take(clinic.booked(clinic.patient(), facility="F2"))
    document = json.loads(json.dumps(export_practice("bayside")))
    found = {row["external_id"]: row["sub_account"] for row in document["locations"]}
    assert found == {"F1": "main", "F2": None}


# Visits that were recorded before their location was mapped


def test_a_visit_recorded_without_a_sub_account_counts_where_its_location_goes_now(two):
    """As a first poll records them: known, without a sub-account, since nothing was mapped then."""
    who = two.patient()
    two.take(two.booked(who, facility="F2"), two.booked(who, facility="F2"))
    Visit.objects.for_practice(two.practice).filter(external_id="90302").update(sub_account=None)
    two.later()
    two.take(two.desk.cancel("90301"))
    # The other visit is still ahead there, so the card stays.
    assert card(two, "LOC2") == {"Non-Surgical": ("Booked", "open")}


def test_it_does_not_count_in_another_sub_account(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"), two.booked(who, facility="F2"))
    Visit.objects.for_practice(two.practice).filter(external_id="90302").update(sub_account=None)
    two.later()
    two.take(two.desk.cancel("90301"))
    assert card(two, "LOC1") == {"Non-Surgical": ("Cancelled / No-Show", "open")}


def test_the_contacts_page_shows_it_where_it_counts(two):
    who = two.patient()
    two.take(two.booked(who, facility="F1"), two.booked(who, "Pre-Op", facility="F2"))
    Visit.objects.for_practice(two.practice).filter(external_id="90302").update(sub_account=None)
    browser = signed_in(person("agent@example.com", two.practice, Role.SUPPORT))
    pages = {
        link.sub_account.key: browser.get(
            reverse("admin:integrations_contact_change", args=[link.contact_id])
        ).content.decode()
        for link in ContactLink.objects.for_practice(two.practice).select_related("sub_account")
    }
    assert "Coral Gables" in pages["gables"].partition("<h2>Visits</h2>")[2].partition("</section>")[0]
    assert "Coral Gables" not in pages["main"].partition("<h2>Visits</h2>")[2].partition("</section>")[0]
