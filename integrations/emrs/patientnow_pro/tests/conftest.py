"""The pretend PatientNow Pro, served over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.emrs.patientnow_pro.sandbox import Practice
from integrations.emrs.patientnow_pro.tests.world import World
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

KEY = "test-key"


@pytest.fixture(scope="package")
def served() -> Iterator[str]:
    """Where the pretend PatientNow Pro is mounted."""
    url, stop = serve_in_thread(State(key=KEY))
    yield f"{url}/emr/patientnow_pro"
    stop()


@pytest.fixture
def world(served: str, request: pytest.FixtureRequest) -> World:
    """A practice of its own for each test."""
    return World(Practice(served, KEY, f"PN-{abs(hash(request.node.nodeid)):x}"))
