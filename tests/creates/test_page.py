"""Failed creates: who sees what, and what each button does."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from integrations.models import ContactLink, CreateRequest, CreateState
from integrations.views.attention import attention
from tenants.models import Membership, Role, User
from tests.creates.sides import Practice, first_line


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def somebody(practice: Practice | None, role: str, email: str = "somebody@example.com") -> Client:
    user = User.objects.create_user(email, "pw", is_staff=True)
    if practice is not None:
        Membership.objects.across_practices().create(
            practice=practice.connection.practice, user=user, role=role
        )
    return signed_in(user)


@pytest.fixture
def staff(modmed: Practice) -> Client:
    return somebody(modmed, Role.SUPPORT)


def listed(client: Client, **query: str) -> str:
    answer = client.get(reverse("admin:integrations_createrequest_changelist"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, name: str, request: CreateRequest, **values: str) -> str:
    """Press a button of a request's page; the message that was shown."""
    answer = client.post(reverse(f"admin:create-{name}", args=[request.pk]), values)
    assert answer.status_code == 302
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def page(client: Client, request: CreateRequest) -> str:
    answer = client.get(reverse("admin:integrations_createrequest_change", args=[request.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_says_who_where_and_what_is_missing(modmed: Practice, staff: Client) -> None:
    modmed.ask(without=["gender", "phone"])
    shown = listed(staff)
    for words in ("Nora Vance", "ModMed", "Phone is missing. Gender is missing.", "Bluestone"):
        assert words in shown
    assert "Nora Vance" in page(staff, modmed.request)
    modmed.ask(email="other@example.com", phone="+12125550148", firstName="Ida", lastName="Quill")
    assert "Ida Quill" not in listed(staff)
    assert "Ida Quill" in listed(staff, outcome="settled")


def test_retry_creates_what_was_fixed(modmed: Practice, staff: Client) -> None:
    contact_id = modmed.ask(without=["gender"])
    modmed.edit(contact_id, native={"gender": "female"})
    assert "tried again" in press(staff, "retry", modmed.request)
    modmed.work()
    assert (modmed.request.state, modmed.request.attempts) == (CreateState.CREATED, 2)
    assert [first_line(note) for note in modmed.notes(contact_id)][-1] == "ModMed: patient created"
    assert "meantime" in press(staff, "retry", modmed.request)


def test_retry_pressed_twice_tries_once(modmed: Practice, staff: Client) -> None:
    contact_id = modmed.ask(without=["gender"])
    press(staff, "retry", modmed.request)
    press(staff, "retry", modmed.request)
    modmed.work()
    assert modmed.request.attempts == 2
    assert len(modmed.notes(contact_id)) == 2


def test_retry_all_fixed_leaves_the_others_without_a_word(modmed: Practice, staff: Client) -> None:
    fixed = modmed.ask(without=["gender"])
    broken = modmed.ask(without=["gender"], email="b@example.com", phone="+12125550148", firstName="Ida")
    modmed.edit(fixed, native={"gender": "female"})
    staff.post(reverse("admin:creates-retry-fixed"))
    modmed.work()
    states = {row.contact_crm_id: row.state for row in modmed.requests()}
    assert states == {fixed: CreateState.CREATED, broken: CreateState.NEEDS_FIXING}
    assert len(modmed.notes(broken)) == 1
    assert len(modmed.notes(fixed)) == 2
    assert {row.attempts for row in modmed.requests() if row.contact_crm_id == broken} == {1}


def test_candidates_stand_side_by_side_and_can_be_linked(practice: Practice) -> None:
    staff = somebody(practice, Role.SUPPORT)
    practice.side.add("77001", first="Eleonora")
    contact_id = practice.ask()
    shown = page(staff, practice.request)
    assert "Eleonora Vance" in shown
    assert "Patient 77001" in shown
    press(staff, "link", practice.request, patient="77001")
    practice.work()
    assert (practice.request.state, practice.request.external_id) == (CreateState.LINKED, "77001")
    link = ContactLink.objects.across_practices().get()
    assert (link.contact.crm_id, link.patient.external_id) == (contact_id, "77001")
    assert practice.shown(contact_id)["fields"][practice.side.id_field] == "77001"
    assert "linked to a patient" in practice.notes(contact_id)[-1]
    assert len(practice.side.patients()) == 1


def test_an_id_that_the_emr_does_not_have_links_nobody(practice: Practice) -> None:
    staff = somebody(practice, Role.SUPPORT)
    practice.ask(without=["lastName"])
    press(staff, "link", practice.request, patient="999")
    practice.work()
    assert practice.request.state == CreateState.NEEDS_DECISION
    assert "no patient with the id" in practice.request.why
    assert not ContactLink.objects.across_practices().exists()


def test_an_id_entered_by_hand_links_whoever_lacks_something(practice: Practice) -> None:
    staff = somebody(practice, Role.SUPPORT)
    practice.side.add("77001")
    practice.ask(without=["lastName"])
    press(staff, "link", practice.request, patient="77001")
    practice.work()
    assert practice.request.state == CreateState.LINKED


def test_none_of_the_candidates_creates_a_new_patient(modmed: Practice, staff: Client) -> None:
    modmed.side.add("77001", first="Eleonora")
    contact_id = modmed.ask()
    press(staff, "anyway", modmed.request)
    modmed.work()
    assert modmed.request.state == CreateState.CREATED
    assert len(modmed.side.patients()) == 2
    assert len(modmed.notes(contact_id)) == 2


def test_a_lost_answer_to_none_of_the_candidates_still_makes_one(modmed: Practice, staff: Client) -> None:
    modmed.side.add("77001", first="Eleonora")
    modmed.ask()
    modmed.side.lose_creates(1)
    press(staff, "anyway", modmed.request)
    modmed.work()
    assert modmed.request.state == CreateState.CREATED
    assert len(modmed.side.patients()) == 2


def test_dismissing_wants_a_reason_and_keeps_who_said_it(modmed: Practice, staff: Client) -> None:
    contact_id = modmed.ask(without=["gender"])
    assert "why" in press(staff, "dismiss", modmed.request, reason="").lower()
    press(staff, "dismiss", modmed.request, reason="She is a vendor.")
    request = modmed.request
    assert request.state == CreateState.DISMISSED
    assert str(request.dismissed_by) == "somebody@example.com"
    assert "She is a vendor." in page(staff, request)
    # Adding the tag asks anew.
    modmed.edit(contact_id, native={"gender": "female"}, add_tags=[modmed.side.tag])
    modmed.tell(contact_id)
    modmed.work()
    assert [row.state for row in modmed.requests()] == [CreateState.DISMISSED, CreateState.CREATED]


def test_the_page_of_every_outcome_opens(modmed: Practice, staff: Client) -> None:
    modmed.ask(without=["gender"])
    for state in CreateState:
        CreateRequest.objects.across_practices().update(state=state, external_id="1", why="Because.")
        assert str(state.label) in page(staff, modmed.request)


def test_another_practice_s_people_see_and_do_nothing(modmed: Practice, staff: Client) -> None:
    modmed.ask(without=["gender"])
    stranger = somebody(None, Role.SUPPORT, "stranger@example.com")
    reviewer = somebody(modmed, Role.REVIEWER, "reviewer@example.com")
    for client in (stranger, reviewer):
        answer = client.post(reverse("admin:create-retry", args=[modmed.request.pk]))
        assert answer.status_code in (302, 403, 404)
        assert client.get(reverse("admin:integrations_createrequest_changelist")).status_code in (302, 403)
    assert staff.get(reverse("admin:create-retry", args=[modmed.request.pk])).status_code == 403
    modmed.work()
    assert modmed.request.attempts == 1


def test_the_dashboard_shows_them_with_retry_in_place(modmed: Practice, staff: Client) -> None:
    contact_id = modmed.ask(without=["gender"])
    modmed.side.add("77001", first="Eleonora", email="e@example.com", phone="")
    modmed.ask(email="b@example.com", phone="+12125550148")
    shown = staff.get("/").content.decode()
    assert "Failed creates" in shown
    assert "Gender is missing." in shown
    assert "Nora" not in shown
    assert reverse("attention-retry-create", args=[modmed.requests()[0].pk]) in shown
    group = next(one for one in _attention(modmed).groups if one.key == "creates")
    assert [item.action for item in group.items] == ["Decide", "Open"]
    modmed.edit(contact_id, native={"gender": "female"})
    address = reverse("attention-retry-create", args=[modmed.requests()[0].pk])
    assert staff.post(address).headers["Location"] == "/"
    modmed.work()
    assert modmed.requests()[0].attempts == 2


def _attention(modmed: Practice) -> Any:
    from django.utils import timezone

    practice = modmed.connection.practice
    return attention(User.objects.get(email="somebody@example.com"), {practice.pk: practice}, timezone.now())


def test_the_story_of_a_create_stands_on_its_event_page(modmed: Practice, staff: Client) -> None:
    modmed.ask()
    answer = staff.get(reverse("admin:integrations_inboundevent_change", args=[modmed.event().pk]))
    shown = answer.content.decode()
    for words in ("Create tag, by a workflow", "Patient in the EMR", "is linked", "Tag: modmed-create"):
        assert words in shown
    assert "Nora" not in shown
    assert staff.get(reverse("admin:integrations_inboundevent_changelist")).status_code == 200
