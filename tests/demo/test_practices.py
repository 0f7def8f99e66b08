"""The four practice files of the demo."""

import json
from importlib import import_module

from integrations.emrs import registry
from integrations.practice_file.reading import read
from integrations.sandbox.demo.clinics import sites_of, zone_of
from integrations.sandbox.demo.desks import desk_of
from integrations.sandbox.demo.practices import demo_practices, practice_with, rehearsals
from tenants.models import PracticeKind


def test_there_are_four_practices_of_the_kinds_that_the_demo_shows():
    kinds = sorted(one.file["practice"]["kind"] for one in demo_practices().values())
    assert len(kinds) == 4
    assert PracticeKind.MED_SPA in kinds
    assert PracticeKind.BOTH in kinds


def test_their_time_zones_differ_and_two_have_two_locations():
    files = [one.file for one in demo_practices().values()]
    assert len({file["practice"]["time_zone"] for file in files}) == 4
    assert sorted(len(file["locations"]) for file in files) == [1, 1, 2, 2]


def test_their_files_are_practice_files_without_a_mistake(tmp_path):
    for practice in demo_practices().values():
        desk = desk_of(practice, "http://127.0.0.1:9", "key", tmp_path)
        raw = json.dumps(practice.file_with(dict(desk.connection()))).encode()
        assert read(raw)[1] == []


def test_no_file_holds_a_real_token():
    for practice in demo_practices().values():
        assert all(one["token"].startswith(f"sandbox-{practice.slug}") for one in practice.sub_accounts)
        assert "pit-" not in json.dumps(practice.file)


def test_the_crm_is_set_up_with_the_very_ids_of_the_file():
    practice = demo_practices()["bluestone"]
    (account,) = practice.sub_accounts
    setup = practice.crm_setup(account)
    stages = {stage["name"]: stage["id"] for stage in setup["pipelines"][1]["stages"]}
    assert stages == account["pipelines"]["non_surgical"]["stages"]
    assert [setup["id"]] == [account["crm_location_id"]] == practice.crm_ids
    assert setup["token"] == account["token"]
    assert setup["folders"][0]["name"] == "ModMed"


def test_a_clinic_in_another_zone_keeps_its_own_time():
    practice = demo_practices()["bluestone"]
    zones = [str(zone_of(practice, site)) for site in sites_of(practice)]
    assert zones == ["America/New_York", "America/Chicago"]


def test_the_practices_have_several_emrs_and_each_way_of_hearing_from_them():
    practices = demo_practices().values()
    assert {one.emr.slug for one in practices} == set(registry())
    assert [len(one.sub_accounts) for one in practices].count(2) == 1
    assert {one.is_polled for one in practices} == {True, False}


def test_most_types_of_a_polled_practice_are_confirmed_and_one_is_left_to_be_held():
    for practice in demo_practices().values():
        if practice.is_polled:
            open_ones = [one["type"] for one in practice.file["categories"] if not one["confirmed"]]
            assert len(open_ones) == 1
            began = " ".join(service for service, _ in beginnings(practice))
            assert open_ones[0] in began


def beginnings(practice):
    return import_module(f"integrations.emrs.{practice.emr.slug}.pretend.desk").Desk.beginnings


def test_a_running_sandbox_completes_the_connection_of_the_file():
    practice = demo_practices()["northlight"]
    file = practice.file_with({"base_url": "http://127.0.0.1:9/x"})
    assert file["connections"][0]["base_url"] == "http://127.0.0.1:9/x"
    assert file["connections"][0]["switches"]["payments"] is True
    assert practice.file["connections"][0]["base_url"] is None


def test_there_is_a_practice_to_practise_with_for_each_emr_and_its_ids_are_its_own():
    known = [*demo_practices().values(), *rehearsals().values()]
    assert {one.emr.slug for one in rehearsals().values()} == set(registry())
    crm_ids = [crm_id for one in known for crm_id in one.crm_ids]
    assert len(crm_ids) == len(set(crm_ids)) == 10
    assert len({one.name for one in known}) == len({one.number for one in known}) == 8
    assert rehearsals()["lakeview"].name == "Lakeview Plastic Surgery"
    assert not any("luestone" in json.dumps(one.file) for one in rehearsals().values())


def test_a_practice_is_found_by_its_sub_account():
    assert practice_with("SandboxLakeview0001") is rehearsals()["lakeview"]
    assert practice_with("SandboxHarbor0000002") is demo_practices()["harbor"]
    assert practice_with("somebody else's") is None
