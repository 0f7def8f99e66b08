"""Custom fields: their definitions, and which values the CRM keeps."""

import pytest


def stored(crm, field_id, value, name="field_value"):
    contact_id = crm.contact(customFields=[{"id": field_id, name: value}])
    return {one["id"]: one["value"] for one in crm.read(contact_id)["customFields"]}


def create(crm, **values):
    return crm.call("POST", "/locations/LOC1/customFields", values)


def test_values_are_echoed_as_id_and_value(crm):
    contact_id = crm.contact(email="a@example.com")
    body = {"customFields": [{"id": "CF_TEXT", "key": "apro_location", "field_value": "Downtown"}]}
    echo = crm.ok("PUT", f"/contacts/{contact_id}", body)["contact"]
    assert echo["customFields"] == [{"id": "CF_TEXT", "value": "Downtown"}]


@pytest.mark.parametrize(
    ("field_id", "value", "kept"),
    [
        ("CF_TEXT", "Downtown", "Downtown"),
        ("CF_TEXT", 12, "12"),
        ("CF_DATE", "2026-03-12", "2026-03-12"),
        ("CF_DATE", "03/12/2026", "03/12/2026"),
        ("CF_MONEY", 12.5, 12.5),
        ("CF_MONEY", "1200.50", 1200.5),
        ("CF_NUMBER", "7", 7),
        ("CF_ONE", "Patient", "Patient"),
        ("CF_MANY", ["Laser", "Wax"], ["Laser"]),
    ],
)
def test_a_fitting_value_is_kept(crm, field_id, value, kept):
    assert stored(crm, field_id, value) == {field_id: kept}


@pytest.mark.parametrize(
    ("field_id", "value"),
    [
        ("NO_SUCH_FIELD", "x"),
        ("CF_OPP", "x"),
        ("CF_ONE", "Elsewhere"),
        ("CF_MANY", ["Wax"]),
        ("CF_MONEY", "a lot"),
        ("CF_MONEY", "nan"),
        ("CF_NUMBER", True),
        ("CF_DATE", 20260312),
        ("CF_TEXT", {"a": 1}),
    ],
)
def test_an_unfitting_value_is_taken_without_complaint_and_not_kept(crm, field_id, value):
    assert stored(crm, field_id, value) == {}


def test_a_value_under_another_name_is_not_kept(crm):
    assert stored(crm, "CF_TEXT", "x", name="fieldValue") == {"CF_TEXT": "x"}
    assert stored(crm, "CF_TEXT", "x", name="value") == {}


def test_a_key_alone_is_enough_but_does_not_help_a_stale_id(crm):
    contact_id = crm.contact(customFields=[{"key": "apro_location", "field_value": "a"}])
    assert crm.read(contact_id)["customFields"] == [{"id": "CF_TEXT", "value": "a"}]
    body = {"customFields": [{"id": "STALE", "key": "apro_location", "field_value": "b"}]}
    crm.ok("PUT", f"/contacts/{contact_id}", body)
    assert crm.read(contact_id)["customFields"] == [{"id": "CF_TEXT", "value": "a"}]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_value_clears(crm, empty):
    contact_id = crm.contact(customFields=[{"id": "CF_TEXT", "field_value": "a"}])
    crm.ok("PUT", f"/contacts/{contact_id}", {"customFields": [{"id": "CF_TEXT", "field_value": empty}]})
    assert crm.read(contact_id)["customFields"] == []


