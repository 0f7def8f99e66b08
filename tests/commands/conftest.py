"""The polled practices of tests/polling, for commands that poll."""

from tests.polling.conftest import crm, firm, modmed, sandbox

__all__ = ["crm", "firm", "modmed", "sandbox"]
