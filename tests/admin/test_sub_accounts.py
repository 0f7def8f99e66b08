"""The sub-account page: a write-only token, our stage names, proposals that count only once they are saved."""

import re
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.admin import crm_setup, subaccounts
from integrations.contract.errors import AuthError
from integrations.crm.budget import Known
from integrations.models import CustomField, Opportunity, Pipeline, Stage, SubAccount, WorkflowMapping
from integrations.sync import provision
from tenants.models import User
from tests.admin.conftest import TOKEN, World, signed_in


class PretendCrm:
    """A CRM client with two pipelines, one workflow and no custom fields yet."""

    def __init__(self) -> None:
        self.fields: list[dict[str, Any]] = []

    def pipelines(self) -> list[dict[str, Any]]:
        surgical = [
            "Consult Booked",
            "Consult Complete",
            "Surgery Scheduled",
            "Surgery Complete",
            "Cancel/No Show",
        ]
        return [
            {
                "id": "PS",
                "name": "Surgical",
                "stages": [{"id": f"s{i}", "name": n} for i, n in enumerate(surgical)],
            },
            {
                "id": "PN",
                "name": "Non-Surgical",
                "stages": [
                    {"id": f"n{i}", "name": n} for i, n in enumerate(["Booked", "Patient", "Cancel/No Show"])
                ],
            },
        ]

    def workflows(self) -> list[dict[str, Any]]:
        return [{"id": "W1", "name": "APro Invoice Paid", "status": "published"}]

    def list_custom_fields(self) -> list[dict[str, Any]]:
        return list(self.fields)

    def create_custom_field(self, name: str, data_type: str, parent_id: str = "") -> dict[str, Any]:
        made = {"id": f"made{len(self.fields)}", "name": name, "dataType": data_type}
        self.fields.append(made)
        return made


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> PretendCrm:
    found = PretendCrm()
    monkeypatch.setattr(crm_setup, "client_for", lambda account: found)
    monkeypatch.setattr(provision, "client_for", lambda account: found)
    return found


def page_of(account: SubAccount) -> str:
    return reverse("admin:integrations_subaccount_change", args=[account.pk])


def posted(**values: str) -> dict[str, str]:
    """The page as it is posted when nothing is changed."""
    return {
        "key": "main",
        "crm_subaccount_id": "LOC-bluestone",
        "is_default": "on",
        "pipeline_logic": "ax_connect",
        "pipeline_non_surgical": "P1",
        "stage_non_surgical_booked": "S1",
        "workflow_apro_appointments_update": "WF1",
        "custom_fields-TOTAL_FORMS": "0",
        "custom_fields-INITIAL_FORMS": "0",
        **values,
    }


def button(account: SubAccount, name: str) -> str:
    return reverse(f"admin:integrations_subaccount_{name}", args=[account.pk])


def stages(world: World) -> dict[str, str]:
    rows = Stage.objects.for_practice(world.practice).select_related("pipeline")
    return {f"{row.pipeline.kind}: {row.name}": row.crm_id for row in rows}


