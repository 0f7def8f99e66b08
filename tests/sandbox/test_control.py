"""The control door: setup, board, contact, request log, feed, reset."""

import json

import pytest
import requests

from .conftest import SETUP


@pytest.fixture
def contact_id(crm):
    return crm.contact(
        email="ada@example.com", tags=["vip"], customFields=[{"id": "CF_TEXT", "field_value": "Downtown"}]
    )


def test_the_door_needs_its_key(crm):
    for headers in ({}, {"X-Sandbox-Key": "wrong"}):
        answer = requests.get(f"{crm.url}/_sandbox/summary", headers=headers, timeout=10)
        assert answer.status_code == 401
    assert crm.door("GET", "/nowhere")["statusCode"] == 404


def test_the_summary_counts(crm, other, contact_id):
    crm.ok("POST", f"/contacts/{contact_id}/notes", {"body": "x"})
    crm.opportunity(contact_id)
    other.contact(email="b@example.com")
    assert crm.door("GET", "/summary") == {"contacts": 2, "notes": 1, "opportunities": 1}
    assert crm.door("GET", "/summary?location_id=LOC2") == {"contacts": 1, "notes": 0, "opportunities": 0}


def test_the_board_shows_cards_in_their_stages(crm, contact_id):
    made = crm.opportunity(contact_id, monetaryValue=90).json()["opportunity"]["id"]
    crm.ok("PUT", f"/opportunities/{made}", {"pipelineStageId": "S2", "status": "won"})
    pipelines = crm.door("GET", "/board?location_id=LOC1")["sub_accounts"][0]["pipelines"]
    booked, patient = pipelines[0]["stages"]
    assert (pipelines[0]["name"], booked["name"], booked["count"], booked["cards"]) == (
        "Non-Surgical",
        "Booked",
        0,
        [],
    )
    card = patient["cards"][0]
    assert patient["count"] == 1
    assert (card["contact_id"], card["contact_name"]) == (contact_id, "Ada Stone")
    assert (card["status"], card["monetary_value"]) == ("won", 90)
    assert pipelines[1]["stages"][0]["cards"] == []


def test_a_board_shows_the_newest_cards_and_counts_all(crm):
    for number in range(4):
        crm.opportunity(crm.contact(firstName=f"P{number}"))
    stage = crm.door("GET", "/board?cards=2")["sub_accounts"][0]["pipelines"][0]["stages"][0]
    assert stage["count"] == 4
    assert [card["contact_name"] for card in stage["cards"]] == ["P3 Stone", "P2 Stone"]
    assert crm.door("GET", "/board?cards=x")["statusCode"] == 400
    assert crm.door("GET", "/board?location_id=NONE")["statusCode"] == 404


def test_a_contact_is_shown_in_words(crm, contact_id):
    for body in ("first", "second"):
        crm.ok("POST", f"/contacts/{contact_id}/notes", {"body": body})
    crm.opportunity(contact_id, customFields=[{"id": "CF_OPP", "field_value": "k"}])
    crm.ok("POST", f"/contacts/{contact_id}/workflow/WF1")
    shown = crm.door("GET", f"/contacts/{contact_id}")
    assert shown["name"] == "Ada Stone"
    assert shown["native"]["email"] == "ada@example.com"
    assert shown["fields"] == {"APro Location": "Downtown"}
    assert shown["tags"] == ["vip"]
    assert [note["body"] for note in shown["notes"]] == ["second", "first"]
    opportunity = shown["opportunities"][0]
    assert (opportunity["pipeline"], opportunity["stage"]) == ("Non-Surgical", "Booked")
    assert opportunity["fields"] == {"AX Key": "k"}
    assert shown["enrolments"][0]["workflow"] == "Reminders"
    assert crm.door("GET", "/contacts/NONE")["statusCode"] == 404


def test_contacts_are_listed_and_searched(crm, contact_id):
    bob = crm.contact(firstName="Bob", email="bob@example.com")
    assert [one["id"] for one in crm.door("GET", "/contacts")["contacts"]] == [bob, contact_id]
    assert [one["id"] for one in crm.door("GET", "/contacts?q=ADA@")["contacts"]] == [contact_id]
    assert crm.door("GET", "/contacts?limit=1")["total"] == 2


def test_requests_are_counted_by_route_and_status_without_patient_data(crm, contact_id):
    crm.door("DELETE", "/requests")
    crm.call("PUT", f"/contacts/{contact_id}", {"firstName": "Secretname", "email": "secret@example.com"})
    crm.call("PUT", f"/contacts/{contact_id}", {"gender": "male"})
    crm.call("GET", "/contacts/search/duplicate?locationId=LOC1&email=secret@example.com")
    crm.call("GET", "/secretpath")
    log = crm.door("GET", "/requests?location_id=LOC1")
    assert log["routes"] == {
        "PUT /contacts/{id}": {"200": 1, "422": 1},
        "GET /contacts/search/duplicate": {"200": 1},
    }
    assert log["total"] == 3
    assert [one["status"] for one in log["recent"]] == [200, 422, 200]
    assert log["recent"][0]["contact_id"] == contact_id
    everything = crm.door("GET", "/requests")
    assert everything["routes"]["GET (unknown)"] == {"404": 1}
    assert "secret" not in json.dumps(everything).lower()
    assert len(crm.door("GET", "/requests?latest=1")["recent"]) == 1
    assert crm.door("GET", "/requests?latest=0")["recent"] == []


