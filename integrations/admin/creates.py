"""Failed creates: contacts that were to become patients and did not, with the ways on that there are."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from integrations.admin.filters import Choices, EmrFilter, PracticeFilter
from integrations.admin.labels import ASKS, BAD, GOOD, NEUTRAL, NEWS
from integrations.contract.creating import FIELD_NAMES
from integrations.contract.records import Person
from integrations.emrs import registry
from integrations.models import CreateRequest, CreateState
from integrations.models.creates import FAILED, SETTLED, WORKING
from integrations.sync.create_back import ask
from integrations.sync.people import person_from
from integrations.templatetags.human import moment
from integrations.views.crm_links import crm_contact_url
from integrations.views.links import page_of
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin

LIST_FORM = "ax-creates-form"
MOST_AT_ONCE = 500
COLOURS = {
    CreateState.NEEDS_FIXING: BAD,
    CreateState.NEEDS_DECISION: ASKS,
    CreateState.CREATED: GOOD,
    CreateState.LINKED: GOOD,
    CreateState.DISMISSED: NEUTRAL,
}
WITHOUT_NAME = "Contact without a name"


class OutcomeFilter(DropdownFilter):
    """What failed unless something else is asked for."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("failed", "Failed"), ("working", "Waiting"), ("settled", "Settled"), ("all", "Everything")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states = {"working": WORKING, "settled": SETTLED, "all": tuple(CreateState)}
        return queryset.filter(state__in=states.get(self.value() or "", FAILED))


