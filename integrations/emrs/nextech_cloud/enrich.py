"""What a stored row lacks: the patient. Names of practitioners and locations stand in the row itself."""

from collections.abc import Mapping
from typing import Any, Protocol

from integrations.contract.errors import NotFoundError
from integrations.contract.protocols import Cache
from integrations.emrs.nextech_cloud.fhir import patient_of, resource_type
from integrations.emrs.nextech_cloud.reading import split
from integrations.emrs.nextech_cloud.statuses import is_only_recorded


class PatientReader(Protocol):
    """The part of the client that is needed here."""

    def patient(self, external_id: str) -> Mapping[str, Any]:
        """One Patient. Raises NotFoundError for one who is gone."""
        ...


def enrich(
    kind: str, body: Mapping[str, Any], client: PatientReader, cache: Cache, *, with_patient: bool = True
) -> dict[str, Any]:
    """``{"resource": …, "patient": …}``: one call, and none where nothing will be written.

    ``with_patient`` False asks for nobody.
    The patient is {} when Nextech has them no more. Patients change, so none comes from the ``cache``.
    """
    resource, _ = split(body)
    enriched = {"resource": dict(resource)}
    wanted = patient_of(resource).id
    is_appointment = resource_type(resource) == "appointment"
    if (
        not with_patient
        or not wanted
        or resource_type(resource) == "patient"
        or (is_appointment and is_only_recorded(resource))
    ):
        return enriched
    try:
        patient = dict(client.patient(wanted))
    except NotFoundError:
        patient = {}
    return enriched | {"patient": patient}
