"""The demo's button: a contact with the create tag, told of by the pretend CRM itself over HTTP."""

import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from django.test import Client

from integrations.models import CreateState, InboundEvent
from tenants.models import User
from tests.creates.sides import Practice
from tests.faults.programs import eventually
from tests.polling.offices import CRM_ID, KEY


@pytest.fixture
def received(settings: Any) -> Iterator[list[tuple[str, dict[str, str], bytes]]]:
    """Webhooks that the pretend CRM posts, kept as they came: path, headers, body."""
    found: list[tuple[str, dict[str, str], bytes]] = []

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        names = {"X-AX-Secret": "HTTP_X_AX_SECRET", "x-ghl-signature": "HTTP_X_GHL_SIGNATURE"}
        headers = {name: environ[key] for name, key in names.items() if key in environ}
        found.append((environ["PATH_INFO"], headers, body))
        start_response("202 Accepted", [("Content-Length", "0")])
        return []

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.PUBLIC_URL, settings.DEMO = f"http://127.0.0.1:{server.server_port}", True
    yield found
    server.shutdown()


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    user = User.objects.create_superuser("root@example.com", "pw")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def forward(received: list[tuple[str, dict[str, str], bytes]], *, until: int) -> None:
    """Bring what the pretend CRM posted to our doors."""
    assert eventually(lambda: len(received) >= until, 10)
    for place, headers, body in list(received):
        answer = Client().post(place, body, content_type="application/json", headers=headers)
        assert answer.status_code in (200, 202), answer.content


def test_the_button_ends_in_a_patient_and_both_ways_of_the_crm_tell_of_it(
    practice: Practice, root: Client, received: list[tuple[str, dict[str, str], bytes]]
) -> None:
    page = root.get("/sandbox/create-tag/", {"account": CRM_ID}).content.decode()
    assert "Add create tag" in page
    answer = root.post("/sandbox/create-tag/press/", {"account": CRM_ID, "way": "whole"})
    assert "watch the contact" in answer.content.decode()
    forward(received, until=2)
    assert {place.rsplit("/", 2)[0] for place, *_ in received} == {"/webhooks/crm"}
    practice.work()
    assert practice.request.state == CreateState.CREATED
    assert len(practice.side.patients()) == 1
    assert len(practice.notes(practice.request.contact_crm_id)) == 1
    # Taking the tag off is told of as well, and does nothing.
    before = InboundEvent.objects.across_practices().count()
    assert eventually(lambda: len(received) >= 3, 10)
    place, headers, body = received[-1]
    Client().post(place, body, content_type="application/json", headers=headers)
    practice.work()
    assert InboundEvent.objects.across_practices().count() == before + 1
    assert practice.event().state == "ignored"


def test_somebody_incomplete_is_told_what_to_fix(
    modmed: Practice, root: Client, received: list[tuple[str, dict[str, str], bytes]]
) -> None:
    root.post("/sandbox/create-tag/press/", {"account": CRM_ID, "way": "incomplete"})
    forward(received, until=2)
    modmed.work()
    assert modmed.problems() == ["Phone is missing.", "Gender is missing."]


def test_only_the_demo_has_it(modmed: Practice, root: Client) -> None:
    assert root.get("/sandbox/create-tag/", {"account": CRM_ID}).status_code == 404


def test_a_button_that_there_is_not_does_nothing(
    modmed: Practice, root: Client, received: list[tuple[str, dict[str, str], bytes]]
) -> None:
    answer = root.post("/sandbox/create-tag/press/", {"account": CRM_ID, "way": "other"})
    assert answer.status_code == 404
    assert modmed.crm.contacts() == []


def test_the_door_shows_what_was_sent_and_hides_the_secret(modmed: Practice) -> None:
    modmed.crm.door("POST", "/webhooks", {"location_id": CRM_ID, "app": {"url": "http://127.0.0.1:9/none"}})
    modmed.contact("vip")
    assert eventually(lambda: modmed.crm.door("GET", "/webhooks")["sent"], 10)
    assert modmed.crm.door("GET", "/webhooks")["sent"][0]["status"] == 0
    shown = requests.get(
        f"{modmed.crm.url}/_sandbox/sub-accounts", headers={"X-Sandbox-Key": KEY}, timeout=5
    ).text
    assert "/none" not in shown
