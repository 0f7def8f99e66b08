"""Webhooks: verified, stored, committed, answered. Nothing else happens in the request."""

import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from integrations.contract.errors import ConfigError
from integrations.contract.protocols import Receipt
from integrations.contract.reading import text
from integrations.emrs import emr_for
from integrations.models import SubAccount
from integrations.models.events import Priority, Source
from integrations.sync import hot
from integrations.sync.create_back.tags import WORKFLOW, contact_id_in
from integrations.sync.intake import MAX_BODY_BYTES, BadBody, Door, Stored, parse_body, receipt_of, store
from tenants.encryption import decrypt

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-AX-Secret"  # noqa: S105  (a header's name)
RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """The delivery is not taken: status and words for the sender."""

    status: int
    words: str


def refusal(status: int, words: str) -> JsonResponse:
    """A JSON error in words."""
    response = JsonResponse({"error": words}, status=status)
    if status == 429:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


@csrf_exempt
def emr(request: HttpRequest, key: str) -> JsonResponse:
    """``POST /webhooks/emr/<key>/``: an event from a practice's EMR."""
    return _answer(request, key, _emr_door)


@csrf_exempt
def crm(request: HttpRequest, key: str) -> JsonResponse:
    """``POST /webhooks/crm/<key>/``: a workflow's webhook action in a sub-account."""
    return _answer(request, key, _crm_door)


def _answer(request: HttpRequest, key: str, door_for: Any) -> JsonResponse:
    def take() -> Stored:
        raw = raw_body(request)
        door, secret, reader = door_for(key)
        _check_secret(request, secret)
        return store(door, raw, reader(parse_body(raw)))

    return answer_with(request, take)


def answer_with(request: HttpRequest, take: Callable[[], Stored | None]) -> JsonResponse:
    """The answer to a delivery that ``take`` stores; None from it: the delivery was well and is dropped.

    ``take`` raises Refused, BadBody and DatabaseError: none of them becomes a 5xx, since the CRM repeats nothing
    but a 429.
    """
    if request.method != "POST":
        response = refusal(405, "Send events with POST.")
        response["Allow"] = "POST"
        return response
    try:
        stored = take()
    except Refused as refused:
        return refusal(refused.status, refused.words)
    except BadBody as error:
        return refusal(400, str(error))
    except DatabaseError as error:
        # The CRM repeats nothing but a 429, so that is what a full or absent database answers.
        logger.error("a webhook could not be stored: %s", type(error).__name__)
        return refusal(429, "The event could not be stored just now: send it again.")
    if stored is None:
        return JsonResponse({"result": "ignored"})
    return JsonResponse(
        {"event": stored.event_id, "result": stored.result}, status=202 if stored.result == "stored" else 200
    )


def raw_body(request: HttpRequest) -> bytes:
    """The bytes of a body as they came. Raises Refused."""
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise Refused(413, "The body is larger than 1 MB.")
    # Django reads nothing of a body that comes in chunks; the server marks the end of one.
    in_chunks = not length and request.META.get("wsgi.input_terminated")
    try:
        raw = (request.META["wsgi.input"] if in_chunks else request).read(MAX_BODY_BYTES + 1)
    except (UnreadablePostError, RawPostDataException, OSError):
        raise Refused(400, "The body broke off.") from None
    if len(raw) > MAX_BODY_BYTES:
        raise Refused(413, "The body is larger than 1 MB.")
    return raw


def _emr_door(key: str) -> tuple[Door, str, Any]:
    row = hot.webhook_door(key)
    if row is None:
        raise Refused(404, "There is no such webhook address.")
    pk, practice_id, slug, sealed, paths = row
    try:
        folder = emr_for(slug)
    except ConfigError as error:
        raise Refused(404, str(error)) from None
    credentials = json.loads(decrypt(sealed)) if sealed else {}
    field_paths = json.loads(paths) if isinstance(paths, str) else paths
    secret = text(credentials.get("header_secret"))
    return Door(practice_id, connection_id=pk), secret, lambda body: receipt_of(folder, body, field_paths)


def _crm_door(key: str) -> tuple[Door, str, Any]:
    row = (
        SubAccount.objects.across_practices()
        .filter(webhook_key=key)
        .values_list("pk", "practice_id", "webhook_secret")
        .first()
    )
    if row is None:
        raise Refused(404, "There is no such webhook address.")
    pk, practice_id, secret = row
    return crm_door(practice_id, pk), secret, _crm_receipt


def crm_door(practice_id: int, sub_account_id: int) -> Door:
    """Where what a sub-account tells comes in."""
    return Door(practice_id, sub_account_id=sub_account_id, source=Source.CRM, priority=Priority.CREATE_BACK)


def _crm_receipt(body: dict[str, Any]) -> Receipt:
    """A workflow's call has no event id; its contact decides the lane."""
    return Receipt(kind=WORKFLOW, patient_id=contact_id_in(WORKFLOW, body))


def _check_secret(request: HttpRequest, secret: str) -> None:
    """Raises Refused when a secret is set and the header does not hold it."""
    given = request.headers.get(SECRET_HEADER, "")
    if secret and not hmac.compare_digest(given.encode(), secret.encode()):
        raise Refused(401, f"The header {SECRET_HEADER} does not hold this address's secret.")
