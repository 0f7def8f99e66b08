"""Every tag ends in exactly one of: created, linked, told what to fix, needs a decision. At most one patient in the
EMR, exactly one note for each answer, the tag off the contact."""

from typing import Any

import pytest

from integrations.models import ContactLink, CreateState, EventState
from tests.creates.sides import NORA, WHOLE, Practice, first_line

FIELD_WORDS = {
    "firstName": "First name is missing.",
    "lastName": "Last name is missing.",
    "email": "E-mail is missing.",
    "phone": "Phone is missing.",
    "gender": "Gender is missing.",
    "dateOfBirth": "Date of birth is missing.",
    "postalCode": "Postal code is missing",
}


def told_once(practice: Practice, contact_id: str, line: str) -> str:
    """The contact has exactly one note, which begins like that, and the tag is off. The note."""
    shown = practice.shown(contact_id)
    (note,) = practice.notes(contact_id)
    assert first_line(note) == line
    assert "Reference: AX-" in note.splitlines()[-1]
    assert practice.side.tag not in shown["tags"]
    return note


def emr_name(practice: Practice) -> str:
    return {"modmed": "ModMed", "nextech_cloud": "Nextech Cloud", "patientnow_pro": "PatientNow Pro"}[
        practice.side.slug
    ]


def test_a_tag_makes_the_patient_and_the_contact_says_so(practice: Practice) -> None:
    contact_id = practice.ask(practice.side.tag, "vip")
    (patient,) = practice.side.patients()
    expected = {"first": "Nora", "last": "Vance", "email": "nora.vance@example.com", "born": "1988-04-09"}
    assert {name: patient[name] for name in expected} == expected
    assert patient["phone"] == "2125550147"
    note = told_once(practice, contact_id, f"{emr_name(practice)}: patient created")
    assert f"Patient ID: {patient['id']}" in note
    shown = practice.shown(contact_id)
    assert shown["fields"][practice.side.id_field] == patient["id"]
    assert shown["tags"] == ["vip"]
    assert practice.request.state == CreateState.CREATED
    assert practice.request.answered_at is not None
    assert practice.event().state == EventState.DONE


def test_the_new_patient_is_linked_so_that_the_next_poll_makes_no_second_contact(practice: Practice) -> None:
    contact_id = practice.ask()
    (patient,) = practice.side.patients()
    link = ContactLink.objects.across_practices().get()
    assert (link.contact.crm_id, link.patient.external_id) == (contact_id, patient["id"])
    practice.emr_tells_of(patient["id"])
    practice.work()
    assert [row["id"] for row in practice.crm.contacts()] == [contact_id]
    assert practice.event().contact == link.contact


def test_an_answer_without_a_body_still_tells_the_id(practice: Practice) -> None:
    practice.side.answer_silently()
    contact_id = practice.ask()
    (patient,) = practice.side.patients()
    assert practice.request.external_id == patient["id"]
    told_once(practice, contact_id, f"{emr_name(practice)}: patient created")


@pytest.mark.parametrize("field", FIELD_WORDS)
def test_each_missing_field_is_named_on_the_contact(practice: Practice, field: str) -> None:
    contact_id = practice.ask(without=[field])
    if field not in practice.side.required:
        assert practice.request.state == CreateState.CREATED
        return
    assert practice.side.patients() == []
    assert practice.request.state == CreateState.NEEDS_FIXING
    note = told_once(practice, contact_id, f"{emr_name(practice)}: patient not created")
    assert f"To fix: {FIELD_WORDS[field]}" in note
    assert f"Then: add the tag {practice.side.tag} again." in note


def test_everything_that_is_missing_is_named_at_once(practice: Practice) -> None:
    contact_id = practice.ask(without=[name for name in practice.side.required if name != "email"])
    note = told_once(practice, contact_id, f"{emr_name(practice)}: patient not created")
    named = [line for line in note.splitlines() if line.startswith("To fix: ")]
    assert len(named) == len([name for name in practice.side.required if name != "email"])
    assert practice.side.patients() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phone": "+442079460123"}, "Phone: "),
        ({"gender": "abc"}, "Gender: write Female, Male or Other."),
        ({"dateOfBirth": "2190-01-01"}, "Date of birth: "),
    ],
    ids=["phone", "gender", "birth date"],
)
def test_a_value_in_a_form_that_the_emr_does_not_take_is_named(
    practice: Practice, changes: dict[str, Any], words: str
) -> None:
    contact_id = practice.contact()
    practice.edit(contact_id, native=changes, add_tags=[practice.side.tag])
    practice.tell(contact_id)
    practice.work()
    note = told_once(practice, contact_id, f"{emr_name(practice)}: patient not created")
    assert f"To fix: {words}" in note
    assert next(iter(changes.values())) not in note
    assert practice.side.patients() == []


