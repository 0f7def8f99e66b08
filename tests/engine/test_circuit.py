"""Circuits that several lanes change at once: an incident stands as long as there is a reason for it."""

import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections

from integrations.contract.errors import RejectedError
from integrations.models import Incident, SubAccount
from integrations.sync import circuit, contact_values
from integrations.sync.contact_values import write_birth_date_again
from tenants.models import Practice

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account() -> SubAccount:
    owner = Practice.objects.create(slug="one", name="One", kind="med_spa", state="live")
    circuit.forget()
    made: SubAccount = SubAccount.objects.create(practice=owner, key="main", crm_subaccount_id="LOC1")
    return made


def fails(account: SubAccount, times: int = 1) -> None:
    for _ in range(times):
        circuit.failed(SubAccount, account.pk, account.practice_id, "The CRM does not answer.")


def succeeds(account: SubAccount) -> None:
    circuit.succeeded(SubAccount, account.pk, account.practice_id)


def standing(account: SubAccount) -> list[str]:
    rows = Incident.objects.for_practice(account.practice_id).filter(closed_at=None)
    return list(rows.values_list("kind", flat=True))


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any], where: ModuleType = circuit
) -> list[threading.Thread]:
    """Another lane does this just before an incident is opened; what is under way there is returned."""
    started: list[threading.Thread] = []
    really = where.open_incident

    def run() -> None:
        act()
        connections.close_all()

    def open_incident(*given: Any, **named: Any) -> bool:
        if not started:
            started.append(threading.Thread(target=run))
            started[0].start()
            started[0].join(
                timeout=0.5
            )  # it either ends at once or waits for this failure to be written whole
        return really(*given, **named)

    monkeypatch.setattr(where, "open_incident", open_incident)
    return started


def test_a_success_in_the_middle_of_the_fifth_failure_leaves_no_incident_that_nobody_closes(
    account, monkeypatch
):
    fails(account, circuit.FAILURES_TO_OPEN - 1)
    under_way = meanwhile(monkeypatch, lambda: succeeds(account))
    fails(account)
    under_way[0].join()
    succeeds(account)
    assert standing(account) == []
    assert Incident.objects.for_practice(account.practice_id).count() == 1
    account.refresh_from_db()
    assert (account.failures_in_a_row, account.circuit_open_until) == (0, None)


def test_credentials_entered_in_the_middle_of_a_refusal_leave_no_incident(account, monkeypatch):
    def enters() -> None:
        circuit.reauthenticated(SubAccount, account.pk, account.practice_id)

    under_way = meanwhile(monkeypatch, enters)
    circuit.refused(SubAccount, account.pk, account.practice_id, "The CRM refuses the token.")
    under_way[0].join()
    assert standing(account) == []
    account.refresh_from_db()
    assert account.needs_reauth_since is None


def test_what_was_read_before_a_failure_is_not_believed_after_it(account):
    """A lane reads the circuit while another one's failure is written: the next success still closes it."""
    failing: list[int] = []

    def fail_after_reading(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if failing or "circuit_open_until" not in sql:
            return execute(sql, *given)
        failing.append(1)
        found = execute(sql, *given)
        fails(account, circuit.FAILURES_TO_OPEN)
        return found

    with database.execute_wrapper(fail_after_reading):
        assert circuit.seconds_closed_off(SubAccount, account.pk) == 0
    assert failing
    assert standing(account) == ["unreachable"]
    assert circuit.seconds_closed_off(SubAccount, account.pk) > 0
    succeeds(account)
    assert standing(account) == []


def test_a_date_of_birth_let_through_in_the_middle_of_a_refusal_leaves_no_incident_without_its_reason(
    account, monkeypatch
):
    under_way = meanwhile(monkeypatch, lambda: write_birth_date_again(account), contact_values)
    to: Any = SimpleNamespace(work=SimpleNamespace(profile=SimpleNamespace(id=account.practice_id)))
    to.account = account
    refusal = RejectedError("No.", status=422, details={"fields": ["dateOfBirth"]})
    assert contact_values.is_birth_date_refused(to, {"dateOfBirth": "1958-01-01"}, refusal)
    under_way[0].join()
    account.refresh_from_db()
    assert bool(standing(account)) == account.refuses_birth_date, "whichever came last, both say the same"
