"""The guided set-up as a browser meets it: forms filled with what the page holds, against the pretend EMR and CRM."""

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Practice, Role, User
from tests.admin.conftest import person, signed_in
from tests.polling.conftest import crm, firm, office, sandbox

__all__ = ["crm", "firm", "office", "sandbox"]


class _Boxes(HTMLParser):
    """The values that a browser would send: of every box on the page, forms together."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""
        self._first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name") or ""
        if tag == "input" and name and found.get("type") not in ("submit", "button"):
            if found.get("type") in ("checkbox", "radio") and "checked" not in found:
                return
            self.values[name] = found.get("value") or ("on" if found.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select, self._first = name, True
        elif tag == "option" and self._select and ("selected" in found or self._first):
            self.values[self._select], self._first = found.get("value") or "", False


def boxes(page: HttpResponse) -> dict[str, str]:
    """The page's form as it stands."""
    reader = _Boxes()
    reader.feed(page.content.decode())
    drop = {"csrfmiddlewaretoken", "tick", "on", "provision"}
    return {name: value for name, value in reader.values.items() if name not in drop}


def words(page: HttpResponse) -> str:
    """The page's own part as a person reads it, with the messages above it."""
    page_text = page.content.decode().partition('id="main"')[2] or page.content.decode()
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page_text, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))


def url(practice: Practice, step: str) -> str:
    return reverse("setup-step", args=[practice.slug, step])


@pytest.fixture
def practice(db: None) -> Practice:
    made: Practice = Practice.objects.create(
        slug="lakeview", name="Lakeview", kind="plastic_surgery", country="US", time_zone="America/New_York"
    )
    return made


@pytest.fixture
def stranger(db: None) -> Client:
    """Somebody who sets up another practice."""
    other = Practice.objects.create(slug="elsewhere", name="Elsewhere", kind="med_spa")
    return signed_in(person("stranger@example.com", other, Role.ONBOARDING))


@pytest.fixture
def member(practice: Practice) -> Callable[[str], Client]:
    """A browser of somebody with a role in the practice."""

    def make(role: str) -> Client:
        user = person(f"{role}@example.com", practice, role)
        assert Membership.objects.for_practice(practice).filter(user=user).exists()
        return signed_in(user)

    return make


@pytest.fixture
def olive(db: None) -> User:
    """An onboarding specialist of the company."""
    return person("olive@example.com", company_role=Role.ONBOARDING)


@pytest.fixture
def staff(olive: User) -> Client:
    return signed_in(olive)


@pytest.fixture
def boss(db: None) -> Client:
    """An administrator of the company."""
    return signed_in(person("boss@example.com", company_role=Role.ADMINISTRATOR))


Press = Callable[..., HttpResponse]


@pytest.fixture
def press(staff: Client, practice: Practice) -> Press:
    """Fill a step's form, press a button, follow to the next page."""

    def do(step: str, query: str = "", /, **values: Any) -> HttpResponse:
        address = url(practice, step) + query
        return staff.post(address, boxes(staff.get(address)) | values, follow=True)

    return do
