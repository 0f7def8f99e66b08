"""Which opportunity is ours, and what is written to it."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from integrations.contract.errors import ConfigError
from integrations.crm.opportunities import (
    adopted,
    belongs,
    create_values,
    opportunity_name,
    pick,
    update_values,
)


def opportunity(key: str, status: str, created: Any, pipeline: str = "P1") -> dict[str, Any]:
    return {"id": key, "status": status, "createdAt": created, "pipelineId": pipeline}


OPEN_OLD = opportunity("OPEN_OLD", "open", "2026-01-01T00:00:00.000Z")
OPEN_NEW = opportunity("OPEN_NEW", "open", "2026-02-01T00:00:00.000Z")
WON_OLD = opportunity("WON_OLD", "won", "2026-03-01T00:00:00.000Z")
WON_NEW = opportunity("WON_NEW", "won", "2026-04-01T00:00:00.000Z")
LOST = opportunity("LOST", "lost", "2026-05-01T00:00:00.000Z")
ABANDONED = opportunity("ABANDONED", "abandoned", "2026-06-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ([OPEN_OLD, OPEN_NEW, WON_NEW, ABANDONED], "OPEN_NEW"),
        ([WON_OLD, WON_NEW, LOST, ABANDONED], "WON_NEW"),
        ([LOST, ABANDONED], "ABANDONED"),
        ([LOST], "LOST"),
    ],
)
def test_the_newest_open_then_won_then_closed_one_is_picked_in_any_order(
    known: list[dict[str, Any]], chosen: str
) -> None:
    for order in itertools.permutations(known):
        picked = pick(order)
        assert picked is not None
        assert picked["id"] == chosen


def test_nothing_is_picked_from_nothing_or_from_what_cannot_be_read() -> None:
    assert pick([]) is None
    assert pick([{"id": "x", "status": "deleted"}, {"status": "open"}]) is None


def test_times_are_read_in_any_form() -> None:
    early, late = opportunity("A", "open", 1767225600000), opportunity("B", "open", "2026-01-02T00:00:00")
    for order in ([early, late], [late, early]):
        picked = pick(order)
        assert picked is not None
        assert picked["id"] == "B"
    undated = pick([opportunity("C", "open", None), early])
    assert undated is not None
    assert undated["id"] == "A"


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        ({"firstName": "Ava ", "lastName": " Stone"}, "Ava Stone"),
        ({"firstName": None, "lastName": "Stone"}, "Stone"),
        ({"firstName": "", "lastName": "", "contactName": "ava stone"}, "ava stone"),
        ({"email": "ava@example.com", "phone": "+12125550142"}, "ava@example.com"),
        ({"phone": "+12125550142"}, "+12125550142"),
        ({"firstName": " "}, "New contact"),
        ({}, "New contact"),
    ],
)
def test_the_name_is_the_contact_s_and_never_empty(contact: dict[str, Any], name: str) -> None:
    assert opportunity_name(contact) == name


def test_a_new_opportunity_says_everything() -> None:
    values = create_values({"id": "C1", "firstName": "Ava"}, "P1", "S1", "won", Decimal("1250.00"))
    assert values == {
        "contactId": "C1",
        "pipelineId": "P1",
        "pipelineStageId": "S1",
        "name": "Ava",
        "status": "won",
        "monetaryValue": Decimal("1250.00"),
    }
    assert "monetaryValue" not in create_values({"id": "C1"}, "P1", "S1", "open")


def test_a_move_writes_stage_and_status_and_the_value_only_when_given() -> None:
    assert update_values("P1", "S1", "open") == {
        "pipelineId": "P1",
        "pipelineStageId": "S1",
        "status": "open",
    }
    assert update_values("P1", "S1", "won", Decimal(0))["monetaryValue"] == 0


def test_an_opportunity_is_taken_over_only_in_the_wanted_pipeline() -> None:
    assert adopted(OPEN_OLD, "P1") is OPEN_OLD
    assert not belongs(OPEN_OLD, "P2")
    with pytest.raises(ConfigError, match="allow duplicate opportunities in this sub-account"):
        adopted(OPEN_OLD, "P2")
