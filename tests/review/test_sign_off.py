"""The sign-off: only when everything is reviewed, under a name, and what is new since then."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from categorization.models import AppointmentType, SignOff
from tenants.models import Practice, User
from tests.review.conftest import AGREED, confirmed, make_type


def shown(client: Client) -> str:
    html = client.get("/review/bluestone/").content.decode()
    return html[html.index('id="sign-off"') : html.index('id="legend"')]


def sign(client: Client, name: str) -> str:
    return client.post("/review/bluestone/sign-off/", {"name": name}, follow=True).content.decode()


@pytest.fixture
def signed(client: Client, practice: Practice, reviewer: User) -> SignOff:
    """Everything was confirmed and signed yesterday."""
    confirmed(practice, reviewer, name="Old")
    sign(client, "Rita R.")
    yesterday = timezone.now() - timedelta(days=1)
    AppointmentType.objects.across_practices().update(first_seen_at=yesterday - timedelta(days=5))
    SignOff.objects.across_practices().update(signed_at=yesterday)
    return SignOff.objects.for_practice(practice).get()


def test_it_waits_until_every_type_has_its_category(
    client: Client, practice: Practice, reviewer: User
) -> None:
    confirmed(practice, reviewer)
    make_type(practice)
    assert "disabled>Sign off" in shown(client)
    assert "1 type is still to review" in shown(client)
    assert "Some types are still to review" in sign(client, "Rita")
    assert not SignOff.objects.for_practice(practice).exists()


def test_without_types_there_is_nothing_to_sign(client: Client, practice: Practice) -> None:
    assert "disabled>Sign off" in shown(client)
    sign(client, "Rita")
    assert not SignOff.objects.for_practice(practice).exists()


def test_it_keeps_name_time_and_number(client: Client, practice: Practice, reviewer: User) -> None:
    confirmed(practice, reviewer)
    confirmed(practice, reviewer)
    assert 'value="Rita Reviewer" required>' in shown(client)
    assert "(America/Denver)" in shown(client)
    assert "The review is signed off." in sign(client, "Dr. Rita R.")
    kept = SignOff.objects.for_practice(practice).get()
    assert (kept.name, kept.user, kept.types) == ("Dr. Rita R.", reviewer, 2)
    assert "Signed off by <strong>Dr. Rita R.</strong>" in shown(client)
    assert "<form" not in shown(client)


def test_a_name_is_needed(client: Client, practice: Practice, reviewer: User) -> None:
    confirmed(practice, reviewer)
    assert "Write your name" in sign(client, "  ")
    assert not SignOff.objects.for_practice(practice).exists()


def test_a_new_type_asks_for_the_signature_again(client: Client, practice: Practice, signed: SignOff) -> None:
    assert "since you signed off" not in shown(client)
    new = make_type(practice)
    assert "1 new type since you signed off." in shown(client)
    assert "disabled>Sign off" in shown(client)
    client.post(f"/review/bluestone/types/{new.pk}/", {"category": AGREED})
    assert "1 new type since you signed off." in shown(client)
    sign(client, "Rita R.")
    assert "since you signed off" not in shown(client)
    assert SignOff.objects.for_practice(practice).count() == 2


def test_a_changed_type_asks_for_the_signature_again(
    client: Client, practice: Practice, signed: SignOff
) -> None:
    old = AppointmentType.objects.for_practice(practice).get()
    client.post(f"/review/bluestone/types/{old.pk}/", {"category": "Blocked", "moves": "no"})
    assert "1 type changed since you signed off." in shown(client)
    assert "new type" not in shown(client)
