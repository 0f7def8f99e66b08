"""ModMed's FHIR API: raw resources out, the contract's errors when it refuses. It decides nothing.

Every call carries a token and the API key, waits for its turn, and goes to the configured host only, whatever
a link in an answer says.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from integrations.contract import http
from integrations.contract.errors import AuthError, ConfigError, RejectedError, TransientError
from integrations.contract.http import Answer, redact
from integrations.contract.protocols import Access, Page, Resource, TypeOption
from integrations.contract.reading import text
from integrations.contract.records import LocationRef
from integrations.emrs.modmed.answers import grant_refusal, is_fine, refusal
from integrations.emrs.modmed.fhir import child, objects, outcome_words
from integrations.emrs.modmed.manifest import MANIFEST
from integrations.emrs.modmed.resources import (
    CALLS_PER_SECOND,
    CAPABILITIES,
    FHIR_NAMES,
    RESOURCES,
    Wanted,
    next_link,
    rows_in,
    searched_at,
    types_in,
)
from integrations.emrs.modmed.signin import (
    GRANT_PATH,
    SSO_URL,
    api_key_of,
    grant_of,
    kept,
    prefix_of,
    refresh_form,
    usable,
)

__all__ = ["CALLS_PER_SECOND", "CAPABILITIES", "RESOURCES", "ModMedClient", "make_client"]

logger = logging.getLogger(__name__)

FHIR_PATH = "/fhir/v2"
FHIR_JSON = "application/fhir+json"
VENDOR_HOSTS = ".ema-api.com"
MOST_PAGES = 2000


def make_client(access: Access) -> "ModMedClient":
    """A client for one connection. Makes no call."""
    return ModMedClient(access)


class ModMedClient:
    """One practice's ModMed. Every method raises the contract's errors; an AuthError with status 403 is about
    the resource that was asked for, any other about the credentials."""

    def __init__(self, access: Access) -> None:
        self._access = access

    # --- what the engine asks ------------------------------------------------------------------------------

    def page(
        self,
        resource: Resource,
        since: datetime | None,
        token: str,
        *,
        patient_id: str = "",
        dated_from: date | None = None,
    ) -> Page:
        """One page of a resource: what changed on or after ``since``'s day, of one patient, or dated from a
        day on. ``token`` is the query of the page before's next link. There is no next page after an empty
        one, nor where the link leads back to the same page."""
        since = None if resource.is_by_patient else since
        return self._page(FHIR_NAMES[resource.name], Wanted(since, patient_id, dated_from), token)

    def read(self, kind: str, external_id: str) -> Mapping[str, Any]:
        """One resource by its FHIR name and id. Raises NotFoundError when ModMed has none (any more)."""
        path = f"/{kind}/{quote(external_id, safe='')}"
        found = self._get(path, {}, kind, is_one_record=True).json
        if not isinstance(found, Mapping) or text(found.get("resourceType")) != kind:
            raise TransientError(f"ModMed answered a {kind} with something else.")
        return found

    def day(self) -> date:
        """Today, by the clock that the engine gave."""
        return self._access.now().date()

    def find(self, kind: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """The first page of a search by a person's values, as a Bundle."""
        bundle = self._get(f"/{kind}", {"_count": "50", **query}, kind).json
        if text(child(bundle, "resourceType")) != "Bundle":
            raise TransientError(f"ModMed answered the search for {kind} with something that is no list.")
        return dict(bundle)

    def post(self, kind: str, body: Mapping[str, Any]) -> Answer:
        """Make a resource; the answer may have no body. Raises TransientError with ``may_have_happened`` where
        it could have been made."""
        token = self._token()
        answer = self._post(kind, body, token)
        if answer.status == 401:
            answer = self._post(kind, body, self._token(refused=token))
        if is_fine(answer):
            return answer
        error = refusal(answer, kind)
        if isinstance(error, TransientError):
            error.may_have_happened = True
        raise error

    def locations(self) -> Sequence[LocationRef]:
        """The practice's active clinic sites."""
        return [
            LocationRef(row.external_id, text(child(row.payload, "name")))
            for page in self._pages("Location")
            for row in page.rows
            if text(child(row.payload, "status")) in ("", "active")
        ]

    def appointment_types(self) -> Sequence[TypeOption]:
        """The active appointment types of this practice."""
        found = types_in(self._get("/ValueSet/appointment-type", {}, "ValueSet").json)
        if found is None:
            raise RejectedError("ModMed's list of appointment types is not in a form that we know.")
        return found

    def test(self, capability: str) -> str:
        """Try one of CAPABILITIES and say what was seen. Raises the error that the engine would meet."""
        if capability == "sign_in":
            return self._test_sign_in()
        if capability == "types":
            return f"{len(self.appointment_types())} appointment types."
        if capability == "locations":
            return f"{len(self.locations())} locations."
        return self._test_search(FHIR_NAMES[capability], capability)

    # --- searches ------------------------------------------------------------------------------------------

    def _page(self, kind: str, wanted: Wanted, token: str) -> Page:
        own = wanted.query(kind)
        # Ours stay where the link forgets them; of the link nothing but its query is used.
        query = own | dict(parse_qsl(token))
        answer = self._get(f"/{kind}", query, kind)
        bundle = answer.json
        if text(child(bundle, "resourceType")) != "Bundle":
            raise TransientError(f"ModMed answered the search for {kind} with something that is no list.")
        _log_outcomes(bundle, kind)
        found = rows_in(bundle, kind)
        rows, ignored = wanted.keep(found)
        return Page(
            rows=rows,
            server_time=searched_at(bundle) or _date_header(answer),
            next=_next_token(bundle, query) if found else "",
            ignored_filter=ignored,
        )

    def _pages(self, kind: str) -> Iterator[Page]:
        """All pages of a short list. Stops at a page that brings nothing new."""
        seen: set[str] = set()
        token = ""
        for _ in range(MOST_PAGES):
            page = self._page(kind, Wanted(), token)
            fresh = tuple(row for row in page.rows if row.external_id not in seen)
            if not fresh:
                return
            seen.update(row.external_id for row in fresh)
            yield Page(fresh, page.server_time)
            token = page.next
            if not token:
                return
        raise TransientError(f"ModMed gives more than {MOST_PAGES} pages of {kind}.")

    def _test_search(self, kind: str, words: str) -> str:
        bundle = self._get(f"/{kind}", {"_count": "1"}, kind).json
        if text(child(bundle, "resourceType")) != "Bundle":
            raise TransientError(f"ModMed answered the search for {kind} with something that is no list.")
        return (
            f"ModMed shows us its {words}."
            if rows_in(bundle, kind)
            else f"ModMed answers, and has no {words}."
        )

    # --- calls ---------------------------------------------------------------------------------------------

    def _get(self, path: str, query: Mapping[str, str], kind: str, *, is_one_record: bool = False) -> Answer:
        token = self._token()
        answer = self._send(path, query, token)
        if answer.status == 401:
            answer = self._send(path, query, self._token(refused=token))
        if not is_fine(answer):
            raise refusal(answer, kind, is_one_record=is_one_record)
        return answer

    def _send(self, path: str, query: Mapping[str, str], token: str) -> Answer:
        return self._call(
            "GET",
            f"{self._base}{FHIR_PATH}{path}",
            headers={"Authorization": f"Bearer {token}", "Accept": FHIR_JSON},
            params=dict(query),
        )

    def _post(self, kind: str, body: Mapping[str, Any], token: str) -> Answer:
        return self._call(
            "POST",
            f"{self._base}{FHIR_PATH}/{kind}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": FHIR_JSON,
                "Content-Type": FHIR_JSON,
                "Prefer": "return=representation",
            },
            json=dict(body),
        )

    def _call(self, method: str, url: str, *, headers: Mapping[str, str], **parts: Any) -> Answer:
        key = api_key_of(self._access.credentials)
        self._access.wait_turn()
        return http.call(
            method,
            url,
            headers={**headers, "x-api-key": key},
            allow_private=self._access.allow_private,
            **parts,
        )

    @property
    def _base(self) -> str:
        """The address in front of /fhir/v2 and /ws/oauth2/grant. Raises ConfigError where the prefix is needed
        and missing."""
        base = (self._access.base_url or MANIFEST.default_base_url).rstrip("/").removesuffix(FHIR_PATH)
        if "{firm_url_prefix}" not in base:
            return base
        return base.replace("{firm_url_prefix}", prefix_of(self._access.credentials.get("firm_url_prefix")))

    # --- tokens --------------------------------------------------------------------------------------------

    def _token(self, refused: str = "") -> str:
        """A token to call with; a new one when the stored one is old, made with other credentials, or just
        ``refused``. One process at a time asks for it; the others get what it stored."""
        grant, access = grant_of(self._access.credentials), self._access
        token = usable(access.tokens.read(), grant, access.now(), refused)
        if token:
            return token

        def renew(stored: Mapping[str, Any]) -> Mapping[str, Any]:
            if usable(stored, grant, access.now(), refused):
                return stored
            return self._sign_in(stored, with_refresh=not refused)

        return str(access.tokens.renew(renew)["access_token"])

    def _sign_in(self, stored: Mapping[str, Any], *, with_refresh: bool) -> dict[str, Any]:
        """New tokens. A refused refresh token is no verdict on the credentials: these are asked then."""
        grant = grant_of(self._access.credentials)
        form = refresh_form(stored, grant) if with_refresh else {}
        if form:
            try:
                return self._granted(form, stored)
            except AuthError:
                logger.info("ModMed refuses the refresh token: signing in anew")
        return self._granted(grant.form, {})

    def _granted(self, form: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
        grant = grant_of(self._access.credentials)
        asked_at = self._access.now()
        url = self._grant_url(grant.is_client)
        answer = self._call("POST", url, headers={"Accept": "application/json"}, data=dict(form))
        if not is_fine(answer):
            raise grant_refusal(answer, grant)
        return kept(answer.json, stored, grant, asked_at)

    def _grant_url(self, is_client: bool) -> str:
        """The newer grant has its own host, for the vendor's own addresses only: secrets meant for another
        server never go there."""
        base = self._base
        is_vendor = (urlsplit(base).hostname or "").endswith(VENDOR_HOSTS)
        return SSO_URL if is_client and is_vendor else base + GRANT_PATH

    def _test_sign_in(self) -> str:
        access, grant = self._access, grant_of(self._access.credentials)
        fresh = access.tokens.renew(lambda stored: self._sign_in({}, with_refresh=False))
        if not usable(fresh, grant, access.now()):
            raise ConfigError("ModMed gave a token that is over already: check this server's clock.")
        return f"ModMed accepts the {grant.label}."


def _next_token(bundle: Any, asked: Mapping[str, str]) -> str:
    """The query of the next link; "" when there is none, or it leads back to the page that was asked for."""
    try:
        query = dict(parse_qsl(urlsplit(next_link(bundle)).query))
    except ValueError:
        return ""
    if not query or {"page": "1", **asked, **query} == {"page": "1", **asked}:
        return ""
    return urlencode(query)


def _date_header(answer: Answer) -> datetime | None:
    try:
        found = parsedate_to_datetime(answer.headers.get("Date") or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _log_outcomes(bundle: Any, kind: str) -> None:
    for entry in objects(child(bundle, "entry")):
        resource = child(entry, "resource")
        if text(child(resource, "resourceType")) == "OperationOutcome":
            logger.warning("ModMed remarks on the search for %s: %s", kind, redact(outcome_words(resource)))
