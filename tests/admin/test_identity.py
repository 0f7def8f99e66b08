"""Side by side: is this patient that contact? Three answers."""

from typing import Any

import pytest
from django.urls import reverse

from integrations.admin import identity as page
from integrations.contract.errors import NotFoundError
from integrations.models import IdentityQuestion
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
