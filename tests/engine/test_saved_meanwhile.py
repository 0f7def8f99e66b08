"""A form is saved while the engine writes the same row: neither takes back what the other did."""

import pytest

from integrations.models import Connection, SubAccount
from integrations.signals import raise_config_version
from integrations.sync import circuit
from integrations.sync.profile import profiles
from tenants.models import Practice, PracticeState


def test_a_practice_that_was_read_before_its_set_up_changed_still_tells_the_workers_of_what_is_saved(world):
    read_before = Practice.objects.across_practices().get(pk=world.practice.pk)
    raise_config_version(world.practice.pk)
    assert not profiles([world.practice.pk])[world.practice.pk].is_paused
    read_before.state = PracticeState.PAUSED
    read_before.save()
    assert profiles([world.practice.pk])[world.practice.pk].is_paused


@pytest.mark.parametrize("side", [Connection, SubAccount])
def test_a_side_that_failed_while_its_form_was_open_is_closed_off_still_and_its_incident_ends(world, side):
    row = side.objects.for_practice(world.practice).get()
    for _ in range(circuit.FAILURES_TO_OPEN):
        circuit.failed(side, row.pk, world.practice.pk, "It does not answer.")
    row.save()
    circuit.forget()
    assert circuit.seconds_closed_off(side, row.pk) > 0
    circuit.succeeded(side, row.pk, world.practice.pk)
    assert world.incidents() == []


def test_a_sub_account_whose_form_was_open_stays_without_the_credentials_that_were_refused_meanwhile(world):
    row = world.account
    circuit.refused(SubAccount, row.pk, world.practice.pk, "The CRM refuses the token.")
    row.save()
    circuit.forget()
    assert circuit.needs_reauth(SubAccount, row.pk)


def test_a_form_of_a_new_row_and_one_that_names_its_columns_save_all_that_they_say(world):
    made = SubAccount.objects.create(
        practice=world.practice, key="other", crm_subaccount_id="LOC2", failures_in_a_row=2
    )
    assert SubAccount.objects.for_practice(world.practice).get(pk=made.pk).failures_in_a_row == 2
    made.failures_in_a_row = 3
    made.save(update_fields=["failures_in_a_row"])
    assert SubAccount.objects.for_practice(world.practice).get(pk=made.pk).failures_in_a_row == 3
