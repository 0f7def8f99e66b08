"""The CRM's two doors: what is taken, what is refused, and that neither a forgery nor a repetition does anything."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import DatabaseError
from django.test import Client as Browser
from django.utils import timezone

from integrations.crm import signature
from integrations.models import CreateRequest, CreateState, EventState, InboundEvent
from integrations.views import crm_app, webhooks
from tests.creates.sides import Practice


def events() -> int:
    return InboundEvent.objects.across_practices().count()


def nothing_happened(practice: Practice) -> bool:
    practice.work()
    return practice.side.patients() == [] and not CreateRequest.objects.across_practices().exists()


# --- a workflow's webhook action ---------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_workflow_without_the_secret_changes_nothing(modmed: Practice, secret: str) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    assert modmed.tell(contact_id, secret=secret).status_code == 401
    assert events() == 0
    assert nothing_happened(modmed)


def test_an_address_that_nobody_has_is_404(modmed: Practice) -> None:
    answer = Browser().post("/webhooks/crm/nobody/", "{}", content_type="application/json")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"contact_id": "{id}"},
        {"id": "{id}", "name": "Nora"},
        {"contact_id": "{id}", "tags": "vip, MODMED CREATE ,other"},
        {"contact_id": "{id}", "tags": "", "customData": {"event": "ModMed-Create"}},
        {"customData": {"contact_id": "{id}", "tag": "modmed-create"}},
    ],
    ids=["id alone", "custom webhook", "tags as one text", "tag in custom data", "all in custom data"],
)
def test_bodies_of_either_action_are_understood(modmed: Practice, body: dict[str, Any]) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    told = json.loads(json.dumps(body).replace("{id}", contact_id))
    assert modmed.tell(contact_id, body=told).status_code == 202
    modmed.work()
    assert modmed.request.state == CreateState.CREATED


def test_the_body_is_only_a_hint(modmed: Practice) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    body = modmed.workflow_body(contact_id) | {"first_name": "Forged", "email": "forged@example.com"}
    modmed.tell(contact_id, body=body)
    modmed.work()
    (patient,) = modmed.side.patients()
    assert (patient["first"], patient["email"]) == ("Nora", "nora.vance@example.com")


def test_a_tag_that_creates_nobody_costs_no_call(modmed: Practice) -> None:
    contact_id = modmed.contact("vip")
    calls = modmed.crm.calls()
    modmed.tell(contact_id, body={"contact_id": contact_id, "tags": "vip"})
    modmed.work()
    assert modmed.crm.calls() == calls
    assert modmed.event().state == EventState.IGNORED


def test_a_body_without_a_contact_is_put_aside_with_what_was_wrong(modmed: Practice) -> None:
    assert modmed.tell("", body={"tags": "modmed-create"}).status_code == 202
    modmed.work()
    assert modmed.event().state == EventState.PARKED
    assert "contact_id" in modmed.event().reason


def test_what_is_told_again_after_the_answer_does_nothing(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    body = practice.workflow_body(contact_id)
    practice.tell(contact_id, body=body)
    practice.work()
    notes = practice.notes(contact_id)
    assert practice.tell(contact_id, body=body).status_code == 202
    practice.work()
    assert practice.event().state == EventState.IGNORED
    assert practice.notes(contact_id) == notes
    assert len(practice.side.patients()) == 1


def test_what_cannot_be_stored_is_asked_for_again(modmed: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise DatabaseError("disk full")

    contact_id = modmed.contact(modmed.side.tag)
    body = modmed.app_body(contact_id)
    monkeypatch.setattr(webhooks, "store", full)
    monkeypatch.setattr(crm_app, "store", full)
    for answer in (modmed.tell(contact_id), modmed.tell_as_app(body)):
        assert answer.status_code == 429
        assert answer["Retry-After"]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}'])
def test_no_body_makes_a_5xx(modmed: Practice, raw: bytes) -> None:
    assert modmed.tell_as_app(raw).status_code == 400
    path = f"/webhooks/crm/{modmed.account.webhook_key}/"
    secret = {"X-AX-Secret": modmed.account.webhook_secret}
    answer = Browser().post(path, raw, content_type="application/json", headers=secret)
    assert answer.status_code == 400


# --- the marketplace app -----------------------------------------------------------------------------------


def test_a_signed_tag_event_makes_the_patient(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    assert practice.tell_as_app(practice.app_body(contact_id)).status_code == 202
    practice.work()
    assert practice.request.state == CreateState.CREATED
    assert practice.shown(contact_id)["tags"] == []


def test_the_event_may_stand_under_data(modmed: Practice) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    assert modmed.tell_as_app({"data": modmed.app_body(contact_id)}).status_code == 202
    modmed.work()
    assert modmed.request.state == CreateState.CREATED


@pytest.mark.parametrize("given", ["", "N/A", "not base64!", base64.b64encode(b"x" * 64).decode(), "eA=="])
def test_a_forged_signature_changes_nothing(modmed: Practice, given: str) -> None:
    body = modmed.app_body(modmed.contact(modmed.side.tag))
    assert modmed.tell_as_app(body, signature=given).status_code == 401
    assert events() == 0
    assert nothing_happened(modmed)


def test_a_body_that_was_changed_after_signing_changes_nothing(modmed: Practice) -> None:
    from integrations.sandbox.webhooks import signature as sign
    from tests.polling.offices import KEY

    body = modmed.app_body(modmed.contact(modmed.side.tag))
    signed = sign(KEY, json.dumps(body).encode())
    changed = json.dumps(body | {"id": "somebody-else"}).encode()
    assert modmed.tell_as_app(changed, signature=signed).status_code == 401
    assert events() == 0


def test_the_vendor_s_own_key_counts_where_no_other_is_set(modmed: Practice, settings: Any) -> None:
    settings.CRM_APP_PUBLIC_KEYS = []
    assert signature.is_public_key(signature.PUBLIC_KEY)
    body = modmed.app_body(modmed.contact(modmed.side.tag))
    assert modmed.tell_as_app(body).status_code == 401


def test_an_rsa_signature_counts_only_where_it_is_allowed(
    modmed: Practice, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(65537, 4096)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    monkeypatch.setattr(signature, "OLD_PUBLIC_KEY", base64.b64encode(public).decode())
    raw = json.dumps(modmed.app_body(modmed.contact(modmed.side.tag))).encode()
    old = base64.b64encode(key.sign(raw, PKCS1v15(), hashes.SHA256())).decode()
    headers = {"x-wh-signature": old}
    assert modmed.tell_as_app(raw, signature="N/A", **headers).status_code == 401
    settings.CRM_APP_ALLOW_RSA = True
    assert modmed.tell_as_app(raw, signature="N/A", **headers).status_code == 202


def test_an_ed25519_signature_in_the_older_header_counts(modmed: Practice) -> None:
    from integrations.sandbox.webhooks import signature as sign
    from tests.polling.offices import KEY

    raw = json.dumps(modmed.app_body(modmed.contact(modmed.side.tag))).encode()
    headers = {"x-wh-signature": sign(KEY, raw)}
    assert modmed.tell_as_app(raw, signature="N/A", **headers).status_code == 202


def test_the_same_webhook_id_counts_once(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    body = practice.app_body(contact_id)
    assert practice.tell_as_app(body).json()["result"] == "stored"
    practice.work()
    for _ in range(2):
        answer = practice.tell_as_app(body)
        assert (answer.status_code, answer.json()["result"]) == (200, "duplicate")
    practice.work()
    assert len(practice.side.patients()) == 1
    assert len(practice.notes(contact_id)) == 1


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(), 202),
        (timedelta(hours=3), 202),
        (timedelta(hours=25), 401),
        (timedelta(minutes=-20), 401),
        (None, 202),
    ],
    ids=["now", "repeated for hours", "too old", "from the future", "not told"],
)
def test_old_webhooks_are_refused(modmed: Practice, age: timedelta | None, status: int) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    stamp = None if age is None else (timezone.now() - age).isoformat()
    assert modmed.tell_as_app(modmed.app_body(contact_id, timestamp=stamp)).status_code == status


def test_a_sub_account_that_nobody_has_is_answered_and_dropped(modmed: Practice) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    for location in ("ELSEWHERE", None):
        answer = modmed.tell_as_app(modmed.app_body(contact_id, locationId=location))
        assert (answer.status_code, answer.json()) == (200, {"result": "ignored"})
    assert events() == 0


def test_another_app_s_webhook_is_dropped(modmed: Practice, settings: Any) -> None:
    settings.CRM_APP_ID = "ours"
    contact_id = modmed.contact(modmed.side.tag)
    assert modmed.tell_as_app(modmed.app_body(contact_id)).status_code == 200
    assert events() == 0
    assert modmed.tell_as_app(modmed.app_body(contact_id, appId="ours")).status_code == 202


def test_events_that_are_not_about_tags_are_ignored(modmed: Practice) -> None:
    contact_id = modmed.contact(modmed.side.tag)
    answer = modmed.tell_as_app(modmed.app_body(contact_id, type="ContactUpdate"))
    assert (answer.status_code, answer.json()["result"]) == (200, "ignored")
    assert nothing_happened(modmed)


def test_both_doors_telling_of_one_tag_make_one_patient_and_one_note(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.tell_as_app(practice.app_body(contact_id))
    practice.work()
    assert len(practice.side.patients()) == 1
    assert len(practice.notes(contact_id)) == 1
    states = set(InboundEvent.objects.across_practices().values_list("state", flat=True))
    assert states == {EventState.DONE, EventState.IGNORED}


def test_get_is_not_a_way_in(modmed: Practice) -> None:
    assert Browser().get("/webhooks/crm/app/").status_code == 405
