"""Webhooks of the CRM's marketplace app: one address for every sub-account, told apart by ``locationId``.

Who sent it is proved by the signature over the raw body, for whom it is by our own table. What it says is only
a hint, so that a repetition does nothing: the contact is read again.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations.contract.dates import moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Receipt
from integrations.contract.reading import text
from integrations.crm.signature import HEADER, is_genuine
from integrations.models import SubAccount
from integrations.sync.create_back.tags import APP, TAG_EVENTS, app_event, contact_id_in
from integrations.sync.intake import Stored, parse_body, store
from integrations.views.webhooks import Refused, answer_with, crm_door, raw_body

# Clocks differ a little; what is dated further ahead was not made by the CRM's.
AHEAD = timedelta(minutes=5)


@csrf_exempt
def app(request: HttpRequest) -> JsonResponse:
    """``POST /webhooks/crm/app/``: 401 unless it is signed and recent, 200 and dropped where it is for nobody
    here, else as any webhook."""
    return answer_with(request, lambda: _take(request))


def _take(request: HttpRequest) -> Stored | None:
    raw = raw_body(request)
    if not is_genuine(
        raw, request.headers, keys=settings.CRM_APP_PUBLIC_KEYS, allow_rsa=settings.CRM_APP_ALLOW_RSA
    ):
        raise Refused(401, f"The header {HEADER} does not hold the CRM's signature of this body.")
    body = parse_body(raw)
    event = app_event(body)
    _check_time(event)
    app_id = text(event.get("appId"))
    if settings.CRM_APP_ID and app_id and app_id != settings.CRM_APP_ID:
        return None
    stored: Stored | None = None
    for pk, practice_id in _sub_accounts(text(event.get("locationId"))):
        found = store(crm_door(practice_id, pk), raw, _receipt(event))
        stored = stored or found
    return stored


def _check_time(event: Any) -> None:
    """Raises Refused for one that is too old to be a late repetition, or dated ahead."""
    try:
        at = moment(event.get("timestamp"), "timestamp")
    except MalformedPayload:
        raise Refused(401, "The timestamp cannot be read.") from None
    oldest = timezone.now() - timedelta(seconds=settings.CRM_WEBHOOK_SECONDS)
    if at is not None and not oldest <= at <= timezone.now() + AHEAD:
        raise Refused(401, "The timestamp is too long ago, or in the future.")


def _sub_accounts(location_id: str) -> list[tuple[int, int]]:
    """(id, practice id) of the sub-accounts that the CRM means."""
    if not location_id:
        return []
    rows = SubAccount.objects.across_practices().filter(crm_subaccount_id=location_id).order_by("pk")
    return list(rows.values_list("pk", "practice_id"))


def _receipt(event: Any) -> Receipt:
    name = text(event.get("type"))
    ignored = "" if name in TAG_EVENTS else "An event of the CRM that AX Connect does not use."
    return Receipt(
        kind=APP,
        event_id=text(event.get("webhookId")),
        patient_id=contact_id_in(APP, event),
        ignored_because=ignored,
    )
