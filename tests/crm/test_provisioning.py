"""Fields that must exist, and what becomes of the missing ones."""

import json
from typing import Any

import pytest
import responses

from integrations.contract.errors import TransientError
from integrations.contract.manifest import DataType, FolderField, Manifest, Way
from integrations.crm.client import CrmClient
from integrations.crm.provisioning import FieldState, plan_fields, provision_fields, standard_fields

URL = "https://crm.example.com/locations/LOC1/customFields"


def manifest(**more: Any) -> Manifest:
    values: dict[str, Any] = {
        "slug": "some_emr",
        "name": "Some EMR",
        "way": Way.WEBHOOK,
        "field_prefix": "Some",
        "folder": "Some EMR",
        "fields": (FolderField("Some Client ID"), FolderField("Some DOB", DataType.DATE)),
        "events": (),
        "patient_id_field": "Some Client ID",
        "birthday_field": "Some DOB",
        "appointment_workflow": "Some Appointments",
    }
    return Manifest(**{**values, **more})


def crm_field(name: str, data_type: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id of {name}", "name": name, "dataType": data_type, **more}


VISIT_FIELDS = {
    "Next Visit Date",
    "Next Visit Service",
    "Last Visit Date",
    "Last Visit Service",
    "Contact Type",
}


@pytest.mark.parametrize(
    ("declared", "dual", "more"),
    [
        ({}, False, set()),
        ({}, True, {"Appointment Category"}),
        ({"has_surgical_pipeline": False}, True, set()),
        ({"payment_workflow": "Paid"}, False, {"Invoice Paid Amount", "Patient Lifetime Value"}),
        ({"payment_id_field": "Some Invoice ID"}, False, {"Invoice Paid Amount", "Patient Lifetime Value"}),
        ({"standard_fields": ("Lead Status", "Gender")}, False, {"Lead Status", "Gender"}),
    ],
)
def test_the_standard_fields_follow_from_the_manifest(declared: Any, dual: bool, more: set[str]) -> None:
    assert standard_fields(manifest(**declared), dual_pipeline=dual).keys() == VISIT_FIELDS | more


def test_every_needed_field_is_reported() -> None:
    existing = [
        crm_field(" some client id", "TEXT"),
        crm_field("Some DOB", "TEXT"),
        crm_field("Next Visit Date", "TEXT"),
        crm_field("next visit date", "DATE"),
        crm_field("Next Visit Service", "SINGLE_OPTIONS"),
    ]
    plan = plan_fields(manifest(), existing, dual_pipeline=False)
    found = {item.name: (item.state, item.field_id) for item in plan.fields}
    assert found == {
        "Some Client ID": (FieldState.EXISTS, "id of  some client id"),
        "Some DOB": (FieldState.WRONG_TYPE, "id of Some DOB"),
        "Next Visit Date": (FieldState.EXISTS, "id of next visit date"),
        "Next Visit Service": (FieldState.EXISTS, "id of Next Visit Service"),
        "Last Visit Date": (FieldState.MISSING, ""),
        "Last Visit Service": (FieldState.MISSING, ""),
        "Contact Type": (FieldState.MISSING, ""),
    }
    assert not plan.is_complete
    wrong = next(item for item in plan.fields if item.state is FieldState.WRONG_TYPE)
    assert "is of type TEXT, needed is DATE" in wrong.words


@pytest.mark.parametrize(
    ("options", "state"),
    [
        (["Lead", "Patient", "Vendor"], FieldState.EXISTS),
        (["Lead"], FieldState.WRONG_TYPE),
        (None, FieldState.EXISTS),
    ],
)
def test_a_pick_list_must_hold_the_values_that_we_write(options: Any, state: FieldState) -> None:
    existing = [crm_field("Contact Type", "SINGLE_OPTIONS", picklistOptions=options)]
    plan = plan_fields(manifest(), existing, dual_pipeline=False)
    report = next(item for item in plan.fields if item.name == "Contact Type")
    assert report.state is state
    assert ("without Patient" in report.words) == (state is FieldState.WRONG_TYPE)


def creating(api: responses.RequestsMock, existing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A CRM that keeps what is created; returns the bodies of the creates."""
    bodies: list[dict[str, Any]] = []

    def create(request: Any) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)
        bodies.append(body)
        made = {"id": f"new {len(bodies)}", "name": body["name"], "dataType": body["dataType"]}
        existing.append(made)
        return 201, {}, json.dumps({"customField": made})

    api.add_callback("GET", URL, lambda request: (200, {}, json.dumps({"customFields": existing})))
    api.add_callback("POST", URL, create)
    return bodies


def test_missing_fields_are_made_once(api: responses.RequestsMock, crm: CrmClient) -> None:
    bodies = creating(api, [crm_field("Next Visit Date", "DATE")])
    plan, ids = provision_fields(crm, manifest(), dual_pipeline=False)
    assert plan.is_complete
    assert "folder" in plan.words
    assert [body["name"] for body in bodies] == [
        "Some Client ID",
        "Some DOB",
        "Next Visit Service",
        "Last Visit Date",
        "Last Visit Service",
        "Contact Type",
    ]
    assert {body["dataType"] for body in bodies if body["name"].endswith(("DOB", "Date"))} == {"DATE"}
    assert ids["some dob"] == ("new 2", "DATE")
    assert ids["next visit date"] == ("id of Next Visit Date", "DATE")
    again, same_ids = provision_fields(crm, manifest(), dual_pipeline=False)
    assert len(bodies) == 6
    assert same_ids == ids
    assert {item.state for item in again.fields} == {FieldState.EXISTS}
    assert again.words == ""


def test_the_folder_is_learned_from_a_field_that_stands_in_it(
    api: responses.RequestsMock, crm: CrmClient
) -> None:
    existing = [
        crm_field("Some Client ID", "TEXT", parentId="FOLDER"),
        crm_field("Favourite Colour", "TEXT", parentId="OTHER"),
    ]
    bodies = creating(api, existing)
    plan, _ = provision_fields(crm, manifest(), dual_pipeline=False)
    assert (plan.folder_id, plan.words) == ("FOLDER", "")
    parents = {body["name"]: body.get("parentId") for body in bodies}
    assert parents.pop("Some DOB") == "FOLDER"
    assert set(parents.values()) == {None}


def test_a_refused_field_is_reported_and_the_others_are_made(
    api: responses.RequestsMock, crm: CrmClient
) -> None:
    api.get(URL, json={"customFields": []})

    def create(request: Any) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)
        if body["name"] == "Contact Type":
            return 400, {}, json.dumps({"message": "Field name is reserved"})
        return 201, {}, json.dumps({"customField": {"id": "x"}})

    api.add_callback("POST", URL, create)
    plan, ids = provision_fields(crm, manifest(), dual_pipeline=False)
    refused = [item for item in plan.fields if item.state is FieldState.REFUSED]
    assert [item.name for item in refused] == ["Contact Type"]
    assert "Field name is reserved" in refused[0].words
    assert not plan.is_complete
    assert ids["some dob"] == ("x", "DATE")


def test_a_failing_crm_is_not_reported_as_a_refusal(api: responses.RequestsMock, crm: CrmClient) -> None:
    api.get(URL, json={"customFields": []})
    api.post(URL, status=503)
    with pytest.raises(TransientError):
        provision_fields(crm, manifest(), dual_pipeline=False)