def test_a_closed_connection_is_logged_with_status_0(crm, contact_id):
    crm.fault("GET /contacts/{id}", kind="close")
    with pytest.raises(requests.ConnectionError):
        crm.call("GET", f"/contacts/{contact_id}")
    assert crm.door("GET", "/requests")["routes"]["GET /contacts/{id}"] == {"0": 1}


def test_the_feed_tells_what_changed_since(crm, other, contact_id):
    start = crm.door("GET", "/feed")["latest"]
    made = crm.opportunity(contact_id).json()["opportunity"]["id"]
    crm.ok("PUT", f"/opportunities/{made}", {"pipelineStageId": "S2"})
    crm.ok("POST", f"/contacts/{contact_id}/tags", {"tags": ["new"]})
    other.contact(email="b@example.com")
    feed = crm.door("GET", f"/feed?since={start}&location_id=LOC1")
    assert [one["kind"] for one in feed["changes"]] == [
        "opportunity_created",
        "opportunity_moved",
        "tags_changed",
    ]
    moved = feed["changes"][1]
    assert (moved["previous_stage_id"], moved["card"]["stage_id"]) == ("S1", "S2")
    assert moved["contact_name"] == "Ada Stone"
    assert feed["missed"] is False
    assert crm.door("GET", f"/feed?since={feed['latest']}")["changes"] == []


def test_the_feed_says_when_a_reader_missed_something(crm, contact_id):
    start = crm.door("GET", "/feed")["latest"]
    crm.door("POST", "/reset", {})
    assert crm.door("GET", f"/feed?since={start}")["missed"] is True
    assert crm.door("GET", f"/feed?since={start + 1}")["missed"] is False


def test_reset_keeps_the_setup_unless_told_otherwise(crm, contact_id):
    crm.fault("PUT /contacts/{id}")
    field = crm.ok("POST", "/locations/LOC1/customFields", {"name": "New", "dataType": "TEXT"})["customField"]
    assert crm.door("POST", "/reset", {}) == {"contacts": 0, "notes": 0, "opportunities": 0}
    assert crm.call("GET", f"/contacts/{contact_id}").status_code == 404
    assert crm.ok("GET", f"/locations/LOC1/customFields/{field['id']}")["customField"] == field
    assert crm.door("GET", "/faults")["rules"] == []
    assert crm.contact(email="ada@example.com")
    crm.door("POST", "/reset", {"everything": True})
    assert crm.call("GET", "/locations/LOC1").status_code == 401
    assert crm.door("GET", "/sub-accounts") == {"sub_accounts": []}


def test_a_second_setup_keeps_contacts_fields_and_workflow_ids(crm, contact_id):
    made = crm.ok("POST", "/locations/LOC1/customFields", {"name": "Provisioned", "dataType": "TEXT"})
    flows = [{"name": "Reminders"}, {"name": "Birthday"}]
    answer = crm.set_up(workflows=flows, name="Renamed")
    assert answer["workflows"]["Reminders"] == "WF1"
    assert answer["custom_fields"]["Provisioned"] == made["customField"]["id"]
    assert crm.read(contact_id)["customFields"] == [{"id": "CF_TEXT", "value": "Downtown"}]
    assert crm.ok("GET", "/locations/LOC1")["location"]["name"] == "Renamed"
    assert crm.set_up(workflows=flows)["workflows"] == answer["workflows"]


def test_the_setup_is_shown_without_tokens(crm):
    shown = crm.door("GET", "/sub-accounts")
    assert shown["sub_accounts"][0]["id"] == "LOC1"
    assert "pit-one" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": None}, "id"),
        ({"token": None}, "tokens[0]"),
        ({"tokens": "x"}, "tokens"),
        ({"tokens": [{"token": "pit-x", "scopes": "all"}]}, "tokens[0].scopes"),
        ({"id": "LOC9"}, "token belongs"),
        ({"name": "Y", "custom_fields": [{"name": "Website", "dataType": "TEXT"}]}, "Website"),
        ({"name": 5}, "name"),
        ({"limits": {"max": 0}}, "limits.max"),
        ({"limits": {"burst": 5}}, "limits.burst"),
        ({"settings": {"allowAll": True}}, "settings.allowAll"),
        ({"settings": {"contactUniqueIdentifiers": ["name"]}}, "settings.contactUniqueIdentifiers"),
        ({"knobs": {"birth_date": "maybe"}}, "knobs.birth_date"),
        ({"knobs": 5}, "knobs"),
        ({"pipelines": [{"id": "P"}]}, "pipelines[0]"),
        ({"pipelines": [{"id": "P", "name": "P", "stages": ["x"]}]}, "pipelines[0].stages[0]"),
        ({"workflows": {"id": "x"}}, "workflows"),
        ({"custom_fields": [{"name": "X", "dataType": "WORD"}]}, "custom_fields[0].dataType"),
        ({"folders": [5]}, "folders[0]"),
    ],
)
def test_a_wrong_setup_is_refused_with_its_place(crm, change, place):
    before = crm.door("GET", "/sub-accounts")
    answer = crm.door("POST", "/sub-accounts", SETUP | change)
    assert answer["statusCode"] == 400
    assert answer["message"].startswith(place)
    assert crm.door("GET", "/sub-accounts") == before
