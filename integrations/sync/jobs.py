"""RQ jobs: a few lines each, ids as arguments at most. The work is in the functions that they call."""

import threading

from django.conf import settings
from django.db import close_old_connections

from integrations.sync import bell
from integrations.sync.drain import Drain
from integrations.sync.polling.run import polls
from integrations.sync.upkeep import run_upkeep

stopping = threading.Event()


def drain() -> None:
    """Work on everything due, then end; the bell rings again when more comes."""
    Drain(settings.LANES, stopping.is_set).run()


def poll_due() -> None:
    """Start every poll and back-fill that is due."""
    close_old_connections()
    polls().feed(stopping.is_set)


def upkeep() -> None:
    """Retention, and what fell between two chairs."""
    close_old_connections()  # one that broke since the last job is of no use
    bell.answer(bell.UPKEEP)
    run_upkeep()
