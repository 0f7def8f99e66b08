"""All pages of one question, before anything is stored. Safe against lists without an end, and against lists that
change while they are read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from integrations.contract.errors import RejectedError
from integrations.contract.protocols import Pages, Resource, Row
from integrations.sync.polling.rows import clean, digest_of

MOST_PAGES = 2000
# A list that came although it was not asked for is read so far; what was found of it is kept.
MOST_PAGES_UNFILTERED = 200
# A list that changes all the time is read so often before its mark is left where it was.
MOST_READINGS = 4

State = tuple[datetime | None, str]


@dataclass(slots=True)
class Reading:
    """What a question brought. ``rows`` by id, each in its newest state; ``asked_at`` is the EMR's clock at the
    first page. ``is_whole`` False: it was cut short; ``is_calm`` False: the list changed under every reading.
    Either way rows may be missing, so the mark must not move.

    ``has_moved``: a row was met twice in two states, so others may have changed their pages meanwhile.
    ``ended_early``: it ended with a page that said nothing new.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    asked_at: datetime | None = None
    pages: int = 0
    ignored_filter: bool = False
    is_whole: bool = True
    is_calm: bool = True
    has_moved: bool = False
    ended_early: bool = False

    def add(self, row: Row) -> bool:
        """Keep a row unless a newer state of it is there. Whether it said something new."""
        row = clean(row)
        known = self.rows.get(row.external_id)
        if known is not None:
            self.has_moved = self.has_moved or row.updated_at != known.updated_at
            if not _is_newer(row, known):
                return False
        self.rows[row.external_id] = row
        return True

    def take(self, other: "Reading") -> None:
        """Add what another reading of the same kind brought; the earlier clock counts."""
        for row in other.rows.values():
            self.add(row)
        clocks = [at for at in (self.asked_at, other.asked_at) if at]
        self.asked_at = min(clocks, default=None)
        self.pages += other.pages
        self.ignored_filter = self.ignored_filter or other.ignored_filter
        self.is_whole = self.is_whole and other.is_whole
        self.is_calm = self.is_calm and other.is_calm

    def states(self, resource: Resource) -> dict[str, State]:
        """Id → what tells two states of that row apart."""
        return {key: (row.updated_at, digest_of(row, resource)) for key, row in self.rows.items()}

    @property
    def newest(self) -> datetime | None:
        """The newest version time among the rows."""
        return max((row.updated_at for row in self.rows.values() if row.updated_at), default=None)


def _is_newer(row: Row, known: Row) -> bool:
    if row.updated_at and known.updated_at and row.updated_at != known.updated_at:
        return row.updated_at > known.updated_at
    return row.payload != known.payload


def read_all(
    client: Pages,
    resource: Resource,
    since: datetime | None,
    *,
    patient_id: str = "",
    dated_from: date | None = None,
    between_pages: Callable[[], None] = lambda: None,
) -> Reading:
    """Every page of what changed since then, of a patient, or dated from a day on.

    It ends with a page that has no next one, that brings nothing new, or whose next one was read already. A row
    on two pages counts once. ``between_pages`` may raise to stop. Raises the client's errors, and
    RejectedError for a list of more than MOST_PAGES pages.
    """
    reading = Reading()
    token, asked = "", {""}
    while True:
        page = client.page(resource, since, token, patient_id=patient_id, dated_from=dated_from)
        reading.pages += 1
        reading.asked_at = reading.asked_at or page.server_time
        reading.ignored_filter = reading.ignored_filter or page.ignored_filter
        news = [reading.add(row) for row in page.rows if row.external_id]
        reading.ended_early = bool(news) and not any(news)
        if not page.next or page.next in asked or reading.ended_early:
            return reading
        if reading.ignored_filter and reading.pages >= MOST_PAGES_UNFILTERED:
            reading.is_whole = False
            return reading
        if reading.pages >= MOST_PAGES:
            raise RejectedError(f"The list of {resource.label.lower()} has no end ({MOST_PAGES} pages).")
        token = page.next
        asked.add(token)
        between_pages()


def read_calmly(
    client: Pages,
    resource: Resource,
    since: datetime | None,
    *,
    dated_from: date | None = None,
    between_pages: Callable[[], None] = lambda: None,
    first: Reading | None = None,
) -> Reading:
    """Like ``read_all``; a list of several pages is read until two readings agree. ``first`` is one that was made
    just now, with the same question.

    Pages are offsets: a row that leaves its place between two pages moves another one onto a page that was read
    already. Whatever left its place after it was met is missing or different when the list is read again, or
    was met twice; so where the second reading shows every row of the first as it was, nothing was passed over.
    """
    ask = lambda: read_all(client, resource, since, dated_from=dated_from, between_pages=between_pages)  # noqa: E731
    whole = last = first or ask()
    for _ in range(MOST_READINGS - 1):
        if last.pages < 2 or not last.is_whole:
            return whole
        between_pages()
        again = ask()
        agreed = _agree(last, again, resource)
        merged = Reading(asked_at=whole.asked_at)
        merged.take(whole)
        merged.take(again)
        whole, last = merged, again
        if agreed:
            return whole
    whole.is_calm = False
    return whole


def _agree(before: Reading, after: Reading, resource: Resource) -> bool:
    if before.has_moved or not after.is_whole:
        return False
    was, now = before.states(resource), after.states(resource)
    # Rows that push each other to later pages can make a page say nothing new before the end.
    if (before.ended_early or after.ended_early) and was.keys() != now.keys():
        return False
    return all(now.get(key) == state for key, state in was.items())
