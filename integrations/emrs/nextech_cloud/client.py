"""Requests to Nextech's Select API. Raw resources come back; what they mean is decided elsewhere."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from integrations.contract.errors import MalformedPayload, TransientError
from integrations.contract.http import Answer, call
from integrations.contract.protocols import Access, Capability, Page, Resource, TypeOption
from integrations.contract.reading import text
from integrations.contract.records import LocationRef
from integrations.emrs.nextech_cloud.answers import checked, created, missing_address, vendor_words
from integrations.emrs.nextech_cloud.fhir import (
    Json,
    extension_reference,
    extensions,
    objects,
    plain_id,
    resource_id,
    resource_type,
    value_in,
)
from integrations.emrs.nextech_cloud.paging import Walk
from integrations.emrs.nextech_cloud.rows import PAGE_SIZE, Wanted, rows_in, version_of
from integrations.emrs.nextech_cloud.sign_in import SignIn, base_url

# Nextech allows 20 a second for each address, and asks not to use them up.
CALLS_PER_SECOND = 4.0
FHIR_NAMES = {
    "appointments": "Appointment",
    "patients": "Patient",
    "payments": "PaymentReconciliation",
    "locations": "Location",
    "types": "appointment-type",
    "purposes": "appointment-purpose",
    "statuses": "appointment-status",
}
# Visits are booked up to a year ahead.
REMEMBERED = timedelta(days=400)
RESOURCES = (
    Resource("appointments", "Appointments", "appointment", has_dates=True, remember_for=REMEMBERED),
    Resource("patients", "Patients", "patient", remember_for=REMEMBERED),
    Resource("payments", "Payments", "payment", needs_switch="payments"),
)
SIGN_IN = "sign_in"
CAPABILITIES = (
    Capability(SIGN_IN, "Sign in"),
    *(Capability(one.name, f"Read {one.name}", needs_switch=one.needs_switch) for one in RESOURCES),
    Capability("locations", "Read locations"),
    Capability("types", "Read appointment types"),
    Capability("purposes", "Read appointment purposes"),
    Capability("statuses", "Read appointment statuses"),
)
LABELS = {one.name: one.label.removeprefix("Read ") for one in CAPABILITIES}


def make_client(access: Access) -> "NextechClient":
    """A client for one connection. Makes no call."""
    return NextechClient(access)


class NextechClient:
    """One practice's Select API. Every method raises the contract's errors; none repeats a request, except once
    with a new token after a 401."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._base = base_url(access)
        self._sign_in = SignIn(access)
        self._walks: dict[str, Walk] = {}

    def page(
        self,
        resource: Resource,
        since: datetime | None,
        token: str,
        *,
        patient_id: str = "",
        dated_from: date | None = None,
    ) -> Page:
        """One page of what changed at or after ``since``'s second (None: no filter). ``token`` is the page
        before's ``next``, "" for the first; ``dated_from`` asks for appointments of that day and later.

        A row comes again in one reading only when it has changed meanwhile. Rows that were not asked for are
        left out. Raises TransientError when the list has no end.
        """
        name = FHIR_NAMES[resource.name]
        wanted = Wanted(since, patient_id, dated_from)
        first = wanted.query(name)
        walk = self._walks.get(name)
        if not token or walk is None:
            walk = self._walks[name] = self._walk(first, name)
        answer, found = self._list(token or first, name)
        rows = rows_in(found)
        kept, ignored = wanted.keep(rows)
        fresh = walk.fresh([(row.external_id, version_of(row)) for row in kept])
        following = walk.after(
            token or first, [row.external_id for row in rows], _next_link(answer.json), _total(answer.json)
        )
        return Page(
            rows=tuple(row for row, is_fresh in zip(kept, fresh, strict=True) if is_fresh),
            server_time=_server_time(answer.headers),
            next=following,
            ignored_filter=ignored,
        )

    def patient(self, external_id: str) -> Json:
        """One Patient. Raises NotFoundError for one who is gone, MalformedPayload when another one comes back."""
        found = checked(self._get(f"/Patient/{quote(external_id, safe='')}"), "patient")
        is_patient = resource_type(found) == "patient"
        # Nextech writes a GUID now in upper, now in lower case.
        if not is_patient or plain_id(resource_id(found)) != plain_id(external_id):
            raise MalformedPayload(
                "Nextech answered with another record than the patient asked for.", field="id"
            )
        return found

    def day(self) -> date:
        """Today, by the clock that the engine gave."""
        return self._access.now().date()

    def find_patients(self, query: Mapping[str, str]) -> list[Json]:
        """The first page of patients with these values."""
        asked = urlencode({**query, "_count": str(PAGE_SIZE)}, quote_via=quote)
        return self._list(f"/Patient?{asked}", "Patient")[1]

    def post_patient(self, body: Mapping[str, Any]) -> Answer:
        """Make a patient. Raises DuplicatePatient where Nextech knows the person, and TransientError with
        ``may_have_happened`` where the patient could have been made."""
        token = self._sign_in.token(self._access.now())
        answer = self._send("/Patient", token, body=body)
        if answer.status == 401:
            token = self._sign_in.token(self._access.now(), refused=token)
            answer = self._send("/Patient", token, body=body)
        missing_address(answer, "Patient")
        return created(answer)

    def locations(self) -> list[LocationRef]:
        """The practice's managed locations that are in use."""
        rows = (row for row in self._all("Location") if text(row.get("status")) in ("", "active"))
        return [LocationRef(resource_id(row)[:100], text(row.get("name"))[:200]) for row in rows]

    def appointment_types(self) -> list[TypeOption]:
        """Every type, whatever its purpose, and every type with each purpose that the practice offers for it."""
        types = {
            resource_id(row): _named(row, "appointment-type#name") for row in self._all("appointment-type")
        }
        found = [TypeOption(type_id, name) for type_id, name in types.items() if name]
        for row in self._all("appointment-purpose"):
            purpose = _named(row, "appointment-purpose", "appointment-purpose#name")
            for kind in (extension_reference(one) for one in extensions(row, "appointment-type")):
                name = kind.display or types.get(kind.id, "")
                if name and purpose:
                    found.append(TypeOption(resource_id(row), name, purpose))
        return list(dict.fromkeys(found))

    def appointment_statuses(self) -> list[str]:
        """The names of the practice's own appointment statuses, for the custom-status setting."""
        names = (_named(row, "appointment-status#name") for row in self._all("appointment-status"))
        return list(dict.fromkeys(name for name in names if name))

    def test(self, capability: str) -> str:
        """Try one of CAPABILITIES; a sentence when it works. Raises the contract's errors when it does not."""
        if capability == SIGN_IN:
            self._sign_in.again(self._access.now())
            return "Signed in."
        name = FHIR_NAMES[capability]
        is_polled = any(resource.name == capability for resource in RESOURCES)
        wanted = Wanted(since=self._access.now() if is_polled else None)
        self._list(wanted.query(name, size=1), name)
        return f"Nextech shows us its {LABELS[capability]}."

    def _walk(self, first: str, name: str) -> Walk:
        return Walk(first, urlsplit(self._base).path.rstrip("/"), name)

    def _all(self, name: str) -> Iterator[Json]:
        """Every resource of a list that cannot be asked for changes."""
        query = first = Wanted().query(name)
        walk = self._walk(first, name)
        while query:
            answer, found = self._list(query, name)
            ids = [resource_id(row) for row in found]
            fresh = walk.fresh([(row_id, "") for row_id in ids])
            yield from (row for row, is_fresh in zip(found, fresh, strict=True) if is_fresh)
            query = walk.after(query, ids, _next_link(answer.json), _total(answer.json))

    def _list(self, query: str, name: str) -> tuple[Answer, list[Json]]:
        answer = self._get(query)
        missing_address(answer, name)
        return answer, _resources(checked(answer, name), name)

    def _get(self, path_and_query: str) -> Answer:
        token = self._sign_in.token(self._access.now())
        answer = self._send(path_and_query, token)
        if answer.status == 401:
            token = self._sign_in.token(self._access.now(), refused=token)
            answer = self._send(path_and_query, token)
        return answer

    def _send(self, path_and_query: str, token: str, body: Mapping[str, Any] | None = None) -> Answer:
        self._access.wait_turn()
        return call(
            "GET" if body is None else "POST",
            self._base + path_and_query,
            headers={
                "Authorization": f"Bearer {token}",
                "nx-practice-id": str(self._access.credentials.get("practice_id") or ""),
            },
            json=body,
            allow_private=self._access.allow_private,
        )


