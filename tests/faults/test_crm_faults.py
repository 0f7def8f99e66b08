"""The CRM refuses, breaks off, answers late or is away: nothing lost, nothing doubled, order kept per patient."""

import random
import time
from typing import Any

import pytest

from integrations.emrs.aestheticspro import sandbox as apro
from tests.faults.stack import Stack
from tests.faults.stories import Body, long_story, story

pytestmark = pytest.mark.faults

WORKFLOW = "POST /contacts/{id}/workflow/{workflowId}"
WRITES = (
    "POST /contacts",
    "PUT /contacts/{id}",
    "POST /contacts/{id}/notes",
    "POST /opportunities",
    "PUT /opportunities/{id}",
    WORKFLOW,
)
READS = ("POST /contacts/search", "GET /contacts/search/duplicate", "GET /contacts/{id}")


def _everywhere(routes: tuple[str, ...], **fault: Any) -> list[Body]:
    """The same fault at each of these calls: at the first and at the third that comes by."""
    return [{"route": route, "skip": skip, **fault} for route in routes for skip in (0, 1)]


def _stories_end_well(stack: Stack, rules: list[Body], patients: int = 3) -> list[apro.Client]:
    """Tell several patients' stories at once under these faults; each ends as if nothing had been wrong."""
    clean = stack.clean_picture()
    stack.faults(*rules)
    everybody = [stack.patient() for _ in range(patients)]
    for events in zip(*(story(who) for who in everybody), strict=True):
        stack.tell(*events)
    stack.settle(hurry=True)
    assert stack.rules_left() == []
    assert [stack.picture(who) for who in everybody] == [clean] * patients
    notes = patients * len(clean["notes"])
    assert stack.totals() == {"contacts": patients, "notes": notes, "opportunities": patients}
    ledger = stack.ask("ledger", stack.mark)
    assert [(row["amount"], row["state"]) for row in sorted(ledger, key=lambda row: str(row["amount"]))] == [
        *[("350.00", "written")] * patients,
        *[("42.00", "written")] * patients,
    ]
    return everybody


@pytest.mark.parametrize("retry_after", [None, 1], ids=["without Retry-After", "with Retry-After"])
def test_the_crm_asks_to_slow_down(stack: Stack, retry_after: int | None) -> None:
    incidents = stack.ask("incidents")
    fault = {"kind": "answer", "status": 429, "retry_after": retry_after}
    _stories_end_well(stack, [{"route": route, **fault} for route in (*WRITES, *READS)])
    assert stack.effects("in_doubt") == []
    assert stack.ask("incidents") == incidents  # waiting is not a failure


def test_the_crm_cannot_do_it_for_a_while(stack: Stack) -> None:
    _stories_end_well(stack, _everywhere((*WRITES, *READS), kind="answer", status=503))
    assert stack.effects("in_doubt") == []


@pytest.mark.parametrize("fault", ["answers 500", "closes the connection"])
def test_the_crm_does_it_and_fails_to_say_so(stack: Stack, fault: str) -> None:
    kind: Body = {"kind": "close"} if fault.startswith("closes") else {"kind": "answer", "status": 500}
    stack.faults(index_lag_ms=2500)
    _stories_end_well(stack, _everywhere(WRITES, after=True, **kind))
    in_doubt = stack.effects("in_doubt")
    assert [effect["kind"] for effect in in_doubt] == ["enrol", "enrol"]
    assert all("not repeated" in effect["reason"] for effect in in_doubt)


def test_the_crm_makes_the_contact_and_answers_422(stack: Stack) -> None:
    stack.faults(index_lag_ms=2500)
    _stories_end_well(stack, _everywhere(("POST /contacts",), kind="answer", status=422, after=True))


def test_the_connection_breaks_before_anything_is_done(stack: Stack) -> None:
    _stories_end_well(stack, _everywhere((*WRITES[:-1], *READS), kind="close"))


