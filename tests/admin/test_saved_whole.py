"""What is entered in one go is stored whole or not at all, and nobody takes back what somebody else entered."""

from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from integrations.admin import connection_form, mapping_form, polls
from integrations.admin.mapping_form import CrmListing, form_of, pipeline_field, stage_field, workflow_field
from integrations.contract.protocols import Capability
from integrations.models import Connection, PipelineKind, SubAccount
from integrations.sync.golive import TESTED
from integrations.sync.profile import load_profile
from integrations.views.setup import emr as emr_step
from tests.admin.conftest import World

NON_SURGICAL = PipelineKind.NON_SURGICAL


def dies(*given: Any, **named: Any) -> Any:
    raise OperationalError("gone")


def test_a_default_gives_way_only_to_one_that_is_saved(world: World, monkeypatch) -> None:
    other = SubAccount.objects.create(
        practice=world.practice, key="other", crm_subaccount_id="LOC-2", token="pit-other"
    )
    monkeypatch.setattr(mapping_form, "reauthenticated", dies)
    data = {
        "practice": world.practice.pk,
        "key": "other",
        "crm_subaccount_id": "LOC-2",
        "token": "pit-new",
        "is_default": "on",
        "pipeline_logic": "ax_connect",
    }
    form = form_of(other, CrmListing())(data, instance=other)
    assert form.is_valid(), form.errors
    with pytest.raises(OperationalError):
        form.save_account()
    default = SubAccount.objects.for_practice(world.practice).get(is_default=True)
    assert default.pk == world.sub_account.pk, "without one, what no location is mapped for would be held"
    other.refresh_from_db()
    assert other.token == "pit-other"


def test_workers_never_see_a_pipeline_with_the_stages_of_another(world: World, monkeypatch) -> None:
    """Events that were written so would be refused, and parked for a person."""
    before = load_profile(world.practice.pk).sub_accounts[world.sub_account.pk].pipelines[NON_SURGICAL]
    form = form_of(world.sub_account, CrmListing(), kinds=[NON_SURGICAL], names=["APro Appointments Update"])
    names = ("practice", "key", "crm_subaccount_id", "is_default", "pipeline_logic", "token")
    data = {
        pipeline_field(NON_SURGICAL): "P9",
        stage_field(NON_SURGICAL, "Booked"): "S9",
        workflow_field("APro Appointments Update"): "WF9",
    }
    filled = form(data, instance=world.sub_account)
    for name in names:
        filled.fields.pop(name)
    assert filled.is_valid(), filled.errors
    really = mapping_form._point

    def dies_at_the_stage(row: Any, *given: str) -> None:
        really(row, *given) if hasattr(row, "kind") else dies()

    monkeypatch.setattr(mapping_form, "_point", dies_at_the_stage)
    with pytest.raises(OperationalError):
        filled.save_mappings()
    found = load_profile(world.practice.pk).sub_accounts[world.sub_account.pk].pipelines[NON_SURGICAL]
    assert found == before


def test_new_credentials_are_stored_together_with_what_they_end(world: World, monkeypatch) -> None:
    monkeypatch.setattr(connection_form, "reauthenticated", dies)
    with pytest.raises(OperationalError):
        emr_step._new_secret(world.connection)
    stored = Connection.objects.for_practice(world.practice).get(pk=world.connection.pk)
    assert stored.credentials != world.connection.credentials


@pytest.fixture
def tried(world: World, monkeypatch) -> Any:
    """Tries the connection; ``meanwhile`` happens while the EMR is asked."""

    def run(meanwhile: Any) -> dict[str, Any]:
        row = Connection.objects.for_practice(world.practice).get(pk=world.connection.pk)

        def answers(client: Any, capability: Capability) -> polls.Tried:
            other = Connection.objects.for_practice(world.practice).get(pk=row.pk)
            meanwhile(other)
            return polls.Tried(capability, "Works.", True)

        monkeypatch.setattr(polls, "capabilities", lambda row: [Capability("sign_in", "Sign in")])
        monkeypatch.setattr(polls, "client_for", lambda *given, **named: None)
        monkeypatch.setattr(polls, "_try", answers)
        polls.try_all(row, "Ada")
        return Connection.objects.for_practice(world.practice).get(pk=row.pk).ticks

    return run


def test_a_test_of_the_old_credentials_says_nothing_of_those_entered_meanwhile(tried) -> None:
    def enters(row: Connection) -> None:
        row.credentials = {"header_secret": "another"}
        row.ticks = {name: value for name, value in row.ticks.items() if name != TESTED}
        row.save()

    assert TESTED not in tried(enters)


def test_what_is_ticked_while_a_connection_is_tested_stays_ticked(tried) -> None:
    def ticks(row: Connection) -> None:
        row.ticks = {"agreement": {"by": "Eve", "at": timezone.now().isoformat()}}
        row.save()

    assert set(tried(ticks)) == {"agreement", TESTED}
