"""Work that nobody outside asked for: what a person pressed, and what was found lying about. Put into the lane of
(sub-account, contact) as an event, so that it keeps its place in the order."""

import json
from collections.abc import Mapping
from datetime import datetime

from integrations.contract.protocols import Receipt
from integrations.models import CreateRequest, CreateState, Priority, Source
from integrations.models.creates import FAILED
from integrations.sync.create_back.tags import ANYWAY, CHECK, LINK, RETRY, SWEEP
from integrations.sync.intake import Door, store


def retry(request: CreateRequest) -> bool:
    """Try once more. False when there is nothing to try."""
    return _ask(request, RETRY, FAILED)


def retry_if_fixed(request: CreateRequest) -> bool:
    """Read the contact again, and try once more if its problems are gone; else nothing is written."""
    return _ask(request, CHECK, FAILED)


def create_anyway(request: CreateRequest) -> bool:
    """A person said that it is none of the candidates: create the patient."""
    return _ask(request, ANYWAY, (CreateState.NEEDS_DECISION,))


def link_to(request: CreateRequest, external_id: str) -> bool:
    """A person said who it is at the EMR: link to that patient."""
    return _ask(request, LINK, FAILED, external_id=external_id)


def dismiss(request: CreateRequest, user: object, because: str) -> bool:
    """A person decided that nothing is to be done. False when it was settled meanwhile."""
    rows = CreateRequest.objects.for_practice(request.practice_id).filter(pk=request.pk, state__in=FAILED)
    return bool(
        rows.update(
            state=CreateState.DISMISSED,
            dismissed_by=user,
            dismissed_because=because[:300],
            tries_itself=False,
            candidates=[],
        )
    )


def found_tag(practice_id: int, sub_account_id: int, contact_id: str, tag: str, now: datetime) -> None:
    """The sweep found a create tag that nobody is at."""
    body = {"contact_id": contact_id, "tags": tag}
    # Once an hour at most, whatever becomes of it.
    _store(practice_id, sub_account_id, SWEEP, body, f"{SWEEP}:{contact_id}:{now:%Y%m%d%H}")


def _ask(
    request: CreateRequest, kind: str, states: tuple[CreateState, ...], *, external_id: str = ""
) -> bool:
    if request.state not in states or request.answered_at is None:
        return False
    body = {"contact_id": request.contact_crm_id, "request": request.pk, "external_id": external_id}
    # Pressed twice is asked for once: every try moves the time of the last one.
    mark = f"{kind}:{request.pk}:{request.tried_at.timestamp()}:{external_id}"
    return _store(request.practice_id, request.sub_account_id, kind, body, mark)


def _store(practice_id: int, sub_account_id: int, kind: str, body: Mapping[str, object], mark: str) -> bool:
    door = Door(practice_id, sub_account_id=sub_account_id, source=Source.CRM, priority=Priority.CREATE_BACK)
    receipt = Receipt(kind=kind, event_id=mark, patient_id=str(body["contact_id"]))
    return store(door, json.dumps(body).encode(), receipt).result == "stored"
