"""What an import writes, and that a second one writes nothing."""

from typing import Any

import pytest
from django.utils import timezone

from categorization.models import AppointmentType
from integrations.models import (
    Connection,
    Contact,
    CustomField,
    LocationRoute,
    Opportunity,
    Patient,
    Pipeline,
    Stage,
    SubAccount,
    WorkflowMapping,
)
from integrations.practice_file import importing
from integrations.practice_file.importing import Imported, import_practice
from integrations.practice_file.problems import PracticeFileError
from tenants.models import Location, Practice, PracticeState
from tests.practice_file.documents import NON_SURGICAL, SURGICAL, document, raw

pytestmark = pytest.mark.django_db

HISTORIES = [
    model.history.model
    for model in (
        Practice,
        SubAccount,
        Pipeline,
        Stage,
        WorkflowMapping,
        Location,
        LocationRoute,
        Connection,
        AppointmentType,
    )
]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the practices whose waiting work was released."""
    calls: list[int] = []
    monkeypatch.setattr(importing, "settings_changed", calls.append)
    return calls


def imported(file: dict[str, Any], **options: Any) -> Imported:
    return import_practice(raw(file), **options)


def practice() -> Practice:
    return Practice.objects.across_practices().get()


def stages(key: str, kind: str) -> dict[str, str]:
    rows = Stage.objects.for_practice(practice()).filter(pipeline__sub_account__key=key, pipeline__kind=kind)
    return dict(rows.values_list("name", "crm_id"))


def test_everything_in_the_file_is_stored() -> None:
    imported(document())
    row = practice()
    assert (row.slug, row.kind, row.time_zone, row.country) == (
        "bluestone",
        "plastic_surgery",
        "America/New_York",
        "US",
    )
    main = SubAccount.objects.for_practice(row).get(key="main")
    assert (main.crm_subaccount_id, main.token, main.is_default) == ("LOC1", "pit-main-secret", True)
    assert (stages("main", "surgical"), stages("main", "non_surgical")) == (SURGICAL, NON_SURGICAL)
    assert WorkflowMapping.objects.for_practice(row).get().crm_id == "WF1"
    beach = Location.objects.for_practice(row).get(external_id="901")
    assert (beach.time_zone, beach.route.sub_account.key) == ("America/Los_Angeles", "spa")
    connection = Connection.objects.for_practice(row).get(key="cw")
    assert connection.credentials == {"username": "blue", "api_key": "key-secret"}
    assert connection.switches == {"create_required_fields": ["phone"], "payments": False}
    assert (connection.base_url, connection.emr) == ("https://emr.example.com/api", "chartwell")


def test_the_answer_holds_every_address_and_secret() -> None:
    answer = imported(document())
    connection = Connection.objects.for_practice(practice()).get(key="cw")
    main = SubAccount.objects.for_practice(practice()).get(key="main")
    assert answer.slug == "bluestone"
    assert answer.webhooks["cw"] == connection.webhook_url
    assert connection.webhook_key in answer.webhooks["cw"]
    assert answer.crm_webhooks["main"] == {"url": main.webhook_url, "secret": main.webhook_secret}
    assert (sorted(answer.webhooks), sorted(answer.crm_webhooks)) == (["cw", "glow"], ["main", "spa"])


def test_a_second_import_changes_nothing(told: list[int], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        first = imported(document())
    version = practice().config_version
    counts = [history.objects.count() for history in HISTORIES]
    with django_capture_on_commit_callbacks(execute=True):
        second = imported(document())
    assert second.changes == []
    assert (second.webhooks, second.crm_webhooks) == (first.webhooks, first.crm_webhooks)
    assert practice().config_version == version
    assert [history.objects.count() for history in HISTORIES] == counts
    assert told == [practice().pk]


def test_waiting_work_is_released_only_after_the_commit(told: list[int]) -> None:
    imported(document())
    assert told == []


def test_a_change_is_told_in_words_and_raises_the_version() -> None:
    imported(document())
    version = practice().config_version
    file = document()
    file["practice"]["name"] = "Bluestone"
    file["sub_accounts"][0]["token"] = "pit-new-secret"
    answer = imported(file)
    assert answer.changes == [
        'practice: name "Bluestone Plastic Surgery" → "Bluestone"',
        "sub-account main: token changed",
    ]
    assert practice().config_version > version
    assert practice().history.first().history_change_reason == "practice file"


def test_a_new_token_lets_work_through_again() -> None:
    imported(document())
    rows = SubAccount.objects.for_practice(practice()).filter(key="main")
    rows.update(needs_reauth_since=timezone.now(), failures_in_a_row=7)
    imported(document())
    assert rows.get().needs_reauth_since is not None
    file = document()
    file["sub_accounts"][0]["token"] = "pit-new-secret"
    imported(file)
    assert (rows.get().needs_reauth_since, rows.get().failures_in_a_row) == (None, 0)


def test_new_credentials_let_work_through_again() -> None:
    imported(document())
    rows = Connection.objects.for_practice(practice()).filter(key="cw")
    rows.update(needs_reauth_since=timezone.now())
    file = document()
    file["connections"][0]["credentials"]["api_key"] = "new-secret"
    imported(file)
    assert rows.get().needs_reauth_since is None


def test_a_mask_keeps_the_stored_secret() -> None:
    imported(document())
    file = document()
    file["sub_accounts"][0]["token"] = "***"
    file["connections"][0]["credentials"]["api_key"] = "***"
    assert imported(file).changes == []
    assert SubAccount.objects.for_practice(practice()).get(key="main").token == "pit-main-secret"
    assert Connection.objects.for_practice(practice()).get(key="cw").credential("api_key") == "key-secret"


def test_what_the_file_leaves_out_stays() -> None:
    imported(document())
    file = document()
    del file["locations"]
    del file["practice"]["country"]
    for name in ("token", "pipelines", "workflows", "default"):
        del file["sub_accounts"][0][name]
    for name in ("base_url", "credentials", "switches", "workflow_names"):
        del file["connections"][0][name]
    assert imported(file).changes == []


def test_sub_accounts_and_connections_that_are_not_in_the_file_are_left_and_named() -> None:
    imported(document())
    file = document()
    del file["sub_accounts"][1], file["connections"][1]
    answer = imported(file)
    assert answer.changes == []
    assert answer.notes == [
        "sub-account spa is not in the file: left as it is",
        "connection glow is not in the file: left as it is",
    ]
    assert sorted(answer.webhooks) == ["cw", "glow"]


def test_a_location_may_go_to_a_sub_account_that_only_the_database_knows() -> None:
    imported(document())
    file = document()
    del file["sub_accounts"][1]
    file["locations"][2]["sub_account"] = "spa"
    imported(file)
    assert LocationRoute.objects.for_practice(practice()).filter(sub_account__key="spa").count() == 2


def test_the_default_moves_to_another_sub_account() -> None:
    imported(document())
    file = document()
    file["sub_accounts"][0]["default"], file["sub_accounts"][1]["default"] = False, True
    imported(file)
    assert SubAccount.objects.for_practice(practice()).get(is_default=True).key == "spa"
    del file["sub_accounts"][1]
    file["sub_accounts"][0]["default"] = True
    imported(file)
    assert SubAccount.objects.for_practice(practice()).get(is_default=True).key == "main"


def test_mappings_that_are_not_in_the_file_are_removed() -> None:
    imported(document())
    file = document()
    del file["sub_accounts"][0]["pipelines"]["surgical"]
    del file["sub_accounts"][0]["pipelines"]["non_surgical"]["stages"]["Patient"]
    file["sub_accounts"][0]["workflows"] = {}
    file["locations"] = [file["locations"][0] | {"sub_account": None}]
    answer = imported(file)
    assert (stages("main", "surgical"), sorted(stages("main", "non_surgical"))) == (
        {},
        ["Booked", "Cancelled / No-Show"],
    )
    assert not WorkflowMapping.objects.for_practice(practice()).exists()
    assert not LocationRoute.objects.for_practice(practice()).exists()
    assert [row.external_id for row in Location.objects.for_practice(practice())] == ["827"]
    assert 'sub-account main, workflow "CW Appointments Update": removed' in answer.changes


def test_mappings_in_use_are_kept_and_named() -> None:
    imported(document())
    main = SubAccount.objects.for_practice(practice()).get(key="main")
    contact = Contact.objects.create(sub_account=main, crm_id="C1")
    Opportunity.objects.create(contact=contact, pipeline="non_surgical", crm_id="O1", stage="Patient")
    Opportunity.objects.create(contact=contact, pipeline="surgical", crm_id="O2", stage="Consult Booked")
    connection = Connection.objects.for_practice(practice()).get(key="cw")
    site = Location.objects.for_practice(practice()).get(external_id="827")
    Patient.objects.create(practice=practice(), connection=connection, external_id="1", last_location=site)
    file = document()
    del file["sub_accounts"][0]["pipelines"]["surgical"]
    del file["sub_accounts"][0]["pipelines"]["non_surgical"]["stages"]["Patient"]
    file["locations"] = file["locations"][1:]
    answer = imported(file)
    assert answer.changes == []
    assert answer.notes == [
        'sub-account main, pipeline non_surgical, stage "Patient": kept, opportunities stand in it',
        "sub-account main, pipeline surgical: kept, opportunities stand in it",
        "location 827: kept, patients were seen there",
    ]


def test_a_stage_that_points_elsewhere_forgets_its_crm_name() -> None:
    imported(document())
    Stage.objects.for_practice(practice()).update(crm_name="Old name")
    file = document()
    file["sub_accounts"][0]["pipelines"]["surgical"]["stages"]["Consult Booked"] = "S77"
    imported(file)
    rows = Stage.objects.for_practice(practice()).filter(pipeline__kind="surgical")
    assert rows.get(name="Consult Booked").crm_name == ""
    assert rows.get(name="Surgery Complete").crm_name == "Old name"


def test_consult_completed_is_understood_and_non_surgical_takes_consult_stages() -> None:
    file = document()
    pipelines = file["sub_accounts"][0]["pipelines"]
    pipelines["surgical"]["stages"]["Consult Completed"] = pipelines["surgical"]["stages"].pop(
        "Consult Complete"
    )
    pipelines["non_surgical"]["stages"] |= {"Consult Booked": "T4", "Consult Completed": "T5"}
    imported(file)
    assert stages("main", "surgical")["Consult Complete"] == "S2"
    assert stages("main", "non_surgical")["Consult Complete"] == "T5"


def types() -> dict[str, AppointmentType]:
    return {row.name: row for row in AppointmentType.objects.for_practice(practice())}


def test_confirmed_categories_carry_when_and_how() -> None:
    imported(document())
    consult, follow_up = types()["Breast Aug Consult"], types()["Follow up"]
    assert (consult.category, consult.confirmed_via, consult.is_confirmed) == (
        "Surgical Consult",
        "file",
        True,
    )
    assert (follow_up.category, follow_up.purpose, follow_up.is_confirmed) == (
        "Non-Surgical Appointment",
        "Botox",
        False,
    )


def test_who_confirmed_a_category_stays_while_it_stays_the_same() -> None:
    imported(document())
    AppointmentType.objects.for_practice(practice()).filter(name="Breast Aug Consult").update(
        confirmed_via="page"
    )
    file = document()
    file["categories"][0]["type"] = "BREAST aug  consult"
    assert imported(file).changes == []
    assert types()["Breast Aug Consult"].confirmed_via == "page"


def test_synonyms_of_categories_are_accepted() -> None:
    file = document()
    file["categories"][0]["category"] = "surgery consult"
    imported(file)
    assert types()["Breast Aug Consult"].category == "Surgical Consult"


def test_another_category_without_confirmed_is_not_confirmed() -> None:
    imported(document())
    file = document()
    del file["categories"][0]["confirmed"]
    assert imported(file).changes == []
    file["categories"][0]["category"] = "Surgical Appointment"
    imported(file)
    row = types()["Breast Aug Consult"]
    assert (row.category, row.is_confirmed, row.confirmed_via) == ("Surgical Appointment", False, "")


def test_live_with_a_reason_is_an_override() -> None:
    imported(document())
    row = practice()
    assert (row.state, row.live_reason) == (PracticeState.LIVE, "acceptance run")
    assert row.live_at is not None


def test_live_without_a_reason_needs_a_green_checklist_and_names_what_is_red() -> None:
    file = document()
    del file["practice"]["live_reason"]
    with pytest.raises(PracticeFileError) as caught:
        imported(file)
    text = "\n".join(caught.value.problems)
    assert "practice.live: Chartwell: test event seen: Nothing has arrived from Chartwell yet" in text
    assert "practice.live: main: custom fields" in text
    assert not Practice.objects.across_practices().exists()


def test_a_live_practice_stays_live_without_being_asked_again() -> None:
    imported(document())
    file = document()
    del file["practice"]["live_reason"]
    assert imported(file).changes == []
    del file["practice"]["live"]
    assert imported(file).changes == []
    assert practice().live_reason == "acceptance run"


def test_live_false_pauses_a_live_practice_and_says_so() -> None:
    imported(document())
    file = document()
    file["practice"]["live"] = False
    answer = imported(file)
    assert practice().state == PracticeState.PAUSED
    assert any("paused" in note for note in answer.notes)
    assert imported(file).changes == []


def test_a_new_practice_that_is_not_live_is_in_onboarding() -> None:
    file = document()
    del file["practice"]["live"], file["practice"]["live_reason"]
    imported(file)
    assert practice().state == PracticeState.ONBOARDING


def test_a_dry_run_tells_the_changes_and_makes_none(told: list[int]) -> None:
    answer = imported(document(), dry_run=True)
    assert "connection cw: new" in answer.changes
    assert (answer.webhooks, answer.crm_webhooks) == ({}, {})
    assert not Practice.objects.across_practices().exists()


def test_a_dry_run_of_a_change_keeps_the_addresses_that_exist(told: list[int]) -> None:
    first = imported(document())
    file = document()
    file["practice"]["name"] = "Other"
    file["connections"].append(file["connections"][1] | {"key": "third"})
    answer = imported(file, dry_run=True)
    assert answer.webhooks == first.webhooks
    assert practice().name == "Bluestone Plastic Surgery"


def test_a_failure_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(importing, "write_categories", broken)
    with pytest.raises(RuntimeError):
        imported(document())
    assert not Practice.objects.across_practices().exists()
    assert not SubAccount.objects.across_practices().exists()


def test_another_practice_is_never_touched() -> None:
    imported(document())
    other = document()
    other["practice"]["slug"] = "granite"
    other["locations"] = []
    imported(other)
    assert (
        Location.objects.for_practice(Practice.objects.across_practices().get(slug="bluestone")).count() == 3
    )
    assert not CustomField.objects.across_practices().exists()
