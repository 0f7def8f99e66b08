"""Inviting people: an e-mail with a link that opens once, a password of their own, and the way in."""

import re
from datetime import timedelta
from smtplib import SMTPException

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from categorization.models import Invitation
from categorization.review import invitations
from categorization.review.invitations import CannotInvite, invite
from tenants.models import Membership, Practice, Role, User
from tests.review.conftest import PASSWORD, make_type, person, signed_in

BASE = "https://connect.example.com"
NEW = {"new_password1": "another-long-one-42", "new_password2": "another-long-one-42"}


def link_in(number: int = -1) -> str:
    """The path of the link in an e-mail that was sent."""
    found = re.search(r"https?://[^/\s]+(/review/link/\S+)", str(mail.outbox[number].body))
    assert found
    return found[1]


@pytest.fixture
def invitation(practice: Practice, specialist: User) -> Invitation:
    return invite(practice, " Nora@Example.com", specialist, BASE + "/")


def test_somebody_new_becomes_a_reviewer_of_this_practice_only(
    invitation: Invitation, practice: Practice, elsewhere: Practice
) -> None:
    nora = invitation.user
    assert (nora.email, nora.is_staff, nora.has_usable_password()) == ("nora@example.com", False, False)
    assert nora.role_in(practice) == Role.REVIEWER
    assert nora.role_in(elsewhere) == ""


def test_the_e_mail_is_in_plain_words(invitation: Invitation) -> None:
    [sent] = mail.outbox
    assert sent.to == ["nora@example.com"]
    assert sent.subject == "Please review the appointment types of Bluestone Aesthetics"
    assert f"{BASE}/review/link/" in sent.body
    assert "Sam Specialist asks you" in sent.body
    assert "valid for 14 days" in sent.body
    assert "&" not in sent.body.replace(link_in(), "")


def test_the_link_leads_to_a_password_and_then_to_the_types(
    invitation: Invitation, practice: Practice
) -> None:
    make_type(practice, name="Peel")
    client = Client()
    assert "Choose a password" in client.get(link_in()).content.decode()
    answer = client.post(link_in(), NEW, follow=True)
    assert answer.redirect_chain[-1][0] == "/review/bluestone/"
    assert "Peel" in answer.content.decode()
    invitation.refresh_from_db()
    assert invitation.accepted_at is not None
    nora = User.objects.get(email="nora@example.com")
    assert nora.check_password(NEW["new_password1"])


def test_looking_at_a_link_uses_nothing_up(invitation: Invitation) -> None:
    for _ in range(3):
        assert Client().get(link_in()).status_code == 200
    assert Client().head(link_in()).status_code == 200


def test_a_link_opens_once(invitation: Invitation) -> None:
    Client().post(link_in(), NEW)
    for answer in (Client().get(link_in()), Client().post(link_in(), NEW)):
        assert answer.status_code == 410
        assert "used already" in answer.content.decode()
        assert "send the invitation again" in answer.content.decode()


def test_a_weak_password_is_refused_in_words(invitation: Invitation) -> None:
    answer = Client().post(link_in(), {"new_password1": "12345", "new_password2": "12345"})
    assert "too short" in answer.content.decode()
    invitation.user.refresh_from_db()
    assert not invitation.user.has_usable_password()


def test_a_link_is_too_old_after_14_days(invitation: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 14 * 86_400 - 60)
    assert Client().get(link_in()).status_code == 200
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 14 * 86_400 + 60)
    answer = Client().get(link_in())
    assert answer.status_code == 410
    assert "too old" in answer.content.decode()


@pytest.mark.parametrize(
    "change", [lambda link: link[:-6] + "/", lambda link: link.replace("link/", "link/x")]
)
def test_a_link_that_was_cut_or_forged_opens_nothing(invitation: Invitation, change) -> None:
    answer = Client().get(change(link_in()))
    assert answer.status_code == 410
    assert "not whole" in answer.content.decode()