def test_adding_the_tag_again_after_the_fix_creates_the_patient(practice: Practice) -> None:
    contact_id = practice.ask(without=["lastName"])
    assert practice.request.state == CreateState.NEEDS_FIXING
    practice.edit(contact_id, native={"lastName": WHOLE["lastName"]}, add_tags=[practice.side.tag])
    practice.tell(contact_id)
    practice.work()
    assert practice.request.state == CreateState.CREATED
    assert practice.request.attempts == 2
    assert len(practice.side.patients()) == 1
    lines = [first_line(note) for note in practice.notes(contact_id)]
    name = emr_name(practice)
    assert lines == [f"{name}: patient not created", f"{name}: patient created"]


def test_the_very_same_words_again_count_as_a_new_try_once_the_first_is_answered(practice: Practice) -> None:
    contact_id = practice.ask(without=["firstName"])
    body = {**practice.workflow_body(contact_id), "tags": practice.side.tag}
    practice.edit(contact_id, add_tags=[practice.side.tag])
    assert practice.tell(contact_id, body=body).json()["result"] == "stored"
    assert practice.tell(contact_id, body=body).json()["result"] == "duplicate"
    practice.work()
    practice.edit(contact_id, add_tags=[practice.side.tag])
    assert practice.tell(contact_id, body=body).json()["result"] == "stored"
    practice.work()
    assert practice.request.attempts == 3
    assert len(practice.notes(contact_id)) == 3


# --- who is there already ----------------------------------------------------------------------------------


def test_the_same_person_is_linked_instead_of_created(practice: Practice) -> None:
    practice.side.add("77001", email="", phone="")
    contact_id = practice.ask()
    assert [row["id"] for row in practice.side.patients()] == ["77001"]
    assert practice.request.state == CreateState.LINKED
    note = told_once(practice, contact_id, f"{emr_name(practice)}: linked to a patient who was there already")
    assert "Patient ID: 77001" in note
    assert practice.shown(contact_id)["fields"][practice.side.id_field] == "77001"
    link = ContactLink.objects.across_practices().get()
    assert (link.contact.crm_id, link.patient.external_id) == (contact_id, "77001")


@pytest.mark.parametrize(
    "others",
    [
        [{"first": "Eleonora"}],
        [{}, {}],
        [{"born": "1988-09-04"}],
        [{"gender": "male"}],
    ],
    ids=["another first name", "twice on file", "another birthday, same e-mail", "another gender"],
)
def test_who_is_not_surely_the_same_is_a_question(practice: Practice, others: list[dict[str, Any]]) -> None:
    for number, changes in enumerate(others):
        practice.side.add(f"7700{number}", **changes)
    contact_id = practice.ask()
    assert practice.request.state == CreateState.NEEDS_DECISION
    assert {row["id"] for row in practice.request.candidates} == {f"7700{n}" for n in range(len(others))}
    assert len(practice.side.patients()) == len(others)
    told_once(practice, contact_id, f"{emr_name(practice)}: patient not created, a decision is needed")
    assert not ContactLink.objects.across_practices().exists()


@pytest.mark.parametrize(
    "other",
    [
        {"first": "Otto", "born": "2015-01-01", "gender": "male"},
        {"email": "somebody@example.com", "phone": "(212) 555-0199", "born": "1950-01-01"},
    ],
    ids=["a child at the same e-mail and phone", "somebody of the same name"],
)
def test_somebody_else_who_shares_something_does_not_hinder(
    practice: Practice, other: dict[str, Any]
) -> None:
    practice.side.add("77001", **other)
    contact_id = practice.ask()
    assert practice.request.state == CreateState.CREATED
    assert len(practice.side.patients()) == 2
    told_once(practice, contact_id, f"{emr_name(practice)}: patient created")


def test_a_contact_that_is_a_patient_already_is_told_so(practice: Practice) -> None:
    contact_id = practice.ask()
    practice.edit(contact_id, add_tags=[practice.side.tag])
    practice.tell(contact_id)
    practice.work()
    assert len(practice.side.patients()) == 1
    assert [row.state for row in practice.requests()] == [CreateState.CREATED, CreateState.LINKED]
    assert "linked to a patient who was there already" in practice.notes(contact_id)[-1]