def test_a_write_leaves_other_fields_alone(crm):
    contact_id = crm.contact(customFields=[{"id": "CF_TEXT", "field_value": "a"}])
    crm.ok("PUT", f"/contacts/{contact_id}", {"customFields": [{"id": "CF_NUMBER", "field_value": 1}]})
    assert [one["id"] for one in crm.read(contact_id)["customFields"]] == ["CF_TEXT", "CF_NUMBER"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ModMed Appt Status", "contact.modmed_appt_status"),
        ("Afiliado — Kit", "contact.afiliado__kit"),
        ("Last Visit Date/Time", "contact.last_visit_datetime"),
    ],
)
def test_a_created_field_gets_a_key_a_folder_and_a_position(crm, name, key):
    answer = create(crm, name=name, dataType="TEXT")
    field = answer.json()["customField"]
    assert answer.status_code == 201
    assert field["fieldKey"] == key
    assert field["parentId"]
    assert field["position"] >= 1100
    assert field["model"] == "contact"
    assert crm.ok("GET", f"/locations/LOC1/customFields/{field['id']}")["customField"] == field
    assert crm.ok("GET", f"/locations/LOC1/customFields/{key}")["customField"] == field


def test_a_field_can_be_put_into_a_folder(crm):
    field = create(crm, name="New", dataType="DATE", parentId="FOLDER1").json()["customField"]
    assert field["parentId"] == "FOLDER1"
    assert create(crm, name="Newer", dataType="DATE", parentId="NOWHERE").status_code == 400


def test_a_second_field_of_the_same_name_is_refused(crm):
    assert create(crm, name=" apro LOCATION ", dataType="TEXT").status_code == 400
    assert create(crm, name="APro Location", dataType="TEXT", model="opportunity").status_code == 201


def test_a_standard_name_is_refused(crm):
    assert create(crm, name="Website", dataType="TEXT").status_code == 400


def test_a_clashing_key_gets_a_suffix(crm):
    keys = [
        create(crm, name=name, dataType="TEXT").json()["customField"]["fieldKey"] for name in ("A B", "A_B")
    ]
    assert keys == ["contact.a_b", "contact.a_b_2"]


@pytest.mark.parametrize(
    "body",
    [
        {"dataType": "TEXT"},
        {"name": "X"},
        {"name": "", "dataType": "TEXT"},
        {"name": "X", "dataType": "MONETARY"},
        {"name": "X", "dataType": "TEXT", "options": ["a"]},
        {"name": "X", "dataType": "TEXT", "position": "1"},
        {"name": "X", "dataType": "TEXT", "model": "company"},
    ],
)
def test_a_wrong_definition_is_refused(crm, body):
    assert create(crm, **body).status_code == 422


def test_fields_are_listed_by_model(crm):
    def ids(model):
        answer = crm.ok("GET", "/locations/LOC1/customFields", params={"model": model} if model else None)
        return {one["id"] for one in answer["customFields"]}

    assert ids("opportunity") == {"CF_OPP"}
    assert "CF_OPP" not in ids("contact")
    assert ids("all") == ids(None) == ids("contact") | {"CF_OPP"}


def test_a_renamed_field_keeps_its_key_and_takes_no_new_type(crm):
    path = "/locations/LOC1/customFields/CF_TEXT"
    field = crm.ok("PUT", path, {"name": "Site"})["customField"]
    assert (field["name"], field["fieldKey"]) == ("Site", "contact.apro_location")
    assert crm.call("PUT", path, {"name": "Site", "dataType": "DATE"}).status_code == 422
    assert crm.call("PUT", path, {"name": "Visits"}).status_code == 400


def test_a_field_made_again_keeps_the_key_and_changes_the_id(crm):
    contact_id = crm.contact(customFields=[{"id": "CF_TEXT", "field_value": "a"}])
    assert crm.ok("DELETE", "/locations/LOC1/customFields/CF_TEXT") == {"succeded": True}
    assert crm.read(contact_id)["customFields"] == []
    assert crm.call("GET", "/locations/LOC1/customFields/CF_TEXT").status_code == 404
    field = create(crm, name="APro Location", dataType="TEXT").json()["customField"]
    assert field["fieldKey"] == "contact.apro_location"
    assert field["id"] != "CF_TEXT"
    assert stored(crm, "CF_TEXT", "b") == {}
    assert stored(crm, field["id"], "b") == {field["id"]: "b"}
