"""Which EMR the practice uses and what that asks of the practice; then its credentials, tested."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from integrations.admin import polls
from integrations.admin.connection_form import (
    CREDENTIALS,
    SWITCHES,
    ConnectionForm,
    after_save,
    credential_field,
    form_for,
    removal_field,
    switch_field,
    ticked,
)
from integrations.admin.removing import CONNECTION_USES, remove_unused
from integrations.contract.manifest import Manifest, Way
from integrations.emrs import registry
from integrations.models import Connection
from integrations.views.setup.forms import free_slug
from integrations.views.setup.pages import chosen, connections_of, manifest_of, show, step_page, to_step
from tenants.models import Practice, PracticeKind
from tenants.scoped_admin import UserError

WAYS = {
    Way.POLL: "AX Connect asks it every few minutes",
    Way.WEBHOOK: "It tells AX Connect at once (webhook)",
}


@dataclass(frozen=True, slots=True)
class Card:
    """An EMR to choose. ``why_not`` says why this practice cannot have it, ``hint`` what to know before."""

    manifest: Manifest
    way: str
    why_not: str
    hint: str
    connections: Sequence[Connection]


def _cards(practice: Practice, connections: Sequence[Connection]) -> list[Card]:
    return [_card(practice, emr.manifest, connections) for emr in registry().values()]


def _card(practice: Practice, manifest: Manifest, connections: Sequence[Connection]) -> Card:
    only_med_spa = practice.has_surgery and not manifest.has_surgical_pipeline
    why_not = hint = ""
    if only_med_spa and practice.kind == PracticeKind.PLASTIC_SURGERY:
        why_not = f"{manifest.name} knows no surgical pipeline, and this practice is plastic surgery only."
    elif only_med_spa:
        hint = "Moves the non-surgical pipeline only: for the med spa's side of this practice."
    own = [row for row in connections if row.emr == manifest.slug]
    return Card(manifest, WAYS[manifest.way], why_not, hint, own)


@step_page
def emr_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """The EMRs as cards; what the chosen one needs of the practice, to be ticked as it is done."""
    connections = connections_of(practice)
    if request.method == "POST":
        if "remove" in request.POST:
            return _remove(request, practice, connections)
        if "tick" in request.POST:
            return tick(request, practice, "emr")
        return _add(request, practice, connections)
    asked = [(row, manifest_of(row), checklist_of(row)) for row in connections]
    return show(request, practice, "emr", cards=_cards(practice, connections), asked=asked)


def checklist_of(connection: Connection) -> list[tuple[Any, dict[str, str]]]:
    """(item, who ticked it and when) of what the EMR asks; {} for an item that nobody ticked."""
    ticks = connection.ticks or {}
    return [(item, ticks.get(item.name) or {}) for item in manifest_of(connection).checklist]


def _add(request: HttpRequest, practice: Practice, connections: Sequence[Connection]) -> HttpResponse:
    slug = request.POST.get("emr", "")
    card = next((one for one in _cards(practice, connections) if one.manifest.slug == slug), None)
    if card is None:
        raise UserError("Choose one of the EMRs.")
    if card.why_not:
        raise UserError(card.why_not)
    key = free_slug(slug.replace("_", "-"), Connection.objects.for_practice(practice), "key")
    row = Connection.objects.create(practice=practice, key=key, emr=slug)
    after_save(row, has_new_credentials=False)
    messages.success(request, f"{card.manifest.name} is chosen. Below is what to ask the practice for.")
    return to_step(practice, "emr")


def _remove(request: HttpRequest, practice: Practice, connections: Sequence[Connection]) -> HttpResponse:
    row = next((one for one in connections if one.key == request.POST["remove"]), None)
    if row is None:
        raise Http404("There is no such connection.")
    if not remove_unused(row, CONNECTION_USES):
        raise UserError("Something has arrived from it already: pause it instead of removing it.")
    messages.success(request, f"{manifest_of(row).name} is removed from this practice.")
    return to_step(practice, "emr")


def tick(request: HttpRequest, practice: Practice, step: str) -> HttpResponse:
    """Tick what the EMR asks for, or take the tick away: ``tick`` is ``connection/item``, ``on`` 1 or 0."""
    key, _, name = request.POST["tick"].partition("/")
    row = next((one for one in connections_of(practice) if one.key == key), None)
    if row is None or all(item.name != name for item in manifest_of(row).checklist):
        raise Http404("There is no such item.")
    is_on = request.POST.get("on") == "1"
    with transaction.atomic():
        # As it is now: several people tick at once.
        stored = Connection.objects.for_practice(practice).select_for_update().get(pk=row.pk)
        stored.ticks = ticked(stored.ticks or {}, name, is_on, request.user, timezone.now())
        stored.save(update_fields=["ticks"])
    return to_step(practice, step)


# --- credentials ------------------------------------------------------------------------------------------------


def _form(connection: Connection, data: Any = None) -> ConnectionForm:
    """The admin's form without ticks and workflow names, which have steps of their own."""
    manifest = manifest_of(connection)
    form = form_for(manifest, frozenset({CREDENTIALS, SWITCHES}))(data, instance=connection)
    if manifest.free_tasks_per_cycle:
        form.fields["billing_cycle_day"].widget = UnfoldAdminIntegerFieldWidget()
    else:
        del form.fields["billing_cycle_day"]
    if not polls.lists_locations(connection):
        # Nobody is called there: it only posts to us.
        del form.fields["base_url"]
    elif manifest.needs_base_url:
        address = form.fields["base_url"]
        address.required, address.help_text = True, f"{manifest.name} gives each practice its own."
        address.error_messages["required"] = "Base address is needed."
    return form


