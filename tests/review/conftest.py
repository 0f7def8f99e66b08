"""A practice whose types are reviewed, its people, and a pretend engine."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from categorization import engine
from categorization.models import AppointmentType
from tenants.models import Membership, Practice, Role, User
from tests.review.engines import PretendEngine

PASSWORD = "quite-a-long-one-17"
AGREED = "Non-Surgical Appointment"
_numbers = count(1)


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendEngine]:
    """The engine of these tests; the one from before comes back."""
    before = list(engine._engine)
    made = PretendEngine()
    engine.use(made)
    yield made
    engine._engine[:] = before


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def practice(db: None) -> Practice:
    return Practice.objects.create(
        slug="bluestone",
        name="Bluestone Aesthetics",
        kind="plastic_surgery_med_spa",
        time_zone="America/Denver",
    )


@pytest.fixture
def elsewhere(db: None) -> Practice:
    """Another practice, which nobody here may know of."""
    other = Practice.objects.create(slug="harbor", name="Harbor Quay Clinic", kind="med_spa")
    make_type(other, name="Quay Special Peel")
    return other


def person(email: str, practice: Practice | None = None, role: str = Role.REVIEWER, **more: Any) -> User:
    user = User.objects.create_user(email, PASSWORD, is_staff=role != Role.REVIEWER, **more)
    if practice is not None:
        Membership.objects.create(practice=practice, user=user, role=role)
    return user


def signed_in(user: User) -> Client:
    """A browser in which a person is signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def make_type(practice: Practice, **values: Any) -> AppointmentType:
    """One type, with a sure suggestion unless told otherwise."""
    given = {
        "connection_key": "aestheticspro",
        "name": f"Facial {next(_numbers)}",
        "suggested": AGREED,
        "confidence": 0.9,
        "reason": "facial is a treatment",
        "times_seen": 4,
    }
    return AppointmentType.objects.create(practice=practice, **{**given, **values})


def confirmed(practice: Practice, by: User, **values: Any) -> AppointmentType:
    """A type that somebody confirmed already."""
    when = {"confirmed_at": timezone.now() - timedelta(days=3), "confirmed_by": by, "confirmed_via": "page"}
    return make_type(practice, category=values.pop("category", AGREED), **when, **values)


@pytest.fixture
def reviewer(practice: Practice) -> User:
    return person("rita@example.com", practice, name="Rita Reviewer")


@pytest.fixture
def specialist(practice: Practice) -> User:
    return person("specialist@example.com", practice, Role.ONBOARDING, name="Sam Specialist")


@pytest.fixture
def client(reviewer: User) -> Client:
    """The reviewer's browser."""
    return signed_in(reviewer)
