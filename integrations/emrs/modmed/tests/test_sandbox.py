"""The pretend ModMed itself: its door, its searches, its traps and its day."""

from datetime import timedelta

import pytest
import requests

from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.pretend.day import ACTS
from integrations.emrs.modmed.sandbox import SSO_PATH, Door
from integrations.emrs.modmed.tests.conftest import KEY
from integrations.emrs.modmed.tests.world import CREDENTIALS, NEWER, NOW, TYPES


def token(world):
    form = {
        "grant_type": "password",
        "username": CREDENTIALS["username"],
        "password": CREDENTIALS["password"],
    }
    answer = requests.post(
        f"{world.door.base_url}/ws/oauth2/grant", data=form, headers={"x-api-key": "key-1"}, timeout=5
    )
    return answer.json()["access_token"]


def call(world, method, path, *, key="key-1", bearer=None, headers=None, **parts):
    sent = {"Authorization": f"Bearer {bearer or token(world)}", "x-api-key": key} | (headers or {})
    return requests.request(method, f"{world.door.base_url}{path}", headers=sent, timeout=5, **parts)


def ids(answer):
    return [one["resource"]["id"] for one in answer.json().get("entry", [])]


def test_the_door_wants_the_key(world, served):
    with pytest.raises(requests.HTTPError, match="401"):
        Door(served, "wrong", world.door.prefix).calls()


def test_a_trap_that_nobody_knows_is_refused(world):
    with pytest.raises(requests.HTTPError, match="400"):
        world.door.set_up(tarp=True)
    with pytest.raises(requests.HTTPError, match="400"):
        world.door.set_up({"pasword": "x"})


@pytest.mark.parametrize(
    "resource", [{"resourceType": "Claim", "id": "1"}, {"resourceType": "Patient"}, {"id": "1"}]
)
def test_only_resources_that_it_serves_are_put_on_file(world, resource):
    with pytest.raises(requests.HTTPError, match="400"):
        world.door.save(resource)


def test_a_call_needs_the_key_and_a_token(world):
    assert call(world, "GET", "/fhir/v2/Patient").status_code == 200
    assert call(world, "GET", "/fhir/v2/Patient", key="other").status_code == 403
    assert call(world, "GET", "/fhir/v2/Patient", bearer="other").status_code == 401


def test_the_older_grant_s_answer_does_not_say_how_long_the_token_lasts(world):
    form = {
        "grant_type": "password",
        "username": CREDENTIALS["username"],
        "password": CREDENTIALS["password"],
    }
    url = f"{world.door.base_url}/ws/oauth2/grant"
    answer = requests.post(url, data=form, headers={"x-api-key": "key-1"}, timeout=5).json()
    assert set(answer) == {"access_token", "refresh_token", "scope", "token_type"}
    again = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    renewed = requests.post(url, data=again, headers={"x-api-key": "key-1"}, timeout=5).json()
    assert renewed["refresh_token"] == answer["refresh_token"]
    assert (
        requests.post(
            url, data={"grant_type": "magic"}, headers={"x-api-key": "key-1"}, timeout=5
        ).status_code
        == 400
    )


def test_the_newer_grant_has_an_address_of_its_own(world, served):
    world.door.set_up({"client_id": world.door.prefix})
    form = {"grant_type": "client_credentials", **NEWER, "client_id": world.door.prefix}
    answer = requests.post(served + SSO_PATH, data=form, timeout=5)
    assert (answer.status_code, answer.json()["expires_in"]) == (200, 900)
    assert "refresh_token" not in answer.json()
    wrong = requests.post(served + SSO_PATH, data={**form, "client_id": "nobody"}, timeout=5)
    assert wrong.status_code == 401


