"""Who is this contact? Never two people in one; never the same person twice."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from integrations.contract.records import Person
from integrations.crm.matching import Match, MatchKind, fits, judge

BORN = date(1980, 2, 29)
AVA = Person("827", "Ava", "Stone", "ava@example.com", "+12125550142", BORN)


def contact(
    contact_id: str = "C1", first: str = "", last: str = "", born: str = "", **more: Any
) -> dict[str, Any]:
    return {"id": contact_id, "firstName": first, "lastName": last, "dateOfBirth": born or None, **more}


def person(first: str, last: str, born: date | None = None) -> Person:
    return Person("827", first, last, birth_date=born)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (("Ava", "Stone"), ("ava", " STONE ")),
        (("Zoë", "Muñoz"), ("Zoe", "Munoz")),
        (("Mary Ann", "O'Neil"), ("Maryann", "ONeil")),
        (("Anne-Marie", "Smith-Jones"), ("Anne Marie", "Smith Jones")),
        (("John A.", "Stone Jr."), ("John", "Stone")),
        (("J", "Stone"), ("J.", "Stone")),
        (("Jürgen", "Groß"), ("Jurgen", "Gross")),
        (("美", "王"), ("美", "王")),
    ],
)
def test_names_agree_in_spite_of_spelling(ours: tuple[str, str], theirs: tuple[str, str]) -> None:
    assert fits(person(*ours), contact("C1", *theirs))
    assert fits(person(*theirs), contact("C1", *ours))


@pytest.mark.parametrize(
    "theirs",
    [("Mia", "Stone"), ("Ava", "Rivers"), ("Ava", ""), ("", "Stone"), ("A", "Stone"), ("Stone", "Ava")],
)
def test_other_names_do_not_fit_without_a_birth_date(theirs: tuple[str, str]) -> None:
    assert not fits(person("Ava", "Stone"), contact("C1", *theirs))
    assert not fits(person("Ava", "Stone", BORN), contact("C1", *theirs))


@pytest.mark.parametrize(
    "theirs", [("Liz", "Stone"), ("Elizabeth", "Stone-Rivers"), ("Liz", ""), ("", "Stone")]
)
def test_a_birth_date_makes_up_for_another_first_name(theirs: tuple[str, str]) -> None:
    assert fits(person("Elizabeth", "Stone", BORN), contact("C1", *theirs, "1980-02-29"))


def test_a_birth_date_alone_is_not_enough() -> None:
    assert not fits(person("Ava", "Stone", BORN), contact("C1", "Ava", "Rivers", "1980-02-29"))


def test_father_and_son_of_one_name_are_two_people() -> None:
    assert not fits(
        person("John", "Stone Jr.", date(2004, 5, 6)), contact("C1", "John", "Stone", "1980-02-29")
    )


def test_twins_are_two_people_where_one_carries_a_patient_id() -> None:
    twin = contact("C1", "Mia", "Stone", "1980-02-29", customFields=[{"id": "PID", "value": "826"}])
    assert fits(AVA, twin)
    assert not fits(AVA, twin, patient_id_field="PID")


def test_one_person_may_have_two_patient_ids() -> None:
    same = contact("C1", "Ava", "Stone", "1980-02-29", customFields=[{"id": "PID", "value": "826"}])
    assert fits(AVA, same, patient_id_field="PID")


def test_the_birthday_field_counts_where_the_native_one_is_empty() -> None:
    other = contact("C1", "Ava", "Stone", customFields=[{"id": "DOB", "value": "1999-01-01"}])
    assert fits(AVA, other)
    assert not fits(AVA, other, birthday_field="DOB")


def test_a_contact_without_a_name_contradicts_nobody() -> None:
    assert fits(AVA, contact("C1"))
    assert not fits(AVA, contact("C1", "", "", "1999-01-01"))
    taken = contact("C1", customFields=[{"id": "PID", "value": "826"}])
    assert not fits(AVA, taken, patient_id_field="PID")


def test_a_contact_with_its_name_in_one_piece_fits() -> None:
    assert fits(AVA, {"id": "C1", "contactName": "ava stone"})
    assert not fits(AVA, {"id": "C1", "name": "Mia Stone"})


RIGHT, MOTHER, FATHER = (
    contact("RIGHT", "Ava", "Stone", "1980-02-29"),
    contact("MOTHER", "Mia", "Stone", "1955-01-01"),
    contact("FATHER", "Leo", "Stone"),
)
Candidates = Mapping[str, Sequence[Mapping[str, Any]]]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ({}, (MatchKind.NEW, "", (), ())),
        ({"patient_id": [], "email": [], "phone": []}, (MatchKind.NEW, "", (), ())),
        ({"patient_id": [RIGHT]}, (MatchKind.LINKED, "RIGHT", (), ())),
        ({"email": [RIGHT], "phone": [RIGHT]}, (MatchKind.LINKED, "RIGHT", (), ())),
        ({"phone": [RIGHT]}, (MatchKind.LINKED, "RIGHT", (), ())),
        (
            {"email": [RIGHT], "phone": [MOTHER]},
            (MatchKind.CLASH, "RIGHT", ("phone",), (("phone", "MOTHER"),)),
        ),
        (
            {"email": [MOTHER], "phone": [RIGHT]},
            (MatchKind.CLASH, "RIGHT", ("email",), (("email", "MOTHER"),)),
        ),
        (
            {"patient_id": [RIGHT], "email": [MOTHER], "phone": [FATHER]},
            (MatchKind.CLASH, "RIGHT", ("email", "phone"), (("email", "MOTHER"), ("phone", "FATHER"))),
        ),
        ({"email": [MOTHER]}, (MatchKind.HELD, "", ("email",), (("email", "MOTHER"),))),
        (
            {"email": [MOTHER], "phone": [FATHER]},
            (MatchKind.HELD, "", ("email", "phone"), (("email", "MOTHER"), ("phone", "FATHER"))),
        ),
        ({"patient_id": [MOTHER]}, (MatchKind.HELD, "", (), (("patient_id", "MOTHER"),))),
        # Where duplicates are allowed, the family shares the address and each has it.
        ({"email": [MOTHER, RIGHT]}, (MatchKind.LINKED, "RIGHT", (), ())),
    ],
)
def test_the_right_contact_is_chosen(candidates: Candidates, expected: tuple[Any, ...]) -> None:
    match = judge(AVA, candidates)
    assert (match.kind, match.contact_id, match.leave_out, match.clashes) == expected
    assert match.is_linked == bool(expected[1])


def test_the_patient_id_counts_before_e_mail_and_phone() -> None:
    by_mail = contact("OLD", "Ava", "Stone")
    match = judge(AVA, {"patient_id": [RIGHT], "email": [by_mail]})
    assert (match.contact_id, match.leave_out) == ("RIGHT", ("email",))


def test_of_several_the_one_found_most_often_then_the_oldest_is_chosen() -> None:
    first, second = ({**RIGHT, "id": name, "dateAdded": f"202{n}-01-01"} for n, name in enumerate("BA"))
    assert judge(AVA, {"email": [second, first]}).contact_id == "B"
    assert judge(AVA, {"email": [second, first], "phone": [second]}).contact_id == "A"


def test_no_reason_names_a_person() -> None:
    for candidates in (
        {},
        {"email": [MOTHER]},
        {"email": [RIGHT], "phone": [MOTHER]},
        {"patient_id": [RIGHT]},
    ):
        match: Match = judge(AVA, candidates)
        assert match.reason
        for secret in ("Ava", "Mia", "Stone", "example.com", "555", "1980"):
            assert secret not in match.reason
