"""Contacts: what the CRM takes, refuses, forgets and gives back."""

import pytest

FIRST = {"email": "ada@example.com", "phone": "+15555550100"}


def create(crm, **values):
    return crm.call("POST", "/contacts/", {"locationId": "LOC1", **values})


def upsert(crm, **values):
    return crm.call("POST", "/contacts/upsert", {"locationId": "LOC1", **values})


def messages(answer):
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] == "Unprocessable Entity"
    return answer.json()["message"]


def test_a_created_contact_is_answered_with_201_and_can_be_read(crm):
    answer = create(crm, firstName="Ada", lastName="Stone", gender="female", **FIRST)
    assert answer.status_code == 201
    contact = crm.read(answer.json()["contact"]["id"])
    assert contact["name"] == "Ada Stone"
    assert contact["email"] == "ada@example.com"
    assert contact["gender"] == "female"
    assert contact["locationId"] == "LOC1"
    assert len(contact["id"]) == 20


def test_the_name_alone_is_split(crm):
    contact = create(crm, name="Ada van Stone", **FIRST).json()["contact"]
    assert (contact["firstName"], contact["lastName"]) == ("Ada", "van Stone")


def test_create_needs_the_location(crm):
    assert "locationId should not be empty" in messages(crm.call("POST", "/contacts/", FIRST))


@pytest.mark.parametrize("name", ["additionalEmails", "createNewIfDuplicateAllowed", "id", "custom_fields"])
def test_create_refuses_an_unknown_property(crm, name):
    assert messages(create(crm, **{name: "x"}, **FIRST)) == [f"property {name} should not exist"]
    assert crm.door("GET", "/summary")["contacts"] == 0


@pytest.mark.parametrize("name", ["gender", "locationId", "companyName", "id"])
def test_update_refuses_what_only_create_takes(crm, name):
    contact_id = crm.contact(**FIRST)
    answer = crm.call("PUT", f"/contacts/{contact_id}", {name: "x", "city": "Ames"})
    assert messages(answer) == [f"property {name} should not exist"]
    assert "city" not in crm.read(contact_id)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("firstName", 5, "firstName must be a string"),
        ("dnd", "yes", "dnd must be a boolean value"),
        ("tags", "vip", "tags must be an array"),
        ("tags", [1], "each value in tags must be a string"),
        ("customFields", {"id": "x"}, "customFields must be an array"),
        ("customFields", ["x"], "each value in customFields must be an object"),
        ("customFields", [{"id": 1, "field_value": "x"}], "each id and key in customFields must be a string"),
        ("dndSettings", [], "dndSettings must be an object"),
        ("postalCode", None, "postalCode should not be null"),
        ("country", None, "country should not be null"),
        ("country", "United States", "country must be a valid enum value"),
        ("email", "ada@example", "email must be an email"),
        ("email", "ada example.com", "email must be an email"),
        ("email", "a@b@example.com", "email must be an email"),
        ("phone", "555-555-0100", "phone must be a valid phone number"),
        ("phone", "15555550100", "phone must be a valid phone number"),
        ("phone", "+1 555 555 0100", "phone must be a valid phone number"),
        ("phone", "+0555555010", "phone must be a valid phone number"),
        ("dateOfBirth", "25 Sep 1990", "dateOfBirth must be a valid date"),
        ("dateOfBirth", "1990-02-30", "dateOfBirth must be a valid date"),
        ("dateOfBirth", 19900925, "dateOfBirth must be a string"),
    ],
)
def test_a_wrong_value_is_refused_on_create_upsert_and_update(crm, name, value, message):
    contact_id = crm.contact(email="other@example.com")
    body = {"email": "new@example.com", name: value}
    assert messages(create(crm, **body)) == [message]
    assert messages(upsert(crm, **body)) == [message]
    assert messages(crm.call("PUT", f"/contacts/{contact_id}", body)) == [message]
    assert crm.door("GET", "/summary")["contacts"] == 1


def test_every_fault_of_a_body_is_named(crm):
    assert len(messages(create(crm, firstName=1, wrong=2, dnd=3))) == 3


