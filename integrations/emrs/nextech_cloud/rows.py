"""What a list is asked for, and the rows of its answer. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from integrations.contract.dates import calendar_date
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Row
from integrations.contract.reading import LONGEST_ID
from integrations.emrs.nextech_cloud.fhir import (
    Json,
    patient_of,
    plain_id,
    resource_id,
    resource_type,
    updated_at,
)

PAGE_SIZE = 50
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page is asked for: changed since, of one patient, dated from; each only when set."""

    since: datetime | None = None
    patient_id: str = ""
    dated_from: date | None = None

    def query(self, fhir_name: str, *, size: int = PAGE_SIZE) -> str:
        """Path and query of the first page. Times go in UTC, in whole seconds: Nextech knows no fraction."""
        query = [
            f"_lastUpdated=ge{self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if self.since else "",
            f"date=ge{self.dated_from.isoformat()}" if self.dated_from else "",
            f"patient={_plain(self.patient_id)}" if self.patient_id else "",
            f"_count={size}",
        ]
        return f"/{fhir_name}?{'&'.join(part for part in query if part)}"

    def keep(self, rows: Iterable[Row]) -> tuple[list[Row], bool]:
        """The rows that were asked for, and whether most were not: the server did not heed a filter then."""
        found = list(rows)
        kept = [
            row for row in found if not (self._is_old(row) or self._is_before(row) or self._is_other(row))
        ]
        checks = (self._is_old, self._is_before, self._is_other)
        return kept, any(2 * sum(stray(row) for row in found) > len(found) for stray in checks)

    def _is_old(self, row: Row) -> bool:
        if self.since is None or row.updated_at is None:
            return False
        return row.updated_at < self.since.replace(microsecond=0)

    def _is_before(self, row: Row) -> bool:
        """Before the day asked for, and a day more: nobody says in which zone Nextech cuts it."""
        if self.dated_from is None:
            return False
        try:
            day = calendar_date(row.payload.get("start"), "start")
        except MalformedPayload:
            return False
        return day is not None and day < self.dated_from - A_DAY

    def _is_other(self, row: Row) -> bool:
        return bool(self.patient_id) and row.patient_id != plain_id(self.patient_id)


def rows_in(resources: Iterable[Json]) -> list[Row]:
    """The rows of a list. A resource without an id cannot be followed, and is left out."""
    return [row for row in map(_row, resources) if 0 < len(row.external_id) <= LONGEST_ID]


def _row(resource: Json) -> Row:
    external_id = resource_id(resource)
    return Row(
        external_id=plain_id(external_id) if resource_type(resource) == "patient" else external_id,
        payload=resource,
        patient_id=patient_of(resource).id,
        updated_at=updated_at(resource),
    )


def version_of(row: Row) -> str:
    """What tells two states of a row apart."""
    return row.updated_at.isoformat() if row.updated_at else ""


def _plain(external_id: str) -> str:
    """Ids are GUIDs or numbers: anything else in one could change the query."""
    return "".join(
        letter for letter in external_id if letter.isascii() and (letter.isalnum() or letter == "-")
    )
