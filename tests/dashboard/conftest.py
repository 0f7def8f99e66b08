"""Two practices with events, and people who see one or both of them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.models import Connection, InboundEvent
from tenants.models import Membership, Practice, Role, User

MakeEvent = Callable[..., InboundEvent]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def bluestone(db: None) -> Practice:
    return Practice.objects.create(
        slug="bluestone", name="Bluestone Med Spa", kind="plastic_surgery_med_spa", state="live"
    )


@pytest.fixture
def harbor(db: None) -> Practice:
    return Practice.objects.create(slug="harbor", name="Harbor Aesthetics", kind="med_spa", state="live")


@pytest.fixture
def admin_user(db: None) -> User:
    return User.objects.create_superuser("boss@example.com", "secret")


@pytest.fixture
def agent(bluestone: Practice) -> User:
    """A support agent of Bluestone only."""
    user = User.objects.create_user("agent@example.com", "secret", is_staff=True)
    Membership.objects.create(practice=bluestone, user=user, role=Role.SUPPORT)
    return user


@pytest.fixture
def make_event(db: None) -> MakeEvent:
    """Make an event of a practice; ``after``: seconds from its arrival to its end."""

    def make(
        practice: Practice, at: datetime | None = None, after: float | None = 1.0, **values: Any
    ) -> InboundEvent:
        at = at or timezone.now()
        connection, _ = Connection.objects.get_or_create(
            practice=practice, key="aestheticspro", defaults={"emr": "aestheticspro"}
        )
        number = InboundEvent.objects.across_practices().count()
        defaults = {
            "practice": practice,
            "connection": connection,
            "source": "webhook",
            "kind": "appointment.created",
            "dedupe_key": f"made-{number}",
            "received_at": at,
            "state": "done",
            "finished_at": None if after is None else at + timedelta(seconds=after),
        }
        return InboundEvent.objects.create(**(defaults | values))

    return make