def test_null_clears_a_value_and_a_missing_key_leaves_it(crm):
    contact_id = crm.contact(city="Ames", dateOfBirth="1990-09-25", **FIRST)
    crm.ok("PUT", f"/contacts/{contact_id}", {"city": None, "dateOfBirth": None})
    contact = crm.read(contact_id)
    assert "city" not in contact
    assert "dateOfBirth" not in contact
    assert contact["email"] == "ada@example.com"


@pytest.mark.parametrize(
    "given",
    ["1990-09-25", "1990/09/25", "1990.09.25", "09/25/1990", "09-25-1990", "09.25.1990", "09_25_1990"],
)
def test_a_birth_date_is_read_in_its_forms(crm, given):
    created = create(crm, dateOfBirth=given, **FIRST).json()["contact"]
    assert created["dateOfBirth"] == "1990-09-25T00:00:00.000Z"
    assert crm.read(created["id"])["dateOfBirth"] == "1990-09-25"
    updated = crm.ok("PUT", f"/contacts/{created['id']}", {"dateOfBirth": given})
    assert updated["succeded"] is True
    assert updated["contact"]["dateOfBirth"] == "1990-09-25"


def test_a_sub_account_may_refuse_or_drop_the_birth_date(crm):
    contact_id = crm.contact(**FIRST)
    crm.set_up(knobs={"birth_date": "refuse"})
    answer = crm.call("PUT", f"/contacts/{contact_id}", {"dateOfBirth": "1990-09-25"})
    assert messages(answer) == ["property dateOfBirth should not exist"]
    crm.set_up(knobs={"birth_date": "drop"})
    echo = crm.ok("PUT", f"/contacts/{contact_id}", {"dateOfBirth": "1990-09-25", "city": "Ames"})["contact"]
    assert echo["city"] == "Ames"
    assert "dateOfBirth" not in echo


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "ADA@example.com"}, "email"),
        ({"email": "new@example.com", "phone": "+15555550100"}, "phone"),
    ],
)
def test_a_duplicate_is_refused_on_create(crm, values, field):
    contact_id = crm.contact(**FIRST)
    answer = create(crm, **values)
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": 400,
        "message": "This location does not allow duplicated contacts.",
        "meta": {"contactId": contact_id, "matchingField": field},
    }


def test_a_duplicate_is_refused_on_update_and_nothing_is_written(crm):
    taken_by = crm.contact(**FIRST)
    contact_id = crm.contact(email="b@example.com")
    answer = crm.call("PUT", f"/contacts/{contact_id}", {"phone": "+15555550100", "city": "Ames"})
    assert answer.status_code == 400
    assert answer.json()["meta"] == {"contactId": taken_by, "matchingField": "phone"}
    assert "city" not in crm.read(contact_id)


def test_an_update_with_its_own_email_and_phone_is_no_duplicate(crm):
    contact_id = crm.contact(**FIRST)
    assert crm.ok("PUT", f"/contacts/{contact_id}", FIRST)["succeded"] is True


def test_a_freed_email_may_be_taken(crm):
    contact_id = crm.contact(**FIRST)
    crm.ok("PUT", f"/contacts/{contact_id}", {"email": "new@example.com"})
    assert create(crm, email="ada@example.com").status_code == 201


def test_a_sub_account_may_allow_duplicates(crm):
    crm.set_up(settings={"allowDuplicateContact": True})
    assert crm.contact(**FIRST) != crm.contact(**FIRST)


def test_the_same_email_in_another_sub_account_is_no_duplicate(crm, other):
    crm.contact(**FIRST)
    assert other.contact(**FIRST)


def test_upsert_creates_with_201_and_then_updates_with_200(crm):
    first = upsert(crm, firstName="Ada", **FIRST)
    second = upsert(crm, firstName="Eve", email="ADA@example.com")
    assert (first.status_code, first.json()["new"]) == (201, True)
    assert (second.status_code, second.json()["new"]) == (200, False)
    assert second.json()["contact"]["id"] == first.json()["contact"]["id"]
    assert crm.read(first.json()["contact"]["id"])["firstName"] == "Eve"


def test_upsert_needs_an_email_or_a_phone(crm):
    assert messages(upsert(crm, firstName="Ada")) == ["email or phone should not be empty"]


