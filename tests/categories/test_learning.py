"""Types are known from the EMR's own list and from visits; renamed ones keep their category, gone ones are marked."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.utils import timezone

from categorization.learning import Named, learn, take_list
from categorization.models import AppointmentType
from integrations.emrs.nextech_cloud.pretend import cast
from integrations.models import TypePull, Visit
from integrations.sync.categories import pulling, use
from integrations.sync.polling.cursors import credentials_changed
from integrations.sync.profile import load_profile
from tenants.models import Practice
from tests.categories.changing import say, type_named
from tests.patientnow.clinic import Clinic

NOW = timezone.now()


@pytest.fixture
def practice(db: None) -> Practice:
    return Practice.objects.create(slug="fern", name="Fern Clinic", kind="plastic_surgery")


def names(practice: Practice) -> dict[tuple[str, str], str]:
    rows = AppointmentType.objects.for_practice(practice)
    return {(row.name, row.purpose): row.category for row in rows}


def listed(practice: Practice, *types: Named) -> object:
    return take_list(practice, "emr", types, offers_online=False, now=timezone.now())


def test_a_list_makes_types_with_suggestions(practice):
    taken = listed(practice, Named("Rhinoplasty Consult", external_id="1"), Named("Lunch", external_id="2"))
    assert (taken.new, taken.renamed, taken.gone) == (2, 0, 0)
    suggested = {row.name: row.suggested for row in AppointmentType.objects.for_practice(practice)}
    assert suggested == {"Rhinoplasty Consult": "Surgical Consult", "Lunch": "Blocked"}


def test_the_same_list_again_changes_nothing(practice):
    listed(practice, Named("Lunch", external_id="2"))
    assert not listed(practice, Named(" lunch ", external_id="2"))
    assert names(practice) == {("Lunch", ""): ""}


def test_a_renamed_type_keeps_its_category_and_its_visits(practice):
    listed(practice, Named("BBA Consult", external_id="7"))
    say(practice, BBA_Consult="Surgical Consult")
    assert listed(practice, Named("Body Consult", external_id="7")).renamed == 1
    assert names(practice) == {("Body Consult", ""): "Surgical Consult"}
    categories = load_profile(practice.pk).categories
    assert ("emr", "bba consult", "") in categories
    assert ("emr", "body consult", "") in categories


def test_a_type_renamed_after_an_event_named_it_already(practice):
    listed(practice, Named("BBA Consult", external_id="7"))
    say(practice, BBA_Consult="Surgical Consult")
    learn(practice, "emr", [Named("Body Consult")], offers_online=False)
    assert listed(practice, Named("Body Consult", external_id="7")).renamed == 1
    assert names(practice) == {("Body Consult", ""): "Surgical Consult"}


def test_a_renamed_type_is_renamed_with_its_purposes(practice):
    listed(practice, Named("Consult", external_id="7"), Named("Consult", "Nose", external_id="P1"))
    row = type_named(practice, "Consult", "Nose")
    AppointmentType.objects.for_practice(practice).filter(pk=row.pk).update(
        category="Surgical Consult", confirmed_at=NOW
    )
    listed(practice, Named("New Consult", external_id="7"), Named("New Consult", "Nose", external_id="P1"))
    assert names(practice) == {("New Consult", ""): "", ("New Consult", "Nose"): "Surgical Consult"}


def test_what_the_list_names_no_longer_is_marked_and_comes_back(practice):
    listed(practice, Named("Lunch", external_id="2"), Named("Botox", external_id="3"))
    assert listed(practice, Named("Lunch", external_id="2")).gone == 1
    assert type_named(practice, "Botox").gone_at
    assert listed(practice, Named("Lunch", external_id="2"), Named("Botox", external_id="3")).back == 1
    assert type_named(practice, "Botox").gone_at is None


def test_an_empty_list_is_a_fault_of_the_emr_and_marks_nothing(practice):
    listed(practice, Named("Lunch", external_id="2"))
    assert not listed(practice)
    assert type_named(practice, "Lunch").gone_at is None


def test_what_only_events_named_is_not_gone(practice):
    learn(practice, "emr", [Named("Facial")], offers_online=False)
    listed(practice, Named("Lunch", external_id="2"))
    assert type_named(practice, "Facial").gone_at is None


def test_what_other_practices_confirmed_is_evidence_by_name_only(practice):
    for number in range(4):
        other = Practice.objects.create(slug=f"o{number}", name=f"Other {number}", kind="plastic_surgery")
        AppointmentType.objects.create(
            practice=other,
            connection_key="x",
            name="Zentara  Visit",
            category="Surgical Consult",
            confirmed_at=NOW,
        )
    learn(practice, "emr", [Named("zentara visit")], offers_online=False)
    row = type_named(practice, "zentara visit")
    assert row.suggested == "Surgical Consult"
    assert "4 of 4 practices" in row.reason
    assert "Other" not in row.reason


def test_modmed_is_asked_for_its_types(modmed, firm):
    pulling.set_up()
    [claimed] = pulling.claim(10)
    assert pulling.claim(10) == []
    profile = load_profile(modmed.practice_id)
    assert pulling.pull(claimed, profile).new > 5
    row = TypePull.objects.for_practice(modmed.practice_id).get()
    assert (row.error, row.types > 5, row.next_at > timezone.now() + timedelta(hours=23)) == ("", True, True)
    assert not AppointmentType.objects.for_practice(modmed.practice_id).filter(listed_at=None).exists()


def test_nextech_is_asked_for_types_times_purposes(nextech, office):
    pulling.set_up()
    taken = pulling.pull(pulling.claim(1)[0], load_profile(nextech.practice_id))
    pairs = {(kind.name, purpose) for kind in cast.TYPES for purpose in ("", *kind.purposes)}
    assert taken.new == len(pairs)
    rows = AppointmentType.objects.for_practice(nextech.practice_id)
    assert all("Online Appointment" in row.choices for row in rows)


def test_patientnow_is_asked_for_types_with_their_class(clinic):
    pulling.set_up()
    pulling.pull(pulling.claim(1)[0], load_profile(clinic.practice.pk))
    rows = AppointmentType.objects.for_practice(clinic.practice)
    assert {row.type_class for row in rows} >= {"Appointment"}
    assert all("Online Appointment" not in row.choices for row in rows)


def test_an_emr_that_refuses_its_list_is_asked_again_in_an_hour_and_the_page_says_why(modmed, firm):
    modmed.credentials = {"username": "fhir_x", "password": "wrong", "api_key": "key-1"}
    modmed.save()
    pulling.set_up()
    assert not pulling.pull(pulling.claim(1)[0], load_profile(modmed.practice_id))
    row = TypePull.objects.for_practice(modmed.practice_id).get()
    assert row.error
    assert row.pulled_at is None
    assert row.next_at < timezone.now() + timedelta(hours=2)


def test_new_credentials_have_the_list_read_at_once_although_the_old_ones_were_still_being_tried(
    modmed, firm
):
    pulling.set_up()
    [claimed] = pulling.claim(1)
    before = load_profile(modmed.practice_id).connections[modmed.pk]
    wrong = replace(before, credentials={**before.credentials, "password": "wrong"})
    credentials_changed(modmed.pk)
    profile = load_profile(modmed.practice_id)
    assert not pulling.pull(claimed, replace(profile, connections={modmed.pk: wrong}))
    row = TypePull.objects.for_practice(modmed.practice_id).get()
    assert row.error == ""
    assert [one.connection_id for one in pulling.claim(1)] == [modmed.pk]


def test_how_often_types_are_booked_is_summed_up_from_the_visits(clinic: Clinic):
    who = clinic.patient()
    clinic.take(clinic.booked(who, type="Botox", days=4), clinic.booked(who, type="Botox", days=9))
    past = clinic.take(clinic.booked(who, type="Botox"))
    rows = Visit.objects.for_practice(clinic.practice)
    days = sorted(rows.values_list("visit_on", flat=True))
    today = timezone.localdate()
    Visit.objects.for_practice(clinic.practice).filter(visit_on=days[0]).update(visit_on=date(2026, 1, 5))
    Visit.objects.for_practice(clinic.practice).exclude(visit_on=date(2026, 1, 5)).update(
        visit_on=today + timedelta(days=2)
    )
    assert past is not None
    use.refresh(clinic.practice)
    row = type_named(clinic.practice, "Botox")
    assert (row.times_seen, row.last_on) == (3, date(2026, 1, 5))
    assert row.next_on == today + timedelta(days=2)


def test_types_that_only_visits_name_are_learned_too(clinic: Clinic):
    clinic.take(clinic.booked(clinic.patient(), type="Botox"))
    AppointmentType.objects.for_practice(clinic.practice).filter(name="Botox").delete()
    use.refresh(clinic.practice)
    assert type_named(clinic.practice, "Botox").times_seen == 1


def test_types_of_a_practice_file_get_their_suggestion_too(clinic: Clinic):
    row = AppointmentType.objects.create(practice=clinic.practice, connection_key="pnow", name="Lunch")
    use.refresh(clinic.practice)
    row.refresh_from_db()
    assert (row.suggested, row.category) == ("Blocked", "")
