"""The one action of each row of "Needs attention", pressed where the row stands."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from categorization.confirming import confirm
from categorization.models import AppointmentType, ConfirmedVia
from integrations.admin import polls
from integrations.contract.errors import AuthError, TransientError
from integrations.contract.protocols import Capability
from integrations.models import Connection, CreateRequest, IdentityQuestion, Incident, Patient, SubAccount
from integrations.sync import answering, bell
from integrations.views import attention_done
from tenants.models import Membership, Practice, Role, User

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "ring", lambda *args, **kwargs: None)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def specialist(bluestone: Practice) -> Client:
    user = User.objects.create_user("specialist@example.com", "secret", is_staff=True)
    Membership.objects.create(practice=bluestone, user=user, role=Role.ONBOARDING)
    return browser(user)


@pytest.fixture
def support(agent: User) -> Client:
    return browser(agent)


@pytest.fixture
def modmed(bluestone: Practice) -> Connection:
    return Connection.objects.create(practice=bluestone, key="main", emr="modmed")


@pytest.fixture
def botox(bluestone: Practice, modmed: Connection) -> AppointmentType:
    """A type with a sure suggestion."""
    return AppointmentType.objects.create(
        practice=bluestone,
        connection_key="main",
        name="Botox",
        suggested="Non-Surgical Appointment",
        confidence=0.97,
        reason='"Botox" is a treatment without surgery.',
    )


@pytest.fixture
def question(bluestone: Practice, modmed: Connection) -> IdentityQuestion:
    """A patient whose phone belongs to one contact of the CRM."""
    account = SubAccount.objects.create(practice=bluestone, key="main", crm_subaccount_id="LOC1")
    patient = Patient.objects.create(practice=bluestone, connection=modmed, external_id="P1")
    return IdentityQuestion.objects.create(
        patient=patient, sub_account=account, candidate_crm_ids=["C1"], clashes=["phone"]
    )


@pytest.fixture
def create(bluestone: Practice, modmed: Connection) -> CreateRequest:
    account = SubAccount.objects.create(practice=bluestone, key="main", crm_subaccount_id="LOC1")
    now = timezone.now()
    return CreateRequest.objects.create(
        practice=bluestone,
        sub_account=account,
        connection=modmed,
        contact_crm_id="new1",
        state="needs_fixing",
        person={"first_name": "Iris"},
        problems=[{"field": "phone", "words": "Phone is missing."}],
        asked_at=now,
        tried_at=now,
        answered_at=now,
    )


def address(name: str, row: Any) -> str:
    return reverse(f"attention-{name}", args=[row.pk])


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


CATEGORY = {"category": "Non-Surgical Appointment"}


# --- what the page offers ------------------------------------------------------------------------------------


def test_a_sure_suggestion_stands_with_its_reason_and_a_button(specialist, botox, make_event):
    make_event(botox.practice, state="held", held_for="category", held_key="main|botox")
    page = specialist.get("/").content.decode()
    assert "Confirm as Non-Surgical Appointment" in page
    assert "is a treatment without surgery." in page
    assert "1 event waits for a category" in page
    assert f'hx-post="{address("confirm-type", botox)}"' in page
    assert f'action="{address("confirm-type", botox)}"' in page


def test_a_suggestion_that_is_not_sure_has_no_button(specialist, botox):
    AppointmentType.objects.filter(pk=botox.pk).update(confidence=0.4)
    page = specialist.get("/").content.decode()
    assert "Confirm as" not in page
    assert "Suggestion, not sure: Non-Surgical Appointment" in page
    assert f"/appointmenttype/?practice={botox.practice_id}&amp;confirmed=no" in page


def test_each_purpose_of_a_type_counts_its_own_events(specialist, botox, make_event):
    left = {"practice": botox.practice, "connection_key": "main", "name": "Consult"}
    for purpose in ("Nose", "Lips"):
        AppointmentType.objects.create(**left, purpose=purpose)
    for _ in range(2):
        make_event(botox.practice, state="held", held_for="category", held_key="main|consult|nose")
    page = specialist.get("/").content.decode()
    row = page[page.index("“Consult / Nose”") :]
    assert "2 events wait" in row[: row.index("</li>")]
    row = page[page.index("“Consult / Lips”") :]
    assert "No event waits" in row[: row.index("</li>")]


def test_a_type_that_was_just_confirmed_is_gone_though_its_events_are_still_on_their_way(
    specialist, botox, make_event
):
    make_event(botox.practice, state="held", held_for="category", held_key="main|botox")
    specialist.post(address("confirm-type", botox), CATEGORY, headers=HTMX)
    page = specialist.get("/dashboard/live/").content.decode()
    assert "Uncategorized types" not in page


def test_who_may_not_press_sees_no_button(support, botox, question, make_event):
    Incident.objects.create(
        practice=botox.practice,
        kind="unreachable",
        subject="a",
        words="Silent.",
        connection=question.patient.connection,
    )
    page = support.get("/").content.decode()
    assert address("confirm-type", botox) not in page
    assert address("test", question.patient.connection) not in page
    assert address("answer", question) in page


def test_among_several_contacts_a_person_has_to_compare_first(support, question):
    IdentityQuestion.objects.filter(pk=question.pk).update(candidate_crm_ids=["C1", "C2"])
    page = support.get("/").content.decode()
    assert address("answer", question) not in page
    assert ">Decide</a>" in page


@pytest.mark.parametrize(
    "kind, has_retry", [("config", True), ("exhausted", True), ("malformed", False), ("rejected", False)]
)
def test_retry_is_offered_where_it_makes_sense(support, bluestone, make_event, kind, has_retry):
    event = make_event(bluestone, state="parked", parked_as=kind, reason="Because.")
    assert (address("retry-event", event) in support.get("/").content.decode()) is has_retry


# --- a press -------------------------------------------------------------------------------------------------


def test_confirming_keeps_who_did_it_and_says_what_goes_on(specialist, botox):
    answer = specialist.post(address("confirm-type", botox), CATEGORY, headers=HTMX)
    botox.refresh_from_db()
    assert botox.is_confirmed
    assert (botox.category, botox.confirmed_via) == ("Non-Surgical Appointment", "page")
    assert botox.confirmed_by.email == "specialist@example.com"
    words = answer.content.decode()
    assert words.startswith("<li")
    assert "Botox counts as Non-Surgical Appointment now. No event waited for it." in words


def test_what_somebody_else_confirms_at_the_same_moment_stays(specialist, botox, monkeypatch):
    counted = attention_done.engine().held

    def meanwhile(types: Any) -> Any:
        somebody = User.objects.create_user("somebody@example.com")
        choices = {botox.pk: "Non-Surgical Consult"}
        confirm(botox.practice, choices, user=somebody, via=ConfirmedVia.PAGE)
        return counted(types)

    monkeypatch.setattr(type(attention_done.engine()), "held", staticmethod(meanwhile))
    answer = specialist.post(address("confirm-type", botox), CATEGORY, headers=HTMX)
    botox.refresh_from_db()
    assert botox.category == "Non-Surgical Consult"
    assert "Botox was confirmed as Non-Surgical Consult in the meantime." in answer.content.decode()


def test_without_scripts_the_dashboard_comes_back_with_the_result(specialist, botox):
    answer = specialist.post(address("confirm-type", botox), CATEGORY)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert said(answer) == ["Botox counts as Non-Surgical Appointment now. No event waited for it."]


def test_a_suggestion_that_changed_since_is_not_confirmed(specialist, botox):
    answer = specialist.post(
        address("confirm-type", botox), {"category": "Surgery Appointment"}, headers=HTMX
    )
    botox.refresh_from_db()
    assert not botox.is_confirmed
    assert "The suggestion has changed since." in answer.content.decode()


def test_an_unsure_suggestion_cannot_be_confirmed_by_its_address(specialist, botox):
    AppointmentType.objects.filter(pk=botox.pk).update(confidence=0.4)
    specialist.post(address("confirm-type", botox), CATEGORY)
    botox.refresh_from_db()
    assert not botox.is_confirmed


class FakeEmr:
    """Has two capabilities, and answers what it was told to."""

    CAPABILITIES = (Capability("sign_in", "Signing in"), Capability("patients", "Patients"))

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def test(self, name: str) -> str:
        answer = self.answers.get(name, "Fine.")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


@pytest.mark.parametrize(
    "answers, words",
    [
        ({}, "Everything works: 2 of 2."),
        ({"sign_in": AuthError("The password is wrong.")}, "Signing in fails: The password is wrong."),
        ({"patients": TransientError("It does not answer.")}, "Patients fails: It does not answer."),
    ],
)
def test_a_connection_is_tested_where_its_row_stands(specialist, modmed, monkeypatch, answers, words):
    monkeypatch.setattr(polls, "capabilities", lambda connection: FakeEmr.CAPABILITIES)
    monkeypatch.setattr(polls, "client_for", lambda profile, patience: FakeEmr(**answers))
    assert words in specialist.post(address("test", modmed), headers=HTMX).content.decode()


def test_a_fine_test_lets_refused_credentials_count_again(specialist, modmed, monkeypatch):
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Connection.objects.filter(pk=modmed.pk).update(needs_reauth_since=an_hour_ago)
    monkeypatch.setattr(polls, "capabilities", lambda connection: FakeEmr.CAPABILITIES)
    monkeypatch.setattr(polls, "client_for", lambda profile, patience: FakeEmr())
    answer = specialist.post(address("test", modmed), headers=HTMX)
    assert "what waited goes on" in answer.content.decode()
    modmed.refresh_from_db()
    assert modmed.needs_reauth_since is None


def test_an_emr_that_posts_gets_a_test_event(specialist, bluestone, monkeypatch):
    posting = Connection.objects.create(practice=bluestone, key="apro", emr="aestheticspro")
    Incident.objects.create(
        practice=bluestone, kind="silent", subject="a", words="Silent.", connection=posting
    )
    assert address("test", posting) in specialist.get("/").content.decode()
    monkeypatch.setattr(attention_done, "send_test_event", lambda row: f"It arrived at {row.key}.")
    answer = specialist.post(address("test", posting), headers=HTMX)
    assert "It arrived at apro." in answer.content.decode()


@pytest.mark.parametrize("choice", ["create", "ignore"])
def test_an_identity_conflict_is_answered_in_its_row(support, question, choice):
    answer = support.post(address("answer", question), {"choice": choice, "contact": "C1"}, headers=HTMX)
    question.refresh_from_db()
    assert question.answer == choice
    assert question.answered_by.email == "agent@example.com"
    assert "Kept: " in answer.content.decode()
    assert LogEntry.objects.filter(object_id=str(question.pk)).count() == 1


def test_linking_reads_the_contact_from_the_crm(support, question, monkeypatch):
    class Crm:
        def get_contact(self, crm_id: str) -> dict[str, str]:
            return {"id": crm_id}

    monkeypatch.setattr(answering, "client_for", lambda account: Crm())
    support.post(address("answer", question), {"choice": "link", "contact": "C1"}, headers=HTMX)
    assert question.patient.links.get().contact.crm_id == "C1"


def test_a_contact_that_was_never_in_question_is_not_linked(support, question):
    answer = support.post(address("answer", question), {"choice": "link", "contact": "C9"}, headers=HTMX)
    question.refresh_from_db()
    assert question.answer == ""
    assert "Choose one of the contacts shown." in answer.content.decode()


def test_a_question_answered_meanwhile_says_so(support, question):
    IdentityQuestion.objects.filter(pk=question.pk).update(answer="ignore")
    answer = support.post(address("answer", question), {"choice": "create"}, headers=HTMX)
    question.refresh_from_db()
    assert question.answer == "ignore"
    assert "Somebody else was faster" in answer.content.decode()


def test_a_failed_create_is_tried_again_once(support, create):
    first = support.post(address("retry-create", create), headers=HTMX).content.decode()
    again = support.post(address("retry-create", create), headers=HTMX).content.decode()
    assert "It is tried again" in first
    assert "Somebody else was faster" in again


def test_a_parked_event_goes_on(support, bluestone, make_event):
    from integrations.models import Lane

    lane = Lane.objects.create(practice=bluestone, key="lane-1")
    event = make_event(bluestone, state="parked", parked_as="config", reason="Map it.", lane=lane)
    assert "on its way again" in support.post(address("retry-event", event), headers=HTMX).content.decode()
    event.refresh_from_db()
    assert event.state == "waiting"
    assert said(support.post(address("retry-event", event))) == [attention_done.MEANWHILE]


# --- who may -------------------------------------------------------------------------------------------------


def every_address(botox: AppointmentType, question: IdentityQuestion, event: Any) -> list[str]:
    return [
        address("confirm-type", botox),
        address("test", question.patient.connection),
        address("answer", question),
        address("retry-event", event),
    ]


def test_nothing_is_done_on_get(specialist, botox, question, make_event):
    event = make_event(botox.practice, state="parked")
    for one in every_address(botox, question, event):
        assert specialist.get(one).status_code == 405


def test_nothing_is_done_without_the_token_of_the_page(botox, question, make_event, admin_user):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    event = make_event(botox.practice, state="parked")
    for one in every_address(botox, question, event):
        answer = careful.post(one, CATEGORY | {"choice": "ignore"}, headers=HTMX)
        assert answer.status_code == 403
        assert "The page was open too long" in answer.content.decode()
    botox.refresh_from_db()
    question.refresh_from_db()
    assert not botox.is_confirmed
    assert question.answer == ""


def test_the_form_on_the_page_carries_the_token(botox, admin_user):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    page = careful.get("/").content.decode()
    form = page[page.index(f'hx-post="{address("confirm-type", botox)}"') :]
    values = dict(re.findall(r'name="(\w+)" value="([^"]+)"', form[: form.index("</form>")]))
    assert set(values) == {"csrfmiddlewaretoken", "category"}
    assert careful.post(address("confirm-type", botox), values, headers=HTMX).status_code == 200
    botox.refresh_from_db()
    assert botox.is_confirmed


def test_a_support_agent_confirms_no_type_and_tests_no_connection(support, botox, modmed):
    assert support.post(address("confirm-type", botox), CATEGORY).status_code == 403
    assert support.post(address("test", modmed)).status_code == 403
    botox.refresh_from_db()
    assert not botox.is_confirmed


def test_a_row_of_another_practice_does_not_exist(harbor, botox, question, make_event):
    stranger = User.objects.create_user("stranger@example.com", "secret", is_staff=True)
    Membership.objects.create(practice=harbor, user=stranger, role=Role.ADMINISTRATOR)
    event = make_event(botox.practice, state="parked")
    for one in every_address(botox, question, event):
        assert browser(stranger).post(one, CATEGORY | {"choice": "ignore"}).status_code == 404


def test_strangers_and_reviewers_are_asked_to_sign_in(client, bluestone, botox, question, make_event):
    reviewer = User.objects.create_user("reviewer@example.com", "secret")
    Membership.objects.create(practice=bluestone, user=reviewer, role=Role.REVIEWER)
    event = make_event(bluestone, state="parked")
    for who in (client, browser(reviewer)):
        for one in every_address(botox, question, event):
            answer = who.post(one, CATEGORY | {"choice": "ignore"})
            assert answer.status_code == 302
            assert "/login/" in answer["Location"]
