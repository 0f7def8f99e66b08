"""The newcomer's two pages in a real Chromium: no clipped text, nothing beyond the edge, no console errors."""

import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Page, expect, sync_playwright

from integrations.sandbox.demo.practices import demo_practices
from tenants.models import User
from tests.demo.conftest import work

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Elements whose own words do not fit into them.
CLIPPED = """
[...document.querySelectorAll("#content *")].filter((one) => {
  const style = getComputedStyle(one);
  const hidden = one.closest("[hidden], .material-symbols-outlined");
  return !hidden && !one.children.length && one.textContent.trim() && style.display !== "inline"
    && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.textContent.trim())
"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium found"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def tab(running, live_server, monkeypatch) -> Iterator[Page]:
    """A page signed in as an administrator; at the end it must not have complained."""
    # Playwright keeps an event loop in this thread, which makes Django think that it runs inside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    User.objects.create_superuser("boss@example.com", "secret")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        tab = chromium.new_page(viewport=WIDE)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        tab.goto(f"{live_server.url}/login/")
        tab.fill("input[name=username]", "boss@example.com")
        tab.fill("input[name=password]", "secret")
        tab.click("button[type=submit]")
        tab.wait_for_url(f"{live_server.url}/")
        yield tab
        chromium.close()
    assert complaints == []


def in_a_thread(do) -> None:
    """Database work while the tab goes on asking."""

    def run() -> None:
        try:
            do()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.parametrize("path", ["/", "/sandbox/"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_page_fits_its_window(tab, live_server, path, size):
    in_a_thread(work)
    tab.set_viewport_size(size)
    tab.goto(live_server.url + path)
    expect(tab.locator("h1")).to_have_count(1)
    assert tab.evaluate(BEYOND) == 0
    assert tab.evaluate(CLIPPED) == []


def test_a_press_moves_a_card_while_one_looks(tab, live_server):
    in_a_thread(work)
    tab.goto(f"{live_server.url}/sandbox/?account={demo_practices()['harbor'].crm_ids[0]}")
    tab.click("button[value=book_visit]")
    expect(tab.locator("#axs-answers .ax-success")).to_have_count(1)
    in_a_thread(work)
    name = tab.locator("#axs-patients option:checked").inner_text().partition(" (")[0]
    last, first = name.split(", ")
    stages = tab.locator(".axs-stage")
    expect(stages.nth(0)).to_contain_text(f"{first} {last}")
    tab.click("button[value=pay]")
    expect(tab.locator("#axs-answers .ax-success")).to_have_count(2)
    in_a_thread(work)
    expect(stages.nth(1)).to_contain_text(f"{first} {last}")
    tab.click(f".axs-card a:text-is('{first} {last}')")
    expect(tab.locator("h2.ax-title")).to_have_text(f"{first} {last}")
    expect(tab.locator(".ax-note")).to_have_count(2)
    assert tab.evaluate(BEYOND) == 0


def test_the_dashboard_counts_while_one_looks(tab, live_server):
    number = tab.locator("#axd-today .axd-number")
    before = int(number.inner_text())
    tab.evaluate("document.activeElement.blur(); document.getElementById('axd-today').focus()")
    in_a_thread(lambda: press_ping(live_server.url))
    expect(number).to_have_text(str(before + 1), timeout=15_000)
    assert tab.evaluate("document.activeElement.id") == "axd-today"
    assert tab.evaluate(
        "Chart.getChart(document.querySelector('#axd-chart canvas')).data.datasets[1].data.at(-1)"
    )


def press_ping(url: str) -> None:
    """A test ping arrives."""
    from integrations.demo_sender import deliver, desk

    practice = demo_practices()["harbor"]
    for happening in desk(practice).press("ping", "new", None).happenings:
        assert deliver(practice, happening).ok
