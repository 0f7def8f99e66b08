"""The demo's four practices behind a live server, and a Chromium whose pages must not complain."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from tenants.models import User
from tests.demo.conftest import running, sandbox

__all__ = ["running", "sandbox"]

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
WIDE, NARROW = (1440, 900), (390, 844)
# Generous: the machines that run this have two cores and other things to do.
PATIENCE_MS, USUAL_MS = 20_000, 5_000
OpenTab = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser and commits to the database."""
    for item in items:
        if "tests.browser" in getattr(getattr(item, "module", None), "__name__", ""):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(not CHROMIUM, reason="no Chromium found"))
            item.add_marker(pytest.mark.django_db(transaction=True))


# Not for the whole session: while Playwright runs, this thread counts as an asynchronous one, which other folders'
# tests could not work in.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
    expect.set_options(timeout=USUAL_MS)
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def boss(request: pytest.FixtureRequest) -> User:
    """An administrator of the company."""
    request.getfixturevalue("transactional_db")
    return User.objects.create_superuser("boss@example.com", name="Bo Boss")


class Watch:
    """What pages complained about: errors of scripts, and answers that are no pages."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"error in a script: {error}"))
        page.on("console", self._said)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # What was answered is heard as a response already.
        if message.type == "error" and "the server responded with a status" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} for {response.url}")


@pytest.fixture
def open_tab(chromium: Browser, live_server) -> Iterator[OpenTab]:
    """Opens a page for somebody (nobody: a stranger); at the end no page may have complained."""
    watch, opened = Watch(), []

    def open_one(who: User | None = None, size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        if who is not None:
            context.add_cookies([session_of(who, live_server.url)])
        opened.append(context)
        page = context.new_page()
        watch.listen(page)
        return page

    yield open_one
    for context in opened:
        context.close()
    assert watch.complaints == []


def session_of(who: User, url: str) -> dict[str, str]:
    """The cookie of somebody who signed in already."""
    client = Client()
    client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}


@pytest.fixture
def tab(open_tab: OpenTab, boss: User) -> Page:
    """A wide page of the administrator."""
    return open_tab(boss)


def in_a_thread(do: Callable[[], object]) -> None:
    """Database work while the tab goes on asking."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:
            wrong.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if wrong:
        raise wrong[0]