def _resources(bundle: Json, name: str) -> list[Json]:
    """The resources of a Bundle that are what was asked for: no OperationOutcome, nothing included. Raises
    TransientError for anything but a Bundle: an error that comes as a success is no empty list."""
    if resource_type(bundle) != "bundle":
        words = vendor_words(bundle)
        raise TransientError(f"Nextech answered without a list. {words}".strip())
    rows = [row.get("resource") for row in objects(bundle.get("entry"))]
    return [row for row in rows if isinstance(row, Mapping) and resource_type(row) == name.casefold()]


def _total(bundle: Any) -> int | None:
    """How many rows the whole list has; None where the server does not say."""
    total = bundle.get("total") if isinstance(bundle, Mapping) else None
    return total if isinstance(total, int) else None


def _next_link(bundle: Any) -> str:
    """The link to the next page as it is: never cut, unlike the texts of records."""
    links = objects(bundle.get("link")) if isinstance(bundle, Mapping) else []
    urls = (row.get("url") for row in links if text(row.get("relation")) == "next")
    return next((url for url in urls if isinstance(url, str)), "")


def _server_time(headers: Mapping[str, str]) -> datetime | None:
    """Nextech's own clock, from the answer's ``Date``."""
    try:
        found = parsedate_to_datetime(headers.get("Date") or "")
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _named(resource: Json, *names: str) -> str:
    """The name of a type, purpose or status: the text in one of these extensions."""
    for name in names:
        for row in extensions(resource, name):
            value = value_in(row)
            if isinstance(value, str) and (found := text(value)[:200]):
                return found
    return ""