def test_a_page_has_ten_rows_unless_told_and_never_more_than_fifty(world):
    world.appointments(60)
    assert len(ids(call(world, "GET", "/fhir/v2/Appointment"))) == 10
    assert len(ids(call(world, "GET", "/fhir/v2/Appointment", params={"_count": 200}))) == 50
    answer = call(world, "GET", "/fhir/v2/Appointment", params={"_count": 50, "page": 2}).json()
    assert answer["total"] == 10
    assert [link["relation"] for link in answer["link"]] == ["self", "next"]
    empty = call(world, "GET", "/fhir/v2/Appointment", params={"_count": 50, "page": 3}).json()
    assert (empty["total"], "entry" in empty, [link["relation"] for link in empty["link"]]) == (
        0,
        False,
        ["self"],
    )


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("ge", ["B", "C"]), ("gt", ["C"]), ("le", ["A", "B"]), ("lt", ["A"]), ("eq", ["B"]), ("", ["B"])],
)
def test_days_compare_as_fhir_says(world, prefix, found):
    for name, days in (("A", -1), ("B", 0), ("C", 1)):
        world.door.save(
            shapes.appointment(name, "7", NOW, NOW + timedelta(days=days, hours=11), type=TYPES["Botox"])
        )
    answer = call(world, "GET", "/fhir/v2/Appointment", params={"_lastUpdated": f"{prefix}2026-03-15"})
    assert ids(answer) == found


@pytest.mark.parametrize(
    ("mode", "status", "count"), [("refuse", 400, 0), ("ignore", 200, 2), ("honour", 200, 1)]
)
def test_a_time_in_the_filter_is_refused_not_heeded_or_heeded(world, mode, status, count):
    world.door.set_up(date_times=mode)
    world.appointments(1, first_id=1, changed_at=NOW - timedelta(hours=2))
    world.appointments(1, first_id=2, changed_at=NOW)
    answer = call(world, "GET", "/fhir/v2/Appointment", params={"_lastUpdated": "ge2026-03-15T11:00:00Z"})
    assert (answer.status_code, len(ids(answer))) == (status, count)


def test_parameters_that_are_not_documented_are_not_heeded(world):
    world.door.save(shapes.charge(1, "7", NOW, lines=["Botox"]))
    params = {"_lastUpdated": "ge2030-01-01", "_sort": "-date"}
    assert ids(call(world, "GET", "/fhir/v2/ChargeItem", params=params)) == ["CHG|1"]
    assert call(world, "GET", "/fhir/v2/ChargeItem/CHG%7C1").json()["id"] == "CHG|1"


@pytest.mark.parametrize(
    "params",
    [
        {"family": "brook"},
        {"given": "del"},
        {"birthdate": "1955-01-01", "gender": "female"},
        {"email": "Adele.Brook.0@example.com"},
        {"phone": "561-555-0100"},
    ],
)
def test_patients_are_found_by_what_is_documented(world, params):
    world.patients(0, 1, 2)
    assert ids(call(world, "GET", "/fhir/v2/Patient", params=params)) == [cast.patient(0).id]


def test_appointments_are_found_by_whose_and_where_they_are(world):
    world.appointments(4)
    for name, value in (
        ("patient", cast.patient(1).id),
        ("status", "cancelled"),
        ("location", "Location/826"),
        ("practitioner", "375399"),
    ):
        wanted = {"patient": 1, "status": 0, "location": 2, "practitioner": 2}[name]
        assert len(ids(call(world, "GET", "/fhir/v2/Appointment", params={name: value}))) == wanted


BODY = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Sample", "given": ["Test"]}],
    "gender": "male",
    "birthDate": "1980-01-01",
    "telecom": [
        {"system": "phone", "value": "555-555-0100", "use": "home", "rank": 1},
        {"system": "email", "value": "test@example.com"},
    ],
}


def test_a_created_patient_is_told_in_a_header_and_a_second_one_is_no_duplicate(world):
    first = call(world, "POST", "/fhir/v2/Patient", json=BODY)
    assert (first.status_code, first.content) == (201, b"")
    new_id = first.headers["Location"].rpartition("/")[2]
    assert call(world, "GET", f"/fhir/v2/Patient/{new_id}").json()["name"][0]["family"] == "Sample"
    second = call(world, "POST", "/fhir/v2/Patient", json=BODY, headers={"Prefer": "return=representation"})
    assert second.json()["id"] not in ("", new_id)
    assert len(ids(call(world, "GET", "/fhir/v2/Patient", params={"family": "Sample"}))) == 2


