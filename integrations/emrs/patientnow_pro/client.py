"""PatientNow Pro's API: raw records out, the contract's errors when it refuses. It decides nothing.

Every call carries the API key and the practice id, waits for its turn, and goes to the configured address only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from integrations.contract import http
from integrations.contract.creating import new_id
from integrations.contract.errors import AuthError, ConfigError, MalformedPayload, TransientError
from integrations.contract.http import Answer
from integrations.contract.protocols import Access, Capability, TypeOption
from integrations.contract.reading import get, text
from integrations.contract.records import LocationRef, Person
from integrations.emrs.patientnow_pro.answers import is_fine, refusal

__all__ = ["CALLS_PER_SECOND", "CAPABILITIES", "PatientNowClient", "make_client"]

Json = Mapping[str, Any]

CAPABILITIES = (
    Capability("sign_in", "Sign in"),
    Capability("patients", "Read patients"),
    Capability("locations", "Read facilities"),
    Capability("types", "Read appointment types"),
)
# PatientNow publishes no limit. An answer of 429 slows us down beyond this.
CALLS_PER_SECOND = 5.0
# Nobody is called so: the answer shows whether searching is allowed, without anybody's data.
NOBODY = "Zzz-AX-Connect-Test"


def make_client(access: Access) -> "PatientNowClient":
    """A client for one connection. Makes no call."""
    return PatientNowClient(access)


class PatientNowClient:
    """One practice's PatientNow Pro. Every method raises the contract's errors; an AuthError with status 403 is
    about what was asked for, any other about the credentials."""

    def __init__(self, access: Access) -> None:
        self._access = access

    # --- one record ----------------------------------------------------------------------------------------

    def patient(self, external_id: str) -> Json:
        """One patient. Raises NotFoundError when there is none (any more), here and below."""
        return self._record("patients", external_id, "patient")

    def appointment(self, external_id: str) -> Json:
        """One appointment as it is now, with its provider and facility."""
        return self._record("appointments", external_id, "appointment")

    def bill(self, external_id: str) -> Json:
        """One bill as it is now, with its line items."""
        return self._record("bills", external_id, "bill")

    def membership(self, external_id: str) -> Json:
        """One membership."""
        return self._record("memberships", external_id, "membership")

    # --- lists ---------------------------------------------------------------------------------------------

    def facilities(self) -> Sequence[Json]:
        """The practice's clinic sites, raw."""
        return self._list("/facilities", {}, "facilities")

    def locations(self) -> Sequence[LocationRef]:
        """The practice's clinic sites."""
        found = (LocationRef(text(get(one, "id")), text(get(one, "name"))) for one in self.facilities())
        return [one for one in found if one.external_id]

    def appointment_types(self) -> Sequence[TypeOption]:
        """The appointment types in use. PatientNow disables types and never deletes one."""
        return [
            TypeOption(text(get(one, "code")), text(get(one, "name")), type_class=text(get(one, "typeClass")))
            for one in self._list("/appointment-types", {}, "appointmentTypes")
            if text(get(one, "name")) and not _is_off(get(one, "active"))
        ]

    # --- two-way -------------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """The time, by the clock that the engine gave."""
        return self._access.now()

    def search(self, person: Person) -> Sequence[Json]:
        """Patients who have all that is known of ``person``; its empty values are not asked for."""
        query = {
            "firstName": person.first_name,
            "lastName": person.last_name,
            "dateOfBirth": person.birth_date.isoformat() if person.birth_date else "",
            "email": person.email,
            "phone": person.phone,
        }
        return self._list("/patients", {name: value for name, value in query.items() if value}, "patients")

    def create(self, person: Person) -> str:
        """Make a patient; their id. Raises RejectedError with ``details``: status 409 with ``patientId`` for one who
        is there already, 422 with ``errors`` (field → words)."""
        body = {
            "firstName": person.first_name,
            "lastName": person.last_name,
            "email": person.email,
            "cellPhone": person.phone,
            "gender": person.gender.capitalize(),
            "dateOfBirth": person.birth_date.isoformat() if person.birth_date else "",
            "address": _filled(
                line1=person.address1, city=person.city, state=person.state, zip=person.postal_code
            ),
        }
        answer = self._call("POST", "/patients", json={name: value for name, value in body.items() if value})
        if not is_fine(answer):
            raise refusal(answer, "create a patient", is_write=True)
        created = new_id(text(get(answer.json, "patientId")), text(answer.headers.get("Location") or ""))
        if not created:
            raise TransientError(
                "PatientNow Pro does not tell the id of the patient that it made.", may_have_happened=True
            )
        return created

    # --- trying --------------------------------------------------------------------------------------------

    def test(self, capability: str) -> str:
        """Try one of CAPABILITIES and say what was seen. Raises the error that the engine would meet."""
        if capability == "sign_in":
            self.facilities()
            return "PatientNow Pro accepts the API key and the practice ID."
        if capability == "locations":
            return f"{len(self.locations())} facilities."
        if capability == "types":
            return f"{len(self.appointment_types())} appointment types."
        self.search(Person("", last_name=NOBODY))
        return "PatientNow Pro shows us its patients."

    # --- calls ---------------------------------------------------------------------------------------------

    def _record(self, resource: str, external_id: str, what: str) -> Json:
        if not external_id.strip("."):
            raise MalformedPayload(f"This is no id of a {what}.", field=f"{what}Id")
        answer = self._call("GET", f"/{resource}/{quote(external_id, safe='')}")
        if not is_fine(answer):
            raise refusal(answer, what, is_one_record=True)
        wrapped = get(answer.json, what)
        found = wrapped if isinstance(wrapped, Mapping) else answer.json
        if not isinstance(found, Mapping) or not found:
            raise TransientError(f"PatientNow Pro answered a {what} with something else.")
        return found

    def _list(self, path: str, query: Mapping[str, str], name: str) -> Sequence[Json]:
        answer = self._call("GET", path, params=dict(query))
        if not is_fine(answer):
            raise refusal(answer, name)
        listed = answer.json if isinstance(answer.json, list) else get(answer.json, name)
        if not isinstance(listed, list):
            raise TransientError(f"PatientNow Pro answered a list of {name} with something else.")
        return [one for one in listed if isinstance(one, Mapping)]

    def _call(self, method: str, path: str, **parts: Any) -> Answer:
        access = self._access
        if not access.base_url:
            raise ConfigError(
                "The connection has no base address: enter the one that PatientNow sent with the API key."
            )
        headers = {"X-API-Key": self._credential("api_key"), "X-Practice-Id": self._credential("practice_id")}
        access.wait_turn()
        return http.call(
            method,
            access.base_url.rstrip("/") + path,
            headers=headers,
            allow_private=access.allow_private,
            **parts,
        )

    def _credential(self, name: str) -> str:
        found = text(self._access.credentials.get(name))
        if not found:
            words = name.replace("_", " ")
            raise AuthError(f"The connection has no {words}: enter it.", status=401)
        return found


def _is_off(value: Any) -> bool:
    return value is False or text(value).lower() in ("false", "no", "0")


def _filled(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
