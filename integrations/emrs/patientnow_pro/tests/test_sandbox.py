"""The pretend PatientNow Pro itself: its door, its API, its traps, its day, and its notices posted at an address."""

from collections import Counter

import pytest
import requests
import responses

from integrations.emrs.patientnow_pro.manifest import MANIFEST
from integrations.emrs.patientnow_pro.sandbox import (
    ACTS,
    DIFFERENT,
    FACILITIES,
    MENU,
    TYPES,
    Practice,
    patient,
    send,
)
from integrations.emrs.patientnow_pro.tests.conftest import KEY
from integrations.emrs.patientnow_pro.tests.world import API_KEY, World
from integrations.emrs.patientnow_pro.webhook import receive


def call(world, method, path, *, key=API_KEY, practice=None, **parts):
    headers = {"X-API-Key": key, "X-Practice-Id": practice or world.practice.practice_id}
    return requests.request(method, world.practice.base_url + path, headers=headers, timeout=5, **parts)


def other(served, practice):
    return World(Practice(served, KEY, practice))


def test_the_door_wants_the_key(world, served):
    with pytest.raises(requests.HTTPError, match="401"):
        Practice(served, "wrong", world.practice.practice_id).calls()


@pytest.mark.parametrize(
    "act",
    [
        lambda practice: practice.set_up(tarp=True),
        lambda practice: practice.save("claims", {"claimId": "1"}),
        lambda practice: practice.save("patients", {"firstName": "Nobody"}),
        lambda practice: practice._act("dance", None, {}),
        lambda practice: practice._act("cancel", None, {"when": "now"}),
    ],
)
def test_what_the_door_does_not_know_is_refused(world, act):
    with pytest.raises(requests.HTTPError, match="400"):
        act(world.practice)


@pytest.mark.parametrize(
    "act",
    [
        lambda practice: practice.book("nobody"),
        lambda practice: practice.check_out("none"),
        lambda practice: practice.void("none"),
        lambda practice: practice.remove("patients", "nobody"),
        lambda practice: practice._ask("PUT", "/nowhere"),
    ],
)
def test_what_is_not_on_file_is_not_found(world, act):
    with pytest.raises(requests.HTTPError, match="404"):
        act(world.practice)


def test_a_call_needs_the_practice_and_its_key(world):
    assert call(world, "GET", "/facilities").status_code == 200
    assert call(world, "GET", "/facilities", key="other").status_code == 401
    assert call(world, "GET", "/facilities", practice="PN-nobody").status_code == 401
    assert call(world, "GET", "/nothing").status_code == 404
    assert call(world, "PUT", "/patients").status_code == 405
    assert call(world, "POST", "/patients", data=b"[]").status_code == 400
    assert requests.get(world.practice.url, timeout=5).status_code == 404


def test_one_practice_does_not_see_the_other_s_patients(world, served):
    patient_id = world.practice.new_patient()["patientId"]
    stranger = other(served, f"{world.practice.practice_id}-other")
    assert call(world, "GET", f"/patients/{patient_id}").status_code == 200
    assert call(stranger, "GET", f"/patients/{patient_id}").status_code == 404


def test_a_search_needs_something_to_search_for(world):
    assert call(world, "GET", "/patients").status_code == 422
    assert call(world, "GET", "/patients", params={"lastName": "Nobody"}).json() == {"patients": []}


def test_lists_have_the_shape_of_the_contract(world):
    assert call(world, "GET", "/facilities").json()["facilities"][0] == {
        "id": "F1",
        "name": "Miami",
        "timeZone": "America/New_York",
    }
    types = call(world, "GET", "/appointment-types").json()["appointmentTypes"]
    assert set(types[0]) == {"code", "name", "typeClass", "active"}
    assert {one["typeClass"] for one in types} == {"Appointment", "Procedure", "Office"}


def test_records_have_the_shape_of_the_contract(world):
    who = world.practice.new_patient()["patientId"]
    assert set(world.practice.record("patients", who)) == {
        "patientId",
        "firstName",
        "lastName",
        "email",
        "cellPhone",
        "homePhone",
        "gender",
        "dateOfBirth",
        "address",
        "referralSource",
        "unsubscribed",
    }
    booked = world.practice.book(who)["appointmentId"]
    assert set(world.practice.record("appointments", booked)) == {
        "appointmentId",
        "patientId",
        "status",
        "eventType",
        "appointmentType",
        "typeClass",
        "reason",
        "comments",
        "start",
        "provider",
        "facility",
        "modifiedAt",
    }
    bill = world.practice.bill(who)["billId"]
    found = world.practice.record("bills", bill)
    assert set(found) == {"billId", "patientId", "total", "completedAt", "provider", "lineItems", "status"}
    assert set(found["lineItems"][0]) == {"name", "quantity", "amount"}
    sold = world.practice.membership(who)["membershipId"]
    assert set(world.practice.record("memberships", sold)) == {
        "membershipId",
        "patientId",
        "programName",
        "amount",
        "startDate",
        "status",
    }


