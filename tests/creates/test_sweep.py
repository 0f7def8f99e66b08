"""Tags that nobody acted on are found within the hour, and what an outage left is tried again."""

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.models import CreateRequest, CreateState, EventState, TagSweep
from integrations.sync.create_back.attempt import PATIENCE
from integrations.sync.create_back.sweep import EVERY, retry_unanswered, sweep_due
from tests.creates.sides import Practice, first_line


def later(hours: float = 1.1) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def test_a_forgotten_tag_is_found_and_answered(practice: Practice) -> None:
    contact_id = practice.contact(practice.side.tag)
    practice.contact("vip", email="other@example.com", phone="+12125550148")
    assert sweep_due() == 1
    practice.work()
    assert len(practice.side.patients()) == 1
    assert practice.request.contact_crm_id == contact_id
    assert len(practice.notes(contact_id)) == 1


def test_tags_are_found_however_the_sub_account_spells_them(practice: Practice) -> None:
    practice.contact(practice.side.tag.replace("-", " "))
    assert sweep_due() == 1


def test_a_sub_account_is_searched_once_an_hour(modmed: Practice) -> None:
    assert sweep_due() == 0
    modmed.contact(modmed.side.tag)
    calls = modmed.crm.calls()
    assert sweep_due() == 0
    assert modmed.crm.calls() == calls
    assert sweep_due(later()) == 1


def test_without_such_a_tag_one_call_is_enough(modmed: Practice) -> None:
    modmed.contact("vip")
    calls = modmed.crm.calls()
    sweep_due()
    assert modmed.crm.calls() == calls + 1


def test_a_request_in_work_is_left_alone(practice: Practice) -> None:
    practice.crm.door("POST", "/faults", {"scope": f"emr/{practice.side.slug}", "outage": True})
    practice.tell(practice.contact(practice.side.tag))
    practice.work_once()
    assert sweep_due() == 0


def test_a_tag_that_was_added_again_unheard_is_a_new_try(practice: Practice) -> None:
    contact_id = practice.ask(without=["lastName"])
    practice.edit(contact_id, native={"lastName": "Vance"}, add_tags=[practice.side.tag])
    assert sweep_due() == 1
    practice.work()
    assert (practice.request.state, practice.request.attempts) == (CreateState.CREATED, 2)


def test_a_tag_that_the_search_shows_too_late_does_nothing(practice: Practice) -> None:
    """The CRM's search lags behind: the tag is off by the time the contact is read."""
    contact_id = practice.ask()
    notes = practice.notes(contact_id)
    practice.crm.door("POST", "/faults", {"index_lag_ms": 60_000})
    practice.edit(contact_id, add_tags=[practice.side.tag])
    practice.crm.door("DELETE", "/faults")
    assert sweep_due() == 1
    practice.edit(contact_id, remove_tags=[practice.side.tag])
    practice.work()
    assert practice.notes(contact_id) == notes
    assert practice.event().state == EventState.IGNORED


def test_a_crm_that_does_not_answer_is_asked_again_soon(modmed: Practice) -> None:
    modmed.contact(modmed.side.tag)
    modmed.crm.door("POST", "/faults", {"outage": True})
    assert sweep_due() == 0
    modmed.crm.door("DELETE", "/faults")
    assert sweep_due() == 0
    assert sweep_due(later(0.2)) == 1


def test_a_practice_that_is_not_live_is_not_searched(modmed: Practice) -> None:
    practice = modmed.connection.practice
    practice.state = "onboarding"
    practice.save()
    modmed.contact(modmed.side.tag)
    assert sweep_due() == 0
    assert not TagSweep.objects.across_practices().exists()


def test_after_an_outage_it_goes_on_by_itself_without_a_second_complaint(practice: Practice) -> None:
    practice.crm.door("POST", "/faults", {"scope": f"emr/{practice.side.slug}", "outage": True})
    contact_id = practice.contact(practice.side.tag)
    practice.tell(contact_id)
    practice.work(later=PATIENCE)
    assert practice.request.tries_itself
    an_hour_passes()
    # Still out: it is tried, and the contact is not told a second time.
    assert retry_unanswered(timezone.now()) == 1
    practice.work(later=PATIENCE)
    assert len(practice.notes(contact_id)) == 1
    practice.crm.door("DELETE", "/faults")
    an_hour_passes()
    assert retry_unanswered(timezone.now()) == 1
    practice.work()
    assert (practice.request.state, practice.request.tries_itself) == (CreateState.CREATED, False)
    assert len(practice.side.patients()) == 1
    assert [first_line(note).partition(": ")[2] for note in practice.notes(contact_id)] == [
        "patient not created",
        "patient created",
    ]


def an_hour_passes() -> None:
    long_ago = timezone.now() - EVERY - timedelta(minutes=1)
    CreateRequest.objects.across_practices().update(tried_at=long_ago)
