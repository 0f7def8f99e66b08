"""kill -9 of the worker before and after every kind of CRM call: nothing lost, nothing doubled, order kept."""

import signal
from dataclasses import dataclass

import pytest

from tests.faults.stack import Stack
from tests.faults.stories import BOOKED, BOOKED_AGAIN, PAID, RETAIL, story

pytestmark = pytest.mark.faults

WORKFLOW = "POST /contacts/{id}/workflow/{workflowId}"


@dataclass(frozen=True)
class Moment:
    """One call of a story: in which of its events, which route (after ``skip`` calls), what the CRM then did."""

    event: int
    route: str
    change: str
    skip: int = 0

    def hang(self, *, after: bool) -> dict[str, object]:
        """The fault that makes this call hang, before or after it is done, until its caller is dead."""
        return {"route": self.route, "kind": "hang", "seconds": 100, "after": after, "skip": self.skip}


MOMENTS = {
    "contact create": Moment(BOOKED, "POST /contacts", "contact_created"),
    "contact PUT": Moment(BOOKED_AGAIN, "PUT /contacts/{id}", "contact_updated"),
    "money PUT": Moment(PAID, "PUT /contacts/{id}", "contact_updated"),
    "note": Moment(BOOKED_AGAIN, "POST /contacts/{id}/notes", "note_created"),
    "opportunity create": Moment(BOOKED, "POST /opportunities", "opportunity_created"),
    "opportunity PUT": Moment(PAID, "PUT /opportunities/{id}", "opportunity_moved opportunity_updated"),
    "enrolment": Moment(BOOKED_AGAIN, WORKFLOW, "enrolled"),
    "birthday enrolment": Moment(PAID, WORKFLOW, "enrolled", skip=1),
}


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("name", MOMENTS)
def test_a_worker_killed_at_a_call_loses_and_doubles_nothing(stack: Stack, name: str, after: bool) -> None:
    moment, clean = MOMENTS[name], stack.clean_picture()
    stack.faults(index_lag_ms=2500)
    who = stack.patient()
    events = story(who)
    stack.tell(*events[: moment.event])
    stack.settle()
    victim = stack.only_worker()
    stack.reaches(moment.hang(after=after), moment.change if after else "")

    stack.tell(events[moment.event])
    stack.reached(moment.change if after else "")
    stack.tell(*events[moment.event + 1 :])
    victim.kill()
    assert stack.ask("release_dead", victim.name) == 1
    stack.start_worker()
    stack.settle()

    found = stack.picture(who)
    in_doubt = stack.effects("in_doubt")
    if moment.route == WORKFLOW:
        assert [effect["kind"] for effect in in_doubt] == ["enrol"]
        assert "not repeated" in in_doubt[0]["reason"]
    else:
        assert in_doubt == []
    if moment.route == WORKFLOW and not after:
        lost = clean["enrolments"].index("APro Birthday") if moment.skip else 1
        clean = clean | {"enrolments": clean["enrolments"][:lost] + clean["enrolments"][lost + 1 :]}
    assert found == clean
    assert stack.totals() == {"contacts": 1, "notes": len(clean["notes"]), "opportunities": 1}
    assert stack.effects("planned") + stack.effects("sending") + stack.effects("failed") == []


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_payment_that_makes_the_contact_counts_once_when_the_worker_is_killed(
    stack: Stack, after: bool
) -> None:
    stack.faults(index_lag_ms=2500)
    who = stack.patient()
    moment = MOMENTS["contact create"]
    victim = stack.only_worker()
    stack.reaches(moment.hang(after=after), moment.change if after else "")
    stack.tell(story(who)[RETAIL])
    stack.reached(moment.change if after else "")
    victim.kill()
    assert stack.ask("release_dead", victim.name) == 1
    stack.start_worker()
    stack.settle()

    shown = stack.picture(who)
    assert shown["fields"]["Patient Lifetime Value"] == 42
    assert [card["monetary_value"] for card in shown["opportunities"]] == [42]
    assert stack.totals() == {"contacts": 1, "notes": 1, "opportunities": 1}
    assert stack.ask("ledger", stack.mark) == [
        {"amount": "42.00", "state": "written", "before": "0.00", "after": "42.00"}
    ]


def test_where_nobody_saw_it_die_its_lanes_are_taken_over_when_the_lease_runs_out(stack: Stack) -> None:
    clean, who = stack.clean_picture(), stack.patient()
    victim = stack.only_worker()
    stack.reaches(MOMENTS["note"].hang(after=True), "note_created")
    stack.tell(*story(who))
    stack.reached("note_created")
    victim.kill()
    stack.start_worker()
    assert stack.ask("leases")[0].startswith(victim.name)
    assert stack.ask("waiting") == 5

    assert stack.ask("end_leases") == 1
    stack.settle()
    assert stack.picture(who) == clean
    assert stack.totals()["contacts"] == 1


@pytest.mark.parametrize(
    "route", ["POST /contacts/{id}/notes", "PUT /opportunities/{id}", "PUT /contacts/{id}"]
)
def test_a_worker_that_slept_past_its_lease_writes_nothing_twice(stack: Stack, route: str) -> None:
    clean, who = stack.clean_picture(), stack.patient()
    events = story(who)
    stack.tell(*events[:PAID])
    stack.settle()
    _sleep_through(stack, route, events[PAID:])
    assert stack.picture(who) == clean
    assert stack.totals() == {"contacts": 1, "notes": len(clean["notes"]), "opportunities": 1}


def test_a_worker_that_slept_while_it_looked_for_the_contact_makes_no_second_one(stack: Stack) -> None:
    clean, who = stack.clean_picture(), stack.patient()
    _sleep_through(stack, "POST /contacts/search", story(who))
    assert stack.picture(who) == clean
    assert stack.totals() == {"contacts": 1, "notes": len(clean["notes"]), "opportunities": 1}


def test_a_worker_that_slept_over_a_payment_does_not_take_a_later_one_back(stack: Stack) -> None:
    """It read the lifetime value before it slept; meanwhile another worker wrote two payments."""
    clean, who = stack.clean_picture(), stack.patient()
    events = story(who)
    stack.tell(*events[:PAID])
    stack.settle()
    _sleep_through(stack, "GET /contacts/{id}", events[PAID:])
    assert stack.picture(who)["fields"]["Patient Lifetime Value"] == clean["fields"]["Patient Lifetime Value"]
    assert stack.picture(who) == clean


def _sleep_through(stack: Stack, route: str, events: list[dict[str, object]]) -> None:
    """SIGSTOP the worker while the CRM's answer to a call is on its way; another one does the work; SIGCONT."""
    sleeper = stack.only_worker()
    stack.reaches({"route": route, "kind": "slow", "seconds": 2, "after": True})
    stack.door("DELETE", "/requests")
    stack.tell(events[0])
    stack.reached()
    sleeper.send(signal.SIGSTOP)
    try:
        stack.tell(*events[1:])
        assert stack.ask("end_leases") == 1
        stack.start_worker()
        stack.settle()
        stack.until(lambda: stack.door("GET", "/requests")["routes"].get(route), "the answer was sent")
    finally:
        sleeper.send(signal.SIGCONT)
    # Either its lease is found lost, or what it would store is there already.
    noticed = ("went to another worker", "the database failed: IntegrityError")
    stack.until(lambda: any(sleeper.said(words) for words in noticed), "the sleeper notices")
    stack.settle()
    sleeper.kill()
