"""The contact search: filters, pages, and an index that lags."""

import time

import pytest


def eq(field, value):
    return {"field": field, "operator": "eq", "value": value}


@pytest.fixture
def people(crm):
    return {
        "ada": crm.contact(email="ada@example.com", phone="+15555550100", tags=["ModMed-Create", "vip"]),
        "bob": crm.contact(
            firstName="Bob", email="bob@example.com", customFields=[{"id": "CF_TEXT", "field_value": "Down"}]
        ),
        "eve": crm.contact(
            firstName="Eve",
            phone="+15555550102",
            customFields=[{"id": "CF_NUMBER", "field_value": 4}, {"id": "CF_MANY", "field_value": ["Laser"]}],
        ),
    }


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([eq("email", "ADA@example.com")], ["ada"]),
        ([eq("phone", "+15555550102")], ["eve"]),
        ([eq("customFields.CF_TEXT", "down")], ["bob"]),
        ([eq("customFields.CF_NUMBER", 4)], ["eve"]),
        ([eq("customFields.CF_MANY", "Laser")], ["eve"]),
        ([eq("customFields.CF_TEXT", "up")], []),
        ([eq("customFields.UNKNOWN", "up")], []),
        ([eq("email", "ada@example.com"), eq("phone", "+15555550102")], []),
        (
            [{"group": "OR", "filters": [eq("email", "ada@example.com"), eq("phone", "+15555550102")]}],
            ["ada", "eve"],
        ),
        ([{"group": "AND", "filters": [eq("email", "ada@example.com"), eq("firstName", "Ada")]}], ["ada"]),
        (
            [{"group": "OR", "filters": [eq("email", "ada@example.com"), eq("firstName", "Bob")]}],
            ["ada", "bob"],
        ),
        ([{"field": "tags", "operator": "contains_set", "value": ["modmed-create"]}], ["ada"]),
        ([{"field": "tags", "operator": "contains_set", "value": ["modmed-create", "no"]}], []),
        ([{"field": "tags", "operator": "contains_not_set", "value": ["vip"]}], ["bob", "eve"]),
        ([{"field": "email", "operator": "exists"}], ["ada", "bob"]),
        ([{"field": "email", "operator": "not_exists"}], ["eve"]),
        ([{"field": "email", "operator": "not_eq", "value": "ada@example.com"}], ["bob", "eve"]),
        ([{"field": "email", "operator": "contains", "value": "bob@"}], ["bob"]),
        ([{"field": "tags", "operator": "not_contains", "value": "vip"}], ["bob", "eve"]),
        ([{"field": "customFields.CF_NUMBER", "operator": "range", "value": {"gte": 4, "lt": 5}}], ["eve"]),
        ([{"field": "dateAdded", "operator": "range", "value": {"gt": "2999-01-01"}}], []),
        ([eq("fullNameLowerCase", "eve stone")], ["eve"]),
        ([], ["ada", "bob", "eve"]),
    ],
)
@pytest.mark.parametrize("lagging", [False, True])
def test_filters_find_the_contacts_they_describe(crm, people, filters, found, lagging):
    if lagging:
        crm.door("POST", "/faults", {"index_lag_ms": 60_000})
    assert sorted(crm.search(*filters)) == sorted(people[name] for name in found)


def test_the_index_follows_changed_values(crm, people):
    crm.ok("PUT", f"/contacts/{people['ada']}", {"email": "new@example.com", "phone": None})
    assert crm.search(eq("email", "ada@example.com")) == []
    assert crm.search(eq("phone", "+15555550100")) == []
    assert crm.search(eq("email", "new@example.com")) == [people["ada"]]
    crm.ok("DELETE", f"/contacts/{people['ada']}")
    assert crm.search(eq("email", "new@example.com")) == []


def test_a_search_stays_within_its_sub_account(crm, people, other):
    assert other.search() == []
    crm.door("POST", "/faults", {"index_lag_ms": 60_000})
    assert other.search() == []


def test_a_query_looks_at_name_email_and_phone(crm, people):
    assert crm.search(query="bob st") == [people["bob"]]
    assert crm.search(query="50102") == [people["eve"]]


