"""Is this patient that contact? Side by side, with the three answers that there are."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin.contacts import ShownPerson
from integrations.admin.filters import OpenFilter, PracticeFilter
from integrations.contract.errors import ContractError
from integrations.crm.client import Json
from integrations.models import EventState, IdentityQuestion, InboundEvent
from integrations.sync import answering
from integrations.sync.crm_access import client_for
from integrations.sync.people import person_of
from integrations.templatetags.human import moment
from integrations.views.crm_links import crm_contact_url
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin

Answer = IdentityQuestion.Answer
CLASH_WORDS = {"email": "e-mail", "phone": "phone"}


class UnansweredFilter(OpenFilter):
    """Open: nobody has answered yet."""

    field = "answer"
    empty = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact of the CRM that may be the patient. ``problem``: why it could not be read."""

    crm_id: str
    link: str
    name: str = ""
    email: str = ""
    phone: str = ""
    birth_date: str = ""
    problem: str = ""


def candidates(question: IdentityQuestion) -> list[Candidate]:
    """The contacts in question as the CRM shows them now; one that cannot be read says why."""
    client = client_for(question.sub_account)
    found = []
    for crm_id in question.candidate_crm_ids:
        link = crm_contact_url(question.sub_account, crm_id)
        try:
            found.append(_candidate(crm_id, link, client.get_contact(crm_id)))
        except ContractError as error:
            found.append(Candidate(crm_id, link, problem=str(error)))
    return found


def _candidate(crm_id: str, link: str, contact: Json) -> Candidate:
    name = f"{contact.get('firstName') or ''} {contact.get('lastName') or ''}".strip()
    return Candidate(
        crm_id=crm_id,
        link=link,
        name=name.title() if name.islower() else name,
        email=str(contact.get("email") or ""),
        phone=str(contact.get("phone") or ""),
        birth_date=str(contact.get("dateOfBirth") or "")[:10],
    )


class AnswerForm(forms.Form):
    """One of the three answers; "link" names the contact."""

    choice = forms.ChoiceField(choices=Answer.choices)
    contact = forms.CharField(required=False, max_length=64)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("choice") == Answer.LINK and not cleaned.get("contact"):
            raise forms.ValidationError("Choose the contact that is this patient.")
        return cleaned


@admin.register(IdentityQuestion)
class IdentityQuestionAdmin(PageAdmin):
    """Patients who may or may not be a contact that exists."""

    page_template = "axconnect/identity.html"
    list_display = ("number", "state_label", "practice", "clash_words", "waiting_label", "asked", "answered")
    list_filter = (UnansweredFilter, PracticeFilter)
    ordering = ("answer", "-pk")
    empty_words = "No questions."
    empty_next = "When a patient shares an e-mail or phone with somebody else, the question appears here."

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:question_id>/answer/", wrap(self.answer_view), name="identity-answer"),
            path("<int:question_id>/candidates/", wrap(self.candidates_view), name="identity-candidates"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdentityQuestion]:
        rows: QuerySet[IdentityQuestion] = super().get_queryset(request)
        return rows.select_related(
            "patient__practice", "patient__connection__practice", "sub_account__practice"
        )

    def has_operate_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.OPERATE, row)

    @display(description="Question")
    def number(self, question: IdentityQuestion) -> str:
        return f"Question {question.pk}"

    @display(description="State", label={"Open": "warning", "Answered": "success"})
    def state_label(self, question: IdentityQuestion) -> str:
        return "Answered" if question.answer else "Open"

    @display(description="Practice")
    def practice(self, question: IdentityQuestion) -> str:
        return str(question.patient.practice)

    @display(description="Belongs to somebody else")
    def clash_words(self, question: IdentityQuestion) -> str:
        return ", ".join(CLASH_WORDS.get(name, name) for name in question.clashes) or "The patient id"

    @display(description="Events", label={"Wait for the answer": "warning", "Went on": "default"})
    def waiting_label(self, question: IdentityQuestion) -> str:
        return "Wait for the answer" if question.is_held and not question.answer else "Went on"

    @display(description="Asked")
    def asked(self, question: IdentityQuestion) -> SafeString:
        return moment(question.asked_at, question.patient.practice)

    @display(description="Answer")
    def answered(self, question: IdentityQuestion) -> str:
        return f"{question.get_answer_display()} ({question.answered_by})" if question.answer else "–"

    def page_context(self, request: HttpRequest, row: IdentityQuestion) -> dict[str, Any]:
        held = InboundEvent.objects.for_practice(row.patient.practice_id).filter(
            patient=row.patient, state=EventState.HELD
        )
        return {
            "question": row,
            "practice": row.patient.practice,
            "person": person_of(row.patient),
            "shown": ShownPerson.of(row.patient),
            "clashes": [CLASH_WORDS.get(name, name) for name in row.clashes],
            "held": held.count(),
            "may_answer": not row.answer and self.has_operate_permission(request, row),
            "answers": Answer.choices,
        }

    def candidates_view(self, request: HttpRequest, question_id: int) -> HttpResponse:
        """The contacts in question, read from the CRM; loaded into the page after it is shown."""
        question = self._question(request, question_id)
        context = {
            "question": question,
            "practice": question.patient.practice,
            "candidates": candidates(question),
            "may_answer": not question.answer and self.has_operate_permission(request, question),
        }
        response = TemplateResponse(request, "axconnect/_candidates.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def answer_view(self, request: HttpRequest, question_id: int) -> HttpResponse:
        """Keep the answer; what waited for it goes on."""
        question = self._question(request, question_id)
        if request.method != "POST" or not self.has_operate_permission(request, question):
            raise PermissionDenied
        form = AnswerForm(request.POST)
        if question.answer:
            messages.info(request, "Somebody has answered this in the meantime.")
        elif form.is_valid():
            self._answer(request, question, form.cleaned_data)
        else:
            messages.error(
                request, " ".join(map(str, form.non_field_errors())) or "Choose one of the answers."
            )
        return HttpResponseRedirect(self.url_of(question))

    def _answer(self, request: HttpRequest, question: IdentityQuestion, given: dict[str, str]) -> None:
        user: Any = request.user
        try:
            released = answering.answer(question, given["choice"], user, given["contact"])
        except (ValueError, ContractError) as error:
            messages.error(request, str(error))
            return
        self.log_change(request, question, f"Answered: {question.get_answer_display()}")
        went_on = {0: "No event waited for it.", 1: "One event goes on."}.get(
            released, f"{released} events go on."
        )
        messages.success(request, f"Kept. {went_on}")

    def _question(self, request: HttpRequest, question_id: int) -> IdentityQuestion:
        question: IdentityQuestion | None = self.get_object(request, str(question_id))
        if question is None:
            raise Http404("There is no such question.")
        return question
