"""Something arrives just when the connection that it arrives by is removed: it is stored, or refused, never lost."""

import threading
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Connection, InboundEvent
from tenants.models import Practice, Role
from tests.admin.conftest import person, signed_in
from tests.engine.world import at, visit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unused(settings: Any) -> Connection:
    settings.REDIS_URL = "unix:///nobody-listens-here"
    practice = Practice.objects.create(slug="one", name="One", kind="med_spa")
    made: Connection = Connection.objects.create(practice=practice, key="apro", emr="aestheticspro")
    return made


def browser(row: Connection) -> Client:
    return signed_in(person("ada@example.com", row.practice, Role.ONBOARDING))


def by_the_set_up(row: Connection) -> None:
    address = reverse("setup-step", args=[row.practice.slug, "emr"])
    browser(row).post(address, {"remove": row.key})


def by_its_page(row: Connection) -> None:
    address = reverse("admin:integrations_connection_delete", args=[row.pk])
    browser(row).post(address, {"post": "yes"})


@pytest.mark.parametrize("remove", [by_the_set_up, by_its_page])
def test_an_event_that_was_taken_is_not_deleted_with_its_connection(unused, monkeypatch, remove) -> None:
    answers: list[int] = []

    def arrive() -> None:
        address = f"/webhooks/emr/{unused.webhook_key}/"
        body = apro.booked(visit(), at(0))
        answers.append(Client().post(address, body, content_type="application/json").status_code)
        connections.close_all()

    sender = threading.Thread(target=arrive)
    really = Connection.delete

    def delete(row: Connection, *given: Any, **named: Any) -> Any:
        sender.start()
        sender.join(timeout=0.5)  # it either ends at once or waits until it is decided
        return really(row, *given, **named)

    monkeypatch.setattr(Connection, "delete", delete)
    remove(unused)
    assert sender.ident, "the connection was to be removed"
    sender.join()
    is_stored = InboundEvent.objects.for_practice(unused.practice).exists()
    assert is_stored == (answers[0] < 300), answers


@pytest.mark.parametrize("remove", [by_the_set_up, by_its_page])
def test_a_connection_by_which_nothing_came_is_removed(unused, remove) -> None:
    remove(unused)
    assert not Connection.objects.for_practice(unused.practice).exists()
