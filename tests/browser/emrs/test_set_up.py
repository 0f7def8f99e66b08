"""From nothing to live in a real Chromium: a plastic surgery on ModMed."""

import re

from playwright.sync_api import Page, expect

from integrations.models import Connection
from integrations.sync.provision import carry_on_provisioning
from tenants.models import Practice, PracticeState
from tests.browser.conftest import in_a_thread
from tests.polling.offices import CRM_ID, TOKEN, people_at, poll_and_work, visit_at


def main(tab: Page):
    return tab.locator("#main")


def test_a_practice_goes_from_nothing_to_live(tab, crm, firm):
    tab.goto("/setup/")
    tab.locator("#id_name").fill("Bluestone Plastic Surgery")
    tab.locator("#id_kind").select_option("plastic_surgery")
    tab.locator("#id_country").select_option("US")
    tab.locator("#id_time_zone").select_option("America/New_York")
    tab.get_by_role("button", name="Add the practice").click()

    tab.get_by_role("button", name="Choose ModMed").click()
    expect(main(tab)).to_contain_text("Request to ModMed Practice Solutions")
    for _ in range(tab.locator(".axw-tick:not(.is-on)").count()):
        left = tab.locator(".axw-tick:not(.is-on)").count()
        tab.locator(".axw-tick:not(.is-on)").first.click()
        expect(tab.locator(".axw-tick:not(.is-on)")).to_have_count(left - 1)
    tab.get_by_role("link", name="Enter the credentials").click()

    tab.locator("[name=base_url]").fill(firm.base_url)
    tab.locator("[name=credential_username]").fill("fhir_x")
    tab.locator("[name=credential_api_key]").fill("key-1")
    tab.locator("[name=credential_password]").fill("wrong")
    tab.get_by_role("button", name="Save and test").click()
    expect(main(tab)).to_contain_text("Not everything works")
    tab.locator("[name=credential_password]").fill("pw")
    tab.get_by_role("button", name="Save and test").click()
    expect(main(tab)).to_contain_text("Everything works")

    tab.get_by_role("link", name="Next: Locations").click()
    tab.get_by_role("button", name="Pull from ModMed").click()
    expect(main(tab)).to_contain_text("locations in the EMR: added")

    tab.get_by_role("link", name="Next: CRM sub-accounts").click()
    tab.locator("[name=crm_subaccount_id]").fill(CRM_ID)
    tab.locator("[name=token]").fill(TOKEN)
    tab.get_by_role("button", name="Save and test").click()
    tab.get_by_role("button", name="Make the").click()
    expect(main(tab)).to_contain_text("Making custom fields")
    expect(tab.locator(".axw-plan")).to_contain_text("Missing")
    in_a_thread(carry_on_provisioning)
    # The bar moves by itself, and the list below it is read again.
    expect(main(tab).get_by_text(re.compile(r"^\d+ made\.$"))).to_be_visible()
    expect(tab.locator(".axw-plan")).not_to_contain_text("Missing")
    expect(tab.get_by_role("button", name="Make the")).to_have_count(0)

    # With one sub-account nobody has to say where locations go.
    tab.get_by_role("link", name="Next: Stages").click()
    expect(tab.get_by_text("proposed", exact=True)).to_have_count(10)
    tab.get_by_role("button", name="Confirm and save").click()
    tab.get_by_role("button", name="Save and go on").click()

    tab.get_by_role("button", name="Pull from ModMed").click()
    tab.get_by_role("link", name="Confirm the types").click()
    choices = tab.locator("#result_list select[name$=-category]")
    expect(choices.first).to_be_visible()
    for choice in choices.all():
        choice.select_option("Surgical Consult")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Save").click()

    practice = Practice.objects.across_practices().get()
    tab.goto(f"/setup/{practice.slug}/test-event/")
    people_at(firm, 2)
    visit_at(firm, 1)
    tab.get_by_role("button", name="Look ahead").click()
    expect(tab.locator("#ahead")).to_contain_text("Rhinoplasty Consult")
    connection = Connection.objects.for_practice(practice).get()
    in_a_thread(lambda: poll_and_work(connection))
    visit_at(firm, 2, person=1)
    in_a_thread(lambda: poll_and_work(connection))
    # It looks again by itself.
    expect(tab.locator("#arrived")).to_contain_text("held")

    tab.goto(f"/setup/{practice.slug}/go-live/")
    expect(main(tab)).to_contain_text("Ready")
    tab.get_by_role("button", name="Go live", exact=True).click()
    expect(main(tab)).to_contain_text("is live")
    practice.refresh_from_db()
    assert practice.state == PracticeState.LIVE
