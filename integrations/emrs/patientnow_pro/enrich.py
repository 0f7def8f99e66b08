"""Notices with what has to be fetched for them. Reads only what the event needs: a patient notice is one call; an
appointment, bill or membership is itself and its patient; what moves nothing is itself only. The names of
facilities are kept for a day, and asked for only where an appointment does not carry its own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from integrations.contract.protocols import Cache, Context
from integrations.contract.reading import Body, get, text
from integrations.emrs.patientnow_pro import kinds
from integrations.emrs.patientnow_pro.appointments import states_in
from integrations.emrs.patientnow_pro.bills import needs_patient
from integrations.emrs.patientnow_pro.fields import FIELDS
from integrations.emrs.patientnow_pro.people import known_patient
from integrations.emrs.patientnow_pro.reading import Reading

Json = Mapping[str, Any]
Paths = Mapping[str, Sequence[str]]
_NONE: Paths = MappingProxyType({})
# Which of two states counts does not depend on when the notice came, as far as calls go.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class Reader(Protocol):
    """What is asked of the client here."""

    def patient(self, external_id: str) -> Json: ...

    def appointment(self, external_id: str) -> Json: ...

    def bill(self, external_id: str) -> Json: ...

    def membership(self, external_id: str) -> Json: ...

    def facilities(self) -> Sequence[Json]: ...


def enrich(kind: str, body: Json, client: Reader, cache: Cache, field_paths: Paths = _NONE) -> dict[str, Any]:
    """The notice with ``patient``, ``appointment``, ``bill``, ``membership`` and ``facility``, as far as this event
    needs them. ``field_paths`` are the connection's overrides: they say where the notice holds its ids.

    Raises the client's errors (NotFoundError for a patient or record that is gone: such an event is parked) and
    MalformedPayload where the notice lacks the id to ask for.
    """
    notice = Body(body, field_paths)
    name = kinds.declared_kind(kind) or kinds.kind_of(notice)
    if name in (kinds.PATIENT_CREATED, kinds.PATIENT_UPDATED):
        return {**body, "patient": dict(client.patient(_id(notice, "patient_id", "patient id")))}
    if name in (kinds.APPOINTMENT_CREATED, kinds.STATUS_CHANGED):
        return _with_appointment(name, body, client, cache, field_paths)
    if name == kinds.BILL_COMPLETED:
        bill = client.bill(_id(notice, "bill_id", "bill id"))
        return _with_bill({**body, "bill": dict(bill)}, client, field_paths)
    if name == kinds.MEMBERSHIP_CREATED:
        membership = client.membership(_id(notice, "membership_id", "membership id"))
        return _with_patient({**body, "membership": dict(membership)}, client, field_paths)
    return dict(body)


def _id(notice: Body, field: str, words: str) -> str:
    return notice.identifier(field, words, *FIELDS[field])


def _with_appointment(
    kind: str, body: Json, client: Reader, cache: Cache, field_paths: Paths
) -> dict[str, Any]:
    found = client.appointment(_id(Body(body, field_paths), "appointment_id", "appointment id"))
    enriched = {**body, "appointment": dict(found)}
    reading = Reading(enriched, Context(received_at=_ANY_TIME, field_paths=field_paths))
    if not any(state.counts for state in states_in(reading, kind)) or not known_patient(reading.body):
        return enriched
    return _with_facility(_with_patient(enriched, client, field_paths), client, cache, reading)


def _with_bill(enriched: dict[str, Any], client: Reader, field_paths: Paths) -> dict[str, Any]:
    status = Body(enriched, field_paths).text("bill_status", *FIELDS["bill_status"])
    return _with_patient(enriched, client, field_paths) if needs_patient(status) else enriched


def _with_patient(enriched: dict[str, Any], client: Reader, field_paths: Paths) -> dict[str, Any]:
    body = Body(enriched, field_paths)
    external_id = known_patient(body) or _id(body, "patient_id", "patient id")
    return {**enriched, "patient": dict(client.patient(external_id))}


def _with_facility(
    enriched: dict[str, Any], client: Reader, cache: Cache, reading: Reading
) -> dict[str, Any]:
    location = reading.location
    if location.name or not location.external_id:
        return enriched
    known = cache.get("facilities", "all", lambda: {"facilities": [dict(one) for one in client.facilities()]})
    listed = known.get("facilities")
    for one in listed if isinstance(listed, list) else ():
        if text(get(one, "id")) == location.external_id:
            return {**enriched, "facility": dict(one)}
    return enriched