def test_a_link_of_somebody_who_was_taken_off_opens_nothing(
    invitation: Invitation, practice: Practice
) -> None:
    Membership.objects.for_practice(practice).filter(user=invitation.user).delete()
    assert Client().get(link_in()).status_code == 410


def test_a_link_of_somebody_switched_off_opens_nothing(invitation: Invitation) -> None:
    User.objects.filter(pk=invitation.user_id).update(is_active=False)
    assert Client().get(link_in()).status_code == 410


def test_who_has_a_password_keeps_it_and_signs_in(
    practice: Practice, reviewer: User, specialist: User
) -> None:
    sent = invite(practice, reviewer.email, specialist, BASE)
    html = Client().get(link_in()).content.decode()
    assert "You have an account already" in html
    Client().post(link_in(), NEW)
    reviewer.refresh_from_db()
    assert reviewer.check_password(PASSWORD)
    Client().post("/review/sign-in/", {"username": reviewer.email, "password": PASSWORD})
    sent.refresh_from_db()
    assert sent.accepted_at is not None


def test_staff_who_sign_in_at_their_own_sign_in_have_come(practice: Practice, specialist: User) -> None:
    boss = person("boss@example.com", practice, Role.ADMINISTRATOR)
    sent = invite(practice, boss.email, specialist, BASE)
    page = signed_in(specialist).get("/review/bluestone/invite/").content.decode()
    assert "Not opened yet" in page
    refused = Client().post("/login/", {"username": boss.email, "password": "not this one"})
    sent.refresh_from_db()
    assert (refused.status_code, sent.accepted_at) == (200, None)
    answer = Client().post("/login/", {"username": boss.email, "password": PASSWORD})
    sent.refresh_from_db()
    assert (answer.status_code, sent.accepted_at is not None) == (302, True)
    page = signed_in(specialist).get("/review/bluestone/invite/").content.decode()
    assert "Accepted " in page
    assert "Not opened yet" not in page


def test_who_is_signed_in_already_and_follows_the_link_has_come(practice: Practice, specialist: User) -> None:
    boss = person("boss@example.com", practice, Role.ADMINISTRATOR)
    client = signed_in(boss)
    sent = invite(practice, boss.email, specialist, BASE)
    html = client.get(link_in()).content.decode()
    [way_on] = re.findall(r'href="(/review/sign-in/[^"]*)"', html)
    assert client.get(way_on).url == "/review/bluestone/"
    sent.refresh_from_db()
    assert sent.accepted_at is not None


def test_nobody_else_has_come_when_somebody_signs_in(
    invitation: Invitation, practice: Practice, reviewer: User
) -> None:
    Client().post("/review/sign-in/", {"username": reviewer.email, "password": PASSWORD})
    invitation.refresh_from_db()
    assert invitation.accepted_at is None


def test_staff_of_the_practice_keep_their_role(practice: Practice, specialist: User) -> None:
    boss = person("boss@example.com", practice, Role.ADMINISTRATOR)
    invite(practice, "boss@example.com", specialist, BASE)
    boss = User.objects.get(pk=boss.pk)
    assert (boss.role_in(practice), boss.is_staff) == (Role.ADMINISTRATOR, True)


def test_staff_of_another_practice_stay_staff_there(
    practice: Practice, elsewhere: Practice, specialist: User
) -> None:
    person("theirs@example.com", elsewhere, Role.ADMINISTRATOR)
    invite(practice, "theirs@example.com", specialist, BASE)
    theirs = User.objects.get(email="theirs@example.com")
    assert theirs.role_in(elsewhere) == Role.ADMINISTRATOR
    assert theirs.role_in(practice) == Role.REVIEWER
    assert theirs.is_staff


