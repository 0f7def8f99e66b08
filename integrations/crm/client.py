"""A small client for the CRM's API, one sub-account each. It returns the CRM's own objects, raises our
errors and decides nothing: it neither repeats a call nor waits."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from integrations.contract import http
from integrations.contract.errors import ConfigError, RateLimited, TransientError
from integrations.crm import calls
from integrations.crm.answers import refusal
from integrations.crm.budget import Budget, Priority
from integrations.crm.calls import Call, ContactValues, OpportunityValues, body_for

logger = logging.getLogger(__name__)

Json = dict[str, Any]
_MOST_CONTACTS_PER_PAGE = 500
_MOST_OPPORTUNITIES_PER_PAGE = 100


class CrmClient:
    """``base_url`` is what stands before ``/contacts/…``; ``subaccount_id`` the CRM's ``locationId``;
    ``token`` a private integration token of that sub-account. Cheap to make, safe to share between threads.

    Every method raises: AuthError, ConfigError (missing scope, wrong version, redirect), NotFoundError,
    RejectedError (DuplicateContact, DuplicateOpportunity), RateLimited, TransientError, whose
    ``may_have_happened`` says that a write could have been done.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        subaccount_id: str,
        token: str,
        budget: Budget,
        priority: Priority = Priority.LIVE,
        allow_private: bool = False,
    ) -> None:
        self.subaccount_id = subaccount_id
        self._base_url = base_url.rstrip("/")
        self._has_token = bool(token)
        self._headers = {"Authorization": f"Bearer {token}", "Version": version}
        self._budget = budget
        self._priority = priority
        self._allow_private = allow_private

    # The sub-account

    def get_location(self) -> Json:
        """The sub-account itself: name, timezone, ``settings.allowDuplicateOpportunity``. Tests the token."""
        return self._object(
            self.request(calls.GET_LOCATION, self.subaccount_id), "location", calls.GET_LOCATION
        )

    def list_custom_fields(self) -> list[Json]:
        """All contact custom fields: id, name, fieldKey, dataType, perhaps parentId."""
        body = self.request(calls.LIST_CUSTOM_FIELDS, self.subaccount_id, params={"model": "contact"})
        return self._list(body, "customFields", calls.LIST_CUSTOM_FIELDS)

    def create_custom_field(self, name: str, data_type: str, parent_id: str = "") -> Json:
        """Make a contact custom field, in the folder ``parent_id`` when given. The type cannot change
        later."""
        body = {"name": name, "dataType": data_type, "model": "contact"}
        if parent_id:
            body["parentId"] = parent_id
        answer = self.request(calls.CREATE_CUSTOM_FIELD, self.subaccount_id, body=body)
        return self._object(answer, "customField", calls.CREATE_CUSTOM_FIELD)

    def pipelines(self) -> list[Json]:
        """All pipelines with their stages (id, name, position)."""
        body = self.request(calls.PIPELINES, params={"locationId": self.subaccount_id})
        return self._list(body, "pipelines", calls.PIPELINES)

    def workflows(self) -> list[Json]:
        """All workflows: id, name, status ("draft" or "published")."""
        body = self.request(calls.WORKFLOWS, params={"locationId": self.subaccount_id})
        return self._list(body, "workflows", calls.WORKFLOWS)

    # Contacts

    def get_contact(self, contact_id: str) -> Json:
        """The contact with ``customFields`` as ``[{id, value}]`` and ``tags``."""
        return self._object(self.request(calls.GET_CONTACT, contact_id), "contact", calls.GET_CONTACT)

    def create_contact(self, values: ContactValues) -> Json:
        """Make a contact and return it. Raises DuplicateContact when the e-mail or phone is taken. After any
        other 4xx look it up before creating again: a refused create has been seen to create."""
        body = {"locationId": self.subaccount_id, **body_for(calls.CREATE_CONTACT, values)}
        return self._object(self.request(calls.CREATE_CONTACT, body=body), "contact", calls.CREATE_CONTACT)

    def update_contact(self, contact_id: str, values: ContactValues) -> Json:
        """Change what ``values`` holds, leave the rest. Returns the contact as the CRM has it now, to be
        compared with what was sent; empty when the CRM does not show it. Raises DuplicateContact like
        ``create_contact``."""
        answer = self.request(calls.UPDATE_CONTACT, contact_id, body=body_for(calls.UPDATE_CONTACT, values))
        return self._shown(answer, "contact")

    def find_duplicate(self, *, email: str = "", phone: str = "") -> Json | None:
        """The contact that has this e-mail or this phone (E.164), or None. Give one of them: with both, the
        sub-account's own order decides which one counts."""
        params = {"locationId": self.subaccount_id}
        params |= {"email": email} if email else {}
        params |= {"number": phone} if phone else {}
        body = self.request(calls.FIND_DUPLICATE, params=params)
        contact = body.get("contact") if isinstance(body, dict) else None
        return contact if isinstance(contact, dict) and contact.get("id") else None

    def search_contacts(
        self,
        *,
        custom_field: tuple[str, str] | None = None,
        tag: str = "",
        email: str = "",
        phone: str = "",
        page: int = 1,
        limit: int = 100,
    ) -> list[Json]:
        """One page of contacts that meet all conditions given; ``custom_field`` is (field id, value).

        It reads an index that lags some seconds behind: never decide from it that a contact does not exist
        right after writing. ``limit`` is at most 500; a page shorter than that is the last one.
        """
        filters: list[Json] = []
        if custom_field is not None:
            filters.append(
                {"field": f"customFields.{custom_field[0]}", "operator": "eq", "value": custom_field[1]}
            )
        if tag:
            filters.append({"field": "tags", "operator": "contains_set", "value": [tag.strip().lower()]})
        filters += [
            {"field": name, "operator": "eq", "value": value}
            for name, value in (("email", email), ("phone", phone))
            if value
        ]
        body = {
            "locationId": self.subaccount_id,
            "page": page,
            "pageLimit": min(limit, _MOST_CONTACTS_PER_PAGE),
            "filters": filters,
            "sort": [{"field": "dateAdded", "direction": "asc"}],
        }
        return self._list(self.request(calls.SEARCH_CONTACTS, body=body), "contacts", calls.SEARCH_CONTACTS)

    def list_tags(self) -> list[str]:
        """The names of all tags that the sub-account knows."""
        found = self._list(self.request(calls.LIST_TAGS, self.subaccount_id), "tags", calls.LIST_TAGS)
        return [name for row in found if isinstance(name := row.get("name"), str)]

    def add_tags(self, contact_id: str, tags: Sequence[str]) -> list[str]:
        """Add tags (the CRM keeps them trimmed and in lower case). Returns all tags when the CRM shows
        them."""
        return self._tags(self.request(calls.ADD_TAGS, contact_id, body={"tags": _tags(tags)}))

    def remove_tags(self, contact_id: str, tags: Sequence[str]) -> list[str]:
        """Take tags away. Returns the remaining ones when the CRM shows them."""
        return self._tags(self.request(calls.REMOVE_TAGS, contact_id, body={"tags": _tags(tags)}))

    def list_notes(self, contact_id: str) -> list[Json]:
        """All notes of a contact: id, body, dateAdded."""
        return self._list(self.request(calls.LIST_NOTES, contact_id), "notes", calls.LIST_NOTES)

    def create_note(self, contact_id: str, body: str) -> Json:
        """Add a note and return it. The CRM does not notice repetitions: list the notes before repeating."""
        answer = self.request(calls.CREATE_NOTE, contact_id, body={"body": body})
        return self._object(answer, "note", calls.CREATE_NOTE)

    def enrol(self, contact_id: str, workflow_id: str) -> None:
        """Put the contact into a published workflow. Never repeat when in doubt: it would write to a
        patient."""
        self.request(calls.ENROL, contact_id, workflow_id, body={})

    # Opportunities

    def search_opportunities(self, contact_id: str, pipeline_id: str = "") -> list[Json]:
        """The contact's opportunities in any status, in one pipeline when given. Lags seconds behind
        writes."""
        params: dict[str, str | int] = {"location_id": self.subaccount_id, "contact_id": contact_id}
        params |= {"pipeline_id": pipeline_id} if pipeline_id else {}
        params["limit"] = _MOST_OPPORTUNITIES_PER_PAGE
        answer = self.request(calls.SEARCH_OPPORTUNITIES, params=params)
        return self._list(answer, "opportunities", calls.SEARCH_OPPORTUNITIES)

    def get_opportunity(self, opportunity_id: str) -> Json:
        """One opportunity."""
        answer = self.request(calls.GET_OPPORTUNITY, opportunity_id)
        return self._object(answer, "opportunity", calls.GET_OPPORTUNITY)

    def create_opportunity(self, values: OpportunityValues) -> Json:
        """Make an opportunity and return it. Raises DuplicateOpportunity where the sub-account allows only
        one."""
        body = {"locationId": self.subaccount_id, **body_for(calls.CREATE_OPPORTUNITY, values)}
        answer = self.request(calls.CREATE_OPPORTUNITY, body=body)
        return self._object(answer, "opportunity", calls.CREATE_OPPORTUNITY)

    def update_opportunity(self, opportunity_id: str, values: OpportunityValues) -> Json:
        """Change stage, status, value or name and return the opportunity; empty when the CRM does not show
        it."""
        body = body_for(calls.UPDATE_OPPORTUNITY, values)
        return self._shown(self.request(calls.UPDATE_OPPORTUNITY, opportunity_id, body=body), "opportunity")

    # The one request

    def request(
        self, call: Call, *ids: str, params: Mapping[str, str | int] | None = None, body: Json | None = None
    ) -> Any:
        """Make ``call`` and return the parsed body of a 2xx answer (None when there is none)."""
        if not self._has_token:
            raise ConfigError("This sub-account has no private integration token yet: enter one.")
        url = self._base_url + call.path.format(*(_segment(call, part) for part in ids))
        claim = self._budget.claim(self.subaccount_id, self._priority)
        try:
            answer = http.call(
                call.method,
                url,
                headers=self._headers,
                params=params,
                json=body,
                allow_private=self._allow_private,
            )
        except TransientError as error:
            error.may_have_happened = error.may_have_happened and call.writes
            raise
        self._budget.report(self.subaccount_id, answer.headers, claim)
        logger.debug("CRM %s: %s in %.0f ms", call.name, answer.status, answer.ms)
        if 200 <= answer.status < 300:
            return answer.json
        error_met = refusal(call, answer)
        if isinstance(error_met, RateLimited):
            self._budget.blocked(self.subaccount_id, error_met.retry_after)
        raise error_met

    @staticmethod
    def _shown(body: Any, key: str) -> Json:
        """The object under ``key``, or the body itself where the CRM leaves the wrapper out; else empty."""
        found = body.get(key, body) if isinstance(body, dict) else None
        return found if isinstance(found, dict) and found.get("id") else {}

    @classmethod
    def _object(cls, body: Any, key: str, call: Call) -> Json:
        if found := cls._shown(body, key):
            return found
        raise _unreadable(call)

    @staticmethod
    def _list(body: Any, key: str, call: Call) -> list[Json]:
        found = body.get(key) if isinstance(body, dict) else None
        if isinstance(found, list):
            return [item for item in found if isinstance(item, dict)]
        raise _unreadable(call)

    @staticmethod
    def _tags(body: Any) -> list[str]:
        found = body.get("tags") if isinstance(body, dict) else None
        return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def _unreadable(call: Call) -> TransientError:
    return TransientError(
        f"The CRM was asked to {call.words} and answered in a form that we do not know.",
        may_have_happened=call.writes,
    )


def _segment(call: Call, part: str) -> str:
    if not part or part in (".", ".."):
        raise ConfigError(f"An id needed to {call.words} is empty: check what is mapped in this sub-account.")
    return quote(part, safe="")


def _tags(tags: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))
