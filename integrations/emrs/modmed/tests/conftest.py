"""The pretend ModMed, served over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.emrs.modmed.sandbox import Door
from integrations.emrs.modmed.tests.world import World
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State

KEY = "test-key"


@pytest.fixture(scope="package")
def served() -> Iterator[str]:
    """Where the pretend ModMed is mounted."""
    url, stop = serve_in_thread(State(key=KEY))
    yield f"{url}/emr/modmed"
    stop()


@pytest.fixture
def world(served: str, request: pytest.FixtureRequest) -> World:
    """A firm of its own for each test."""
    return World(Door(served, KEY, f"firm-{abs(hash(request.node.nodeid)):x}"))
