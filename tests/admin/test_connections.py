"""The connection page: a form from the manifest, write-only secrets, the webhook address, field paths."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.admin.connection_form import ConnectionForm, form_for
from integrations.contract.manifest import CredentialField, Manifest, Switch, Way
from integrations.models import Connection, ConnectionState, EventState, InboundEvent, PayloadReveal
from integrations.sync.golive import TESTED
from tenants.models import User
from tests.admin.conftest import EMAIL, SECRET, World, signed_in

POLLED = Manifest(
    slug="polled",
    name="Polled",
    way=Way.POLL,
    field_prefix="PL",
    folder="Polled",
    fields=(),
    events=(),
    patient_id_field="PL ID",
    birthday_field="PL DOB",
    appointment_workflow="PL Appointments",
    credentials=(
        CredentialField("username", "User name"),
        CredentialField("password", "Password", secret=True),
        CredentialField("hint", "Hint", required=False),
    ),
    switches=(
        Switch("payments", "Payments", True, "Count payments."),
        Switch("counts_as", "Counts as", "", choices=("One", "Two")),
        Switch("fields", "Fields", ["first", "last"], choices=("first", "last", "email")),
        Switch("aliases", "Aliases", ()),
        Switch("postal_code", "Postal code", ""),
        Switch("days", "Days", 30),
    ),
)


def page_of(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def posted(**values: str) -> dict[str, str]:
    """The connection page as it is posted when nothing is changed."""
    switches = {"switch_sync_address": "on"}
    return {"base_url": "", "billing_cycle_day": "1", **switches, **values}


def saved(form_class: type[ConnectionForm], connection: Connection, data: dict[str, Any]) -> ConnectionForm:
    form = form_class(
        {"base_url": "", "billing_cycle_day": "1", "switch_days": "30", **data}, instance=connection
    )
    if form.is_valid():
        form.apply("Somebody", timezone.now())
        form.save()
    return form


def test_a_stored_secret_is_never_rendered(world: World, specialist: User) -> None:
    page = signed_in(specialist).get(page_of(world.connection)).content.decode()
    assert SECRET not in page
    assert 'placeholder="unchanged"' in page
    assert 'name="credential_header_secret"' in page


def test_an_empty_box_leaves_the_secret_and_typing_replaces_it(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    assert client.post(page_of(world.connection), posted()).status_code == 302
    world.connection.refresh_from_db()
    assert world.connection.credentials == {"header_secret": SECRET}
    client.post(page_of(world.connection), posted(credential_header_secret=" new-secret "))
    world.connection.refresh_from_db()
    assert world.connection.credentials == {"header_secret": "new-secret"}


def test_an_optional_secret_can_be_removed(world: World, specialist: User) -> None:
    signed_in(specialist).post(page_of(world.connection), posted(remove_header_secret="on"))
    world.connection.refresh_from_db()
    assert world.connection.credentials == {}


def test_new_credentials_open_the_circuit_again_and_ask_for_a_new_test(
    world: World, specialist: User
) -> None:
    Connection.objects.for_practice(world.practice).update(
        needs_reauth_since=timezone.now(), ticks={TESTED: True}
    )
    signed_in(specialist).post(page_of(world.connection), posted(credential_header_secret="new"))
    world.connection.refresh_from_db()
    assert world.connection.needs_reauth_since is None
    assert TESTED not in world.connection.ticks


def test_saving_without_new_credentials_keeps_them_refused(world: World, specialist: User) -> None:
    Connection.objects.for_practice(world.practice).update(needs_reauth_since=timezone.now())
    signed_in(specialist).post(page_of(world.connection), posted())
    world.connection.refresh_from_db()
    assert world.connection.needs_reauth_since is not None


def test_only_switches_that_differ_from_the_default_are_kept(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    client.post(page_of(world.connection), posted(switch_act_on_reschedules="on"))
    world.connection.refresh_from_db()
    assert world.connection.switches == {"act_on_reschedules": True}
    client.post(page_of(world.connection), posted())
    world.connection.refresh_from_db()
    assert world.connection.switches == {}


def test_a_checklist_tick_keeps_who_ticked_it_and_can_be_taken_back(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    client.post(page_of(world.connection), posted(tick_edition="on"))
    world.connection.refresh_from_db()
    assert world.connection.ticks["edition"]["by"] == str(specialist)
    client.post(page_of(world.connection), posted())
    world.connection.refresh_from_db()
    assert world.connection.ticks == {}


def test_the_help_texts_of_the_manifest_stand_on_the_page(world: World, specialist: User) -> None:
    page = signed_in(specialist).get(page_of(world.connection)).content.decode()
    assert "Executive or Enterprise edition" in page
    assert "Usually off." in page


def test_a_required_credential_is_asked_for_until_it_is_there(world: World) -> None:
    world.connection.credentials = {}
    form = saved(form_for(POLLED), world.connection, {"credential_username": "u"})
    assert form.errors == {"credential_password": ["Password is needed."]}
    form = saved(form_for(POLLED), world.connection, {"credential_username": "u", "credential_password": "p"})
    assert not form.errors
    assert world.connection.credentials == {"username": "u", "password": "p"}
    assert not saved(form_for(POLLED), world.connection, {"credential_username": "other"}).errors
    assert world.connection.credentials == {"username": "other", "password": "p"}


def test_a_value_that_is_no_secret_is_shown_and_can_be_emptied(world: World) -> None:
    world.connection.credentials = {"username": "u", "password": "p", "hint": "h"}
    shown = form_for(POLLED)(instance=world.connection)
    assert shown["credential_hint"].value() == "h"
    assert shown["credential_password"].value() == ""
    saved(form_for(POLLED), world.connection, {"credential_username": "u"})
    assert world.connection.credentials == {"username": "u", "password": "p"}


def test_every_type_of_switch_comes_back_as_what_it_is(world: World) -> None:
    world.connection.credentials = {"username": "u", "password": "p"}
    data = {
        "switch_payments": "",
        "switch_counts_as": "Two",
        "switch_fields": ["first", "email"],
        "switch_aliases": "one, two ,",
        "switch_postal_code": " 10001 ",
        "switch_days": "14",
    }
    assert not saved(form_for(POLLED), world.connection, data).errors
    assert world.connection.switches == {
        "payments": False,
        "counts_as": "Two",
        "fields": ["first", "email"],
        "aliases": ["one", "two"],
        "postal_code": "10001",
        "days": 14,
    }
    again = form_for(POLLED)(instance=world.connection)
    assert again["switch_aliases"].value() == "one, two"
    assert again["switch_fields"].value() == ["first", "email"]


def test_a_choice_that_the_manifest_does_not_offer_is_refused(world: World) -> None:
    world.connection.credentials = {"username": "u", "password": "p"}
    assert (
        "switch_counts_as" in saved(form_for(POLLED), world.connection, {"switch_counts_as": "Three"}).errors
    )


def test_the_emr_is_chosen_from_the_folders_found(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    data = {"practice": str(world.practice.pk), "key": "second", "emr": "no-such-emr"}
    assert client.post(reverse("admin:integrations_connection_add"), data).status_code == 200
    answer = client.post(reverse("admin:integrations_connection_add"), {**data, "emr": "aestheticspro"})
    made = Connection.objects.for_practice(world.practice).get(key="second")
    assert answer["Location"] == page_of(made)


def test_the_webhook_address_has_a_copy_button(world: World, specialist: User, agent: User) -> None:
    page = signed_in(specialist).get(page_of(world.connection)).content.decode()
    assert world.connection.webhook_url in page
    assert 'data-copy="connection-webhook"' in page
    assert (
        world.connection.webhook_key not in signed_in(agent).get(page_of(world.connection)).content.decode()
    )


def test_a_new_webhook_address_replaces_the_old_one(world: World, specialist: User) -> None:
    before = world.connection.webhook_key
    signed_in(specialist).post(
        f"/integrations/connection/{world.connection.pk}/new_address/", {"_form_submitted": "True"}
    )
    world.connection.refresh_from_db()
    assert world.connection.webhook_key != before


def test_pause_and_resume_act_on_post_only(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    pause = reverse("admin:integrations_connection_pause", args=[world.connection.pk])
    assert client.get(pause)["Location"] == page_of(world.connection)
    assert b"Pause" in client.get(pause, headers={"HX-Request": "true"}).content
    world.connection.refresh_from_db()
    assert world.connection.state == ConnectionState.ACTIVE
    client.post(pause, {"_form_submitted": "True"})
    world.connection.refresh_from_db()
    assert world.connection.state == ConnectionState.PAUSED
    client.post(
        reverse("admin:integrations_connection_resume", args=[world.connection.pk]),
        {"_form_submitted": "True"},
    )
    world.connection.refresh_from_db()
    assert world.connection.state == ConnectionState.ACTIVE


def test_a_dialog_answers_with_an_address_for_the_whole_page(world: World, specialist: User) -> None:
    pause = reverse("admin:integrations_connection_pause", args=[world.connection.pk])
    answer = signed_in(specialist).post(pause, {"_form_submitted": "True"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == page_of(world.connection)


def test_a_support_agent_cannot_press_the_buttons(world: World, agent: User) -> None:
    client = signed_in(agent)
    for name in ("pause", "send_test", "new_address"):
        address = reverse(f"admin:integrations_connection_{name}", args=[world.connection.pk])
        assert client.post(address, {"_form_submitted": "True"}).status_code == 403, name
    assert client.get(reverse("admin:connection-fields", args=[world.connection.pk])).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_test_event_goes_through_the_real_door(
    live_server: Any, settings: Any, world: World, root: User
) -> None:
    settings.PUBLIC_URL = live_server.url
    before = InboundEvent.objects.for_practice(world.practice).count()
    send = reverse("admin:integrations_connection_send_test", args=[world.connection.pk])
    answer = signed_in(root).post(send, {"_form_submitted": "True"}, follow=True)
    arrived = InboundEvent.objects.for_practice(world.practice).order_by("pk").last()
    assert InboundEvent.objects.for_practice(world.practice).count() == before + 1
    assert arrived is not None
    assert arrived.state == EventState.IGNORED
    assert f"arrived as event {arrived.pk}: ignored" in answer.content.decode()


def test_an_address_where_nothing_answers_is_said_in_words(settings: Any, world: World, root: User) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    send = reverse("admin:integrations_connection_send_test", args=[world.connection.pk])
    answer = signed_in(root).post(send, {"_form_submitted": "True"}, follow=True)
    assert "Nothing answers at" in answer.content.decode()


def test_tasks_used_this_cycle_are_shown(world: World, specialist: User) -> None:
    InboundEvent.objects.for_practice(world.practice).update(deliveries=3)
    page = signed_in(specialist).get(page_of(world.connection)).content.decode()
    assert "3 of 5,000" in page


# --- where fields are read ------------------------------------------------------------------------------------


def fields_url(world: World) -> str:
    return reverse("admin:connection-fields", args=[world.connection.pk])


def test_field_paths_are_kept_as_lists_and_only_where_something_was_written(
    world: World, specialist: User
) -> None:
    client = signed_in(specialist)
    data = {"path_client_id": " client.ident , data.id ", "path_email": ""}
    assert client.post(fields_url(world), data).status_code == 302
    world.connection.refresh_from_db()
    assert world.connection.field_paths == {"client_id": ["client.ident", "data.id"]}
    assert "client.ident, data.id" in client.get(fields_url(world)).content.decode()


def test_something_that_is_no_path_is_refused_in_words(world: World, specialist: User) -> None:
    answer = signed_in(specialist).post(fields_url(world), {"path_client_id": "the id.of the client"})
    assert answer.status_code == 200
    assert "is not a path" in answer.content.decode()
    world.connection.refresh_from_db()
    assert world.connection.field_paths == {}


def test_the_last_payload_is_shown_only_with_a_reason_that_is_kept(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    assert EMAIL not in client.get(fields_url(world)).content.decode()
    assert EMAIL not in client.post(fields_url(world), {"_reveal": "1", "reason": ""}).content.decode()
    shown = client.post(fields_url(world), {"_reveal": "1", "reason": "the id is missing"})
    assert EMAIL in shown.content.decode()
    assert "data.client.email" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    kept = PayloadReveal.objects.for_practice(world.practice).filter(user=specialist)
    assert [row.reason for row in kept] == ["the id is missing"]


def test_a_connection_that_has_events_cannot_be_deleted(world: World, root: User) -> None:
    delete = reverse("admin:integrations_connection_delete", args=[world.connection.pk])
    assert signed_in(root).post(delete, {"post": "yes"}).status_code == 403
    unused = Connection.objects.create(practice=world.practice, key="unused", emr="aestheticspro")
    delete = reverse("admin:integrations_connection_delete", args=[unused.pk])
    assert signed_in(root).post(delete, {"post": "yes"}).status_code == 302


def test_health_is_said_in_words(world: World, agent: User) -> None:
    Connection.objects.for_practice(world.practice).update(
        needs_reauth_since=timezone.now() - timedelta(hours=3)
    )
    page = signed_in(agent).get(page_of(world.connection)).content.decode()
    assert "Needs new credentials" in page
    assert "credentials refused since" in page


def test_a_connection_whose_emr_is_gone_still_has_a_page(world: World, specialist: User, agent: User) -> None:
    gone = Connection.objects.create(practice=world.practice, key="gone", emr="no_longer_here")
    for user in (specialist, agent):
        assert "no_longer_here" in signed_in(user).get(page_of(gone)).content.decode()