def test_every_notice_has_an_id_of_its_own(world):
    notices = world.practice.day(steps=60, seed=5)
    ids = [notice["eventId"] for notice in notices]
    assert len(set(ids)) == len(ids) >= 60
    assert all(notice["practiceId"] == world.practice.practice_id for notice in notices)


def test_a_day_brings_every_flow_and_every_notice_is_understood(world):
    notices = world.practice.day(steps=250, seed=7)
    kinds = Counter(receive(notice, {}).kind for notice in notices)
    assert set(kinds) == {kind.name for kind in MANIFEST.events if kind.used}
    for notice in notices:
        assert all(record.person.external_id for record in world.records(notice))


def test_the_same_seed_makes_the_same_day(world, served):
    twin = other(served, f"{world.practice.practice_id}-twin")
    days = [one.practice.day(steps=40, seed=11) for one in (world, twin)]
    plain = [
        [
            {key: value for key, value in notice.items() if key not in ("eventId", "practiceId")}
            for notice in day
        ]
        for day in days
    ]
    assert plain[0] == plain[1]
    assert days[0] != world.practice.day(steps=40, seed=12)


def test_both_facilities_are_used(world):
    notices = world.practice.day(steps=80, seed=3)
    booked = [notice for notice in notices if notice["eventType"] == "AppointmentCreated"]
    places = {world.records(notice)[0].location.name for notice in booked}
    assert places == {one.name for one in FACILITIES}


def test_a_thousand_people_differ():
    found = [patient(number) for number in range(min(DIFFERENT, 900))]
    assert len({one["patientId"] for one in found}) == len(found)
    assert len({one["email"] for one in found}) == len(found)
    assert len({one["cellPhone"] for one in found}) == len(found)
    assert len({(one["firstName"], one["lastName"]) for one in found}) == len(found)


def test_slow_is_slow_for_the_caller_only(world, served):
    world.practice.set_up(slow_ms=300)
    assert call(world, "GET", "/facilities").elapsed.total_seconds() >= 0.3
    quick = other(served, f"{world.practice.practice_id}-quick")
    assert call(quick, "GET", "/facilities").elapsed.total_seconds() < 0.3


def test_a_stale_record_is_the_one_before_the_last_change(world):
    who = world.practice.new_patient()["patientId"]
    booked = world.practice.book(who)["appointmentId"]
    world.practice.cancel(booked)
    world.practice.set_up(stale=1)
    first, second = (call(world, "GET", f"/appointments/{booked}").json()["status"] for _ in range(2))
    assert (first, second) == ("Booked", "Cancelled")


def test_traps_stay_until_changed(world):
    world.practice.set_up(revoked=True)
    assert call(world, "GET", "/facilities").status_code == 401
    world.practice.set_up(revoked=False)
    assert call(world, "GET", "/facilities").status_code == 200


def test_calls_are_counted_by_route(world):
    who = world.practice.new_patient()["patientId"]
    world.practice.forget_calls()
    call(world, "GET", f"/patients/{who}")
    call(world, "GET", "/patients/nobody")
    call(world, "GET", "/facilities")
    assert world.practice.calls() == {"GET /patients/{id}": 2, "GET /facilities": 1}


def test_every_act_has_a_method():
    assert all(callable(getattr(Practice, act)) for act in ACTS)


def test_what_is_billed_adds_up(world):
    who = world.practice.new_patient()["patientId"]
    record = world.practice.record("bills", world.practice.bill(who, ["Botox", "Dysport"])["billId"])
    assert record["total"] == "850.00"
    assert [line["amount"] for line in record["lineItems"]] == ["400.00", "450.00"]


def test_every_type_that_is_billed_names_lines_of_the_menu():
    assert len({one.name for one in TYPES}) == len(TYPES)
    assert all(MENU[place].price for one in TYPES for place in one.items)


@responses.activate
def test_a_notice_is_posted_with_the_secret():
    responses.post("https://ax.example.com/webhooks/emr/key/", status=202)
    notice = {"eventType": "Test"}
    assert send("https://ax.example.com/webhooks/emr/key/", notice, "s3cret").status_code == 202
    assert responses.calls[0].request.headers["X-AX-Secret"] == "s3cret"
    send("https://ax.example.com/webhooks/emr/key/", notice)
    assert "X-AX-Secret" not in responses.calls[1].request.headers