def test_the_token_is_never_rendered_and_typing_replaces_it(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    page = client.get(page_of(world.sub_account)).content.decode()
    assert TOKEN not in page
    assert 'placeholder="unchanged"' in page
    assert client.post(page_of(world.sub_account), posted()).status_code == 302
    world.sub_account.refresh_from_db()
    assert world.sub_account.token == TOKEN
    client.post(page_of(world.sub_account), posted(token=" pit-new "))
    world.sub_account.refresh_from_db()
    assert world.sub_account.token == "pit-new"


def test_who_only_reads_never_meets_the_token_or_the_secret(world: World, agent: User) -> None:
    page = signed_in(agent).get(page_of(world.sub_account)).content.decode()
    assert TOKEN not in page
    assert world.sub_account.webhook_secret not in page
    assert world.sub_account.webhook_key not in page
    assert "Med spa" in page


def test_a_new_token_ends_the_refusal(world: World, specialist: User) -> None:
    SubAccount.objects.for_practice(world.practice).update(needs_reauth_since=timezone.now())
    signed_in(specialist).post(page_of(world.sub_account), posted(token="pit-new"))
    world.sub_account.refresh_from_db()
    assert world.sub_account.needs_reauth_since is None


def test_a_token_that_stays_keeps_the_refusal(world: World, specialist: User) -> None:
    SubAccount.objects.for_practice(world.practice).update(needs_reauth_since=timezone.now())
    signed_in(specialist).post(page_of(world.sub_account), posted())
    world.sub_account.refresh_from_db()
    assert world.sub_account.needs_reauth_since is not None


def test_each_of_our_stages_has_a_box_for_the_kinds_that_the_practice_has(
    world: World, specialist: User
) -> None:
    page = signed_in(specialist).get(page_of(world.sub_account)).content.decode()
    for name in ("stage_surgical_surgery_scheduled", "stage_non_surgical_patient", "workflow_apro_birthday"):
        assert f'name="{name}"' in page
    world.practice.kind = "med_spa"
    world.practice.save()
    page = signed_in(specialist).get(page_of(world.sub_account)).content.decode()
    assert "stage_surgical_surgery_scheduled" not in page


def test_mappings_are_saved_changed_and_removed(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    more = {"stage_non_surgical_cancelled_no_show": "S2", "workflow_apro_invoice_paid": "WF2"}
    assert client.post(page_of(world.sub_account), posted(**more)).status_code == 302
    assert stages(world) == {"non_surgical: Booked": "S1", "non_surgical: Cancelled / No-Show": "S2"}
    client.post(
        page_of(world.sub_account),
        posted(stage_non_surgical_booked="S9", workflow_apro_appointments_update=""),
    )
    assert stages(world) == {"non_surgical: Booked": "S9"}
    assert not WorkflowMapping.objects.for_practice(world.practice).exists()


def test_a_stage_that_points_elsewhere_forgets_its_former_name(world: World, specialist: User) -> None:
    signed_in(specialist).post(page_of(world.sub_account), posted(stage_non_surgical_booked="S9"))
    assert Stage.objects.for_practice(world.practice).get(name="Booked").crm_name == ""


def test_stages_without_a_pipeline_are_refused(world: World, specialist: User) -> None:
    answer = signed_in(specialist).post(
        page_of(world.sub_account), posted(stage_surgical_surgery_complete="S7")
    )
    assert answer.status_code == 200
    assert "Choose the pipeline that these stages stand in." in answer.content.decode()


def test_a_stage_in_which_contacts_stand_cannot_be_unmapped(world: World, specialist: User) -> None:
    Opportunity.objects.for_practice(world.practice).update(stage="Booked")
    answer = signed_in(specialist).post(page_of(world.sub_account), posted(stage_non_surgical_booked=""))
    assert "Contacts stand in this stage" in answer.content.decode()
    assert stages(world) == {"non_surgical: Booked": "S1"}


def test_proposals_fill_empty_boxes_and_count_only_once_they_are_saved(
    world: World, specialist: User, crm: PretendCrm
) -> None:
    client = signed_in(specialist)
    client.post(button(world.sub_account, "propose_mappings"), {"_form_submitted": "True"})
    page = client.get(page_of(world.sub_account)).content.decode()
    assert "Proposals from the CRM stand in the boxes below." in page
    assert '<option value="s4" selected>' in page
    assert "S1 (not in the CRM any more)" in page
    assert stages(world) == {"non_surgical: Booked": "S1"}
    chosen = {
        "pipeline_surgical": "PS",
        "stage_surgical_cancelled_no_show": "s4",
        "pipeline_non_surgical": "PN",
        "stage_non_surgical_booked": "n0",
        "workflow_apro_invoice_paid": "W1",
    }
    assert client.post(page_of(world.sub_account), posted(**chosen)).status_code == 302
    assert stages(world) == {"surgical: Cancelled / No-Show": "s4", "non_surgical: Booked": "n0"}
    assert Stage.objects.for_practice(world.practice).get(crm_id="s4").crm_name == "Cancel/No Show"
    assert Pipeline.objects.for_practice(world.practice).get(kind="surgical").crm_name == "Surgical"


def test_a_stage_of_another_pipeline_is_refused(world: World, specialist: User, crm: PretendCrm) -> None:
    client = signed_in(specialist)
    client.post(button(world.sub_account, "propose_mappings"), {"_form_submitted": "True"})
    wrong = {"pipeline_non_surgical": "PN", "stage_non_surgical_booked": "s0"}
    answer = client.post(page_of(world.sub_account), posted(**wrong))
    assert "This stage stands in another pipeline of the CRM." in answer.content.decode()


def test_preview_names_the_missing_fields_and_makes_none(
    world: World, specialist: User, crm: PretendCrm
) -> None:
    client = signed_in(specialist)
    client.post(button(world.sub_account, "preview_fields"), {"_form_submitted": "True"})
    page = client.get(page_of(world.sub_account)).content.decode()
    assert "APro Client ID" in page
    assert "Missing" in page
    assert crm.fields == []


def test_provisioning_makes_the_missing_fields_and_keeps_the_new_list(
    world: World, specialist: User, crm: PretendCrm
) -> None:
    client = signed_in(specialist)
    client.post(button(world.sub_account, "provision_fields"), {"_form_submitted": "True"})
    assert crm.fields == [], "a worker makes them"
    assert "Making custom fields" in client.get(page_of(world.sub_account)).content.decode()
    provision.carry_on_provisioning()
    page = client.get(page_of(world.sub_account)).content.decode()
    assert f"{len(crm.fields)} made." in page
    made = {row["name"] for row in crm.fields}
    assert {"APro Client ID", "Patient Lifetime Value"} <= made
    kept = CustomField.objects.for_practice(world.practice).values_list("name", flat=True)
    assert set(kept) == made


def test_what_the_crm_refuses_is_said_in_its_words(
    world: World, specialist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(account: SubAccount) -> None:
        raise AuthError("The CRM refuses the token.", vendor_words="Invalid JWT")

    monkeypatch.setattr(crm_setup, "client_for", refuse)
    answer = signed_in(specialist).post(
        button(world.sub_account, "preview_fields"), {"_form_submitted": "True"}, follow=True
    )
    assert "The CRM refuses the token. Invalid JWT" in answer.content.decode()


def test_making_one_the_default_takes_it_from_the_other(world: World, specialist: User) -> None:
    data = {
        "practice": str(world.practice.pk),
        "key": "north",
        "crm_subaccount_id": "LOC2",
        "is_default": "on",
        "pipeline_logic": "ax_connect",
        "custom_fields-TOTAL_FORMS": "0",
        "custom_fields-INITIAL_FORMS": "0",
    }
    assert signed_in(specialist).post(reverse("admin:integrations_subaccount_add"), data).status_code == 302
    rows = SubAccount.objects.for_practice(world.practice).filter(is_default=True)
    assert [row.key for row in rows] == ["north"]


def test_the_secret_is_masked_with_a_copy_button_and_can_be_replaced(world: World, specialist: User) -> None:
    client = signed_in(specialist)
    page = client.get(page_of(world.sub_account)).content.decode()
    assert 'id="subaccount-secret" type="password"' in page
    assert 'data-copy="subaccount-secret"' in page
    before = (world.sub_account.webhook_key, world.sub_account.webhook_secret)
    client.post(button(world.sub_account, "rotate_webhook"), {"_form_submitted": "True"})
    world.sub_account.refresh_from_db()
    assert before[0] != world.sub_account.webhook_key
    assert before[1] != world.sub_account.webhook_secret


def test_a_sub_account_with_contacts_cannot_be_deleted(world: World, root: User) -> None:
    delete = reverse("admin:integrations_subaccount_delete", args=[world.sub_account.pk])
    assert signed_in(root).post(delete, {"post": "yes"}).status_code == 403


# --- the request budget ------------------------------------------------------------------------------------


def budget_page(world: World) -> str:
    return reverse("admin:subaccount-budget", args=[world.sub_account.pk])


def test_the_budget_is_not_known_while_nothing_was_asked(world: World, agent: User) -> None:
    page = signed_in(agent).get(page_of(world.sub_account)).content.decode()
    assert "Not known yet" in page
    assert f'hx-get="{budget_page(world)}"' in page


def test_the_budget_shows_the_window_and_the_day(
    world: World, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known(window_used=85, window_max=100, day_used=12_000, day_max=200_000, interval_ms=10_000)
    monkeypatch.setattr(subaccounts, "budget_of", lambda account: known)
    answer = signed_in(agent).get(budget_page(world))
    text = answer.content.decode()
    assert re.findall(r"<strong[^>]*>([\d,]+)</strong> of ([\d,]+) requests", text) == [
        ("85", "100"),
        ("12,000", "200,000"),
    ]
    assert "In 10 seconds" in text
    assert re.findall(r"ax-bar ([\w-]*)\"", text) == ["is-over", ""]
    assert "no-store" in answer["Cache-Control"]
    assert TOKEN not in text


def test_the_budget_of_another_practice_does_not_exist(world: World, other: World, agent: User) -> None:
    assert signed_in(agent).get(budget_page(other)).status_code == 404
