"""A whole review in a real Chromium, by the keyboard alone; and the page at a desk and on a phone."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from categorization.models import AppointmentType, SignOff
from tenants.models import Practice, User
from tests.review.conftest import AGREED, PASSWORD, confirmed, make_type

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Elements whose own words do not fit into them.
CLIPPED = """
[...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  return !one.closest("[hidden], .rv-unseen") && !one.children.length && one.textContent.trim()
    && style.display !== "inline" && one.getClientRects().length && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.textContent.trim())
"""
# Words and the ground they stand on: pairs whose contrast is below what WCAG AA asks.
TOO_DIM = """
(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  for (const one of document.querySelectorAll("body *")) {
    const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || one.disabled || !one.getClientRects().length) continue;
    const [a, b] = [light(channels(getComputedStyle(one).color)), light(ground(one))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.add(`${one.className || one.tagName}: ${contrast.toFixed(2)}`);
  }
  return [...bad];
})()
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium found"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, which makes Django think that it runs inside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    """An empty tab, which at the end must not have complained."""
    complaints: list[str] = []
    tab = chromium.new_page(viewport=WIDE)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield tab
    assert complaints == []


def sign_in(tab: Page, url: str) -> None:
    """By the keyboard."""
    tab.goto(f"{url}/review/")
    # Without scripts a browser gives the focus to no field by itself.
    tab.locator("#id_username").focus()
    tab.keyboard.type("rita@example.com")
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/review/bluestone/")


def types(practice: Practice, number: int) -> None:
    """Every third without a suggestion to agree with."""
    for at in range(number):
        unsure = {"suggested": "", "confidence": 0.0, "reason": "nothing known of it"} if at % 3 == 2 else {}
        make_type(practice, name=f"Type {at:02}", times_seen=number - at, **unsure)


def focused(tab: Page) -> str:
    """The type whose row has the focus, or else the id of what has it."""
    return str(
        tab.evaluate(
            "document.activeElement.matches('[data-row]')"
            " ? document.activeElement.querySelector('.rv-type strong').textContent : document.activeElement.id"
        )
    )


def test_sixty_types_are_reviewed_and_signed_by_the_keyboard_alone(
    tab: Page, live_server, practice: Practice, reviewer: User
) -> None:
    types(practice, 60)
    tab.goto(f"{live_server.url}/review/")
    expect(tab.locator("#id_username")).to_be_focused()
    sign_in(tab, live_server.url)
    expect(tab.locator("#rv-hint")).to_be_visible()
    tab.keyboard.press("ArrowDown")
    for at in range(60):
        assert focused(tab) == f"Type {at:02}"
        tab.keyboard.press("7" if at % 3 == 2 else "Enter")
    expect(tab.locator("#rv-progress")).to_contain_text("60 of 60 reviewed", timeout=60_000)
    assert focused(tab) == "sign-off"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator("#sign-off")).to_contain_text("Signed off by Rita Reviewer")
    rows = AppointmentType.objects.for_practice(practice)
    assert rows.filter(category=AGREED, confirmed_by=reviewer).count() == 40
    assert rows.filter(category="Blocked", confirmed_via="review").count() == 20
    assert SignOff.objects.for_practice(practice).get().types == 60


def test_the_arrows_go_from_row_to_row_and_tab_goes_on_to_the_buttons(
    tab: Page, live_server, practice: Practice, reviewer: User
) -> None:
    types(practice, 3)
    sign_in(tab, live_server.url)
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    assert focused(tab) == "Type 02"
    tab.keyboard.press("ArrowUp")
    assert focused(tab) == "Type 01"
    style = "getComputedStyle(document.activeElement)"
    ring = f"{style}.outlineStyle + {style}.outlineWidth"
    assert tab.evaluate(ring) == "solid3px"
    inside = "document.activeElement.closest('[data-row]').querySelector('strong').textContent"
    for what in ("INPUT", "BUTTON", "SUMMARY"):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.tagName") == what
        assert tab.evaluate(inside) == "Type 01"
        assert tab.evaluate(ring) == "solid3px"
    tab.keyboard.press("Enter")
    expect(tab.locator(".rv-choices[open] .rv-menu button")).to_have_count(7)
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    expect(tab.locator("#rv-progress")).to_contain_text("1 of 3 reviewed")
    assert (
        AppointmentType.objects.for_practice(practice).get(name="Type 01").category == "Surgical Appointment"
    )
    assert focused(tab) == "Type 02"


def test_a_confirmed_type_asks_before_it_changes_by_the_keyboard_too(
    tab: Page, live_server, practice: Practice, reviewer: User
) -> None:
    row = confirmed(practice, reviewer, name="Peel")
    sign_in(tab, live_server.url)
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("1")
    expect(tab.locator(".rv-change")).to_contain_text("4 contacts would move")
    expect(tab.locator("[data-first]")).to_be_focused()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator(f"#type-{row.pk} .rv-confirmed")).to_contain_text("Surgical Consult")
    expect(tab.locator(f"#type-{row.pk}")).to_be_focused()
    assert not practice.category_batches.get().moves_contacts
    tab.click("#rv-undo button")
    tab.wait_for_url(f"**/review/bluestone/#type-{row.pk}")
    expect(tab.locator(f"#type-{row.pk} .rv-confirmed")).to_contain_text(AGREED)
    expect(tab.locator(f"#type-{row.pk}")).to_be_focused()


def test_fast_clicks_are_all_saved(tab: Page, live_server, practice: Practice, reviewer: User) -> None:
    types(practice, 9)
    sign_in(tab, live_server.url)
    tab.evaluate("document.querySelectorAll('[data-agree]').forEach((button) => button.click())")
    expect(tab.locator("#rv-progress")).to_contain_text("6 of 9 reviewed")
    expect(tab.locator("#rv-agree")).to_be_hidden()
    expect(tab.locator(".rv-row.is-confirmed")).to_have_count(6)


def test_unticking_is_counted_and_kept(tab: Page, live_server, practice: Practice, reviewer: User) -> None:
    types(practice, 3)
    sign_in(tab, live_server.url)
    expect(tab.locator("#rv-ticked")).to_have_text("2")
    tab.locator("input[name=agree]").first.uncheck()
    expect(tab.locator("#rv-ticked")).to_have_text("1")
    tab.click("#rv-agree button")
    expect(tab.locator("#rv-progress")).to_contain_text("1 of 3 reviewed")


def test_without_scripts_every_type_is_reviewed_as_well(
    chromium: Browser, live_server, practice: Practice, reviewer: User
) -> None:
    types(practice, 2)
    tab = chromium.new_context(java_script_enabled=False, viewport=NARROW).new_page()
    sign_in(tab, live_server.url)
    assert not tab.locator("#rv-hint").is_visible()
    tab.click("#rv-rows summary >> nth=0")
    tab.click("[data-number='7'] >> nth=0")
    expect(tab.locator("#rv-progress")).to_contain_text("1 of 2 reviewed")
    tab.click("[data-agree] >> nth=0")
    expect(tab.locator("#rv-progress")).to_contain_text("2 of 2 reviewed")
    tab.click("#sign-off button")
    expect(tab.locator("#sign-off")).to_contain_text("Signed off by Rita Reviewer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_fits_its_window_and_can_be_read(
    tab: Page, live_server, practice: Practice, reviewer: User, size, scheme: str
) -> None:
    types(practice, 4)
    long = "Consult for a very long appointment type that some practice really uses 45 min with numbing"
    make_type(practice, name=long, purpose="Follow-up/injection/Touch-up", confidence=0.3)
    confirmed(practice, reviewer, name="Peel")
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    tab.set_viewport_size(size)
    for path in ("/review/sign-in/", "/review/forgotten/"):
        tab.goto(live_server.url + path)
        assert (tab.evaluate(BEYOND), tab.evaluate(TOO_DIM)) == (0, [])
    sign_in(tab, live_server.url)
    tab.locator("summary").nth(1).click()
    tab.click("[data-number='7'] >> visible=true")
    expect(tab.locator("#rv-undo")).to_contain_text("counts as Blocked")
    tab.locator(".is-confirmed summary").last.click()
    tab.click("[data-number='1'] >> visible=true")
    expect(tab.locator(".rv-change")).to_be_visible()
    tab.locator("summary").first.click()
    expect(tab.locator("h1")).to_have_count(1)
    assert tab.evaluate(BEYOND) == 0
    assert [words for words in tab.evaluate(CLIPPED) if "counts as" not in words] == []
    assert tab.evaluate(TOO_DIM) == []


def test_on_a_phone_each_type_is_a_card(tab: Page, live_server, practice: Practice, reviewer: User) -> None:
    types(practice, 2)
    tab.set_viewport_size(NARROW)
    sign_in(tab, live_server.url)
    expect(tab.locator(".rv-names")).to_be_hidden()
    boxes = [one.bounding_box() for one in tab.locator("[data-row]").all()]
    assert all(box and box["x"] >= 12 and box["x"] + box["width"] <= 378 for box in boxes)
    for button in tab.locator("[data-row] .rv-button").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 44
    tab.click(".rv-to-legend")
    expect(tab.locator("#legend h2")).to_be_in_viewport()
