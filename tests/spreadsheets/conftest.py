"""A practice with types of two connections, people in every role, and an engine that answers what it is told."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from google.auth.credentials import CredentialsWithRegionalAccessBoundary

from categorization import engine
from categorization.engine import ConnectionFacts, Preview, Progress, Shift
from categorization.models import AppointmentType
from categorization.spreadsheets import google as google_module
from tenants.models import Membership, Practice, Role, User
from tests.spreadsheets.fake_google import FakeGoogle, running

TWO = ("aestheticspro", "nextech")


@dataclass
class FakeEngine:
    """Answers as it was told, and keeps what it was asked."""

    previewed: list[dict[int, str]] = field(default_factory=list)
    waiting: dict[int, int] = field(default_factory=dict)

    def connections(self, practice_id: int) -> Mapping[str, ConnectionFacts]:
        return {}

    def held(self, types: Iterable[AppointmentType]) -> Mapping[int, int]:
        return self.waiting

    def preview(self, practice_id: int, choices: Mapping[int, str]) -> Preview:
        self.previewed.append(dict(choices))
        return Preview(14, 9, 4, [Shift("Surgical", "Consult Booked", "Surgery Scheduled", 4)])

    def progress(self, batch_id: int) -> Progress | None:
        return None


@pytest.fixture(autouse=True)
def fake_engine() -> Iterator[FakeEngine]:
    before = list(engine._engine)
    fake = FakeEngine()
    engine.use(fake)
    yield fake
    engine._engine[:] = before


@pytest.fixture
def practice(db: None) -> Practice:
    return Practice.objects.create(
        slug="bluestone", name="Bluestone", kind="med_spa", time_zone="America/Denver"
    )


def person(email: str, practice: Practice | None, role: str) -> User:
    user = User.objects.create_user(email, name=email.split("@")[0].title(), is_staff=role != Role.REVIEWER)
    if practice is not None:
        Membership.objects.create(practice=practice, user=user, role=role)
    return user


@pytest.fixture
def specialist(practice: Practice) -> User:
    return person("sam@example.com", practice, Role.ONBOARDING)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def add_type(practice: Practice, name: str, purpose: str = "", **values: Any) -> AppointmentType:
    """A type of the first connection unless said otherwise; ``category`` and ``by`` confirm it."""
    by = values.pop("by", None)
    if values.get("category"):
        values |= {"confirmed_at": timezone.now(), "confirmed_by": by, "confirmed_via": "page"}
    return AppointmentType.objects.create(
        practice=practice, name=name, purpose=purpose, **{"connection_key": TWO[0], **values}
    )


@dataclass
class Types:
    """The practice's types by what they are for."""

    botox: AppointmentType
    rhino: AppointmentType
    surgery: AppointmentType
    nasty: AppointmentType
    online: AppointmentType


@pytest.fixture
def types(practice: Practice, specialist: User) -> Types:
    return Types(
        botox=add_type(
            practice,
            "Botox",
            times_seen=17,
            next_on=date(2026, 12, 1),
            suggested="Non-Surgical Appointment",
            reason='"botox" is an injectable',
        ),
        rhino=add_type(practice, "Consult", "Rhinoplasty", category="Surgical Consult", by=specialist),
        surgery=add_type(practice, "Surgery", category="Surgical Appointment"),
        nasty=add_type(practice, '=HYPERLINK("http://evil.example.com")', "+1 guest"),
        online=add_type(practice, "Botox", connection_key=TWO[1], offers_online=True),
    )


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Iterator[FakeGoogle]:
    """A fake Google that the settings point at."""
    # google-auth asks a third host in the background, for something that no sheet needs.
    monkeypatch.setattr(
        CredentialsWithRegionalAccessBoundary,
        "_is_regional_access_boundary_lookup_required",
        lambda self: False,
    )
    with running() as fake:
        settings.GOOGLE_API_BASE_URL = fake.url
        settings.GOOGLE_SERVICE_ACCOUNT_FILE = str(fake.key_file(tmp_path))
        yield fake


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(google_module, "pause", found.append)
    return found