def test_who_cannot_review_is_not_invited(practice: Practice, specialist: User) -> None:
    person("agent@example.com", practice, Role.SUPPORT)
    person("gone@example.com", is_active=False)
    User.objects.create_user("company@example.com", company_role=Role.SUPPORT)
    for email, words in (
        ("agent@example.com", "has a role already"),
        ("company@example.com", "has a role already"),
        ("gone@example.com", "switched off"),
        ("no address", "not an e-mail address"),
    ):
        with pytest.raises(CannotInvite, match=words):
            invite(practice, email, specialist, BASE)
    assert mail.outbox == []
    assert not Invitation.objects.for_practice(practice).exists()


def test_an_e_mail_that_does_not_go_out_leaves_no_invitation(
    practice: Practice, specialist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> int:
        raise SMTPException("down")

    monkeypatch.setattr(invitations, "send_mail", fails)
    with pytest.raises(CannotInvite, match="could not be sent"):
        invite(practice, "nora@example.com", specialist, BASE)
    assert not Invitation.objects.for_practice(practice).exists()


# The page


def test_staff_invite_several_at_once_and_see_who_came(practice: Practice, specialist: User) -> None:
    client = signed_in(specialist)
    html = client.post(
        "/review/bluestone/invite/",
        {"emails": "a@example.com, b@example.com\nA@example.com nonsense"},
        follow=True,
    ).content.decode()
    assert [message.to[0] for message in mail.outbox] == ["a@example.com", "b@example.com"]
    assert "&quot;nonsense&quot; is not an e-mail address" in html
    Client().post(link_in(0), NEW)
    html = client.get("/review/bluestone/invite/").content.decode()
    assert html.count("Accepted ") == 1
    assert html.count("Not opened yet") == 1


def test_a_link_can_be_sent_again(practice: Practice, specialist: User, invitation: Invitation) -> None:
    Invitation.objects.across_practices().update(sent_at=timezone.now() - timedelta(days=15))
    client = signed_in(specialist)
    assert "The link is too old" in client.get("/review/bluestone/invite/").content.decode()
    html = client.post(f"/review/bluestone/invite/{invitation.pk}/again/", follow=True).content.decode()
    assert "(2 times)" in html
    assert "Not opened yet" in html
    assert len(mail.outbox) == 2
    assert Client().get(link_in()).status_code == 200


def test_too_many_addresses_at_once_are_refused(practice: Practice, specialist: User) -> None:
    many = " ".join(f"p{number}@example.com" for number in range(21))
    html = signed_in(specialist).post("/review/bluestone/invite/", {"emails": many}).content.decode()
    assert "At most 20" in html
    assert mail.outbox == []


def test_a_reviewer_invites_nobody(client: Client, practice: Practice, invitation: Invitation) -> None:
    assert client.get("/review/bluestone/invite/").status_code == 404
    assert client.post("/review/bluestone/invite/", {"emails": "x@example.com"}).status_code == 404
    assert client.post(f"/review/bluestone/invite/{invitation.pk}/again/").status_code == 404
    assert "Invite people" not in client.get("/review/bluestone/").content.decode()
    assert len(mail.outbox) == 1


def test_an_invitation_of_another_practice_cannot_be_sent_again(
    practice: Practice, elsewhere: Practice, invitation: Invitation
) -> None:
    theirs = signed_in(person("theirs@example.com", elsewhere, Role.ADMINISTRATOR))
    assert theirs.post(f"/review/harbor/invite/{invitation.pk}/again/").status_code == 404
    assert theirs.get("/review/bluestone/invite/").status_code == 404


def test_two_who_invite_the_same_person_at_once_both_have_done_so(
    practice: Practice, elsewhere: Practice, specialist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_user("nora@example.com")
    manager, really = type(User.objects), User.objects.filter

    def looked_a_moment_before(_: object, **which: str) -> object:
        monkeypatch.setattr(manager, "filter", lambda _, *given, **named: really(*given, **named))
        return User.objects.none()

    monkeypatch.setattr(manager, "filter", looked_a_moment_before)
    assert invite(practice, "nora@example.com", specialist, BASE).user.role_in(practice) == Role.REVIEWER