@step_page
def credentials_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Credentials and settings of a connection; saved, then tried one by one."""
    connections = connections_of(practice)
    row = chosen(request, "connection", connections)
    if row is None:
        return show(request, practice, "credentials", connection=None)
    fresh_secret, trial, form = "", polls.Trial([]), _form(row)
    if request.method == "POST":
        if "new_secret" in request.POST:
            fresh_secret = _new_secret(row)
            form = _form(row)
        else:
            form = _form(row, request.POST)
            if form.is_valid():
                _save(form, request.user)
                if "test" not in request.POST or not polls.capabilities(row):
                    messages.success(request, "Saved.")
                    return to_step(practice, "credentials", connection=row.key)
                trial = polls.try_all(row, request.user)
                form = _form(row)
    return show(
        request, practice, "credentials", **_shown(row, connections, form, trial), fresh_secret=fresh_secret
    )


def _save(form: ConnectionForm, user: Any) -> None:
    has_new = form.apply(user, timezone.now())
    with transaction.atomic():
        row = form.save()
        after_save(row, has_new_credentials=has_new)


def _new_secret(row: Connection) -> str:
    """A secret for the EMR's deliveries, shown this once. Raises UserError where the EMR takes none."""
    if not _takes_secret(manifest_of(row)):
        raise UserError("This EMR sends no secret.")
    secret = secrets.token_urlsafe(24)
    row.credentials = {**(row.credentials or {}), "header_secret": secret}
    with transaction.atomic():
        row.save()
        after_save(row, has_new_credentials=True)
    return secret


def _takes_secret(manifest: Manifest) -> bool:
    return any(field.name == "header_secret" for field in manifest.credentials)


def _shown(
    row: Connection, connections: Sequence[Connection], form: ConnectionForm, trial: polls.Trial
) -> dict[str, Any]:
    manifest, wanted, tried = manifest_of(row), polls.capabilities(row), trial.tried
    wrong = polls.wrong_credentials(manifest, tried)
    names = [credential_field(field.name) for field in manifest.credentials]
    removals = [name for field in manifest.credentials if (name := removal_field(field.name)) in form.fields]
    basics = [name for name in ("base_url", "billing_cycle_day") if name in form.fields]
    return {
        "connection": row,
        "connections": connections,
        "manifest": manifest,
        "form": form,
        "credential_boxes": [form[name] for name in (*names, *basics)],
        "switch_boxes": [form[switch_field(switch.name)] for switch in manifest.switches],
        "removal_boxes": [form[name] for name in removals],
        "wanted": wanted,
        "tried": tried,
        "untried": wanted[len(tried) :] if tried else [],
        "is_fine": trial.is_fine,
        "lifted": trial.lifted_words,
        "wrong": {credential_field(field.name) for field in wrong},
        "wrong_words": [field.label for field in wrong],
        "tested": (row.ticks or {}).get("credentials_tested"),
        "is_webhook": manifest.way is Way.WEBHOOK,
        "takes_secret": _takes_secret(manifest),
        "has_secret": bool(row.credential("header_secret")),
    }
