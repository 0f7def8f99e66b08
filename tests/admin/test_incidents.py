"""An incident's page: what it says to do, and the one kind that a person may end."""

import pytest
from django.urls import reverse
from django.utils.html import escape

from integrations.admin.incidents import ADVICE
from integrations.models import Incident, IncidentKind
from tenants.models import Role
from tests.admin.conftest import World, person, signed_in


@pytest.fixture
def refused(world: World) -> Incident:
    """The CRM refuses the native date of birth of the practice's sub-account."""
    world.sub_account.refuses_birth_date = True
    world.sub_account.save(update_fields=["refuses_birth_date"])
    row: Incident = Incident.objects.create(
        practice=world.practice,
        kind="birth_date_refused",
        subject="sub-account",
        sub_account=world.sub_account,
    )
    return row


def page_of(client, row) -> str:
    return client.get(reverse("admin:integrations_incident_change", args=[row.pk])).content.decode()


def test_a_refused_date_of_birth_is_left_so_by_a_person_who_sets_up(world, refused):
    client = signed_in(person("anna@example.com", world.practice, Role.ONBOARDING))
    assert "Leave it so" in page_of(client, refused)
    client.post(
        reverse("admin:integrations_incident_leave_it", args=[refused.pk]), {"_form_submitted": "True"}
    )
    refused.refresh_from_db()
    assert refused.closed_at is not None
    world.sub_account.refresh_from_db()
    assert world.sub_account.refuses_birth_date
    assert "Leave it so" not in page_of(client, refused)


def test_what_is_left_so_is_written_again_from_the_sub_accounts_page(world, refused):
    client = signed_in(person("anna@example.com", world.practice, Role.ONBOARDING))
    address = reverse("admin:integrations_subaccount_change", args=[world.sub_account.pk])
    assert "Write the date of birth again" in client.get(address).content.decode()
    client.post(
        reverse("admin:integrations_subaccount_write_birth_date", args=[world.sub_account.pk]),
        {"_form_submitted": "True"},
    )
    world.sub_account.refresh_from_db()
    refused.refresh_from_db()
    assert not world.sub_account.refuses_birth_date
    assert refused.closed_at is not None
    assert "Write the date of birth again" not in client.get(address).content.decode()


def test_what_ends_by_itself_has_no_button(world, root):
    assert world.incident.kind != "birth_date_refused"
    assert "Leave it so" not in page_of(signed_in(root), world.incident)


@pytest.mark.parametrize("kind", IncidentKind)
def test_each_kind_says_what_a_person_does_about_it(world, root, kind):
    world.incident.kind = kind
    world.incident.save()
    page = page_of(signed_in(root), world.incident)
    assert kind.label in page
    assert escape(ADVICE[kind]) in page
