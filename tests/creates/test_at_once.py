"""A person dismisses a request just when it is tried again, and a worker dies with the EMR's answer in its hands."""

from typing import Any

import pytest

from integrations.models import CreateRequest, CreateState, EventState
from integrations.sync import lanes
from integrations.sync.create_back import ask, attempt, outcome, run
from tenants.models import User
from tests.creates.sides import Practice
from tests.creates.test_doubts import ends_created_once


@pytest.fixture
def somebody(db: None) -> User:
    return User.objects.create_user("support@example.com", company_role="support")


@pytest.fixture
def dismissed_meanwhile(modmed: Practice, somebody: User, monkeypatch: pytest.MonkeyPatch) -> str:
    """A contact whose failed create is dismissed in the moment in which a worker takes it up once more."""
    contact_id = modmed.ask(without=["lastName"])
    assert modmed.request.state == CreateState.NEEDS_FIXING
    modmed.edit(contact_id, native={"lastName": "Vantage"})
    really = run._Requests._again

    def again(requests: Any, row: CreateRequest, *tag: str) -> Any:
        ask.dismiss(modmed.request, somebody, "She is a vendor.")
        return really(requests, row, *tag)

    monkeypatch.setattr(run._Requests, "_again", again)
    return contact_id


def test_a_request_that_is_dismissed_just_when_it_is_retried_stays_dismissed(modmed, dismissed_meanwhile):
    assert ask.retry(modmed.request)
    modmed.work()
    assert modmed.request.state == CreateState.DISMISSED
    assert modmed.request.dismissed_because == "She is a vendor."
    assert modmed.side.patients() == []
    assert modmed.event().state == EventState.IGNORED


def test_a_tag_that_comes_just_when_the_earlier_request_is_dismissed_asks_anew(modmed, dismissed_meanwhile):
    modmed.edit(dismissed_meanwhile, add_tags=[modmed.side.tag])
    modmed.tell(dismissed_meanwhile)
    modmed.work()
    states = [row.state for row in modmed.requests()]
    assert states == [CreateState.DISMISSED, CreateState.CREATED]
    assert len(modmed.side.patients()) == 1


def test_a_patient_whom_the_emr_said_yes_to_is_not_made_again_although_its_search_does_not_show_them(
    modmed, monkeypatch
):
    contact_id = modmed.contact(modmed.side.tag)
    modmed.tell(contact_id)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(outcome, "has_patient", dies)
        with pytest.raises(KeyboardInterrupt):
            modmed.work_once()
    lanes.release_dead("test")
    assert modmed.request.state == CreateState.CREATING
    monkeypatch.setattr(modmed.connection_profile().emr.part("create"), "search", lambda *_: [])
    modmed.work()
    ends_created_once(modmed, contact_id)
    assert attempt.MOST_SENDS > modmed.request.sends == 1
