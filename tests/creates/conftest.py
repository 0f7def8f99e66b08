"""A sandbox over HTTP for each test, and a practice of each EMR that can create patients."""

from typing import Any

import pytest

from integrations.sandbox import webhooks
from tests.creates.sides import SIDES, ModMed, Nextech, Practice, Side
from tests.polling.conftest import crm, sandbox
from tests.polling.offices import KEY, Crm

__all__ = ["crm", "sandbox"]


@pytest.fixture(params=SIDES, ids=[side.slug for side in SIDES])
def side(request: pytest.FixtureRequest, sandbox: str) -> Side:
    """Each EMR in turn."""
    made: Side = request.param(sandbox)
    return made


@pytest.fixture(autouse=True)
def app_key(settings: Any) -> None:
    """App webhooks are signed by the sandbox."""
    settings.CRM_APP_PUBLIC_KEYS = [webhooks.public_key(KEY)]


@pytest.fixture
def practice(db: None, crm: Crm, side: Side) -> Practice:
    """A live plastic surgery on each EMR."""
    return Practice(crm, side)


@pytest.fixture
def modmed(db: None, crm: Crm, sandbox: str) -> Practice:
    return Practice(crm, ModMed(sandbox))


@pytest.fixture
def nextech(db: None, crm: Crm, sandbox: str) -> Practice:
    return Practice(crm, Nextech(sandbox))