def test_pages_and_search_after_walk_through_all(crm, people):
    body = {"locationId": "LOC1", "pageLimit": 2}
    first = crm.ok("POST", "/contacts/search", body)
    second = crm.ok("POST", "/contacts/search", body | {"page": 2})
    after = crm.ok("POST", "/contacts/search", body | {"searchAfter": first["contacts"][-1]["searchAfter"]})
    assert first["total"] == 3
    assert len(first["contacts"]) == 2
    assert second["contacts"] == after["contacts"]
    assert {one["id"] for one in first["contacts"] + second["contacts"]} == set(people.values())


def test_a_sort_is_kept(crm, people):
    sort = [{"field": "firstNameLowerCase", "direction": "asc"}]
    assert crm.search(sort=sort) == [people["ada"], people["bob"], people["eve"]]
    sort[0]["direction"] = "desc"
    assert crm.search(sort=sort) == [people["eve"], people["bob"], people["ada"]]


@pytest.mark.parametrize(
    "change",
    [
        {"pageLimit": 501},
        {"pageLimit": 0},
        {"pageLimit": "20"},
        {"page": 0},
        {"page": 6_000},
        {"page": 1, "searchAfter": [1, "x"]},
        {"limit": 20},
        {"filters": "x"},
        {"filters": [{"field": "nothing", "operator": "eq", "value": 1}]},
        {"filters": [{"field": "email", "operator": "like", "value": 1}]},
        {"filters": [{"field": "email", "operator": "eq", "values": 1}]},
        {"filters": [{"field": "tags", "operator": "contains_set", "value": "vip"}]},
        {"filters": [{"field": "dateAdded", "operator": "range", "value": "today"}]},
        {"filters": [{"group": "XOR", "filters": []}]},
        {"filters": [{"group": "OR", "filters": ["x"]}]},
        {"sort": [{"field": "shoeSize", "direction": "asc"}]},
    ],
)
def test_a_wrong_search_is_refused(crm, change):
    answer = crm.call("POST", "/contacts/search", {"locationId": "LOC1", "pageLimit": 20} | change)
    assert answer.status_code == 422


def test_the_page_length_is_needed(crm):
    assert crm.call("POST", "/contacts/search", {"locationId": "LOC1"}).status_code == 422


def test_a_lagging_index_does_not_show_writes_yet(crm, people):
    crm.door("POST", "/faults", {"index_lag_ms": 60_000})
    new = crm.contact(email="new@example.com")
    crm.ok("PUT", f"/contacts/{people['ada']}", {"email": "changed@example.com"})
    crm.ok("DELETE", f"/contacts/{people['bob']}")
    assert crm.search(eq("email", "new@example.com")) == []
    assert crm.search(eq("email", "ada@example.com")) == [people["ada"]]
    assert crm.search(eq("email", "bob@example.com")) == [people["bob"]]
    duplicate = crm.ok("GET", "/contacts/search/duplicate?locationId=LOC1&email=new@example.com")
    assert duplicate["contact"]["id"] == new


def test_a_lagging_index_shows_writes_in_the_end(crm, people):
    crm.door("POST", "/faults", {"index_lag_ms": 50})
    new = crm.contact(email="new@example.com")
    crm.ok("PUT", f"/contacts/{people['ada']}", {"email": "changed@example.com"})
    crm.ok("DELETE", f"/contacts/{people['bob']}")
    time.sleep(0.1)
    assert crm.search(eq("email", "new@example.com")) == [new]
    assert crm.search(eq("email", "changed@example.com")) == [people["ada"]]
    assert crm.search(eq("email", "ada@example.com")) == []
    assert crm.search(eq("email", "bob@example.com")) == []


def test_a_lagging_index_hides_a_new_opportunity_from_the_search(crm, people):
    crm.door("POST", "/faults", {"index_lag_ms": 60_000})
    opportunity_id = crm.opportunity(people["ada"]).json()["opportunity"]["id"]
    path = f"/opportunities/search?location_id=LOC1&contact_id={people['ada']}"
    assert crm.ok("GET", path)["opportunities"] == []
    assert crm.ok("GET", f"/opportunities/{opportunity_id}")["opportunity"]["id"] == opportunity_id
    crm.door("POST", "/faults", {"index_lag_ms": 0})
    assert len(crm.ok("GET", path)["opportunities"]) == 1
