"""Rows with what has to be fetched for them: the patient of an appointment or charge, and, kept for a day, who
treats and where. Reads only what the event needs."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from integrations.contract.errors import NotFoundError
from integrations.contract.protocols import Cache
from integrations.contract.reading import text
from integrations.contract.records import Outcome
from integrations.emrs.modmed.fhir import (
    child,
    extension,
    flat_extension,
    objects,
    participant_id,
    reference_id,
)
from integrations.emrs.modmed.statuses import status_of

TRANSACTION = "financialTransaction"
DETAIL = "financialTransactionDetail"
CHARGED = "charged"


class Reader(Protocol):
    """What is asked of the client here."""

    def read(self, kind: str, external_id: str) -> Mapping[str, Any]:
        """One resource by its id."""
        ...


def enrich(
    kind: str, body: Mapping[str, Any], client: Reader, cache: Cache, *, with_patient: bool = True
) -> dict[str, Any]:
    """The body that ``understand`` reads: ``appointment`` with ``patient``, ``practitioner`` and ``location``;
    ``patient``; or ``charge`` with ``transaction`` (its extension, flattened) and ``patient``.

    Nothing is fetched for a row that moves nothing: a status that is only recorded, a charge not charged, an
    appointment without a patient. ``with_patient`` False leaves the patient at the id. Raises the client's
    errors; a practitioner or location that ModMed does not know any more is left empty.
    """
    if kind == "appointment":
        return {"appointment": dict(body), **_around(body, client, cache, with_patient)}
    if kind == "charge":
        return {"charge": dict(body), **_around_charge(body, client, with_patient)}
    return {"patient": dict(body)}


def _around(
    appointment: Mapping[str, Any], client: Reader, cache: Cache, with_patient: bool
) -> dict[str, Any]:
    patient_id = participant_id(appointment, "Patient")
    outcome, _ = status_of(text(child(appointment, "status")))
    if not patient_id or outcome is Outcome.OTHER:
        return {}
    return {
        "patient": _patient(patient_id, client, with_patient),
        "practitioner": _cached("Practitioner", participant_id(appointment, "Practitioner"), client, cache),
        "location": _cached("Location", participant_id(appointment, "Location"), client, cache),
    }


def _patient(patient_id: str, client: Reader, with_patient: bool) -> dict[str, Any]:
    return dict(client.read("Patient", patient_id)) if with_patient else {"id": patient_id}


def _cached(kind: str, external_id: str, client: Reader, cache: Cache) -> dict[str, Any]:
    if not external_id:
        return {}
    return dict(cache.get(kind, external_id, _fetch(kind, external_id, client)))


def _fetch(kind: str, external_id: str, client: Reader) -> Callable[[], Mapping[str, Any]]:
    def fetch() -> Mapping[str, Any]:
        try:
            return client.read(kind, external_id)
        except NotFoundError:
            return {}

    return fetch


def _around_charge(charge: Mapping[str, Any], client: Reader, with_patient: bool) -> dict[str, Any]:
    transaction = transaction_in(charge)
    patient_id = reference_id(child(charge, "subject"), "Patient")
    if text(transaction.get("transactionStatus")).lower() != CHARGED or not patient_id:
        return {"transaction": transaction}
    return {"transaction": transaction, "patient": _patient(patient_id, client, with_patient)}


def transaction_in(charge: Mapping[str, Any]) -> dict[str, Any]:
    """The financial transaction of a ChargeItem by plain names; ``details`` are its lines."""
    found = extension(charge, TRANSACTION)
    if found is None:
        return {}
    lines = [one for one in objects(child(found, "extension")) if text(one.get("url")).endswith(DETAIL)]
    return {**flat_extension(found), "details": [flat_extension(line) for line in lines]}