def test_upsert_keeps_the_old_gender_without_complaint(crm):
    contact_id = crm.contact(gender="female", **FIRST)
    answer = upsert(crm, gender="male", **FIRST)
    assert answer.status_code == 200
    assert crm.read(contact_id)["gender"] == "female"


def test_upsert_takes_the_first_identifier_and_drops_a_value_of_somebody_else(crm):
    by_email = crm.contact(email="a@example.com")
    by_phone = crm.contact(phone="+15555550100")
    answer = upsert(crm, email="a@example.com", phone="+15555550100", city="Ames")
    assert answer.json()["contact"]["id"] == by_email
    assert "phone" not in crm.read(by_email)
    assert crm.read(by_email)["city"] == "Ames"
    crm.set_up(settings={"contactUniqueIdentifiers": ["phone", "email"]})
    answer = upsert(crm, email="a@example.com", phone="+15555550100")
    assert answer.json()["contact"]["id"] == by_phone
    assert "email" not in crm.read(by_phone)


def test_upsert_creates_another_only_where_duplicates_are_allowed(crm):
    contact_id = crm.contact(**FIRST)
    assert upsert(crm, createNewIfDuplicateAllowed=True, **FIRST).json()["contact"]["id"] == contact_id
    crm.set_up(settings={"allowDuplicateContact": True})
    assert upsert(crm, createNewIfDuplicateAllowed=True, **FIRST).json()["contact"]["id"] != contact_id


def test_tags_in_update_and_upsert_replace_all_tags(crm):
    contact_id = crm.contact(tags=[" VIP ", "lead", "vip"], **FIRST)
    assert crm.read(contact_id)["tags"] == ["vip", "lead"]
    crm.ok("PUT", f"/contacts/{contact_id}", {"city": "Ames"})
    assert crm.read(contact_id)["tags"] == ["vip", "lead"]
    crm.ok("PUT", f"/contacts/{contact_id}", {"tags": ["Other"]})
    assert crm.read(contact_id)["tags"] == ["other"]
    upsert(crm, tags=[], **FIRST)
    assert crm.read(contact_id)["tags"] == []


def test_search_duplicate_finds_by_email_or_phone(crm):
    contact_id = crm.contact(**FIRST)
    path = "/contacts/search/duplicate"
    for wanted in ({"email": "Ada@Example.com"}, {"number": "+15555550100"}):
        found = crm.ok("GET", path, params={"locationId": "LOC1", **wanted})
        assert found["contact"]["id"] == contact_id
    assert crm.ok("GET", path, params={"locationId": "LOC1", "email": "no@example.com"}) == {"contact": None}


def test_search_duplicate_wants_the_plus_sign_encoded(crm):
    crm.contact(**FIRST)
    found = crm.ok("GET", "/contacts/search/duplicate?locationId=LOC1&number=+15555550100")
    assert found == {"contact": None}


def test_search_duplicate_needs_the_location_and_knows_its_names(crm):
    assert crm.call("GET", "/contacts/search/duplicate?email=a@example.com").status_code == 422
    answer = crm.call("GET", "/contacts/search/duplicate?locationId=LOC1&phone=1")
    assert messages(answer) == ["property phone should not exist"]


def test_a_deleted_contact_is_gone_with_all_it_had(crm):
    contact_id = crm.contact(**FIRST)
    crm.ok("POST", f"/contacts/{contact_id}/notes", {"body": "x"})
    opportunity_id = crm.opportunity(contact_id).json()["opportunity"]["id"]
    assert crm.ok("DELETE", f"/contacts/{contact_id}") == {"succeded": True}
    for method, path in (("GET", ""), ("PUT", ""), ("GET", "/notes"), ("POST", "/notes")):
        body = {"body": "x"} if path and method == "POST" else ({} if method == "PUT" else None)
        assert crm.call(method, f"/contacts/{contact_id}{path}", body).status_code == 404
    assert crm.call("GET", f"/opportunities/{opportunity_id}").status_code == 404
    assert crm.door("GET", "/summary") == {"contacts": 0, "notes": 0, "opportunities": 0}
    assert create(crm, **FIRST).status_code == 201
