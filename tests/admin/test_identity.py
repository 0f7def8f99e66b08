"""Side by side: is this patient that contact? Three answers."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from integrations.admin import identity as page
from integrations.contract.errors import NotFoundError
from integrations.models import EarlierAnswer, Effect, IdentityQuestion, InboundEvent
from integrations.sync import answering
from tenants.models import User
from tests.admin.conftest import FIRST_NAME, World, signed_in

Answer = IdentityQuestion.Answer


class PretendCrm:
    """Knows one contact."""

    def get_contact(self, contact_id: str) -> dict[str, Any]:
        if contact_id != "other1":
            raise NotFoundError("The contact is gone.", status=404)
        return {
            "id": "other1",
            "firstName": "zora",
            "lastName": "lane",
            "phone": "+12125550177",
            "customFields": [],
        }


@pytest.fixture(autouse=True)
def crm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "client_for", lambda account: PretendCrm())
    monkeypatch.setattr(answering, "client_for", lambda account: PretendCrm())


def url(name: str, question: IdentityQuestion) -> str:
    return reverse(f"admin:{name}", args=[question.pk])


def test_the_patient_and_the_contact_stand_side_by_side(world: World, agent: User) -> None:
    client = signed_in(agent)
    left = client.get(url("integrations_identityquestion_change", world.question)).content.decode()
    assert FIRST_NAME in left
    assert url("identity-candidates", world.question) in left
    right = client.get(url("identity-candidates", world.question)).content.decode()
    assert "Zora Lane" in right
    assert "Same person: link" in right


def test_a_contact_that_cannot_be_read_says_why(world: World, agent: User) -> None:
    IdentityQuestion.objects.for_practice(world.practice).update(candidate_crm_ids=["gone1"])
    right = signed_in(agent).get(url("identity-candidates", world.question)).content.decode()
    assert "The contact is gone." in right
    assert "Same person: link" not in right


@pytest.mark.parametrize("choice", [Answer.CREATE, Answer.IGNORE])
def test_an_answer_is_kept_with_who_gave_it(world: World, agent: User, choice: str) -> None:
    signed_in(agent).post(url("identity-answer", world.question), {"choice": choice})
    world.question.refresh_from_db()
    assert (world.question.answer, world.question.answered_by) == (choice, agent)


def test_linking_ties_the_patient_to_the_contact(world: World, agent: User) -> None:
    signed_in(agent).post(
        url("identity-answer", world.question), {"choice": Answer.LINK, "contact": "other1"}
    )
    link = world.patient.links.get(sub_account=world.sub_account)
    assert link.contact.crm_id == "other1"


@pytest.mark.parametrize(
    "data", [{}, {"choice": "maybe"}, {"choice": Answer.LINK}, {"choice": Answer.LINK, "contact": "x"}]
)
def test_an_answer_that_is_none_changes_nothing(world: World, agent: User, data: dict[str, str]) -> None:
    answer = signed_in(agent).post(url("identity-answer", world.question), data, follow=True)
    assert "Choose" in answer.content.decode()
    world.question.refresh_from_db()
    assert world.question.answer == ""


def test_a_second_answer_does_not_replace_the_first(world: World, agent: User, specialist: User) -> None:
    signed_in(agent).post(url("identity-answer", world.question), {"choice": Answer.CREATE})
    answer = signed_in(specialist).post(
        url("identity-answer", world.question), {"choice": Answer.IGNORE}, follow=True
    )
    assert "Somebody has answered this" in answer.content.decode()
    world.question.refresh_from_db()
    assert (world.question.answer, world.question.answered_by) == (Answer.CREATE, agent)


def test_an_answer_needs_a_post(world: World, agent: User) -> None:
    assert signed_in(agent).get(url("identity-answer", world.question)).status_code == 403


def test_open_questions_come_first(world: World, agent: User) -> None:
    IdentityQuestion.objects.for_practice(world.practice).update(answer=Answer.CREATE)
    newer = IdentityQuestion.objects.create(
        patient=world.patient, sub_account=world.sub_account, candidate_crm_ids=[], clashes=[]
    )
    listed = signed_in(agent).get(reverse("admin:integrations_identityquestion_changelist"))
    assert [row.pk for row in listed.context["cl"].result_list] == [newer.pk, world.question.pk]


# Changing an answer


@pytest.fixture
def answered(world: World, agent: User) -> IdentityQuestion:
    """Linked to the contact in question."""
    signed_in(agent).post(
        url("identity-answer", world.question), {"choice": Answer.LINK, "contact": "other1"}
    )
    world.question.refresh_from_db()
    return world.question


def change(question: IdentityQuestion, choice: str, **more: str) -> dict[str, str]:
    return {"choice": choice, "version": answering.version_of(question), **more}


def test_an_answered_question_offers_another_answer(world: World, agent: User, answered: Any) -> None:
    client, page_url = signed_in(agent), url("integrations_identityquestion_change", answered)
    shown = client.get(page_url).content.decode()
    assert "Change the answer" in shown
    assert url("identity-change", answered) not in shown, "only once it is asked for"
    choosing = client.get(f"{page_url}?change=1").content.decode()
    assert url("identity-change", answered) in choosing
    assert 'value="create"' in choosing
    assert 'value="ignore"' in choosing
    right = client.get(f"{url('identity-candidates', answered)}?change=1").content.decode()
    assert "Linked now" in right
    assert "Same person: link" not in right


def test_a_change_says_what_it_does_before_it_does_it(world: World, agent: User, answered: Any) -> None:
    client = signed_in(agent)
    asked = client.post(url("identity-change", answered), change(answered, Answer.IGNORE)).content.decode()
    assert "The link is removed" in asked
    assert "0 audit notes" in asked
    answered.refresh_from_db()
    assert answered.answer == Answer.LINK


def test_what_was_written_before_is_named_with_its_amount(world: World, agent: User, answered: Any) -> None:
    """The first contact has a note and a payment of the patient: the page says so beside the answer before."""
    asked = signed_in(agent).post(url("identity-change", answered), change(answered, Answer.CREATE))
    words = asked.content.decode()
    assert f"linked again to the contact that was theirs before, {world.contact.crm_id}" in words
    shown = signed_in(agent).get(url("integrations_identityquestion_change", answered)).content.decode()
    assert "1 audit note of this patient and $450.00 of lifetime value there." in shown
    assert "Linked by AX Connect, nobody had been asked" in shown


def test_a_confirmed_change_is_kept_with_both_answers(world: World, agent: User, answered: Any) -> None:
    client = signed_in(agent)
    done = client.post(
        url("identity-change", answered), change(answered, Answer.IGNORE, confirmed="yes"), follow=True
    )
    text = done.content.decode()
    assert "Changed. 0 events" in text
    assert "Earlier answers" in text
    answered.refresh_from_db()
    assert (answered.answer, answered.answered_by) == (Answer.IGNORE, agent)
    assert not world.patient.links.exists()
    entry = LogEntry.objects.filter(object_id=str(answered.pk)).latest("pk")
    assert "Same person: link → Leave this patient out of the CRM" in entry.change_message
    assert [row.answer for row in EarlierAnswer.objects.for_practice(world.practice)] == [Answer.LINK, ""]


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "yes"}])
def test_of_two_people_who_change_it_the_second_is_told(
    world: World, agent: User, specialist: User, answered: Any, confirmed: dict[str, str]
) -> None:
    seen = change(answered, Answer.CREATE, **confirmed)
    signed_in(specialist).post(
        url("identity-change", answered), change(answered, Answer.IGNORE, confirmed="yes")
    )
    told = signed_in(agent).post(url("identity-change", answered), seen, follow=True)
    assert "Somebody has changed this in the meantime" in told.content.decode()
    answered.refresh_from_db()
    assert (answered.answer, answered.answered_by) == (Answer.IGNORE, specialist)


def test_a_change_without_a_version_is_none(world: World, agent: User) -> None:
    """An open question is answered, not changed."""
    told = signed_in(agent).post(
        url("identity-change", world.question), {"choice": Answer.IGNORE, "confirmed": "yes"}, follow=True
    )
    assert "Somebody has changed this in the meantime" in told.content.decode()
    world.question.refresh_from_db()
    assert world.question.answer == ""


@pytest.mark.parametrize("data", [{}, {"choice": "maybe"}, {"choice": Answer.LINK}])
def test_a_change_to_nothing_changes_nothing(
    world: World, agent: User, answered: Any, data: dict[str, str]
) -> None:
    told = signed_in(agent).post(url("identity-change", answered), data, follow=True)
    assert "Choose" in told.content.decode()


def test_a_change_that_cannot_be_made_says_why(world: World, agent: User, answered: Any) -> None:
    Effect.objects.for_practice(world.practice).update(state="in_doubt")
    page_url = url("integrations_identityquestion_change", answered)
    InboundEvent.objects.for_practice(world.practice).update(sub_account=world.sub_account)
    assert "It is not certain yet" in signed_in(agent).get(f"{page_url}?change=1").content.decode()
    told = signed_in(agent).post(
        url("identity-change", answered), change(answered, Answer.IGNORE, confirmed="yes"), follow=True
    )
    assert "It is not certain yet" in told.content.decode()


def test_changing_needs_a_post_and_the_right(
    world: World, agent: User, reviewer: User, answered: Any
) -> None:
    assert signed_in(agent).get(url("identity-change", answered)).status_code == 403
    signed_in(reviewer).post(
        url("identity-change", answered), change(answered, Answer.IGNORE, confirmed="yes")
    )
    answered.refresh_from_db()
    assert answered.answer == Answer.LINK
