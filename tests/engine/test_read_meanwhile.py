"""Two ask the CRM or the door at once, and the one who asked first is through last."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import CustomField, InboundEvent
from integrations.sync import crm_mirror
from integrations.sync.crm_access import client_for
from tests.engine.test_effects import make_field
from tests.engine.world import World, at, visit


def names(world: World) -> set[str]:
    rows = CustomField.objects.for_practice(world.practice)
    return set(rows.values_list("name", flat=True))


def test_an_older_list_of_fields_that_is_through_last_takes_no_new_field_away(world, monkeypatch):
    really, overtaken = CrmClient.list_custom_fields, []

    def list_fields(client: CrmClient) -> Any:
        found = really(client)
        if not overtaken:
            overtaken.append(1)
            make_field(world, "Shoe Size", "NEWID")
            crm_mirror.refresh_fields(world.account, client_for(world.account))
        return found

    monkeypatch.setattr(CrmClient, "list_custom_fields", list_fields)
    crm_mirror.refresh_fields(world.account, client_for(world.account))
    assert "Shoe Size" in names(world)


def test_a_list_of_fields_that_was_asked_for_later_takes_away_what_is_gone(world):
    make_field(world, "Shoe Size", "NEWID")
    crm_mirror.refresh_fields(world.account, client_for(world.account))
    del world.crm.accounts["LOC1"].fields.by_id["NEWID"]
    crm_mirror.refresh_all(world.account, client_for(world.account))
    assert "Shoe Size" not in names(world)


@pytest.mark.parametrize("before", ["UPDATE", "INSERT"])
def test_one_body_that_comes_twice_at_once_long_after_the_first_is_one_new_event(world, before):
    """Both find the old event and take its key from it; one is through before the other's next statement."""
    body = {name: value for name, value in apro.booked(visit(), at(0)).items() if name != "event_id"}
    world.post(body)
    InboundEvent.objects.for_practice(world.practice).update(received_at=timezone.now() - timedelta(hours=1))
    answers: list[Any] = []
    frees: list[str] = []

    def overtake(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if "dedupe_key" in sql and sql.lstrip().startswith("UPDATE"):
            frees.append(sql)
        is_next = sql.lstrip().startswith(before) and "dedupe_key" in sql
        if not answers and is_next and (frees or before == "UPDATE"):
            answers.append(None)
            answers[0] = world.post(body)
        return execute(sql, *given)

    with database.execute_wrapper(overtake):
        second = world.post(body)
    assert (answers[0].status_code, second.status_code) == (202, 200)
    assert second.json() == {"event": answers[0].json()["event"], "result": "duplicate"}
    assert InboundEvent.objects.for_practice(world.practice).count() == 2
