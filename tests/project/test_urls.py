"""Who may open what, and what a stranger learns."""

import logging
from typing import Any

import pytest
import redis
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from axconnect.logs import LineFormatter
from tenants.models import User

QUEUE_PAGES = ["/queues/", "/queues/queues/0/", "/queues/stats.json", "/queues/metrics", "/queues/workers/0/"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser() -> User:
    return User.objects.create_superuser("root@example.com", "a-long-password")


@pytest.fixture
def agent() -> User:
    return User.objects.create_user("agent@example.com", "a-long-password", is_staff=True)


def test_the_staff_application_is_at_the_root_and_asks_to_sign_in(client: Client) -> None:
    assert reverse("admin:index") == "/"
    response = client.get("/", follow=True)
    assert response.status_code == 200
    assert b"AX Connect" in response.content


def test_health_needs_no_sign_in(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize("path", QUEUE_PAGES)
def test_queue_pages_ask_strangers_to_sign_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("path", QUEUE_PAGES)
def test_queue_pages_refuse_staff(client: Client, agent: User, path: str) -> None:
    client.force_login(agent)
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("path", QUEUE_PAGES)
def test_queue_pages_open_for_superusers(
    client: Client, superuser: User, own_redis: redis.Redis, path: str
) -> None:
    client.force_login(superuser)
    assert client.get(path).status_code == 200


def test_signing_in_is_by_email_in_any_case(client: Client, superuser: User) -> None:
    form = {"username": "Root@Example.com", "password": "a-long-password"}
    assert client.post(reverse("admin:login"), form).status_code == 302


def test_guessing_passwords_is_stopped(client: Client, superuser: User, settings: Any) -> None:
    wrong = {"username": superuser.email, "password": "wrong"}
    answers = [
        client.post(reverse("admin:login"), wrong).status_code for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert answers == [200] * (len(answers) - 1) + [429]
    right = {"username": superuser.email, "password": "a-long-password"}
    locked = client.post(reverse("admin:login"), right)
    assert locked.status_code == 429
    assert "Too many attempts" in locked.content.decode()


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_a_problem_page_needs_nothing_else_to_look_right(name: str) -> None:
    page = render_to_string(f"{name}.html")
    assert page.count("<h1>") == 1
    assert "<style>" in page
    assert "src=" not in page
    assert "stylesheet" not in page


def test_a_page_that_is_not_there_says_so_to_who_is_signed_in(client: Client, superuser: User) -> None:
    client.force_login(superuser)
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


def test_a_log_line_never_holds_the_key_of_a_webhook() -> None:
    record = logging.LogRecord(
        "django.request", logging.WARNING, "", 0, "Not Found: %s", ("/webhooks/emr/s3cret-key/",), None
    )
    assert LineFormatter("%(message)s").format(record) == "Not Found: /webhooks/emr/***/"


def test_probes_work_without_https_where_everything_else_is_redirected(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 301
