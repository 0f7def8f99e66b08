"""The desk of each of the demo's practices: the one that its EMR's sandbox offers."""

from pathlib import Path

from integrations.contract.demo import DemoDesk
from integrations.sandbox.demo.book_desk import BookDesk
from integrations.sandbox.demo.practices import DemoPractice


def desk_of(practice: DemoPractice, url: str, key: str, data_dir: Path) -> DemoDesk:
    """The desk of a practice. ``url`` is where the sandbox listens, ``key`` opens its doors.

    An EMR whose sandbox offers none has its book here, in ``data_dir``.
    """
    offer = getattr(practice.emr.part("sandbox"), "demo_desk", None)
    if offer is None:
        return BookDesk(practice, data_dir)
    desk: DemoDesk = offer(practice.place(url, key))
    return desk
