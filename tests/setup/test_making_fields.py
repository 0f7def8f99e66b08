"""Custom fields made by a worker: each once, whatever breaks off, waits or is refused, and a result that says so."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rq.timeouts import JobTimeoutException

from integrations.contract.errors import RateLimited, TransientError
from integrations.models import Connection, CustomField, ProvisionRun, SubAccount
from integrations.sync import bell, provision, schedule
from integrations.sync.provision import begin, carry_on_provisioning, progress
from integrations.views.long_work import LongWork, of_provision
from tenants.models import Practice
from tests.polling.offices import CRM_ID, TOKEN, Crm
from tests.setup.conftest import url, words

pytestmark = pytest.mark.django_db

CREATE = "POST /locations/{id}/customFields"
LIST = "GET /locations/{id}/customFields"


@pytest.fixture
def account(practice: Practice, crm: Crm) -> SubAccount:
    Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    made: SubAccount = SubAccount.objects.create(
        practice=practice,
        key="main",
        crm_subaccount_id=CRM_ID,
        token=TOKEN,
        is_default=True,
        fields_fetched_at=timezone.now(),
    )
    return made


def in_crm(crm: Crm) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = crm.api("GET", f"/locations/{CRM_ID}/customFields")["customFields"]
    return found


def each_once(crm: Crm) -> int:
    """How many fields the CRM has, none of them twice."""
    names = Counter(row["name"] for row in in_crm(crm))
    assert set(names.values()) <= {1}
    return len(names)


def now_of(run: ProvisionRun) -> LongWork:
    run.refresh_from_db()
    return of_provision(run)


def later(run: ProvisionRun, seconds: float = 400) -> None:
    """Time goes by: what waited is due, and the lease of a worker that died is over."""
    past = timezone.now() - timedelta(seconds=1)
    rows = ProvisionRun.objects.across_practices().filter(pk=run.pk)
    rows.filter(next_at__lte=timezone.now() + timedelta(seconds=seconds)).update(next_at=past)
    rows.filter(lease_until__isnull=False).update(lease_until=past)


def fault(crm: Crm, route: str, **more: Any) -> None:
    crm.door("POST", "/faults", {"rules": [{"route": route, **more}]})


def test_a_press_begins_a_run_and_makes_nothing_itself(
    staff: Client, practice: Practice, account: SubAccount, crm: Crm
) -> None:
    before = in_crm(crm)
    page = staff.post(url(practice, "sub-accounts"), {"provision": "1"}, follow=True)
    assert "begins within seconds" in words(page)
    assert "Make the" not in words(page), "not a second time while it goes on"
    assert in_crm(crm) == before
    run = ProvisionRun.objects.for_practice(practice).get()
    assert run.made_by is not None
    staff.post(url(practice, "sub-accounts"), {"provision": "1"})
    assert ProvisionRun.objects.for_practice(practice).count() == 1


def test_the_result_says_what_was_made_what_there_was_and_what_is_wrong(
    account: SubAccount, crm: Crm
) -> None:
    for name, kind in (("Next Visit Date", "DATE"), ("Contact Type", "TEXT"), ("Last Visit Date", "TEXT")):
        crm.api(
            "POST", f"/locations/{CRM_ID}/customFields", {"name": name, "dataType": kind, "model": "contact"}
        )
    before = each_once(crm)
    run = begin(account, None)
    assert carry_on_provisioning() == 1
    work = now_of(run)
    made = each_once(crm) - before
    assert work.is_finished
    assert work.summary.startswith(
        f'{made} made, 2 existed, 1 of the wrong type: "Last Visit Date" is of type TEXT'
    )
    assert (work.tone, work.percent, work.part) == ("warning", 100, "")
    assert {group.word: len(group.names) for group in work.groups} == {
        "Wrong type": 1,
        "Made": made,
        "There": 2,
    }
    kept = CustomField.objects.for_practice(account.practice_id).filter(sub_account=account)
    assert kept.count() == each_once(crm), "our copy of the list is the new one"
    assert carry_on_provisioning() == 0


def test_a_second_run_finds_everything_there(account: SubAccount, crm: Crm) -> None:
    begin(account, None)
    carry_on_provisioning()
    count = each_once(crm)
    run = begin(account, None)
    carry_on_provisioning()
    assert each_once(crm) == count
    assert now_of(run).words == "Nothing to make: every field is there"


def test_a_field_that_two_emrs_need_counts_once(account: SubAccount, crm: Crm) -> None:
    Connection.objects.create(practice=account.practice, key="apro", emr="aestheticspro")
    run = begin(account, None)
    carry_on_provisioning()
    run.refresh_from_db()
    assert len(progress(run).made) == each_once(crm)


# --- a worker that dies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made_before_it_died", [True, False])
def test_killed_between_the_making_and_the_tick_no_field_is_made_twice(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch, made_before_it_died: bool
) -> None:
    real, asked = provision.create_field, []

    def die(client: Any, report: Any, folder_id: str) -> Any:
        asked.append(report.name)
        if len(asked) < 4:
            return real(client, report, folder_id)
        if made_before_it_died:
            real(client, report, folder_id)
        raise SystemExit("killed")

    run = begin(account, None)
    monkeypatch.setattr(provision, "create_field", die)
    with pytest.raises(SystemExit):
        carry_on_provisioning()
    run.refresh_from_db()
    assert len(progress(run).made) == 3
    assert progress(run).to_come[0] == asked[3]
    monkeypatch.setattr(provision, "create_field", real)
    assert carry_on_provisioning() == 0, "its lease is not over yet"
    assert not provision.anything_due()
    later(run)
    assert carry_on_provisioning() == 1
    run.refresh_from_db()
    assert run.finished_at is not None
    assert len(progress(run).made) == each_once(crm), "what it made before it died is its own"
    assert progress(run).existed == ()


def test_killed_before_the_new_list_is_kept_it_is_kept_all_the_same(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any) -> None:
        raise SystemExit("killed")

    run = begin(account, None)
    monkeypatch.setattr(provision, "store_listing", die)
    with pytest.raises(SystemExit):
        carry_on_provisioning()
    assert now_of(run).percent == 99
    monkeypatch.undo()
    later(run)
    carry_on_provisioning()
    work = now_of(run)
    assert work.words == f"{each_once(crm)} made"
    assert CustomField.objects.for_practice(account.practice_id).count() == each_once(crm)


def test_a_worker_that_was_thought_dead_writes_nothing_more(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(account, None)
    real = provision.create_field

    def slow(client: Any, report: Any, folder_id: str) -> Any:
        monkeypatch.setattr(provision, "create_field", real)
        done = real(client, report, folder_id)
        later(run)
        carry_on_provisioning()
        return done

    monkeypatch.setattr(provision, "create_field", slow)
    carry_on_provisioning()
    run.refresh_from_db()
    assert run.finished_at is not None
    assert len(progress(run).made) == each_once(crm)


def test_what_takes_longer_than_a_job_may_goes_on_in_the_next(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(bell, "ring", lambda queue="events", **more: rung.append(queue))
    monkeypatch.setattr(provision, "SLICE_SECONDS", -1.0)
    run = begin(account, None)
    carry_on_provisioning()
    assert rung == [bell.UPKEEP]
    assert in_crm(crm) == []
    assert now_of(run).words.endswith("to come")
    monkeypatch.setattr(provision, "SLICE_SECONDS", 60.0)
    carry_on_provisioning()
    assert now_of(run).is_finished


# --- a CRM that is away, wants a pause, or refuses ------------------------------------------------------------------


def test_a_crm_that_is_away_is_waited_for(account: SubAccount, crm: Crm) -> None:
    fault(crm, LIST, status=503)
    run = begin(account, None)
    carry_on_provisioning()
    work = now_of(run)
    assert not work.is_finished
    assert work.tone == "warning"
    assert "it goes on by itself" in work.words
    assert carry_on_provisioning() == 0, "not at once"
    assert not provision.anything_due()
    later(run)
    assert provision.anything_due()
    assert carry_on_provisioning() == 1
    assert now_of(run).words == f"{each_once(crm)} made"


def test_a_crm_that_makes_a_field_and_does_not_say_so_is_looked_at_again(
    account: SubAccount, crm: Crm
) -> None:
    fault(crm, CREATE, kind="close", after=True, skip=2)
    run = begin(account, None)
    carry_on_provisioning()
    run.refresh_from_db()
    assert len(progress(run).made) == 2
    assert run.fields[2]["state"] == provision.ASKED
    later(run)
    carry_on_provisioning()
    assert now_of(run).words == f"{each_once(crm)} made"


def test_a_pause_that_the_crm_asks_for_is_kept(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = provision.create_field

    def limited(*args: Any) -> Any:
        raise RateLimited("The CRM asks for a pause.", retry_after=30.0)

    run = begin(account, None)
    monkeypatch.setattr(provision, "create_field", limited)
    carry_on_provisioning()
    work = now_of(run)
    assert work.words.endswith("to come. The CRM asks for a pause: it goes on by itself")
    wait = run.next_at - timezone.now()
    assert timedelta(seconds=25) < wait <= timedelta(seconds=30)
    assert {one["state"] for one in run.fields} == {"missing"}, "nothing was asked for"
    monkeypatch.setattr(provision, "create_field", real)
    later(run)
    carry_on_provisioning()
    assert now_of(run).is_finished


def test_the_waits_grow_and_have_an_end(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise TransientError("The CRM is away.")

    monkeypatch.setattr(provision, "client_for", away)
    run = begin(account, None)
    waits = []
    for _ in range(7):
        carry_on_provisioning()
        run.refresh_from_db()
        waits.append(round((run.next_at - timezone.now()).total_seconds()))
        later(run)
    assert waits == [15, 30, 60, 120, 240, 300, 300]


def test_a_refused_field_is_told_in_the_crms_words_and_the_rest_goes_on(
    account: SubAccount, crm: Crm
) -> None:
    fault(crm, CREATE, status=422, skip=1, body={"message": "Field name is reserved"})
    run = begin(account, None)
    carry_on_provisioning()
    work = now_of(run)
    assert work.is_finished
    assert work.summary.startswith(f"{each_once(crm)} made, 1 refused: The CRM refuses to make")
    assert work.summary.endswith("Field name is reserved")


def test_a_refused_token_ends_it_with_words_and_a_new_press_begins_anew(
    account: SubAccount, crm: Crm
) -> None:
    account.token = "pit-wrong"
    account.save()
    run = begin(account, None)
    carry_on_provisioning()
    work = now_of(run)
    assert (work.is_finished, work.tone, work.label) == (True, "danger", "Ended early")
    assert work.why[0]
    assert "pit-wrong" not in work.summary
    account.token = TOKEN
    account.save()
    again = begin(account, None)
    carry_on_provisioning()
    assert now_of(again).words == f"{each_once(crm)} made"


def test_something_unexpected_ends_it_and_does_not_stop_the_others(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise KeyError("name")

    monkeypatch.setattr(provision, "plans_of", broken)
    run = begin(account, None)
    assert carry_on_provisioning() == 1
    assert now_of(run).summary == "Nothing was made: It broke off here (KeyError). What was made stays"


def test_a_job_that_runs_out_of_time_leaves_the_run_to_the_next(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*args: Any) -> Any:
        raise JobTimeoutException("The job took too long.")

    run = begin(account, None)
    monkeypatch.setattr(provision, "plans_of", late)
    with pytest.raises(JobTimeoutException):
        carry_on_provisioning()
    assert not now_of(run).is_finished
    monkeypatch.undo()
    later(run)
    carry_on_provisioning()
    assert now_of(run).is_finished


def test_many_runs_share_the_time_of_a_job(
    account: SubAccount, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = SubAccount.objects.create(
        practice=account.practice, key="second", crm_subaccount_id="LOC2", token=TOKEN
    )
    monkeypatch.setattr(provision, "SLICE_SECONDS", -1.0)
    runs = [begin(account, None), begin(second, None)]
    assert carry_on_provisioning() == 1
    assert now_of(runs[1]).words.startswith("Waits for a worker")


def test_without_an_emr_it_says_what_is_missing(account: SubAccount, crm: Crm) -> None:
    run = begin(account, None)
    Connection.objects.for_practice(account.practice_id).delete()
    carry_on_provisioning()
    assert "Choose the EMR first" in now_of(run).summary


# --- who carries it out, and where it shows -------------------------------------------------------------------------


def test_the_tick_rings_for_it(account: SubAccount, crm: Crm) -> None:
    assert not schedule._upkeep_is_due()
    begin(account, None)
    assert schedule._upkeep_is_due()


@pytest.mark.parametrize("step", ["sub-accounts", "go-live"])
def test_the_set_up_shows_the_bar_and_then_the_result(
    staff: Client, practice: Practice, account: SubAccount, crm: Crm, step: str
) -> None:
    run = begin(account, None)
    page = staff.get(url(practice, step)).content.decode()
    part = f"/bulk/custom-fields/{run.pk}/progress/"
    assert f'hx-get="{part}"' in page
    assert 'hx-trigger="ax-over from:body"' in page, "the page around it is read again when it is over"
    assert "HX-Trigger" not in staff.get(part).headers
    carry_on_provisioning()
    answer = staff.get(part)
    assert answer["HX-Trigger"] == "ax-over"
    assert "hx-get" not in answer.content.decode()
    # On the last step a check turns green for it; what came of it stands where it was asked for.
    result = f"{each_once(crm)} made." in staff.get(url(practice, step)).content.decode()
    assert result is (step != "go-live")
    ProvisionRun.objects.across_practices().update(finished_at=timezone.now() - timedelta(days=2))
    assert part not in staff.get(url(practice, step)).content.decode()
    assert "made." not in words(staff.get(url(practice, step)))