def test_an_enrolment_that_may_have_happened_is_shown_and_never_repeated(stack: Stack) -> None:
    clean, who = stack.clean_picture(), stack.patient()
    stack.faults({"route": WORKFLOW, "kind": "close", "skip": 2})
    stack.tell(*story(who))
    stack.settle(hurry=True)
    expected = clean["enrolments"][:2] + clean["enrolments"][3:]
    assert stack.picture(who) == clean | {"enrolments": expected}
    (effect,) = stack.effects("in_doubt")
    assert "not repeated" in effect["reason"]
    event = next(event for event in stack.events() if event["id"] == effect["event_id"])
    assert any(step["step"] == "enrolment" for step in event["story"])


def test_answers_that_come_too_late_are_looked_up(stack: Stack) -> None:
    """Every kind of write happens, but its answer takes longer than anybody waits."""
    clean = stack.clean_picture()
    known, new = [stack.patient() for _ in range(4)], [stack.patient() for _ in range(4)]
    stack.tell(*(story(who)[0] for who in known))
    stack.settle()
    stack.faults(*({"route": route, "kind": "hang", "seconds": 40, "after": True} for route in WRITES))
    for who in known:
        stack.tell(*story(who)[1:])
    for who in new:
        stack.tell(*story(who))
    stack.settle(hurry=True)
    assert stack.rules_left() == []
    assert [stack.picture(who) for who in known + new] == [clean] * 8
    assert stack.totals()["contacts"] == 8
    assert [effect["kind"] for effect in stack.effects("in_doubt")] == ["enrol"]


def test_a_full_outage_of_twenty_seconds_is_one_incident_and_costs_nothing(stack: Stack) -> None:
    clean = stack.clean_picture()
    everybody = [stack.patient() for _ in range(4)]
    told = [events for who in everybody for events in story(who)[:2]]
    before = len(stack.ask("incidents"))
    stack.tell(*told)
    stack.faults(outage=True)
    began, later = time.monotonic(), [events for who in everybody for events in story(who)[2:]]
    while time.monotonic() - began < 20:
        stack.tell(*later[:1])
        later = later[1:]
        time.sleep(1)
    stack.tell(*later)
    stack.until(lambda: len(stack.ask("incidents")) > before, "an incident is opened")
    assert stack.ask("incidents")[-1]["is_open"]
    assert "waiting" in {event["state"] for event in stack.events()}

    stack.faults(outage=False)
    stack.settle(hurry=True)
    assert [stack.picture(who) for who in everybody] == [clean] * 4
    assert stack.totals()["contacts"] == 4
    incidents = stack.ask("incidents")[before:]
    assert [(row["kind"], row["is_open"]) for row in incidents] == [("unreachable", False)]


@pytest.mark.parametrize("seed", [1, 2])
def test_two_workers_under_random_faults_end_where_a_clean_run_ends(stack: Stack, seed: int) -> None:
    while len(stack.workers()) < 2:
        stack.start_worker()
    clean = _four_long_stories(stack)
    stack.fresh()
    chance = random.Random(seed)
    rules: list[Body] = []
    for _ in range(12):
        rules.append({"route": chance.choice(WRITES), "status": 503, "skip": chance.randrange(6)})
        route = chance.choice(("POST /contacts/{id}/notes", "POST /opportunities", "PUT /opportunities/{id}"))
        rules.append({"route": route, "kind": "close", "after": True, "skip": chance.randrange(6)})
    stack.faults(*rules, index_lag_ms=2000, latency_ms=10)
    assert _four_long_stories(stack) == clean
    assert stack.effects("in_doubt") + stack.effects("planned") + stack.effects("sending") == []


def _four_long_stories(stack: Stack) -> list[Body]:
    """Four new patients with twelve events each, in one burst: what the CRM shows of each in the end."""
    everybody = [stack.patient() for _ in range(4)]
    told = [long_story(who, variant) for variant, who in enumerate(everybody)]
    assert [len(events) for events in told] == [12] * 4
    for events in zip(*told, strict=True):
        stack.tell(*events)
    stack.settle(hurry=True)
    assert stack.totals()["contacts"] == 4
    return [stack.picture(who) for who in everybody]
