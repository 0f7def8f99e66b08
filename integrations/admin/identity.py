"""Is this patient that contact? Side by side, with the three answers that there are."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin.contacts import ShownPerson
from integrations.admin.filters import OpenFilter, PracticeFilter
from integrations.admin.identity_words import (
    CLASH_WORDS,
    counted,
    earlier_lines,
    linked,
    move_lines,
    will_do,
    will_not_do,
)
from integrations.admin.labels import went_on
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
    birth_date: date | None = None
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
        birth_date=_day(contact.get("dateOfBirth")),
    )


def _day(said: object) -> date | None:
    """The CRM's date of birth; None where it is none."""
    try:
        return parse_date(str(said or "")[:10])
    except ValueError:
        return None


class AnswerForm(forms.Form):
    """One of the three answers; "link" names the contact."""

    choice = forms.ChoiceField(choices=Answer.choices)
    contact = forms.CharField(required=False, max_length=64)
    version = forms.CharField(required=False, max_length=64)

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
            path("<int:question_id>/change-answer/", wrap(self.change_answer_view), name="identity-change"),
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

    def has_change_the_answer(self, request: HttpRequest, row: IdentityQuestion) -> bool:
        """Whether this person may give another answer to an answered question."""
        return bool(row.answer) and self.has_operate_permission(request, row)

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
            **self._answered(request, row),
        }

    def _answered(self, request: HttpRequest, row: IdentityQuestion) -> dict[str, Any]:
        """What the page says of an answer that was given: where it led, what counted before, how to change it."""
        if not row.answer:
            return {}
        where = answering.standing(row)
        may_change = self.has_change_the_answer(request, row)
        return {
            "where": where,
            "linked": linked(row, where.contact) if where.contact else None,
            "earlier": earlier_lines(row),
            "moves": move_lines(row),
            "may_change": may_change,
            "changing": may_change and not where.blocked and "change" in request.GET,
            "version": answering.version_of(row),
        }

    def candidates_view(self, request: HttpRequest, question_id: int) -> HttpResponse:
        """The contacts in question, read from the CRM; loaded into the page after it is shown."""
        question = self._question(request, question_id)
        is_changing = "change" in request.GET and self.has_change_the_answer(request, question)
        may_answer = not question.answer and self.has_operate_permission(request, question)
        where = answering.standing(question) if question.answer == Answer.LINK else None
        context = {
            "question": question,
            "practice": question.patient.practice,
            "candidates": candidates(question),
            "may_answer": may_answer or is_changing,
            "post_to": reverse(
                "admin:identity-change" if is_changing else "admin:identity-answer", args=[question.pk]
            ),
            "version": answering.version_of(question),
            "linked_id": where.contact.crm_id if where and where.is_linked and where.contact else "",
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

    def change_answer_view(self, request: HttpRequest, question_id: int) -> HttpResponse:
        """Give another answer: asked once more with what it does, then done."""
        question = self._question(request, question_id)
        if request.method != "POST" or not self.has_operate_permission(request, question):
            raise PermissionDenied
        form = AnswerForm(request.POST)
        if not form.is_valid():
            words = " ".join(map(str, form.non_field_errors())) or "Choose one of the answers."
            messages.error(request, words)
        elif "confirmed" in request.POST:
            self._change(request, question, form.cleaned_data)
        elif form.cleaned_data["version"] != answering.version_of(question):
            messages.warning(request, str(answering.ChangedMeanwhile()))
        else:
            return self._ask(request, question, form.cleaned_data)
        return HttpResponseRedirect(self.url_of(question))

    def _ask(self, request: HttpRequest, question: IdentityQuestion, given: dict[str, str]) -> HttpResponse:
        where = answering.standing(question)
        context = {
            **self.admin_site.each_context(request),
            "title": "Change the answer",
            "opts": self.opts,
            "question": question,
            "practice": question.patient.practice,
            "shown": ShownPerson.of(question.patient),
            "given": given,
            "said": Answer(given["choice"]).label,
            "where": where,
            "linked": linked(question, where.contact) if where.contact else None,
            "will": list(will_do(question, given["choice"], given["contact"], where)),
            "will_not": list(will_not_do(question, given["choice"], given["contact"], where)),
            "back": self.url_of(question),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "axconnect/identity_change.html", context)

    def _change(self, request: HttpRequest, question: IdentityQuestion, given: dict[str, str]) -> None:
        user: Any = request.user
        before = question.get_answer_display()
        try:
            count = answering.change(
                question, given["choice"], user, given["contact"], version=given["version"]
            )
        except answering.ChangedMeanwhile as error:
            messages.warning(request, str(error))
            return
        except (ValueError, ContractError) as error:
            messages.error(request, str(error))
            return
        now = question.get_answer_display()
        self.log_change(request, question, f"Changed the answer: {before} → {now}")
        messages.success(request, f"Changed. {counted(count, 'event')} of the patient go to work for it.")

    def _answer(self, request: HttpRequest, question: IdentityQuestion, given: dict[str, str]) -> None:
        user: Any = request.user
        try:
            released = answering.answer(question, given["choice"], user, given["contact"])
        except (ValueError, ContractError) as error:
            messages.error(request, str(error))
            return
        self.log_change(request, question, f"Answered: {question.get_answer_display()}")
        messages.success(request, f"Kept. {went_on(released)}")

    def _question(self, request: HttpRequest, question_id: int) -> IdentityQuestion:
        question: IdentityQuestion | None = self.get_object(request, str(question_id))
        if question is None:
            raise Http404("There is no such question.")
        return question
