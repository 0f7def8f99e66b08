"""What the declaration promises to the rest: names of the CRM's fields, workflows, tags and switches."""

from integrations.contract.manifest import DataType
from integrations.contract.shared_folders import PATIENTNOW_FIELDS
from integrations.emrs.patientnow_pro.manifest import MANIFEST


def test_the_fields_are_those_that_both_products_of_patientnow_share():
    assert MANIFEST.fields is PATIENTNOW_FIELDS
    assert MANIFEST.folder == "PatientNow"
    types = {field.name: field.data_type for field in MANIFEST.fields}
    assert len(types) == 15
    assert {name for name, type_ in types.items() if type_ is DataType.DATE} == {
        "PNOW DOB",
        "PNOW Membership Sold Date",
    }
    assert {name for name, type_ in types.items() if type_ is DataType.MONETARY} == {"PNOW Membership Amount"}


def test_no_alias_is_another_field_s_name():
    names = [name for field in MANIFEST.fields for name in (field.name, *field.aliases)]
    assert len({name.casefold() for name in names}) == len(names)


def test_the_workflows_are_named_as_the_crm_names_them():
    assert MANIFEST.workflows == (
        "PatientNow Appointments Update",
        "PatientNow Order Paid",
        "PatientNow Membership Update",
        "PatientNow Birthday",
    )


def test_both_spellings_of_the_tag_create_a_patient():
    assert MANIFEST.create_tags == ("pnowcreate", "pnow-create")


def test_the_defaults_are_the_cautious_ones():
    assert MANIFEST.switch_defaults() == {
        "surgical_value": False,
        "dynamic_membership_tag": False,
        "sync_address": False,
        "separate_consult_stages": False,
        "create_tag_aliases": [],
        "create_required_fields": ["first_name", "last_name", "gender"],
    }


def test_the_last_service_comes_from_the_bill_and_the_stage_has_a_field():
    assert MANIFEST.last_service_from_payment
    assert MANIFEST.stage_field == "Lead Status"
    assert set(MANIFEST.standard_fields) == {"Lead Status", "Gender", "Referral Source"}


def test_only_the_key_and_the_secret_are_write_only_and_nobody_s_base_address_is_assumed():
    assert [one.name for one in MANIFEST.credentials if one.secret] == ["api_key", "header_secret"]
    assert [one.name for one in MANIFEST.credentials if one.required] == ["api_key", "practice_id"]
    assert MANIFEST.default_base_url == ""
