"""Each step alone: what it shows, what it keeps, and what it says when something is wrong."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.admin import polls
from integrations.contract.errors import TransientError
from integrations.contract.manifest import Manifest
from integrations.models import (
    Connection,
    LocationRoute,
    Opportunity,
    Pipeline,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.sync.categories import pulling
from integrations.sync.golive import TESTED
from integrations.sync.provision import carry_on_provisioning
from integrations.views.setup import emr, mappings
from integrations.views.setup.forms import free_slug, zone_choices
from tenants.models import Location, Practice
from tests.polling.offices import CRM_ID, TOKEN, Crm
from tests.setup.conftest import Press, boxes, url, words

pytestmark = pytest.mark.django_db

NEW = {"name": "Lake Side", "slug": "", "kind": "med_spa", "country": "US", "time_zone": "America/Chicago"}


def account(practice: Practice, key: str = "main", **values: Any) -> SubAccount:
    made: SubAccount = SubAccount.objects.create(
        practice=practice,
        key=key,
        **{"crm_subaccount_id": CRM_ID, "token": TOKEN, "is_default": True, **values},
    )
    return made


def connection(practice: Practice, emr: str = "modmed", **values: Any) -> Connection:
    made: Connection = Connection.objects.create(
        practice=practice, key=emr.replace("_", "-"), emr=emr, **values
    )
    return made


# --- practice ---------------------------------------------------------------------------------------------------


def test_a_short_name_is_made_and_is_never_that_of_another(staff: Client, practice: Practice) -> None:
    for expected in ("lake-side", "lake-side-2"):
        staff.post("/setup/", NEW)
        assert Practice.objects.across_practices().filter(slug=expected).exists()
    page = staff.post("/setup/", {**NEW, "slug": "lakeview"})
    assert '"lakeview" is taken' in words(page)


def test_what_is_missing_of_a_practice_is_said(staff: Client, practice: Practice) -> None:
    page = staff.post("/setup/", {**NEW, "name": "", "time_zone": "Mars/Base"})
    assert "Enter the name of the practice" in words(page)
    assert "Mars/Base" in words(page)
    assert Practice.objects.across_practices().count() == 1


def test_a_short_name_that_is_an_address_of_ours_is_not_given(practice: Practice) -> None:
    every = Practice.objects.across_practices()
    assert free_slug("New", every, "slug") == "new-2"
    assert free_slug("…", every, "slug") == "practice"
    assert free_slug("Lakeview", every, "slug") == "lakeview-2"


def test_a_time_zone_from_elsewhere_stays_offered() -> None:
    assert ("Other", [("Asia/Tokyo", "Asia/Tokyo")]) in zone_choices("Asia/Tokyo")
    assert "Other" not in [label for label, _ in zone_choices("America/Denver")]


def test_the_practice_is_changed_and_its_short_name_stays(press: Press, practice: Practice) -> None:
    press("practice", name="Lakeview Clinic", slug="other", kind="med_spa")
    practice.refresh_from_db()
    assert (practice.name, practice.slug, practice.kind) == ("Lakeview Clinic", "lakeview", "med_spa")


def test_a_refused_name_does_not_show_as_if_it_were_so(press: Press, practice: Practice) -> None:
    page = press("practice", name="")
    assert "Lakeview: Practice" in page.content.decode()


# --- EMR --------------------------------------------------------------------------------------------------------


def test_every_emr_is_a_card_and_a_med_spa_one_is_not_for_surgeons(staff: Client, practice: Practice) -> None:
    page = staff.get(url(practice, "emr"))
    assert "ModMed" in words(page)
    assert "AestheticsPro knows no surgical pipeline" in words(page)
    page = staff.post(url(practice, "emr"), {"emr": "aestheticspro"}, follow=True)
    assert "knows no surgical pipeline" in words(page)
    assert not Connection.objects.for_practice(practice).exists()


def test_a_practice_with_both_may_have_it_and_is_told(staff: Client, practice: Practice) -> None:
    practice.kind = "plastic_surgery_med_spa"
    practice.save()
    assert "for the med spa's side" in words(staff.get(url(practice, "emr")))
    staff.post(url(practice, "emr"), {"emr": "aestheticspro"})
    assert Connection.objects.for_practice(practice).get().emr == "aestheticspro"


def test_a_second_one_gets_a_key_of_its_own(staff: Client, practice: Practice) -> None:
    for _ in range(2):
        staff.post(url(practice, "emr"), {"emr": "modmed"})
    assert {row.key for row in Connection.objects.for_practice(practice)} == {"modmed", "modmed-2"}


def test_an_emr_that_is_none_is_refused_in_words(staff: Client, practice: Practice) -> None:
    assert "Choose one of the EMRs" in words(staff.post(url(practice, "emr"), {"emr": "paper"}, follow=True))


def test_an_emr_chosen_by_mistake_is_removed_until_something_arrived(
    staff: Client, practice: Practice
) -> None:
    row = connection(practice)
    staff.post(url(practice, "emr"), {"remove": row.key})
    assert not Connection.objects.for_practice(practice).exists()
    row = connection(practice)
    row.patients.create(practice=practice, external_id="1")
    page = staff.post(url(practice, "emr"), {"remove": row.key}, follow=True)
    assert "pause it instead" in words(page)
    assert Connection.objects.for_practice(practice).exists()


def test_an_item_is_ticked_and_taken_back(staff: Client, practice: Practice) -> None:
    row = connection(practice, ticks={TESTED: {"by": "x", "at": "2026-01-01T00:00:00+00:00"}})
    page = staff.post(url(practice, "emr"), {"tick": "modmed/api_key", "on": "1"}, follow=True)
    assert "Ticked by olive" in words(page)
    staff.post(url(practice, "emr"), {"tick": "modmed/api_key", "on": "0"})
    row.refresh_from_db()
    assert set(row.ticks) == {TESTED}


def test_what_two_people_tick_at_once_is_ticked(staff: Client, practice: Practice, monkeypatch) -> None:
    row = connection(practice)
    really = emr.manifest_of

    def another_ticks_meanwhile(found: Connection) -> Manifest:
        Connection.objects.for_practice(practice).filter(pk=row.pk).update(ticks={"other": {"by": "Eve"}})
        return really(found)

    monkeypatch.setattr(emr, "manifest_of", another_ticks_meanwhile)
    staff.post(url(practice, "emr"), {"tick": "modmed/api_key", "on": "1"})
    row.refresh_from_db()
    assert set(row.ticks) == {"other", "api_key"}


@pytest.mark.parametrize("tick", ["modmed/credentials_tested", "other/api_key", "modmed", ""])
def test_nobody_ticks_what_is_no_item(staff: Client, practice: Practice, tick: str) -> None:
    row = connection(practice)
    for step in ("emr", "go-live"):
        assert staff.post(url(practice, step), {"tick": tick, "on": "1"}).status_code == 404
    row.refresh_from_db()
    assert row.ticks == {}


# --- credentials ------------------------------------------------------------------------------------------------


def test_without_an_emr_the_later_steps_say_what_comes_first(staff: Client, practice: Practice) -> None:
    for step in ("credentials", "categories", "test-event"):
        assert "Choose the EMR first" in words(staff.get(url(practice, step))), step
    for step in ("stages", "workflows"):
        assert "Enter the sub-account first" in words(staff.get(url(practice, step))), step


def test_credentials_are_saved_never_shown_and_kept_when_left_empty(press: Press, practice: Practice) -> None:
    row = connection(practice, switches={"sync_address": False})
    typed = {
        "credential_username": "fhir_x",
        "credential_password": "hush-hush",
        "credential_api_key": "key-1",
    }
    page = press("credentials", save="1", **typed)
    assert "hush-hush" not in page.content.decode()
    press("credentials", save="1", credential_firm_url_prefix="lakeview")
    row.refresh_from_db()
    assert row.credentials["password"] == "hush-hush"
    assert row.credentials["firm_url_prefix"] == "lakeview"
    assert row.switches == {"sync_address": False}


def test_a_missing_credential_is_named_at_its_box(press: Press, practice: Practice) -> None:
    connection(practice)
    assert "API key is needed" in words(press("credentials", test="1"))


def test_ticks_and_workflow_names_are_not_lost_on_the_credentials_step(
    press: Press, practice: Practice
) -> None:
    row = connection(
        practice,
        ticks={"api_key": {"by": "x", "at": "2026-01-01T00:00:00+00:00"}},
        workflow_names={"ModMed Birthday": "Birthday wishes"},
    )
    press(
        "credentials", save="1", credential_api_key="key-1", credential_username="u", credential_password="p"
    )
    row.refresh_from_db()
    assert row.ticks["api_key"]["by"] == "x"
    assert row.workflow_names == {"ModMed Birthday": "Birthday wishes"}


def test_a_webhook_emr_shows_its_address_and_makes_a_secret_once(staff: Client, practice: Practice) -> None:
    practice.kind = "med_spa"
    practice.save()
    row = connection(practice, "aestheticspro")
    page = staff.get(url(practice, "credentials"))
    assert row.webhook_url in page.content.decode()
    page = staff.post(url(practice, "credentials"), {"new_secret": "1"})
    row.refresh_from_db()
    secret = row.credential("header_secret")
    assert secret
    assert secret in page.content.decode()
    assert secret not in staff.get(url(practice, "credentials")).content.decode()


def test_an_emr_that_sends_no_secret_gets_none(staff: Client, practice: Practice) -> None:
    row = connection(practice)
    page = staff.post(url(practice, "credentials"), {"new_secret": "1"}, follow=True)
    assert "sends no secret" in words(page)
    row.refresh_from_db()
    assert row.credentials == {}


# --- locations --------------------------------------------------------------------------------------------------


def test_locations_are_typed_with_their_time_zones(press: Press, practice: Practice) -> None:
    values = {
        "places-0-name": "Downtown",
        "places-0-external_id": "827",
        "places-0-time_zone": "America/Denver",
    }
    press("locations", **values)
    row = Location.objects.for_practice(practice).get()
    assert (row.name, row.external_id, row.time_zone) == ("Downtown", "827", "America/Denver")
    page = press("locations", **{"places-1-name": "Uptown", "places-1-external_id": "827"})
    assert "Another location of this practice has that id" in words(page)
    page = press("locations", **{"places-1-name": "Uptown", "places-1-external_id": ""})
    assert "This field is required" in words(page)
    assert Location.objects.for_practice(practice).count() == 1


def test_a_location_of_another_practice_cannot_be_reached_through_the_form(
    staff: Client, practice: Practice
) -> None:
    other = Practice.objects.create(slug="elsewhere", name="Elsewhere", kind="med_spa")
    theirs = Location.objects.create(practice=other, name="Theirs", external_id="1")
    data = {
        "places-TOTAL_FORMS": "1",
        "places-INITIAL_FORMS": "1",
        "places-0-id": str(theirs.pk),
        "places-0-name": "Taken",
        "places-0-external_id": "1",
    }
    staff.post(url(practice, "locations"), data)
    theirs.refresh_from_db()
    assert (theirs.name, theirs.practice) == ("Theirs", other)


def test_an_emr_that_does_not_answer_is_said_on_the_page(
    staff: Client, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise TransientError("ModMed could not answer.")

    connection(practice)
    for module in (polls, pulling):
        monkeypatch.setattr(module, "client_for", fail)
    for step in ("locations", "categories"):
        page = staff.post(url(practice, step), {"pull": "modmed"}, follow=True)
        assert "ModMed could not answer" in words(page), step


def test_an_emr_without_a_list_of_locations_says_so(staff: Client, practice: Practice) -> None:
    connection(practice, "aestheticspro")
    assert "cannot list its locations" in words(staff.get(url(practice, "locations")))
    assert staff.post(url(practice, "locations"), {"pull": "aestheticspro"}).status_code == 404


# --- sub-accounts -----------------------------------------------------------------------------------------------


def test_a_wrong_token_is_marked_at_its_box(press: Press, practice: Practice, crm: Crm) -> None:
    page = press("sub-accounts", crm_subaccount_id=CRM_ID, token="pit-wrong")
    assert "Not everything works" in words(page)
    assert "Look at this one" in words(page)
    row = SubAccount.objects.for_practice(practice).get()
    assert row.fields_fetched_at is None


def test_an_address_may_be_pasted_for_the_location_id(press: Press, practice: Practice, crm: Crm) -> None:
    connection(practice)
    page = press(
        "sub-accounts", crm_subaccount_id=f"https://crm.example.com/v2/location/{CRM_ID}/x", token=TOKEN
    )
    assert "the CRM answers" in words(page)
    row = SubAccount.objects.for_practice(practice).get()
    assert (row.crm_subaccount_id, row.is_default, row.key) == (CRM_ID, True, "main")
    assert TOKEN not in page.content.decode()


def test_what_is_missing_of_a_sub_account_is_said(press: Press, practice: Practice) -> None:
    page = press("sub-accounts", crm_subaccount_id="not an id!", token="")
    assert "letters and digits only" in words(page)
    assert "Enter the private integration token" in words(page)


def test_a_second_sub_account_is_added_and_becomes_the_default(
    press: Press, practice: Practice, crm: Crm
) -> None:
    crm.door("POST", "/sub-accounts", {"id": "LOC2", "name": "Second", "token": "pit-two"})
    account(practice)
    page = press("sub-accounts", "?new=1", crm_subaccount_id=CRM_ID, token=TOKEN)
    assert "with that location id already" in words(page)
    page = press("sub-accounts", "?new=1", crm_subaccount_id="LOC2", token="pit-two", key="main")
    assert "of that name already" in words(page)
    press("sub-accounts", "?new=1", crm_subaccount_id="LOC2", token="pit-two", key="north", is_default="on")
    defaults = {row.key: row.is_default for row in SubAccount.objects.for_practice(practice)}
    assert defaults == {"main": False, "north": True}


def test_another_token_has_to_be_tested_again(press: Press, practice: Practice, crm: Crm) -> None:
    row = account(practice, fields_fetched_at=timezone.now())
    press("sub-accounts", token="pit-wrong")
    row.refresh_from_db()
    assert row.fields_fetched_at is None
    assert row.token == "pit-wrong"


def test_fields_wait_for_the_emr(staff: Client, practice: Practice, crm: Crm) -> None:
    account(practice, fields_fetched_at=timezone.now())
    assert "depends on the EMR" in words(staff.get(url(practice, "sub-accounts")))
    page = staff.post(url(practice, "sub-accounts"), {"provision": "1"}, follow=True)
    assert "Choose the EMR first" in words(page)


def test_fields_are_shown_by_what_they_are_and_made_once(staff: Client, practice: Practice, crm: Crm) -> None:
    row = account(practice, fields_fetched_at=timezone.now())
    connection(practice)
    row.custom_fields.create(name="ModMed Appt Date", crm_id="f1", data_type="TEXT")
    page = words(staff.get(url(practice, "sub-accounts")))
    assert "1 of the wrong type" in page
    assert "ModMed Appt Status" in page
    staff.post(url(practice, "sub-accounts"), {"provision": "1"})
    carry_on_provisioning()
    first = crm.api("GET", f"/locations/{CRM_ID}/customFields")["customFields"]
    page = words(staff.get(url(practice, "sub-accounts")))
    assert re.search(r"\b\d+ made\.", page)
    staff.post(url(practice, "sub-accounts"), {"provision": "1"})
    carry_on_provisioning()
    assert "every field is there" in words(staff.get(url(practice, "sub-accounts")))
    assert crm.api("GET", f"/locations/{CRM_ID}/customFields")["customFields"] == first


# --- where locations go -----------------------------------------------------------------------------------------


def test_locations_are_mapped_where_there_are_several_sub_accounts(
    staff: Client, press: Press, practice: Practice
) -> None:
    account(practice)
    row = Location.objects.create(practice=practice, external_id="1", name="Downtown")
    assert "nothing to decide" in words(staff.get(url(practice, "mapping")))
    second = account(practice, "second", crm_subaccount_id="LOC2", is_default=False)
    page = press("mapping", **{f"location_{row.pk}": "nowhere"})
    assert "not one of the available choices" in words(page)
    press("mapping", **{f"location_{row.pk}": "second"})
    assert LocationRoute.objects.for_practice(practice).get().sub_account == second
    press("mapping", **{f"location_{row.pk}": ""})
    assert not LocationRoute.objects.for_practice(practice).exists()


# --- stages and workflows ---------------------------------------------------------------------------------------


def test_a_stage_in_another_pipeline_is_refused(press: Press, practice: Practice, crm: Crm) -> None:
    account(practice)
    connection(practice)
    page = press("stages", stage_surgical_consult_booked="T1")
    assert "stands in another pipeline" in words(page)
    assert not Stage.objects.for_practice(practice).exists()


def test_a_stage_with_contacts_in_it_keeps_a_mapping(press: Press, practice: Practice, crm: Crm) -> None:
    row = account(practice)
    connection(practice)
    press("stages")
    contact = row.contacts.create(crm_id="c1")
    Opportunity.objects.create(contact=contact, pipeline="surgical", stage="Consult Booked", crm_id="o1")
    page = press("stages", stage_surgical_consult_booked="")
    assert "Contacts stand in this stage" in words(page)


def test_saving_stages_leaves_the_sub_account_and_its_workflows_alone(
    press: Press, practice: Practice, crm: Crm
) -> None:
    row = account(practice)
    connection(practice)
    WorkflowMapping.objects.create(sub_account=row, name="ModMed Birthday", crm_id="WF1")
    press("stages")
    row.refresh_from_db()
    assert (row.token, row.is_default, row.pipeline_logic) == (TOKEN, True, "ax_connect")
    assert WorkflowMapping.objects.for_practice(practice).get().crm_id == "WF1"
    assert {row.crm_name for row in Pipeline.objects.for_practice(practice)} == {"Surgical", "Non-Surgical"}
    press("workflows", workflow_modmed_birthday="WF2")
    assert WorkflowMapping.objects.for_practice(practice).get().crm_id == "WF2"
    assert Stage.objects.for_practice(practice).count() == 8


def test_stages_of_several_sub_accounts_come_one_after_the_other(
    press: Press, practice: Practice, crm: Crm
) -> None:
    crm.door("POST", "/sub-accounts", {"id": "LOC2", "name": "Second", "token": "pit-two"})
    account(practice)
    account(practice, "second", crm_subaccount_id="LOC2", token="pit-two", is_default=False)
    page = press("stages")
    assert page.redirect_chain[-1][0].endswith("/stages/?account=second")
    page = press("stages", "?account=second")
    assert page.redirect_chain[-1][0] == url(practice, "workflows")


def test_what_is_mapped_can_be_looked_at_while_the_crm_is_away(
    staff: Client, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(row: SubAccount) -> Any:
        raise TransientError("The CRM does not answer.")

    row = account(practice)
    pipeline = Pipeline.objects.create(sub_account=row, kind="surgical", crm_id="P1", crm_name="Surgical")
    Stage.objects.create(pipeline=pipeline, name="Consult Booked", crm_id="S1")
    monkeypatch.setattr(mappings, "propose", fail)
    page = staff.get(url(practice, "stages"))
    assert "The CRM does not answer" in words(page)
    assert boxes(page)["stage_surgical_consult_booked"] == "S1"


# --- test event -------------------------------------------------------------------------------------------------


def test_a_button_that_the_emr_does_not_offer_is_refused_in_words(staff: Client, practice: Practice) -> None:
    practice.kind = "med_spa"
    practice.save()
    connection(practice, "aestheticspro")
    for button in ({"poll": "1"}, {}):
        page = staff.post(url(practice, "test-event"), button, follow=True)
        assert "offers nothing of the kind" in words(page)
    assert "is not polled" in words(staff.post(url(practice, "test-event"), {"preview": "1"}, follow=True))


def test_a_poll_waits_for_good_credentials(staff: Client, practice: Practice) -> None:
    connection(practice, needs_reauth_since=timezone.now())
    page = staff.post(url(practice, "test-event"), {"poll": "1"}, follow=True)
    assert "enter new ones first" in words(page)


def test_what_arrived_shows_by_itself(staff: Client, practice: Practice) -> None:
    row = connection(practice)
    live = url(practice, "test-event") + "?live=1"
    assert "The first poll comes by itself" in words(staff.get(live))
    row.events.create(practice=practice, kind="appointment", received_at=timezone.now(), state="held")
    page = staff.get(live)
    assert "held" in words(page)
    assert "<html" not in page.content.decode()
