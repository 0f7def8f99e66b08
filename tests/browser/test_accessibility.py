"""Every page with axe-core, at a desk and on a phone, light and dark; and no page scrolls sideways."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from integrations.sandbox.demo.practices import demo_practices
from tests.admin.conftest import World, make_world
from tests.browser.conftest import NARROW, WIDE, in_a_thread
from tests.browser.walk import SIGNED_OUT, pages
from tests.demo.conftest import work

BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LEVELS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
EVERYTHING = {"runOnly": LEVELS, "resultTypes": ["violations"]}
COLOURS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
# As the staff pages' own switch does it, without waiting for colours to fade over.
NIGHT = """
document.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important }</style>");
document.documentElement.classList.add("dark");
"""
WRONG = """
document.body.insertAdjacentHTML("beforeend", `<main><img src="data:,"><input type="text">
  <p style="color: #ccc; background: #fff">Too dim by day</p><p style="width: 900px">Too wide</p>
  <style>.dark #night { color: #222 } #night { background: #000; color: #fff }</style>
  <p id="night">Too dim at night</p></main>`);
"""


def violations(page: Page, options: dict[str, Any] = EVERYTHING) -> list[str]:
    """What hinders somebody on the open page: rule, then each element."""
    found: dict[str, Any] = Axe().run(page, options=options).response
    return [
        f"{one['id']}: {node['html'][:200]} | {node['target']} | {node['failureSummary'][-220:]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def look_at(page: Page, address: str) -> list[str]:
    """What is wrong with one page: everything by day, colours by night as well, and whether it is too wide."""
    page.emulate_media(color_scheme="light")
    page.goto(address)
    wrong = violations(page)
    beyond = page.evaluate(BEYOND)
    wrong += [f"scrolls sideways by {beyond} px"] if beyond > 0 else []
    page.emulate_media(color_scheme="dark")
    page.evaluate(NIGHT)
    return wrong + [f"dark: {one}" for one in violations(page, COLOURS)]


@pytest.fixture
def world(running, boss) -> World:
    """The demo, worked off, and beside it a practice with one row of everything."""
    in_a_thread(work)
    return make_world("lakeside", boss)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_can_be_used_by_everybody_and_fits(world, running, open_tab, boss, size):
    account = demo_practices()["harbor"].crm_ids[0]
    contact = running.contacts(account, 1)[0]["id"]
    tab, stranger = open_tab(boss, size), open_tab(None, size)
    wrong = {name: look_at(tab, path) for name, path in pages(world, boss, contact, account)}
    wrong |= {name: look_at(stranger, path) for name, path in SIGNED_OUT.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_looks_notice_what_is_wrong(open_tab, live_server):
    tab = open_tab(None, NARROW)
    tab.goto("/login/")
    tab.evaluate(WRONG)
    found = " ".join(violations(tab))
    assert all(rule in found for rule in ("image-alt", "label", "color-contrast"))
    assert tab.evaluate(BEYOND) > 0
    tab.evaluate(NIGHT)
    by_day, by_night = violations(tab, COLOURS)
    assert "Too dim by day" in by_day
    assert "Too dim at night" in by_night
