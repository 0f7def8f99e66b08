"""What somebody who practises a set-up is handed: the pretend practices that nobody has set up yet. Demo only."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from integrations.contract.manifest import Manifest
from integrations.demo_sender import desk
from integrations.models import SubAccount
from integrations.sandbox.demo.practices import DemoPractice, rehearsals
from integrations.views.sandbox import demo_page
from tenants.models import Practice, PracticeKind
from tenants.roles import Right
from tenants.scoped_admin import rows_with


@dataclass(frozen=True, slots=True)
class Value:
    """One value to copy, named like the field that it goes into. ``id`` is unlike any other's on the page."""

    id: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A pretend practice: what it says of itself, the values of its EMR and of the CRM, and the practice that was
    made with them (None: nobody did, or not where the person may look)."""

    practice: DemoPractice
    manifest: Manifest
    facts: tuple[tuple[str, str], ...]
    emr: tuple[Value, ...]
    crm: tuple[tuple[str, tuple[Value, ...]], ...]
    made: Practice | None


@demo_page
@require_safe
def rehearsal_page(request: HttpRequest) -> HttpResponse:
    """Every pretend practice that a set-up can be practised with."""
    accounts = rows_with(request.user, SubAccount, Right.SEE).select_related("practice")
    made = {account.crm_subaccount_id: account.practice for account in accounts}
    context = {
        **admin.site.each_context(request),
        "title": "Practise a set-up",
        "rehearsals": [_rehearsal(one, made) for one in rehearsals().values()],
    }
    return TemplateResponse(request, "sandbox/rehearsals.html", context)


def _rehearsal(practice: DemoPractice, made: dict[str, Practice]) -> Rehearsal:
    return Rehearsal(
        practice=practice,
        manifest=practice.emr.manifest,
        facts=tuple(_facts(practice)),
        emr=tuple(_emr_values(practice)),
        crm=tuple(_accounts(practice)),
        made=next((made[crm_id] for crm_id in practice.crm_ids if crm_id in made), None),
    )


def _facts(practice: DemoPractice) -> Iterator[tuple[str, str]]:
    own = practice.file["practice"]
    yield "What it does", PracticeKind(own["kind"]).label
    yield "Time zone", own["time_zone"]
    zones = ((one["name"], one["external_id"], one["time_zone"]) for one in practice.file["locations"])
    shown = [f"{name} (id {number}{f', {zone}' if zone else ''})" for name, number, zone in zones]
    yield "Locations", "; ".join(shown)


def _emr_values(practice: DemoPractice) -> Iterator[Value]:
    """What the EMR's sandbox takes, under the names of the step's fields; nothing where the EMR posts to us alone."""
    given = desk(practice).connection()
    if given.get("base_url"):
        yield Value(f"{practice.slug}-base", "Base address", str(given["base_url"]))
    credentials = given.get("credentials") or {}
    for field in practice.emr.manifest.credentials:
        if credentials.get(field.name):
            yield Value(f"{practice.slug}-{field.name}", field.label, str(credentials[field.name]))


def _accounts(practice: DemoPractice) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """Each sub-account of the pretend CRM: what it is for, location id and token."""
    for account in practice.sub_accounts:
        key = f"{practice.slug}-{account['key']}"
        clinics = [one["name"] for one in practice.file["locations"] if one["sub_account"] == account["key"]]
        yield (
            ", ".join(clinics),
            (
                Value(f"{key}-id", "CRM location id", account["crm_location_id"]),
                Value(f"{key}-token", "Token", account["token"]),
            ),
        )


urlpatterns: list[URLPattern] = [path("sandbox/rehearsals/", rehearsal_page, name="sandbox-rehearsals")]
