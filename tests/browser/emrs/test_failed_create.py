"""A patient who was not created, in a real Chromium."""

from playwright.sync_api import expect

from integrations.models import CreateState
from tests.browser.conftest import in_a_thread


def test_a_failed_create_is_tried_again_from_its_page(modmed, tab):
    contact_id = modmed.ask(without=["gender"])
    tab.goto("/integrations/createrequest/")
    tab.get_by_role("link", name="Nora Vance").first.click()
    expect(tab.get_by_role("status")).to_contain_text("Gender is missing.")
    modmed.edit(contact_id, native={"gender": "female"})
    tab.get_by_role("button", name="Retry").click()
    expect(tab.locator("body")).to_contain_text("tried again")
    in_a_thread(modmed.work)
    tab.goto(f"/integrations/createrequest/{modmed.request.pk}/change/")
    expect(tab.locator(".ax-head .ax-label")).to_have_text("Created")
    expect(tab.locator("body")).to_contain_text(f"Created as patient {modmed.request.external_id}.")
    assert modmed.request.state == CreateState.CREATED