CHIPS = (("Failed", ""), ("Waiting", "working"), ("Settled", "settled"), ("Everything", "all"))


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sides of a comparison: the rows of a person, each with whether the other side agrees."""

    external_id: str
    name: str
    rows: tuple[tuple[str, str, bool], ...]


def side_of(person: Person, other: Person | None = None) -> Side:
    """A person as rows of label, value and "differs from ``other``"."""
    rows = []
    for name in ("email", "phone", "birth_date", "gender", "postal_code"):
        mine = _shown(getattr(person, name))
        theirs = _shown(getattr(other, name)) if other else mine
        rows.append((FIELD_NAMES[name], mine, bool(mine and theirs) and _plain(mine) != _plain(theirs)))
    return Side(person.external_id, name_of(person), tuple(rows))


def _shown(value: Any) -> str:
    return f"{value.month}/{value.day}/{value.year}" if hasattr(value, "month") else str(value or "")


def _plain(value: str) -> str:
    digits = "".join(filter(str.isdigit, value))
    return digits[-10:] if len(digits) >= 7 else value.strip().casefold()


def name_of(person: Person) -> str:
    """First and last name, "" for nobody."""
    return f"{person.first_name} {person.last_name}".strip()


def words_of(request: CreateRequest) -> str:
    """What is missing or wrong, or what has to be decided, in one text."""
    problems = " ".join(str(problem.get("words", "")) for problem in request.problems or ())
    return problems or request.why or request.get_state_display()


class LinkForm(forms.Form):
    """Which patient of the EMR the contact is."""

    patient = forms.CharField(max_length=100, strip=True)


class DismissForm(forms.Form):
    """Why nothing is to be done."""

    reason = forms.CharField(min_length=3, max_length=300, strip=True)


@admin.register(CreateRequest)
class CreateRequestAdmin(PageAdmin):
    """Contacts that were to become patients."""

    page_template = "axconnect/create.html"
    list_display = (
        "who",
        "state_label",
        "emr",
        "practice",
        "what_is_wrong",
        "tries",
        "last_tried",
        "retry_button",
    )
    list_filter = (OutcomeFilter, PracticeFilter, EmrFilter)
    list_before_template = "axconnect/creates_head.html"
    ordering = ("-tried_at", "-pk")
    empty_words = "No failed creates."
    empty_next = (
        "When a contact with a create tag cannot become a patient, it shows here with what is missing."
    )
    acts: ClassVar[tuple[str, ...]] = ("retry", "link", "anyway", "dismiss")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("retry-fixed/", wrap(self.retry_fixed_view), name="creates-retry-fixed"),
            *(
                path(f"<int:request_id>/{name}/", wrap(getattr(self, f"{name}_view")), name=f"create-{name}")
                for name in self.acts
            ),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreateRequest]:
        rows: QuerySet[CreateRequest] = super().get_queryset(request)
        secrets = ("connection__credentials", "sub_account__token", "sub_account__webhook_secret")
        return rows.select_related("practice", "connection__practice", "sub_account__practice").defer(
            *secrets
        )

    def has_operate_permission(self, request: HttpRequest, row: Any = None) -> bool:
        return self.allowed(request, Right.OPERATE, row)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        chosen = request.GET.get("outcome", "")
        context = {
            "chips": [{"label": label, "outcome": key, "is_on": key == chosen} for label, key in CHIPS],
            "form_id": LIST_FORM,
            "may_operate": self.has_operate_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    # --- the list ----------------------------------------------------------------------------------------

    @display(description="Who")
    def who(self, row: CreateRequest) -> str:
        return name_of(person_from(row.person)) or WITHOUT_NAME

    @display(
        description="State",
        label={str(state.label): COLOURS.get(state, NEWS) for state in CreateState},
    )
    def state_label(self, row: CreateRequest) -> str:
        return row.get_state_display()

    @display(description="EMR")
    def emr(self, row: CreateRequest) -> str:
        return emr_name(row)

    @display(description="What is missing")
    def what_is_wrong(self, row: CreateRequest) -> str:
        return words_of(row)

    @display(description="Attempts")
    def tries(self, row: CreateRequest) -> str:
        return str(row.attempts)

    @display(description="Last tried")
    def last_tried(self, row: CreateRequest) -> SafeString:
        return moment(row.tried_at, row.practice)

    @display(description="")
    def retry_button(self, row: CreateRequest) -> SafeString | str:
        if row.state not in FAILED:
            return ""
        if row.state == CreateState.NEEDS_DECISION:
            link = page_of(CreateRequest, row.pk)
            return format_html('<a class="ax-button is-small" href="{}">Decide</a>', link)
        address = reverse("admin:create-retry", args=[row.pk])
        return format_html(
            '<button class="ax-button is-small" form="{}" formaction="{}">Retry</button>', LIST_FORM, address
        )

    # --- one request -------------------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, row: CreateRequest) -> dict[str, Any]:
        person = person_from(row.person)
        candidates = [
            side_of(person_from(found["person"], found["id"]), person) for found in row.candidates or ()
        ]
        return {
            "practice": row.practice,
            "emr_name": emr_name(row),
            "colour": COLOURS.get(CreateState(row.state), NEWS),
            "person": side_of(person),
            "name": name_of(person) or WITHOUT_NAME,
            "candidates": candidates,
            "crm_link": crm_contact_url(row.sub_account, row.contact_crm_id),
            "event_link": page_of(type(row)._meta.get_field("event").related_model, row.event_id),
            "is_failed": row.state in FAILED,
            "may_act": row.state in FAILED
            and row.answered_at is not None
            and self.has_operate_permission(request, row),
        }

    def retry_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Try once more."""
        row = self._row(request, request_id)
        done = ask.retry(row)
        self._say(request, row, done, "It is tried again: the contact's note says what came of it.")
        return self._back(request, row)

    def link_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Link to a patient whom the EMR has already."""
        row = self._row(request, request_id)
        form = LinkForm(request.POST)
        if form.is_valid():
            done = ask.link_to(row, form.cleaned_data["patient"])
            self._say(request, row, done, "The contact is being linked to that patient.")
        else:
            messages.error(request, "Enter the id that the patient has in the EMR.")
        return self._back(request, row)

    def anyway_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """It is none of the candidates."""
        row = self._row(request, request_id)
        self._say(request, row, ask.create_anyway(row), "The patient is being created.")
        return self._back(request, row)

    def dismiss_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Nothing is to be done."""
        row = self._row(request, request_id)
        form = DismissForm(request.POST)
        if form.is_valid():
            done = ask.dismiss(row, request.user, form.cleaned_data["reason"])
            self._say(request, row, done, "Dismissed. Adding the tag again asks anew.")
        else:
            messages.error(request, "Say in a few words why nothing is to be done.")
        return self._back(request, row)

    def retry_fixed_view(self, request: HttpRequest) -> HttpResponse:
        """Read the contacts of all that need fixing again; those that are fixed are created."""
        if request.method != "POST" or not self.has_operate_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).filter(Q(state=CreateState.NEEDS_FIXING), answered_at__isnull=False)
        mine = [row for row in rows[:MOST_AT_ONCE] if self.has_operate_permission(request, row)]
        asked = sum(ask.retry_if_fixed(row) for row in mine)
        words = {0: "There is nothing to read again.", 1: "One contact is read again."}
        messages.success(
            request,
            words.get(asked, f"{asked} contacts are read again.")
            + (" Whoever is fixed by now is created; the others stay here." if asked else ""),
        )
        return HttpResponseRedirect(reverse("admin:integrations_createrequest_changelist"))

    def _row(self, request: HttpRequest, request_id: int) -> CreateRequest:
        row: CreateRequest | None = self.get_object(request, str(request_id))
        if row is None:
            raise Http404("There is no such request.")
        if request.method != "POST" or not self.has_operate_permission(request, row):
            raise PermissionDenied
        return row

    def _say(self, request: HttpRequest, row: CreateRequest, done: bool, words: str) -> None:
        if done:
            self.log_change(request, row, words)
            messages.success(request, words)
        else:
            messages.info(
                request, "Somebody has acted on it in the meantime, or it is being tried right now."
            )

    def _back(self, request: HttpRequest, row: CreateRequest) -> HttpResponse:
        """To where the button stood: the list, the dashboard, or the request's own page."""
        wanted = request.POST.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
        return HttpResponseRedirect(wanted if wanted and is_ours else self.url_of(row))


def emr_name(row: CreateRequest) -> str:
    """The EMR of a request, by the name that people know."""
    emr = registry().get(row.connection.emr)
    return emr.manifest.name if emr else row.connection.emr
