"""All pages of one question, before anything is stored. Safe against lists without an end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from integrations.contract.errors import TransientError
from integrations.contract.protocols import PollClient, Resource, Row

MOST_PAGES = 2000
# A list that came although it was not asked for is read so far; what was found of it is kept.
MOST_PAGES_UNFILTERED = 200


@dataclass(slots=True)
class Reading:
    """What a question brought. ``rows`` by id, each in its newest state; ``asked_at`` is the EMR's clock at the
    first page. ``is_whole`` False: it was cut short, so the mark must not move."""

    rows: dict[str, Row] = field(default_factory=dict)
    asked_at: datetime | None = None
    pages: int = 0
    ignored_filter: bool = False
    is_whole: bool = True

    def add(self, row: Row) -> bool:
        """Keep a row unless a newer state of it is there. Whether it said something new."""
        known = self.rows.get(row.external_id)
        if known is None or _is_newer(row, known):
            self.rows[row.external_id] = row
            return True
        return False

    @property
    def newest(self) -> datetime | None:
        """The newest version time among the rows."""
        return max((row.updated_at for row in self.rows.values() if row.updated_at), default=None)


def _is_newer(row: Row, known: Row) -> bool:
    if row.updated_at and known.updated_at:
        return row.updated_at > known.updated_at
    return row.payload != known.payload


def read_all(
    client: PollClient,
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
    TransientError for a list of more than MOST_PAGES pages.
    """
    reading = Reading()
    token, asked = "", {""}
    while True:
        page = client.page(resource, since, token, patient_id=patient_id, dated_from=dated_from)
        reading.pages += 1
        reading.asked_at = reading.asked_at or page.server_time
        reading.ignored_filter = reading.ignored_filter or page.ignored_filter
        news = [reading.add(row) for row in page.rows]
        is_over = not page.next or page.next in asked or (bool(news) and not any(news))
        if is_over:
            return reading
        if reading.ignored_filter and reading.pages >= MOST_PAGES_UNFILTERED:
            reading.is_whole = False
            return reading
        if reading.pages >= MOST_PAGES:
            raise TransientError(f"The list of {resource.label.lower()} has no end ({MOST_PAGES} pages).")
        token = page.next
        asked.add(token)
        between_pages()
