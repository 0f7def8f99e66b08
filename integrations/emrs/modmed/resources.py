"""What ModMed is asked for again and again, and the rows in its answers. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from integrations.contract.dates import moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Capability, Resource, Round, Row, TypeOption
from integrations.contract.reading import LONGEST_ID, text
from integrations.emrs.modmed.enrich import transaction_in
from integrations.emrs.modmed.fhir import Json, child, objects, participant_id, reference_id, resources_in

# Visits are booked up to a year ahead.
REMEMBERED = timedelta(days=400)
RESOURCES = (
    # The filter knows whole days only, and nobody says in which zone a day is cut: a day behind covers any.
    Resource(
        "appointments",
        "Appointments",
        "appointment",
        overlap=timedelta(days=1),
        by_day=True,
        has_dates=True,
        remember_for=REMEMBERED,
    ),
    Resource(
        "patients", "Patients", "patient", overlap=timedelta(days=1), by_day=True, remember_for=REMEMBERED
    ),
    # ModMed cannot say which charges are new. They follow a visit within hours, some within weeks.
    Resource(
        "charges",
        "Charges",
        "charge",
        rounds=(
            Round(timedelta(days=1)),
            Round(timedelta(days=7), every=timedelta(hours=1)),
            Round(timedelta(days=30), every=timedelta(hours=24)),
        ),
    ),
)
CAPABILITIES = (
    Capability("sign_in", "Sign in"),
    Capability("appointments", "Read appointments"),
    Capability("patients", "Read patients"),
    Capability("charges", "Read charges"),
    Capability("practitioners", "Read practitioners"),
    Capability("locations", "Read locations"),
    Capability("types", "Read appointment types"),
)
# Three figures are published for the limit of a key: 1,250, 1,000 and 120 a minute. This fits them all.
CALLS_PER_SECOND = 2.0
FHIR_NAMES = {
    "appointments": "Appointment",
    "patients": "Patient",
    "charges": "ChargeItem",
    "practitioners": "Practitioner",
    "locations": "Location",
}
PAGE_SIZES = {"Practitioner": 100, "Location": 100}
PAGE_SIZE = 50
# The hours by which a day in some zone may begin before the same day in UTC.
ZONE_SLACK = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page is asked for: changed since, of one patient, dated from; each only when set."""

    since: datetime | None = None
    patient_id: str = ""
    dated_from: date | None = None

    def query(self, fhir_name: str) -> dict[str, str]:
        """The search parameters. ``ge``, because ``gt`` a day begins at that day's end."""
        query = {"_count": str(PAGE_SIZES.get(fhir_name, PAGE_SIZE))}
        if self.since:
            query["_lastUpdated"] = f"ge{self.since.astimezone(UTC).date().isoformat()}"
        if self.dated_from:
            query["date"] = f"ge{self.dated_from.isoformat()}"
        if self.patient_id:
            query["patient"] = self.patient_id
        return query

    def keep(self, rows: Iterable[Row]) -> tuple[tuple[Row, ...], bool]:
        """The rows that were asked for, and whether most were not: the server did not heed a filter then."""
        found = list(rows)
        checks = self._checks()
        kept = tuple(row for row in found if all(fits(row) for fits, _ in checks))
        ignored = any(2 * sum(stray(row) for row in found) > len(found) for _, stray in checks)
        return kept, ignored

    def _checks(self) -> list[tuple[Callable[[Row], bool], Callable[[Row], bool]]]:
        """For each filter: does a row fit, and is it so far off that no reading of the filter gives it."""
        checks: list[tuple[Callable[[Row], bool], Callable[[Row], bool]]] = []
        if (since := self.since) is not None:
            floor = _earliest(since.astimezone(UTC).date())
            checks.append(
                (
                    lambda row: row.updated_at is None or row.updated_at >= since,
                    lambda row: row.updated_at is not None and row.updated_at < floor,
                )
            )
        if self.dated_from is not None:
            first = _earliest(self.dated_from)
            checks.append(
                (lambda row: not _starts_before(row, first), lambda row: _starts_before(row, first))
            )
        if self.patient_id:
            checks.append(
                (lambda row: row.patient_id == self.patient_id, lambda row: row.patient_id != self.patient_id)
            )
        return checks


def _earliest(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) - ZONE_SLACK


def _starts_before(row: Row, first: datetime) -> bool:
    start = _moment(child(row.payload, "start"))
    return start is not None and start < first


def rows_in(bundle: Any, fhir_name: str) -> list[Row]:
    """The rows of a search's answer. A resource without an id cannot be followed, and is left out."""
    found = []
    for resource in resources_in(bundle, fhir_name):
        external_id = text(child(resource, "id"))
        if external_id and len(external_id) <= LONGEST_ID:
            found.append(
                Row(
                    external_id=external_id,
                    payload=resource,
                    patient_id=_patient_of(resource, fhir_name),
                    updated_at=_changed_at(resource, fhir_name),
                )
            )
    return found


def _changed_at(resource: Json, fhir_name: str) -> datetime | None:
    """The resource's version time. A charge has none: the day of its posting, or of what was done, stands for it."""
    changed = _moment(child(child(resource, "meta"), "lastUpdated"))
    if changed is not None or fhir_name != "ChargeItem":
        return changed
    posted = [_moment(line.get("postingDate")) for line in transaction_in(resource).get("details", ())]
    known = [found for found in (*posted, _moment(child(resource, "occurrenceDateTime"))) if found]
    return next(iter(known), None)


def _patient_of(resource: Json, fhir_name: str) -> str:
    if fhir_name == "Patient":
        return text(child(resource, "id"))
    if fhir_name == "ChargeItem":
        return reference_id(child(resource, "subject"), "Patient")
    return participant_id(resource, "Patient")


def searched_at(bundle: Any) -> datetime | None:
    """ModMed's clock at the search; None when it does not say."""
    return _moment(child(child(bundle, "meta"), "lastUpdated"))


def _moment(value: Any) -> datetime | None:
    try:
        return moment(value, "")
    except MalformedPayload:
        return None


def next_link(bundle: Any) -> str:
    """The address of the next page as the server writes it; "" for none."""
    links = (one for one in objects(child(bundle, "link")) if text(child(one, "relation")) == "next")
    found = child(next(links, None), "url")
    return found if isinstance(found, str) else ""


def types_in(answer: Any) -> tuple[TypeOption, ...] | None:
    """The types of a value set, in whichever of the two shapes it comes; None when it has neither."""
    sets = resources_in(answer, "ValueSet") or [answer]
    found: dict[str, TypeOption] = {}
    is_known = False
    for one in sets:
        concepts = [
            concept
            for include in objects(child(child(one, "compose"), "include"))
            for concept in objects(child(include, "concept"))
        ]
        contained = _contained(child(child(one, "expansion"), "contains"))
        is_known = is_known or isinstance(child(one, "compose") or child(one, "expansion"), Mapping)
        for concept in (*concepts, *contained):
            name, code = text(child(concept, "display")), text(child(concept, "code"))
            if name:
                found.setdefault(name, TypeOption(external_id=code, name=name))
    return tuple(found.values()) if is_known else None


def _contained(nodes: Any) -> list[Json]:
    """An expansion's concepts, those inside others too."""
    found, waiting = [], objects(nodes)
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        waiting += objects(child(node, "contains"))
    return found
