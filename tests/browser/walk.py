"""Every page that staff and reviewers can open, by name, in a world that has one row of everything."""

from collections.abc import Iterator
from datetime import date

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from integrations.models import Backfill, BulkRun, Connection, Contact, InboundEvent, PollCursor, ProvisionRun
from integrations.views.setup.progress import STEPS
from tenants.models import User
from tests.admin.conftest import World

SIGNED_OUT = {"sign-in": "/login/", "review sign-in": "/review/sign-in/", "forgotten": "/review/forgotten/"}
# What can be added by hand.
ADDED = ("Connection", "SubAccount", "Location", "AppointmentType", "User", "Practice")


def pages(world: World, boss: User, crm_contact: str, account: str) -> Iterator[tuple[str, str]]:
    """Name → address."""
    yield from _models(world, boss)
    yield from _own(world)
    yield from _long_work(world, boss)
    for step, *_ in STEPS:
        yield f"set-up {step}", reverse("setup-step", args=[world.practice.slug, step])
    for step in ("stages", "categories", "test-event", "go-live"):
        yield f"set-up {step}, of a practice that lives", reverse("setup-step", args=["bluestone", step])
    yield "dashboard", "/"
    yield "set-up", "/setup/"
    yield "help", reverse("help")
    yield "a document", reverse("help-page", args=["onboarding/categories"])
    yield "sandbox", f"/sandbox/?account={account}"
    yield "sandbox rehearsals", reverse("sandbox-rehearsals")
    yield "sandbox contact", f"/sandbox/contacts/{crm_contact}/?account={account}"
    yield "a living event", _change("integrations_inboundevent", InboundEvent.objects.across_practices())
    yield "a living contact", _change("integrations_contact", Contact.objects.across_practices())


def _change(name: str, rows) -> str:
    return reverse(f"admin:{name}_change", args=[rows.earliest("pk").pk])


def _models(world: World, boss: User) -> Iterator[tuple[str, str]]:
    for model in admin.site._registry:
        meta = model._meta
        at = f"admin:{meta.app_label}_{meta.model_name}"
        row = boss if model is User else world.row_of(model)
        yield f"list of {meta.verbose_name_plural}", reverse(f"{at}_changelist")
        yield f"one {meta.verbose_name}", reverse(f"{at}_change", args=[row.pk])
        if meta.object_name in ADDED:
            yield f"new {meta.verbose_name}", reverse(f"{at}_add")
    yield "history", reverse("admin:tenants_practice_history", args=[world.practice.pk])


def _own(world: World) -> Iterator[tuple[str, str]]:
    slug = world.practice.slug
    yield "search", reverse("admin:find-patient")
    yield "preview", reverse("admin:event-preview", args=[world.event.pk])
    yield "payload", reverse("admin:event-payload", args=[world.event.pk])
    yield "field paths", reverse("admin:connection-fields", args=[world.connection.pk])
    yield "import", reverse("categories-import", args=[slug])
    yield "sheet", reverse("categories-sheet", args=[slug])
    yield "review", reverse("review:types", args=[slug])
    yield "review of a practice that lives", reverse("review:types", args=["bluestone"])
    yield "invite", reverse("review:invite", args=[slug])


def _long_work(world: World, boss: User) -> Iterator[tuple[str, str]]:
    """A piece of each kind, and the pages that show it."""
    practice, words = world.practice, "It is a list without Patient: add the option in the CRM."
    polled = Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    cursor = PollCursor.objects.create(practice=practice, connection=polled, resource="appointments")
    values = {"state": "reading", "steps": 4, "steps_expected": 12, "rows_seen": 200}
    fill = Backfill.objects.create(practice=practice, cursor=cursor, since=date(2026, 1, 3), **values)
    run = BulkRun.objects.create(practice=practice, kind="retry", made_by=boss)
    states = {"Contact Type": "wrong_type", "Next Visit Date": "created", "Gender": "exists"}
    fields = [{"name": name, "state": state} for name, state in states.items()]
    fields[0]["words"] = words
    made = ProvisionRun.objects.create(
        practice=practice, sub_account=world.sub_account, fields=fields, finished_at=timezone.now()
    )
    yield "long work", reverse("bulk-runs")
    yield "a retry of many", reverse("bulk-run", args=[run.pk])
    yield "custom fields", reverse("provision-run", args=[made.pk])
    yield "a back-fill", reverse("back-fill", args=[fill.pk])
    yield "a connection that is read", reverse("admin:integrations_connection_change", args=[polled.pk])
    yield (
        "a sub-account with new fields",
        reverse("admin:integrations_subaccount_change", args=[world.sub_account.pk]),
    )
