"""Opportunities: one per contact and pipeline, moved between stages."""

import pytest


@pytest.fixture
def contact_id(crm):
    return crm.contact(email="ada@example.com", tags=["vip"])


def search(crm, **query):
    return crm.ok("GET", "/opportunities/search", params={"location_id": "LOC1", **query})


def test_pipelines_come_with_their_stages(crm):
    pipelines = crm.ok("GET", "/opportunities/pipelines?locationId=LOC1")["pipelines"]
    assert [(one["id"], [stage["id"] for stage in one["stages"]]) for one in pipelines] == [
        ("P1", ["S1", "S2"]),
        ("P2", ["T1"]),
    ]


def test_a_created_opportunity_stands_in_its_stage(crm, contact_id):
    answer = crm.opportunity(contact_id, pipelineStageId="S2", monetaryValue=120.5)
    made = answer.json()["opportunity"]
    assert answer.status_code == 201
    assert crm.ok("GET", f"/opportunities/{made['id']}")["opportunity"] == made
    assert (made["pipelineStageId"], made["status"], made["monetaryValue"]) == ("S2", "open", 120.5)
    assert (made["contactId"], made["locationId"]) == (contact_id, "LOC1")


def test_without_a_stage_it_stands_in_the_first(crm, contact_id):
    assert crm.opportunity(contact_id).json()["opportunity"]["pipelineStageId"] == "S1"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": ""}, 422),
        ({"name": None}, 422),
        ({"status": "all"}, 422),
        ({"status": "closed"}, 422),
        ({"monetaryValue": "12"}, 422),
        ({"monetaryValue": True}, 422),
        ({"title": "x"}, 422),
        ({"pipelineId": "NONE"}, 400),
        ({"pipelineStageId": "T1"}, 400),
        ({"contactId": "NONE"}, 400),
        ({"locationId": "LOC9"}, 403),
    ],
)
def test_a_wrong_opportunity_is_refused(crm, contact_id, change, status):
    assert crm.opportunity(contact_id, **change).status_code == status
    assert crm.door("GET", "/summary")["opportunities"] == 0


def test_what_create_needs_is_named(crm):
    answer = crm.call("POST", "/opportunities/", {})
    assert answer.status_code == 422
    assert [text.split()[0] for text in answer.json()["message"]] == [
        "pipelineId",
        "locationId",
        "name",
        "status",
        "contactId",
    ]


def test_a_second_one_in_the_same_pipeline_is_refused_with_the_first(crm, contact_id):
    first = crm.opportunity(contact_id).json()["opportunity"]["id"]
    answer = crm.opportunity(contact_id)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "OPPORTUNITY_NO_DUPLICATE",
        "message": "Can not create duplicate opportunity for the contact.",
        "meta": {"existingId": first},
    }
    assert crm.opportunity(contact_id, pipelineId="P2").status_code == 201


def test_the_rule_may_count_for_all_pipelines_or_be_off(crm, contact_id):
    crm.opportunity(contact_id)
    crm.set_up(knobs={"duplicate_opportunity_scope": "contact"})
    assert crm.opportunity(contact_id, pipelineId="P2").json()["code"] == "OPPORTUNITY_NO_DUPLICATE"
    crm.set_up(settings={"allowDuplicateOpportunity": True})
    assert crm.opportunity(contact_id).status_code == 201


def test_an_update_moves_it_and_keeps_the_rest(crm, contact_id):
    made = crm.opportunity(contact_id, monetaryValue=5).json()["opportunity"]
    body = {"pipelineStageId": "S2", "status": "won", "customFields": [{"id": "CF_OPP", "field_value": "k"}]}
    moved = crm.ok("PUT", f"/opportunities/{made['id']}", body)["opportunity"]
    assert (moved["pipelineStageId"], moved["status"], moved["monetaryValue"]) == ("S2", "won", 5)
    assert moved["customFields"] == [{"id": "CF_OPP", "fieldValue": "k"}]
    assert moved["lastStageChangeAt"] >= made["lastStageChangeAt"]


