"""Contacts and patients: why is this contact here? Names are read only where they are shown, never in
addresses, titles or the log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Max, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin import labels
from integrations.admin.filters import ConnectionFilter, EmrFilter, PracticeFilter
from integrations.admin.keyset import KeysetMixin
from integrations.admin.money_shown import math_of
from integrations.emrs import registry
from integrations.models import (
    Contact,
    ContactLink,
    Effect,
    EffectKind,
    InboundEvent,
    LedgerRow,
    Patient,
    Visit,
)
from integrations.sync.categorize import verdict
from integrations.sync.people import person_of
from integrations.sync.profile import PracticeProfile, profiles
from integrations.sync.stored import sub_account_of
from integrations.templatetags.human import moment, money
from integrations.views.crm_links import link_of
from integrations.views.search import find_patient
from tenants.scoped_admin import PageAdmin

NOTES_SHOWN = 50
VISITS_SHOWN = 100
EVENTS_SHOWN = 10
LINKS = Prefetch("links", ContactLink.objects.across_practices().order_by("pk"))


@dataclass(frozen=True, slots=True)
class ShownVisit:
    """A visit with what its type counts as, and the words that say why."""

    visit: Visit
    colour: str
    category: str
    why: str


@dataclass(frozen=True, slots=True)
class ShownNote:
    """An audit note as it was written to the CRM."""

    effect: Effect
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownPerson:
    """A patient's name and how to reach them, read from the encrypted row for the page."""

    patient: Patient
    name: str
    email: str
    phone: str
    emr: str

    @classmethod
    def of(cls, patient: Patient) -> "ShownPerson":
        person = person_of(patient)
        emr = registry().get(patient.connection.emr)
        name = f"{person.first_name} {person.last_name}".strip()
        return cls(
            patient, name, person.email, person.phone, emr.manifest.name if emr else patient.connection.emr
        )


def shown_visits(
    rows: QuerySet[Visit], profile: PracticeProfile, sub_account_id: int | None = None
) -> list[ShownVisit]:
    """Visits (those of one sub-account, or all), newest day first, with today's category of each."""
    newest = rows.select_related("connection").order_by("-visit_on", "-version")[:VISITS_SHOWN]
    return [
        _shown_visit(row, profile)
        for row in newest
        if sub_account_id is None or sub_account_of(row, profile) == sub_account_id
    ]


def _shown_visit(row: Visit, profile: PracticeProfile) -> ShownVisit:
    found = verdict(profile, profile.connections[row.connection_id], row.type, tuple(row.purposes))
    category = found.category.value if found.category else "Not confirmed"
    return ShownVisit(row, labels.OUTCOME.get(row.outcome, "default"), category, found.words)


def shown_notes(effects: QuerySet[Effect]) -> list[ShownNote]:
    """The notes written about somebody, newest first."""
    newest = effects.filter(kind=EffectKind.NOTE).order_by("-pk")[:NOTES_SHOWN]
    return [
        ShownNote(row, str((row.body or {}).get("text", "")), row.confirmed_at or row.planned_at)
        for row in newest
    ]


def shown_events(rows: QuerySet[InboundEvent]) -> list[tuple[InboundEvent, str]]:
    """The newest events with what happened in words."""
    newest = rows.defer("payload").select_related("connection").order_by("-pk")[:EVENTS_SHOWN]
    return [(event, labels.kind_label(event)) for event in newest]


