"""A create that may have happened is looked up before it is repeated; a patient on the way holds their identity."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import (
    ContactLink,
    CreateRequest,
    CreateState,
    Effect,
    EffectKind,
    EffectState,
    EventState,
    Incident,
    Lane,
)
from integrations.sync.create_back.attempt import MOST_SENDS, PATIENCE
from tests.creates.sides import Practice, first_line


def fault(practice: Practice, route: str, **rule: object) -> None:
    rules = [{"scope": f"emr/{practice.side.slug}", "route": route, **rule}]
    practice.crm.door("POST", "/faults", {"rules": rules})


def ends_created_once(practice: Practice, contact_id: str) -> None:
    (patient,) = practice.side.patients()
    assert (practice.request.state, practice.request.external_id) == (CreateState.CREATED, patient["id"])
    (note,) = practice.notes(contact_id)
    assert first_line(note).endswith(": patient created")
    assert practice.shown(contact_id)["tags"] == []
    assert practice.shown(contact_id)["fields"][practice.side.id_field] == patient["id"]


@pytest.mark.parametrize("kind", ["close", "hang"])
def test_a_create_whose_answer_is_lost_is_found_and_not_repeated(practice: Practice, kind: str) -> None:
    fault(practice, practice.side.create_route, kind=kind, after=True, seconds=0.2)
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.work_once()
    assert practice.request.state == CreateState.IN_DOUBT
    assert len(practice.side.patients()) == 1
    practice.work()
    ends_created_once(practice, contact_id)
    effect = Effect.objects.across_practices().get(kind=EffectKind.PATIENT)
    assert (effect.state, effect.answer) == (EffectState.DONE, {"patient": practice.request.external_id})


def test_a_500_after_the_patient_was_made_is_found_and_not_repeated(practice: Practice) -> None:
    practice.side.lose_creates(1)
    contact_id = practice.ask()
    ends_created_once(practice, contact_id)


def test_a_person_known_by_name_alone_is_found_again_after_a_lost_answer(practice: Practice) -> None:
    if practice.side.slug != "patientnow_pro":
        pytest.skip("the others need a day of birth")
    practice.side.add("77001", first="Nora", last="Vantage", email="", phone="", born="")
    practice.side.lose_creates(1)
    contact_id = practice.ask(without=["email", "dateOfBirth"])
    assert len(practice.side.patients()) == 2
    assert practice.request.state == CreateState.CREATED
    assert len(practice.notes(contact_id)) == 1


def test_a_create_that_never_arrived_is_repeated_after_two_looks(practice: Practice) -> None:
    fault(practice, practice.side.create_route, kind="close")
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.work_once()
    assert practice.request.state == CreateState.IN_DOUBT
    # The first look finds nobody, which is not believed yet.
    CreateRequest.objects.across_practices().update(sent_at=timezone.now() - timedelta(seconds=10))
    Lane.objects.across_practices().update(next_at=timezone.now())
    practice.work_once()
    assert practice.request.state == CreateState.IN_DOUBT
    assert practice.side.patients() == []
    practice.work()
    ends_created_once(practice, contact_id)
    states = Effect.objects.across_practices().filter(kind=EffectKind.PATIENT).order_by("pk")
    assert list(states.values_list("state", flat=True)) == [EffectState.SKIPPED, EffectState.DONE]


def test_right_after_the_lost_answer_nobody_looks_yet(practice: Practice) -> None:
    fault(practice, practice.side.create_route, kind="close", after=True)
    practice.tell(practice.contact(practice.side.tag))
    practice.work_once()
    Lane.objects.across_practices().update(next_at=timezone.now())
    practice.work_once()
    assert practice.request.state == CreateState.IN_DOUBT
    assert Lane.objects.across_practices().get().next_at > timezone.now() + timedelta(seconds=2)


def test_an_emr_that_always_fails_is_told_of_after_a_few_tries(practice: Practice) -> None:
    fault(practice, practice.side.create_route, status=500, times=None)
    contact_id = practice.ask()
    assert practice.request.state == CreateState.NEEDS_FIXING
    assert practice.request.sends == MOST_SENDS
    assert "times, without saying why" in practice.problems()[0]
    assert len(practice.notes(contact_id)) == 1
    assert practice.side.patients() == []


def test_a_refusal_of_the_emr_is_told_in_its_words(practice: Practice) -> None:
    body = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": "The state is not known"}],
        "error": "The state is not known",
    }
    fault(practice, practice.side.create_route, status=422, body=body)
    contact_id = practice.ask()
    assert practice.request.state == CreateState.NEEDS_FIXING
    (note,) = practice.notes(contact_id)
    assert "The state is not known" in note


def test_a_slow_down_is_waited_for(practice: Practice) -> None:
    fault(practice, practice.side.create_route, status=429)
    contact_id = practice.ask()
    ends_created_once(practice, contact_id)


def test_refused_credentials_are_told_at_once(practice: Practice) -> None:
    practice.side.revoke()
    contact_id = practice.ask()
    assert practice.request.state == CreateState.NEEDS_FIXING
    assert len(practice.notes(contact_id)) == 1
    practice.connection.refresh_from_db()
    assert practice.connection.needs_reauth_since is not None
    second = practice.ask(email="other@example.com", phone="+12125550149")
    assert len(practice.notes(second)) == 1


def test_an_outage_of_the_emr_is_sat_out(practice: Practice) -> None:
    practice.crm.door("POST", "/faults", {"scope": f"emr/{practice.side.slug}", "outage": True})
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.work_once()
    assert practice.request.state in (CreateState.WAITING, CreateState.SEARCHING)
    assert practice.notes(contact_id) == []
    practice.crm.door("DELETE", "/faults")
    practice.work()
    ends_created_once(practice, contact_id)


def test_after_half_an_hour_of_outage_the_contact_is_told(practice: Practice) -> None:
    practice.crm.door("POST", "/faults", {"scope": f"emr/{practice.side.slug}", "outage": True})
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.work(later=PATIENCE)
    request = practice.request
    assert (request.state, request.tries_itself) == (CreateState.NEEDS_FIXING, True)
    (note,) = practice.notes(contact_id)
    assert "has not answered for half an hour" in note
    assert practice.event().state == EventState.DONE


def test_an_outage_of_the_crm_ends_in_one_note(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    rules = [
        {"route": "POST /contacts/{id}/notes", "kind": "close", "after": True},
        {"route": "DELETE /contacts/{id}/tags", "kind": "close", "after": True},
        {"route": "PUT /contacts/{id}", "kind": "close", "after": True},
    ]
    practice.crm.door("POST", "/faults", {"rules": rules})
    practice.work()
    ends_created_once(practice, contact_id)


def test_the_emr_s_word_of_a_patient_on_the_way_waits_for_the_link(practice: Practice) -> None:
    """The EMR tells of the patient before its answer came: no second contact, whatever the order."""
    fault(practice, practice.side.create_route, kind="close", after=True)
    contact_id = practice.contact(practice.side.tag, without=["email"] if _takes_no_email(practice) else [])
    practice.tell(contact_id)
    practice.work_once()
    (patient,) = practice.side.patients()
    practice.emr_tells_of(patient["id"])
    practice.work_once()
    assert practice.event().state == EventState.WAITING
    assert "just being created from the CRM" in practice.event().lane.waits_because
    practice.work()
    ends_created_once(practice, contact_id)
    assert [row["id"] for row in practice.crm.contacts()] == [contact_id]
    assert ContactLink.objects.across_practices().count() == 1
    assert not Incident.objects.across_practices().filter(closed_at=None).exists()


def _takes_no_email(practice: Practice) -> bool:
    return "email" not in practice.side.required