def test_another_pipeline_means_its_first_stage(crm, contact_id):
    made = crm.opportunity(contact_id).json()["opportunity"]
    moved = crm.ok("PUT", f"/opportunities/{made['id']}", {"pipelineId": "P2"})["opportunity"]
    assert moved["pipelineStageId"] == "T1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contactId": "x"}, 422),
        ({"locationId": "LOC1"}, 422),
        ({"status": "all"}, 422),
        ({"pipelineStageId": "T1"}, 400),
        ({"pipelineId": "NONE"}, 400),
    ],
)
def test_a_wrong_update_is_refused(crm, contact_id, body, status):
    made = crm.opportunity(contact_id).json()["opportunity"]
    assert crm.call("PUT", f"/opportunities/{made['id']}", body).status_code == status
    assert crm.ok("GET", f"/opportunities/{made['id']}")["opportunity"] == made


def test_the_status_has_a_call_of_its_own(crm, contact_id):
    made = crm.opportunity(contact_id).json()["opportunity"]["id"]
    assert crm.ok("PUT", f"/opportunities/{made}/status", {"status": "lost"}) == {"succeded": True}
    assert crm.ok("GET", f"/opportunities/{made}")["opportunity"]["status"] == "lost"
    assert crm.call("PUT", f"/opportunities/{made}/status", {}).status_code == 422


def test_a_deleted_one_is_gone(crm, contact_id):
    made = crm.opportunity(contact_id).json()["opportunity"]["id"]
    assert crm.ok("DELETE", f"/opportunities/{made}") == {"succeded": True}
    assert crm.call("PUT", f"/opportunities/{made}", {}).status_code == 404
    assert crm.opportunity(contact_id).status_code == 201


def test_search_takes_snake_case_names(crm, contact_id):
    first = crm.opportunity(contact_id).json()["opportunity"]["id"]
    second = crm.opportunity(contact_id, pipelineId="P2", name="Surgery", status="won").json()["opportunity"][
        "id"
    ]
    other = crm.opportunity(crm.contact(firstName="Bob")).json()["opportunity"]["id"]

    def ids(**query):
        return {one["id"] for one in search(crm, **query)["opportunities"]}

    assert ids() == {first, second, other}
    assert ids(contact_id=contact_id) == {first, second}
    assert ids(contact_id=contact_id, pipeline_id="P2") == {second}
    assert ids(pipeline_stage_id="S1") == {first, other}
    assert ids(status="won") == {second}
    assert ids(status="all") == {first, second, other}
    assert ids(q="surgery") == {second}
    assert ids(id=other) == {other}
    assert ids(contact_id="NONE") == set()


def test_search_shows_the_contact(crm, contact_id):
    crm.opportunity(contact_id)
    contact = search(crm)["opportunities"][0]["contact"]
    assert (contact["id"], contact["name"], contact["email"], contact["tags"]) == (
        contact_id,
        "Ada Stone",
        "ada@example.com",
        ["vip"],
    )


def test_search_comes_in_pages(crm):
    for number in range(3):
        crm.opportunity(crm.contact(email=f"p{number}@example.com"))
    first = search(crm, limit=2)
    assert first["meta"]["total"] == 3
    assert first["meta"]["nextPage"] == 2
    by_page = search(crm, limit=2, page=2)
    after = search(
        crm, limit=2, startAfter=first["meta"]["startAfter"], startAfterId=first["meta"]["startAfterId"]
    )
    assert by_page["opportunities"] == after["opportunities"]
    assert len(by_page["opportunities"]) == 1
    assert by_page["meta"]["nextPage"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"locationId": "LOC1"},
        {"contactId": "x"},
        {"limit": "101"},
        {"limit": "0"},
        {"page": "x"},
        {"status": "closed"},
        {"q": "x" * 76},
    ],
)
def test_a_wrong_search_is_refused(crm, query):
    answer = crm.call("GET", "/opportunities/search", params={"location_id": "LOC1"} | query)
    assert answer.status_code == 422


def test_search_needs_the_location(crm):
    assert crm.call("GET", "/opportunities/search").status_code == 422