@admin.register(Contact)
class ContactAdmin(KeysetMixin, PageAdmin):
    """People in the CRM that AX Connect writes to."""

    page_template = "axconnect/contact.html"
    list_display = ("number", "crm_id", "container", "type_label", "value", "patients", "gone")
    list_filter = (PracticeFilter,)
    search_fields = ("crm_id",)
    search_help_text = "Contact id in the CRM"
    list_before_template = "axconnect/find_hint.html"
    empty_words = "No contacts yet."
    empty_next = "A contact appears with the first event that is written to the CRM."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        rows: QuerySet[Contact] = super().get_queryset(request)
        joined = rows.select_related("sub_account__practice").prefetch_related(LINKS)
        return joined.defer("sub_account__token", "sub_account__webhook_secret")

    @display(description="Sub-account")
    def container(self, contact: Contact) -> str:
        return str(contact.sub_account)

    @display(description="Contact")
    def number(self, contact: Contact) -> str:
        return f"Contact {contact.pk}"

    @display(description="Type", label={"Patient": "success", "Lead": "info"})
    def type_label(self, contact: Contact) -> str:
        return contact.contact_type

    @display(description="Lifetime value")
    def value(self, contact: Contact) -> str:
        return money(contact.lifetime_value, contact.sub_account.practice)

    @display(description="Patients")
    def patients(self, contact: Contact) -> int:
        return len(contact.links.all())

    @display(description="In the CRM", label={"Deleted or merged": "warning", "There": "success"})
    def gone(self, contact: Contact) -> str:
        return "Deleted or merged" if contact.is_gone else "There"

    def page_context(self, request: HttpRequest, row: Contact) -> dict[str, Any]:
        practice = row.sub_account.practice
        profile = profiles([practice.pk])[practice.pk]
        patients = (
            Patient.objects.for_practice(practice).filter(links__contact=row).select_related("connection")
        )
        visits = Visit.objects.for_practice(practice).filter(
            Q(sub_account_id=row.sub_account_id) | Q(sub_account_id=None), patient__links__contact=row
        )
        return {
            "contact": row,
            "practice": practice,
            "people": [ShownPerson.of(patient) for patient in patients],
            "links": row.links.order_by("pk"),
            "visits": shown_visits(visits, profile, row.sub_account_id),
            "opportunities": list(row.opportunities.order_by("-pipeline")),
            "math": math_of(row, row.ledger.order_by("pk")),
            "ledger_colours": labels.LEDGER,
            "notes": shown_notes(row.effects.all()),
            "events": shown_events(InboundEvent.objects.for_practice(practice).filter(contact=row)),
            "crm_link": link_of(row),
        }


@admin.register(Patient)
class PatientAdmin(KeysetMixin, PageAdmin):
    """People in the EMRs."""

    page_template = "axconnect/patient.html"
    list_display = ("number", "external_id", "practice", "connection", "contacts", "first_seen")
    list_filter = (PracticeFilter, ConnectionFilter, EmrFilter)
    search_fields = ("=external_id",)
    search_help_text = "Patient id in the EMR"
    list_before_template = "axconnect/find_hint.html"
    empty_words = "No patients yet."
    empty_next = "A patient appears with the first event about them."

    def get_urls(self) -> list[URLPattern]:
        return [
            path("find/", self.admin_site.admin_view(find_patient), name="find-patient"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Patient]:
        rows: QuerySet[Patient] = super().get_queryset(request)
        joined = rows.select_related("practice", "connection__practice").prefetch_related(LINKS)
        return joined.defer("demographics", "connection__credentials")

    @display(description="Patient")
    def number(self, patient: Patient) -> str:
        return f"Patient {patient.pk}"

    @display(description="In the CRM")
    def contacts(self, patient: Patient) -> str | SafeString:
        first = next(iter(patient.links.all()), None)
        return format_html("contact {}", first.contact_id) if first else "not linked yet"

    @display(description="First seen")
    def first_seen(self, patient: Patient) -> SafeString:
        return moment(patient.first_seen_at, patient.practice)

    def page_context(self, request: HttpRequest, row: Patient) -> dict[str, Any]:
        profile = profiles([row.practice_id])[row.practice_id]
        visits = Visit.objects.for_practice(row.practice_id).filter(patient=row)
        events = InboundEvent.objects.for_practice(row.practice_id).filter(patient=row)
        return {
            "patient": row,
            "practice": row.practice,
            "person": person_of(row),
            "shown": ShownPerson.of(row),
            "links": row.links.select_related("contact__sub_account__practice"),
            "visits": shown_visits(visits, profile),
            "ledger": LedgerRow.objects.for_practice(row.practice_id).filter(patient=row).order_by("-pk"),
            "ledger_colours": labels.LEDGER,
            "events": shown_events(events),
            "last_seen": events.aggregate(at=Max("received_at"))["at"],
            "questions": row.questions.filter(answer=""),
        }