def test_a_patient_who_is_another_contact_s_is_a_question(practice: Practice) -> None:
    practice.side.add("77001")
    practice.ask()
    other = practice.contact(practice.side.tag, email="nora@example.com", phone="+12125550148")
    practice.tell(other)
    practice.work()
    assert [row.state for row in practice.requests()] == [CreateState.LINKED, CreateState.NEEDS_DECISION]
    assert ContactLink.objects.across_practices().count() == 1


def test_what_nextech_calls_a_duplicate_is_linked(nextech: Practice) -> None:
    """It knows the person but does not show the day of birth in its search: 409, then one who fits surely."""
    nextech.side.add("77001")
    rule = {"scope": "emr/nextech_cloud", "route": "GET *Patient", "status": 200, "times": 3}
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0, "link": [], "entry": []}
    nextech.crm.door("POST", "/faults", {"rules": [{**rule, "body": empty}]})
    contact_id = nextech.ask()
    assert [row["id"] for row in nextech.side.patients()] == ["77001"]
    assert nextech.request.state == CreateState.LINKED
    told_once(nextech, contact_id, "Nextech Cloud: linked to a patient who was there already")


def test_a_duplicate_that_nobody_finds_is_a_question(nextech: Practice) -> None:
    nextech.side.add("77001")
    rule = {"scope": "emr/nextech_cloud", "route": "GET *Patient", "status": 200, "times": 6}
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0, "link": [], "entry": []}
    nextech.crm.door("POST", "/faults", {"rules": [{**rule, "body": empty}]})
    contact_id = nextech.ask()
    assert nextech.request.state == CreateState.NEEDS_DECISION
    note = told_once(nextech, contact_id, "Nextech Cloud: patient not created, a decision is needed")
    assert "has this patient already" in note


# --- what happens meanwhile --------------------------------------------------------------------------------


def test_a_tag_taken_off_before_anybody_got_to_it_is_answered(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.edit(contact_id, remove_tags=[practice.side.tag])
    practice.work()
    assert practice.side.patients() == []
    note = told_once(practice, contact_id, f"{emr_name(practice)}: patient not created")
    assert "The tag was taken off before the patient was created." in note


def test_a_tag_taken_off_while_the_emr_does_not_answer_is_answered(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.crm.door("POST", "/faults", {"scope": f"emr/{practice.side.slug}", "outage": True})
    practice.work_once()
    practice.edit(contact_id, remove_tags=[practice.side.tag])
    practice.crm.door("DELETE", "/faults")
    practice.work()
    assert practice.side.patients() == []
    assert practice.request.state == CreateState.NEEDS_FIXING
    told_once(practice, contact_id, f"{emr_name(practice)}: patient not created")


def test_a_contact_deleted_before_anybody_got_to_it_makes_no_patient(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.edit(contact_id, delete=True)
    practice.work()
    assert practice.side.patients() == []
    assert practice.request.state == CreateState.NEEDS_FIXING
    assert practice.problems() == ["The contact was deleted in the CRM before the patient was created."]
    assert practice.event().state == EventState.DONE


def test_a_contact_deleted_just_after_the_patient_was_made_leaves_the_patient(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.crm.door(
        "POST", "/faults", {"rules": [{"route": "POST /contacts/{id}/notes", "status": 503, "times": 1}]}
    )
    practice.work_once()
    practice.edit(contact_id, delete=True)
    practice.work()
    assert len(practice.side.patients()) == 1
    assert practice.request.state == CreateState.CREATED
    assert practice.event().state == EventState.DONE
    assert not ContactLink.objects.across_practices().exists()
    assert practice.crm.contacts() == []


# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["{tag}", "{TAG}", "{spaced}", "{joined}", "{under}"])
def test_tags_are_compared_without_case_hyphens_and_spaces(practice: Practice, spelled: str) -> None:
    tag = practice.side.tag
    written = spelled.format(
        tag=tag,
        TAG=tag.upper(),
        spaced=tag.replace("-", " "),
        joined=tag.replace("-", ""),
        under=tag.replace("-", "_"),
    )
    contact_id = practice.ask(written)
    assert practice.request.state == CreateState.CREATED
    assert practice.shown(contact_id)["tags"] == []


def test_names_in_a_note_are_none_of_the_story(practice: Practice) -> None:
    practice.ask(without=["gender"] if "gender" in practice.side.required else ["dateOfBirth"])
    story = " ".join(row["text"] for row in practice.event().story)
    assert not any(str(value) in story for value in NORA.values())
