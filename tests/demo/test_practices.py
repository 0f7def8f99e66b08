"""The four practice files of the demo."""

import json

from integrations.practice_file.reading import read
from integrations.sandbox.demo.practices import demo_practices
from tenants.models import PracticeKind


def test_there_are_four_practices_of_the_kinds_that_the_demo_shows():
    kinds = sorted(one.file["practice"]["kind"] for one in demo_practices().values())
    assert len(kinds) == 4
    assert kinds.count(PracticeKind.MED_SPA) >= 2
    assert PracticeKind.BOTH in kinds


def test_their_time_zones_differ_and_one_has_two_locations():
    files = [one.file for one in demo_practices().values()]
    assert len({file["practice"]["time_zone"] for file in files}) == 4
    assert sorted(len(file["locations"]) for file in files) == [1, 1, 1, 2]


def test_their_files_are_practice_files_without_a_mistake():
    for practice in demo_practices().values():
        assert read(practice.path.read_bytes())[1] == []


def test_no_file_holds_a_real_token():
    for practice in demo_practices().values():
        assert practice.sub_account["token"] == f"sandbox-{practice.slug}"
        assert "pit-" not in json.dumps(practice.file)


def test_the_crm_is_set_up_with_the_very_ids_of_the_file():
    practice = demo_practices()["bluestone"]
    setup = practice.crm_setup()
    stages = {stage["name"]: stage["id"] for stage in setup["pipelines"][1]["stages"]}
    assert stages == practice.sub_account["pipelines"]["non_surgical"]["stages"]
    assert setup["id"] == practice.sub_account["crm_location_id"]
    assert setup["token"] == practice.sub_account["token"]


def test_a_clinic_in_another_zone_keeps_its_own_time():
    practice = demo_practices()["bluestone"]
    assert [str(practice.zone(site)) for site in practice.sites] == ["America/New_York", "America/Chicago"]
