"""Find a patient: by name, e-mail, phone, its last four digits, an EMR id or a link to the CRM's contact.

What is typed is posted, hashed and looked up; it stands in no address, log or row.
"""

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integrations.emrs import registry
from integrations.models import Contact, Patient, SearchKey
from integrations.sync.people import person_of, plain_phone, plain_words
from integrations.views.crm_links import contact_id_in
from tenants.encryption import search_digests
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

MOST_FOUND = 50
Term = tuple[str, str]
_NOT_DIGIT = re.compile(r"\D")
_PHONE_LIKE = re.compile(r"^[+()\d\s.\-/]{7,}$")
_ID_LIKE = re.compile(r"^\S*\d\S*$")


class SearchForm(forms.Form):
    """One box for everything that somebody may have in hand."""

    words = forms.CharField(
        label="Name, e-mail, phone, last four digits, EMR id, or a link to the contact in the CRM",
        max_length=300,
        widget=forms.TextInput(
            attrs={"class": "ax-input", "autofocus": True, "autocomplete": "off", "spellcheck": "false"}
        ),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A patient that fits, with the name as the EMR knows it and the contacts it is linked to."""

    patient: Patient
    name: str
    emr: str
    contact_ids: tuple[int, ...]


def alternatives(words: str, country: str = "US") -> list[list[Term]]:
    """What the words may mean: each alternative is a list of (kind, normalized value) that all have to fit."""
    text = words.strip()
    kinds = SearchKey.Kind
    if "@" in text:
        return [[(kinds.EMAIL.value, text.casefold())]]
    digits = _NOT_DIGIT.sub("", text)
    found: list[list[Term]] = []
    if _ID_LIKE.match(text):
        found.append([(kinds.ID.value, text.casefold())])
    if len(digits) == 4 and text == digits:
        found.append([(kinds.PHONE_END.value, digits)])
    if _PHONE_LIKE.match(text):
        found.append([(kinds.PHONE.value, plain_phone(text, country))])
    names = plain_words(text)
    if names and not digits:
        found.append([(kinds.NAME.value, word) for word in names])
    return found


def patients_for(user: Any, words: str) -> QuerySet[Patient]:
    """The patients that fit, in the practices that the person may see."""
    patients = rows_with(user, Patient, Right.SEE)
    countries = set(patients.values_list("practice__country", flat=True).distinct())
    options = {tuple(option) for country in countries for option in alternatives(words, country)}
    matches = [_with_all(patients, option) for option in options]
    crm_id = contact_id_in(words) or words.strip()
    linked = Q(links__contact__crm_id=crm_id)
    ids: set[int] = set(patients.filter(linked).values_list("pk", flat=True)[:MOST_FOUND])
    for match in matches:
        ids.update(match.values_list("pk", flat=True)[:MOST_FOUND])
    found: QuerySet[Patient] = patients.filter(pk__in=sorted(ids)[:MOST_FOUND])
    return found.select_related("practice", "connection__practice").prefetch_related("links").order_by("-pk")


def _with_all(patients: Any, terms: tuple[Term, ...]) -> Any:
    """Patients that have every term, under any of the keys in use."""
    for kind, value in terms:
        digests = search_digests(f"{kind}:{value}")
        patients = patients.filter(
            pk__in=SearchKey.objects.across_practices()
            .filter(kind=kind, digest__in=digests)
            .values("patient")
        )
    return patients


def _found(patient: Patient) -> Found:
    person = person_of(patient)
    emr = registry().get(patient.connection.emr)
    name = f"{person.first_name} {person.last_name}".strip() or "No name known"
    links = tuple(link.contact_id for link in patient.links.all())
    return Found(patient, name, emr.manifest.name if emr else patient.connection.emr, links)


def find_patient(request: HttpRequest) -> HttpResponse:
    """The search page. Results come on POST only."""
    if not (request.user.is_staff and may(request.user, Right.SEE)):
        raise PermissionDenied
    form = SearchForm(request.POST if request.method == "POST" else None)
    found: list[Found] = []
    unlinked: list[Contact] = []
    if request.method == "POST" and form.is_valid():
        words = form.cleaned_data["words"]
        found = [_found(patient) for patient in patients_for(request.user, words)]
        unlinked = _contacts_without_patient(request.user, words)
    context = {
        **admin.site.each_context(request),
        "title": "Find a patient",
        "form": form,
        "found": found,
        "unlinked": unlinked,
        "has_searched": form.is_bound and form.is_valid(),
        "most": MOST_FOUND,
        "inline_admin_formsets": [],
    }
    response = TemplateResponse(request, "axconnect/find_patient.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _contacts_without_patient(user: Any, words: str) -> list[Contact]:
    """A contact that somebody pasted the link of, which no patient is linked to any more."""
    crm_id = contact_id_in(words) or words.strip()
    rows = rows_with(user, Contact, Right.SEE).filter(crm_id=crm_id, links__isnull=True)
    return list(rows.select_related("sub_account__practice")[:MOST_FOUND])
