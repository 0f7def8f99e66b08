"""The reviewers' own sign-in, sign-out and forgotten password."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from axconnect.logs import LineFormatter
from tenants.models import Practice, Role, User
from tests.review.conftest import PASSWORD, person, signed_in

SIGN_IN = "/review/sign-in/"


def sign_in(email: str, password: str = PASSWORD, **more: str) -> tuple[Client, object]:
    client = Client()
    return client, client.post(SIGN_IN, {"username": email, "password": password, **more})


def test_a_stranger_is_asked_to_sign_in_and_comes_back(practice: Practice, reviewer: User) -> None:
    answer = Client().get("/review/bluestone/?show=review")
    assert answer["Location"] == "/review/sign-in/?next=/review/bluestone/%3Fshow%3Dreview"
    _, after = sign_in("RITA@example.com", next="/review/bluestone/?show=review")
    assert after["Location"] == "/review/bluestone/?show=review"


def test_without_a_page_to_come_back_to_it_leads_to_the_review(reviewer: User) -> None:
    client, answer = sign_in(reviewer.email)
    assert answer["Location"] == "/review/"
    assert client.get(SIGN_IN)["Location"] == "/review/"


def test_it_does_not_lead_to_other_servers(reviewer: User) -> None:
    _, answer = sign_in(reviewer.email, next="https://elsewhere.example.com/")
    assert answer["Location"] == "/review/"


def test_a_wrong_password_is_said_in_words(reviewer: User) -> None:
    _, answer = sign_in(reviewer.email, "wrong")
    assert "do not fit together" in answer.content.decode()


def test_guessing_is_stopped(reviewer: User, settings) -> None:
    answers = [sign_in(reviewer.email, "wrong")[1].status_code for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert answers == [200] * (len(answers) - 1) + [429]
    _, locked = sign_in(reviewer.email)
    assert locked.status_code == 429
    assert "Too many attempts" in locked.content.decode()


def test_signing_out_needs_a_press_and_ends_it(client: Client, practice: Practice) -> None:
    assert client.get("/review/sign-out/").status_code == 405
    assert client.post("/review/sign-out/")["Location"] == SIGN_IN
    assert client.get("/review/bluestone/").status_code == 302


def test_a_live_part_asks_the_page_to_sign_in_again(practice: Practice) -> None:
    answer = Client().post("/review/bluestone/agree/", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/review/sign-in/?next=/review/"


def test_the_staffs_sign_in_shows_reviewers_the_way(reviewer: User) -> None:
    assert 'href="/review/sign-in/"' in Client().get("/login/").content.decode()
    html = signed_in(reviewer).get("/", follow=True).content.decode()
    assert 'href="/review/"' in html


def test_who_may_review_nothing_is_told_so(practice: Practice) -> None:
    support = signed_in(person("agent@example.com", practice, Role.SUPPORT))
    assert "whose role includes no review" in support.get(SIGN_IN).content.decode()


# Forgotten


def forgot(email: str) -> str:
    answer = Client().post("/review/forgotten/", {"email": email})
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", answer.content.decode())


def link_in() -> str:
    found = re.search(r"https?://[^/\s]+(/review/link/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_a_link_by_e_mail_leads_to_a_new_password_once(reviewer: User) -> None:
    forgot("Rita@Example.com")
    new = {"new_password1": "another-long-one-42", "new_password2": "another-long-one-42"}
    client = Client()
    assert client.post(link_in(), new)["Location"] == "/review/"
    assert client.get("/review/bluestone/").status_code == 200
    reviewer.refresh_from_db()
    assert reviewer.check_password("another-long-one-42")
    assert client.get(link_in()).status_code == 410


def test_nobody_learns_who_has_an_account(reviewer: User) -> None:
    assert forgot(reviewer.email) == forgot("nobody@example.com")
    assert len(mail.outbox) == 1


def test_not_two_within_two_minutes_and_none_for_staff_or_who_left(
    practice: Practice, reviewer: User
) -> None:
    person("boss@example.com", practice, Role.ADMINISTRATOR)
    person("left@example.com", practice, is_active=False)
    for email in (reviewer.email, reviewer.email, "boss@example.com", "left@example.com"):
        forgot(email)
    assert [message.to for message in mail.outbox] == [[reviewer.email]]


def test_the_link_is_valid_for_a_day(reviewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    forgot(reviewer.email)
    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 86_400 + 60)
    assert Client().get(link_in()).status_code == 410


def test_a_link_never_stands_in_the_log(reviewer: User) -> None:
    import logging

    path = reverse("review:link", args=["abc:def"])
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Gone: %s", (path,), None)
    assert LineFormatter("%(message)s").format(record) == "Gone: /review/link/***/"
