"""`--provision` makes what the CRM lacks, once, before anything is written here."""

from typing import Any

import pytest

from integrations.contract.errors import RateLimited
from integrations.models import CustomField, Pipeline, Stage, SubAccount
from integrations.practice_file import provisioning
from integrations.practice_file.importing import Imported, import_practice
from integrations.practice_file.problems import PracticeFileError
from integrations.practice_file.provisioning import Provisioning
from integrations.sync.crm_access import client_for
from integrations.sync.crm_mirror import Listing, refresh_fields, store_listing
from tenants.models import Practice
from tests.practice_file.conftest import PretendCrm
from tests.practice_file.documents import document, raw

pytestmark = pytest.mark.django_db


def provisioned(file: dict[str, Any], *, dry_run: bool = False) -> tuple[Imported, list[str]]:
    prepare = Provisioning(dry_run)
    return import_practice(raw(file), dry_run=dry_run, prepare=prepare), prepare.notes


def mirrored(key: str) -> dict[str, str]:
    rows = CustomField.objects.across_practices().filter(sub_account__key=key)
    return dict(rows.values_list("name", "data_type"))


def test_missing_fields_are_made_with_their_types_and_kept_here(crm: PretendCrm) -> None:
    _, notes = provisioned(document())
    made = crm.fields("LOC1", "pit-main-secret")
    assert (made["CW Patient ID"], made["CW Birthday"], made["GL Patient ID"]) == ("TEXT", "DATE", "TEXT")
    assert made["Appointment Category"] == "TEXT"
    assert mirrored("main") == made
    assert mirrored("spa") == crm.fields("LOC2", "pit-spa-secret")
    assert 'sub-account main, field "CW Birthday": was made' in notes


def test_a_second_time_makes_and_changes_nothing(crm: PretendCrm) -> None:
    provisioned(document())
    before, version = (
        crm.fields("LOC1", "pit-main-secret"),
        Practice.objects.across_practices().get().config_version,
    )
    answer, notes = provisioned(document())
    assert crm.fields("LOC1", "pit-main-secret") == before
    assert answer.changes == []
    assert not [note for note in notes if "was made" in note]
    assert Practice.objects.across_practices().get().config_version == version


def test_pipelines_and_stages_get_their_names_from_the_crm(crm: PretendCrm) -> None:
    provisioned(document())
    pipeline = Pipeline.objects.across_practices().get(sub_account__key="main", kind="surgical")
    assert pipeline.crm_name == "Surgery"
    assert (
        Stage.objects.across_practices().get(pipeline=pipeline, name="Consult Booked").crm_name
        == "The Consult Booked"
    )


def test_stages_that_the_crm_does_not_have_are_named(crm: PretendCrm) -> None:
    file = document()
    file["sub_accounts"][0]["pipelines"]["surgical"]["stages"]["Consult Booked"] = "S99"
    file["sub_accounts"][1]["pipelines"]["non_surgical"]["id"] = "P99"
    _, notes = provisioned(file)
    stage = 'sub_accounts[0].pipelines.surgical.stages."Consult Booked"'
    assert f'{stage}: the CRM has no stage "S99" in this pipeline' in notes
    assert (
        'sub_accounts[1].pipelines.non_surgical.id: the CRM has no pipeline "P99" in this sub-account'
        in notes
    )


def test_a_dry_run_makes_no_field(crm: PretendCrm) -> None:
    _, notes = provisioned(document(), dry_run=True)
    assert crm.fields("LOC1", "pit-main-secret") == {"Shoe size": "TEXT"}
    assert 'sub-account main, field "CW Birthday": would be made' in notes
    assert not Practice.objects.across_practices().exists()


def test_a_field_of_the_wrong_type_is_told_and_left(crm: PretendCrm) -> None:
    crm.set_up(
        "LOC1", "pit-main-secret", custom_fields=[{"id": "X", "name": "CW Birthday", "dataType": "TEXT"}]
    )
    _, notes = provisioned(document())
    assert any('"CW Birthday" is of type TEXT, needed is DATE' in note for note in notes)
    assert crm.fields("LOC1", "pit-main-secret")["CW Birthday"] == "TEXT"


def test_a_refused_token_stops_the_import_and_names_the_sub_account(crm: PretendCrm) -> None:
    file = document()
    file["sub_accounts"][1]["token"] = "pit-wrong"
    with pytest.raises(PracticeFileError) as caught:
        provisioned(file)
    assert caught.value.problems[0].startswith("sub_accounts[1]: ")
    assert "pit-wrong" not in caught.value.problems[0]
    assert not Practice.objects.across_practices().exists()


def test_a_sub_account_without_a_token_cannot_be_provisioned(crm: PretendCrm) -> None:
    file = document()
    del file["sub_accounts"][0]["token"]
    with pytest.raises(PracticeFileError) as caught:
        provisioned(file)
    assert caught.value.problems == [
        "sub_accounts[0]: This sub-account has no private integration token yet: enter one."
    ]


def test_a_masked_token_is_the_stored_one(crm: PretendCrm) -> None:
    import_practice(raw(document()))
    file = document()
    file["sub_accounts"][0]["token"] = file["sub_accounts"][1]["token"] = "***"
    provisioned(file)
    assert "CW Birthday" in mirrored("main")


def test_mistakes_are_found_before_the_crm_is_asked(crm: PretendCrm) -> None:
    file = document()
    file["practice"]["time_zone"] = "Mars/Base"
    with pytest.raises(PracticeFileError):
        provisioned(file)
    assert crm.fields("LOC1", "pit-main-secret") == {"Shoe size": "TEXT"}


def test_the_mirror_follows_fields_that_come_change_and_go(crm: PretendCrm) -> None:
    provisioned(document())
    row = SubAccount.objects.across_practices().get(key="main")
    assert refresh_fields(row, client_for(row)) is False
    listed = [
        {"id": "CF_OTHER", "name": "Shoe width", "dataType": "TEXT"},
        {"id": "N", "name": "New", "dataType": "DATE"},
    ]
    version = Practice.objects.across_practices().get().config_version
    assert store_listing(row, Listing([*listed, {"id": "half", "name": "No type"}])) is True
    assert mirrored("main") == {"Shoe width": "TEXT", "New": "DATE"}
    assert Practice.objects.across_practices().get().config_version > version
    assert "CW Birthday" in mirrored("spa")


def test_a_spent_budget_is_waited_for_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(provisioning.time, "sleep", slept.append)
    answers = [RateLimited("wait", retry_after=3.0), RateLimited("wait", retry_after=4.0), "done"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert provisioning._patiently(ask) == "done"
    assert slept == [3.0, 4.0]
    answers.append(RateLimited("tomorrow", retry_after=4000.0))
    with pytest.raises(RateLimited):
        provisioning._patiently(ask)