@pytest.mark.parametrize("missing", ["name", "birthDate", "telecom"])
def test_a_patient_without_the_minimum_is_refused(world, missing):
    answer = call(world, "POST", "/fhir/v2/Patient", json={k: v for k, v in BODY.items() if k != missing})
    assert (answer.status_code, answer.json()["resourceType"]) == (422, "OperationOutcome")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/v2/Claim", 404),
        ("GET", "/fhir/v2/Patient/1/_history", 404),
        ("PUT", "/fhir/v2/Patient/1", 405),
        ("GET", "/fhir/v2", 404),
        ("GET", "/elsewhere", 404),
        ("POST", "/fhir/v2/Patient", 400),
    ],
)
def test_what_is_not_there_is_said(world, method, path, status):
    assert call(world, method, path, data="{" if method == "POST" else None).status_code == status


def test_a_firm_that_was_not_set_up_is_not_there(served):
    answer = requests.get(f"{served}/firm/nobody/ema/fhir/v2/Patient", timeout=5)
    assert (answer.status_code, "html" in answer.text) == (404, True)


# A day at the practice


def test_an_appointment_moves_through_its_day_and_is_charged_at_the_end(world):
    patient = world.door.act("new_patient")
    visit = world.door.act("book", patient=patient["id"], days_ahead=3)
    assert visit["status"] == "pending"
    world.tick(timedelta(minutes=5))
    for act, status in ACTS.items():
        if act not in ("cancel", "no_show"):
            assert world.door.act(act, appointment=visit["id"])["status"] == status
    found = call(world, "GET", f"/fhir/v2/Appointment/{visit['id']}").json()
    assert found["status"] == "fulfilled"
    assert found["meta"]["lastUpdated"] == shapes.stamp(world.now)
    assert found["start"] <= shapes.stamp(world.now)
    assert found["created"] < found["meta"]["lastUpdated"]


def test_a_visit_with_a_price_is_charged(world):
    world.patients(0)
    world.appointments(1)
    world.door.act("check_out", appointment="A0001")
    (charge,) = call(world, "GET", "/fhir/v2/ChargeItem", params={"patient": cast.patient(0).id}).json()[
        "entry"
    ]
    assert charge["resource"]["id"].startswith("CHG|")


@pytest.mark.parametrize("act", ["cancel", "no_show"])
def test_a_visit_may_not_take_place(world, act):
    world.appointments(1)
    assert world.door.act(act, appointment="A0001")["status"] == ACTS[act]


def test_a_visit_may_move_and_a_patient_too(world):
    world.patients(0)
    world.appointments(1)
    world.door.act("reschedule", appointment="A0001", days_ahead=7)
    start = call(world, "GET", "/fhir/v2/Appointment/A0001").json()["start"]
    assert start == shapes.stamp(NOW + timedelta(days=8))
    world.door.act("move_house", patient=cast.patient(0).id)
    address = call(world, "GET", f"/fhir/v2/Patient/{cast.patient(0).id}").json()["address"][0]
    assert address["line"][0].endswith("GROVE BOULEVARD")


def test_time_may_be_blocked(world):
    block = world.door.act("block")
    found = call(world, "GET", f"/fhir/v2/Appointment/{block['id']}").json()
    assert not any("Patient/" in one["actor"]["reference"] for one in found["participant"])


@pytest.mark.parametrize(
    ("act", "details", "status"),
    [("dance", {}, 400), ("book", {"patient": "nobody"}, 404), ("cancel", {"appointment": "none"}, 404)],
)
def test_what_cannot_happen_is_said(world, act, details, status):
    with pytest.raises(requests.HTTPError, match=str(status)):
        world.door.act(act, **details)


def test_the_same_day_happens_again_from_the_same_seed(world, served):
    other = Door(served, KEY, f"{world.door.prefix}-again")
    other.set_up(with_cast=True, now=world.now.isoformat())
    assert world.door.day(steps=40, seed=9) == other.day(steps=40, seed=9)
    assert world.door.set_up()["counts"] == other.set_up()["counts"]


def test_the_cast_is_always_the_same_and_nobody_real():
    people = [cast.patient(number) for number in range(cast.DIFFERENT)]
    assert len({person.id for person in people}) == cast.DIFFERENT
    assert cast.patient(5) == people[5]
    assert all(person.email.endswith("@example.com") and person.phone[3:6] == "555" for person in people)
