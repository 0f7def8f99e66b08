"""The person behind a Patient."""

from dataclasses import replace
from datetime import date

import pytest

from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.mapping import understand
from integrations.emrs.nextech_cloud.tests.bodies import ALBA, VISIT, context, enriched


def record_of(resource):
    (record,) = understand("patient", {"resource": resource}, context())
    return record


def person(**changes):
    return record_of(sandbox.patient_saved(ALBA) | changes).person


def test_a_patient_is_demographics_and_the_patient_id():
    record = record_of(sandbox.patient_saved(ALBA))
    assert record.fields == {"NXT Patient ID": ALBA.id}
    assert (record.person.first_name, record.person.last_name) == ("Alba", "Winter")
    assert (record.person.birth_date, record.person.gender) == (ALBA.born, "female")
    assert record.person.address1 == ALBA.street
    assert record.warnings == ()


def test_what_is_private_is_not_there():
    private = replace(ALBA, private=frozenset({"email", "mobile", "home"}))
    found = record_of(sandbox.patient_saved(private)).person
    assert (found.email, found.phone, found.last_name) == ("", "", "Winter")


@pytest.mark.parametrize(
    ("telecom", "phone"),
    [
        (
            [("phone", "home", "(813) 555-0101", 1), ("phone", "mobile", "(813) 555-0102", 2)],
            "(813) 555-0102",
        ),
        ([("phone", "home", "(813) 555-0101", None), ("sms", "", "(813) 555-0103", None)], "(813) 555-0103"),
        ([("phone", "work", "(813) 555-0104", 1), ("phone", "home", "(813) 555-0101", 2)], "(813) 555-0101"),
        ([("phone", "home", "(813) 555-0105", 2), ("phone", "home", "(813) 555-0106", 1)], "(813) 555-0106"),
        ([("other", "", "(813) 555-0107", None), ("fax", "", "(813) 555-0108", 1)], "(813) 555-0107"),
        ([("phone", "old", "(813) 555-0109", 1)], ""),
        ([("fax", "", "(813) 555-0108", 1)], ""),
        ([("sms", "", None, 1), ("phone", "mobile", "n/a", 1)], ""),
        ([("Phone", "Home", "(813) 555-0101", "1")], "(813) 555-0101"),
    ],
)
def test_of_several_numbers_the_one_that_takes_texts_counts(telecom, phone):
    rows = [
        {name: value for name, value in zip(("system", "use", "value", "rank"), row, strict=True) if value}
        for row in telecom
    ]
    assert person(telecom=rows).phone == phone


@pytest.mark.parametrize("telecom", [None, {}, "x", [None, 7], [{"system": "phone", "value": {"a": 1}}]])
def test_contacts_of_another_shape_are_none(telecom):
    found = person(telecom=telecom)
    assert (found.email, found.phone) == ("", "")


@pytest.mark.parametrize(
    ("names", "first", "last"),
    [
        (
            [
                {"use": "nickname", "given": ["Al"]},
                {"use": "official", "family": "Winter", "given": ["Alba", ""]},
            ],
            "Alba",
            "Winter",
        ),
        ([{"family": "Winter", "given": ["", "Alba"]}], "Alba", "Winter"),
        ([{"use": "nickname", "given": ["Al"]}], "Al", ""),
        (
            [{"use": "official", "family": "", "given": [""]}, {"use": "usual", "family": "Winter"}],
            "",
            "Winter",
        ),
        ({"family": "Winter", "given": "Alba"}, "Alba", "Winter"),
        ([], "", ""),
    ],
)
def test_the_official_name_counts_and_empty_given_names_do_not(names, first, last):
    found = person(name=names)
    assert (found.first_name, found.last_name) == (first, last)


@pytest.mark.parametrize(
    ("code", "gender", "is_said"),
    [
        ("male", "male", False),
        ("Female", "female", False),
        ("unknown", "", False),
        ("x", "", True),
        (None, "", False),
    ],
)
def test_gender_codes_become_words(code, gender, is_said):
    record = record_of(sandbox.patient_saved(ALBA) | {"gender": code})
    assert (record.person.gender, bool(record.warnings)) == (gender, is_said)


@pytest.mark.parametrize("born", ["01/01/1900", "3000-01-01", "unknown"])
def test_a_filler_for_the_date_of_birth_is_left_out_and_said(born):
    record = record_of(sandbox.patient_saved(ALBA) | {"birthDate": born})
    assert record.person.birth_date is None
    assert "Date of birth left out" in record.warnings[0]
    assert born not in record.warnings[0]


def test_the_home_address_counts_and_its_lines_become_one():
    addresses = [
        {"use": "old", "city": "Elsewhere"},
        {"use": "work", "city": "Clearwater"},
        {"use": "home", "line": ["1 Alder St", "Apt A"], "city": "Tampa", "state": "FL", "postalCode": 33609},
    ]
    found = person(address=addresses)
    assert (found.address1, found.city, found.postal_code) == ("1 Alder St, Apt A", "Tampa", "33609")


@pytest.mark.parametrize(
    ("display", "first", "last"),
    [("Winter, Alba", "Alba", "Winter"), ("Alba May Winter", "Alba May", "Winter"), ("", "", "")],
)
def test_of_a_patient_whom_nextech_has_no_more_the_name_is_kept_and_it_is_said(display, first, last):
    body = sandbox.confirmed(VISIT)
    body["participant"][0]["actor"]["display"] = display
    (record,) = understand("appointment", enriched(body, {}), context())
    assert (record.person.first_name, record.person.last_name, record.person.email) == (first, last, "")
    assert record.person.external_id == ALBA.id
    assert record.warnings == (
        "Nextech has no such patient any more: only the name on this record is known.",
    )


def test_the_patient_s_own_location_is_said():
    record = record_of(sandbox.patient_saved(replace(ALBA, site_id="6")))
    assert (record.location.external_id, record.location.name) == ("6", "Harbor Med Spa")


def test_a_birth_date_is_a_day():
    assert person(birthDate="1970-09-28").birth_date == date(1970, 9, 28)
