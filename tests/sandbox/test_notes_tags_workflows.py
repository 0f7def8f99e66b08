"""Notes, tags and workflows of a contact."""

import pytest


@pytest.fixture
def contact_id(crm):
    return crm.contact(email="ada@example.com", tags=["lead"])


def test_notes_are_written_listed_changed_and_deleted(crm, contact_id):
    path = f"/contacts/{contact_id}/notes"
    answer = crm.call("POST", path, {"body": "first", "title": "T", "pinned": True})
    note = answer.json()["note"]
    second = crm.ok("POST", path, {"body": "second"})["note"]
    assert answer.status_code == 201
    assert (note["contactId"], note["body"], note["pinned"]) == (contact_id, "first", True)
    assert [one["body"] for one in crm.ok("GET", path)["notes"]] == ["second", "first"]
    assert crm.ok("PUT", f"{path}/{note['id']}", {"body": "changed"})["note"]["body"] == "changed"
    assert crm.ok("GET", f"{path}/{note['id']}")["note"]["body"] == "changed"
    assert crm.ok("DELETE", f"{path}/{note['id']}") == {"succeded": True}
    assert [one["id"] for one in crm.ok("GET", path)["notes"]] == [second["id"]]
    assert crm.call("GET", f"{path}/{note['id']}").status_code == 404


def test_the_same_note_twice_is_two_notes(crm, contact_id):
    for _ in range(2):
        crm.ok("POST", f"/contacts/{contact_id}/notes", {"body": "same"})
    assert crm.door("GET", "/summary")["notes"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"body": ""},
        {"body": None},
        {"body": 5},
        {"body": "x", "contactId": "y"},
        {"body": "x", "pinned": 1},
    ],
)
def test_a_wrong_note_is_refused(crm, contact_id, body):
    assert crm.call("POST", f"/contacts/{contact_id}/notes", body).status_code == 422
    assert crm.door("GET", "/summary")["notes"] == 0


def test_tags_are_added_and_unknown_ones_made(crm, contact_id):
    answer = crm.call("POST", f"/contacts/{contact_id}/tags", {"tags": [" Membership - Gold ", "LEAD"]})
    assert answer.status_code == 201
    assert answer.json() == {"tags": ["lead", "membership - gold"], "tagsAdded": ["membership - gold"]}
    names = [tag["name"] for tag in crm.ok("GET", "/locations/LOC1/tags")["tags"]]
    assert names == ["lead", "membership - gold"]


def test_tags_are_removed_by_a_delete_with_a_body(crm, contact_id):
    answer = crm.call("DELETE", f"/contacts/{contact_id}/tags", {"tags": ["Lead", "other"]})
    assert (answer.status_code, answer.json()["tags"]) == (200, [])
    assert crm.read(contact_id)["tags"] == []


@pytest.mark.parametrize(
    "body", [{}, {"tags": []}, {"tags": "lead"}, {"tags": [" "]}, {"tags": ["a"], "x": 1}]
)
def test_wrong_tags_are_refused(crm, contact_id, body):
    assert crm.call("POST", f"/contacts/{contact_id}/tags", body).status_code == 422
    assert crm.call("DELETE", f"/contacts/{contact_id}/tags", body).status_code == 422


def test_a_tag_of_the_sub_account_is_made_once(crm):
    answer = crm.call("POST", "/locations/LOC1/tags", {"name": "New One"})
    assert (answer.status_code, answer.json()["tag"]["name"]) == (201, "new one")
    again = crm.call("POST", "/locations/LOC1/tags", {"name": "new one"})
    assert (again.status_code, again.json()["message"]) == (400, "The tag name is already exist.")


def test_workflows_are_listed(crm):
    flows = crm.ok("GET", "/workflows/?locationId=LOC1")["workflows"]
    assert [(one["id"], one["name"], one["status"]) for one in flows] == [
        ("WF1", "Reminders", "published"),
        ("WF2", "Unready", "draft"),
    ]


def test_every_enrolment_counts(crm, contact_id):
    path = f"/contacts/{contact_id}/workflow/WF1"
    assert crm.ok("POST", path, {"eventStartTime": "2026-06-23T03:30:00+01:00"}) == {"succeded": True}
    assert crm.ok("POST", path) == {"succeded": True}
    enrolments = crm.door("GET", "/enrolments")["enrolments"]
    assert [(one["contact_id"], one["workflow_id"]) for one in enrolments] == [(contact_id, "WF1")] * 2
    assert enrolments[0]["event_start_time"] == "2026-06-23T03:30:00+01:00"
    crm.ok("DELETE", path, {})
    assert all(one["removed"] for one in crm.door("GET", "/enrolments")["enrolments"])


@pytest.mark.parametrize(
    ("flow", "body", "status"),
    [
        ("NONE", {}, 404),
        ("WF2", {}, 400),
        ("WF1", {"eventStartTime": "tomorrow"}, 422),
        ("WF1", {"eventStartTime": "2026-06-23T03:30:00"}, 422),
        ("WF1", {"reason": "x"}, 422),
    ],
)
def test_a_wrong_enrolment_is_refused(crm, contact_id, flow, body, status):
    assert crm.call("POST", f"/contacts/{contact_id}/workflow/{flow}", body).status_code == status
    assert crm.door("GET", "/enrolments")["enrolments"] == []


def test_the_sub_account_shows_its_settings(crm):
    location = crm.ok("GET", "/locations/LOC1")["location"]
    assert location["timezone"] == "America/Chicago"
    assert location["settings"]["allowDuplicateContact"] is False
    assert location["settings"]["contactUniqueIdentifiers"] == ["email", "phone"]
