"""How far a resource was read. A mark is a moment of the EMR's clock, never of ours.

Why nothing gets lost. A row that had its version time but did not show yet when we read shows at most SETTLING
later; a mark is never later than the EMR's clock at the first page of its poll, and the next poll asks from at
least SETTLING before the mark on: so that row is asked for again. A row that did show, but was passed over because
rows changed their pages meanwhile, is asked for until the mark is an overlap past it. On the way there the mark
crosses a multiple of the overlap (less SETTLING) at a time when the row shows, and where it does, the list is read
until two readings agree, or the mark stays.
"""

from datetime import UTC, datetime, timedelta

from integrations.contract.protocols import Resource
from integrations.sync.polling.reading import Reading

# Rows get their version time up to this long before they show.
SETTLING = timedelta(minutes=10)
# By which two servers of one EMR may differ without that anything is to be done.
A_LITTLE = timedelta(minutes=1)
A_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def mark_after(mark: datetime, reading: Reading, now: datetime) -> datetime:
    """The new mark: the newest version time seen, but never beyond the EMR's own clock (a row dated in the future
    would hide all that come before it); without rows, a little behind that clock. It never goes back, and stays
    where rows may be missing. ``now`` bounds it where the EMR does not tell its time."""
    if not (reading.is_whole and reading.is_calm):
        return mark
    newest, asked_at = reading.newest, reading.asked_at
    if newest is None:
        return max(mark, asked_at - SETTLING) if asked_at else mark
    return max(mark, min(newest, asked_at or now))


def first_floor(reading: Reading, now: datetime) -> datetime:
    """The earliest that the mark may be after a first poll: just behind the EMR's clock. Where it does not tell its
    time, ours stands for it, which may be wrong by a day."""
    return reading.asked_at - SETTLING if reading.asked_at else now - A_DAY


def asked_from(mark: datetime, resource: Resource) -> datetime:
    """From when on a poll asks."""
    return mark - max(resource.overlap, SETTLING)


def is_to_be_sure(before: datetime, after: datetime, resource: Resource) -> bool:
    """Whether a list of several pages has to be read until two readings agree, before the mark moves like this."""
    room = max(resource.overlap, SETTLING) - SETTLING
    if not room:
        return after > before
    return (after - _EPOCH) // room != (before - _EPOCH) // room


def their_clock(reading: Reading, passed: timedelta) -> datetime | None:
    """What the EMR's clock said ``passed`` ago; None where it does not tell its time."""
    return reading.asked_at - max(passed, timedelta()) if reading.asked_at else None


def is_ahead(mark: datetime, reading: Reading, passed: timedelta) -> bool:
    """Whether the EMR's clock was put back: the mark is later than that clock can have been when we read last,
    ``passed`` ago. Asking from there on would hide rows."""
    then = their_clock(reading, passed)
    return then is not None and mark > then + A_LITTLE
