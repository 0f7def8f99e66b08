"""/healthz, /readyz, /metrics: what they say, and what they say when something is away."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import responses
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from django.utils import timezone

from axconnect import health
from integrations.models import Connection, EventState, InboundEvent, PollCursor
from tenants.models import Practice, PracticeKind

pytestmark = pytest.mark.django_db
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def beating(own_redis: redis.Redis) -> redis.Redis:
    """Redis with a scheduler and two workers that reported just now."""
    now = time.time()
    own_redis.set(health.BEAT_KEY, now)
    own_redis.zadd(health.WORKERS_KEY, {"worker-1": now, "worker-2": now - 2, "long-gone": now - 3600})
    return own_redis


@pytest.fixture
def store() -> Callable[..., InboundEvent]:
    practice = Practice.objects.create(slug="bluestone", name="Bluestone", kind=PracticeKind.MED_SPA)
    connection = Connection.objects.create(practice=practice, key="apro", emr="aestheticspro")
    numbers = iter(range(1000))

    def make(state: str, age: float = 0) -> InboundEvent:
        return InboundEvent.objects.create(
            practice=practice,
            connection=connection,
            source="webhook",
            dedupe_key=str(next(numbers)),
            received_at=timezone.now() - timedelta(seconds=age),
            state=state,
        )

    return make


def ask_readyz() -> tuple[int, dict[str, Any]]:
    response = health.readyz(RequestFactory().get("/readyz"))
    return response.status_code, json.loads(response.content)


def ask_metrics(token: str = TOKEN) -> str:
    request = RequestFactory().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    return health.metrics(request).content.decode()


def test_healthz_answers_without_database_or_redis() -> None:
    assert health.healthz(RequestFactory().get("/healthz")).status_code == 200


def test_ready_when_everybody_reported(beating: redis.Redis) -> None:
    assert ask_readyz() == (
        200,
        {
            "database": "ok",
            "redis": "ok",
            "scheduler": "ok",
            "workers": 2,
            "polls": "ok",
            "waiting": 0,
            "oldest_waiting_seconds": 0.0,
            "held": 0,
            "parked": 0,
        },
    )


def test_held_and_parked_events_do_not_count_as_waiting(
    beating: redis.Redis, store: Callable[..., InboundEvent]
) -> None:
    for state, age in [
        ("waiting", 5),
        ("waiting", 40),
        ("held", 900),
        ("parked", 800),
        ("parked", 1),
        ("done", 9),
    ]:
        store(EventState(state), age)

    status, answer = ask_readyz()

    assert status == 200
    assert (answer["waiting"], answer["held"], answer["parked"]) == (2, 1, 2)
    assert 40 <= answer["oldest_waiting_seconds"] < 60


def test_not_ready_while_the_scheduler_is_silent(beating: redis.Redis) -> None:
    beating.set(health.BEAT_KEY, time.time() - 60)
    status, answer = ask_readyz()
    assert status == 503
    assert answer["scheduler"] == "silent for 60 s"


def test_not_ready_before_the_scheduler_and_a_worker_reported(own_redis: redis.Redis) -> None:
    status, answer = ask_readyz()
    assert status == 503
    assert (answer["scheduler"], answer["workers"]) == ("has not reported yet", 0)


def test_not_ready_without_redis_and_the_address_stays_secret(settings: Any) -> None:
    settings.REDIS_URL = "redis://:top-secret@127.0.0.1:1/0"
    status, answer = ask_readyz()
    assert status == 503
    assert answer["redis"] == "does not answer (ConnectionError)"
    assert answer["database"] == "ok"
    assert "secret" not in json.dumps(answer)


def test_not_ready_without_the_database(beating: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("could not connect as ax with password secret")

    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", fail)
    status, answer = ask_readyz()
    assert status == 503
    assert answer["database"] == "cannot be read (OperationalError)"
    assert answer["redis"] == "ok"


def late_cursor(**changes: Any) -> PollCursor:
    practice = Practice.objects.create(slug="harbor", name="Harbor", kind=PracticeKind.PLASTIC_SURGERY)
    connection = Connection.objects.create(practice=practice, key="modmed", emr="modmed")
    due = timezone.now() - timedelta(minutes=10)
    return PollCursor.objects.create(
        practice=practice, connection=connection, resource="patients", next_at=due, **changes
    )


def test_not_ready_while_something_is_to_be_polled_and_no_worker_polls(beating: redis.Redis) -> None:
    late_cursor()
    status, answer = ask_readyz()
    assert (status, answer["polls"]) == (503, "no worker polls")


def test_a_connection_that_is_late_is_said_and_takes_nobody_out_of_service(beating: redis.Redis) -> None:
    beating.zadd(health.POLLERS_KEY, {"polls-1": time.time()})
    row = late_cursor()
    assert (ask_readyz()[0], ask_readyz()[1]["polls"]) == (200, "1 connection is late")
    row.next_at = timezone.now()
    row.save()
    assert ask_readyz()[1]["polls"] == "ok"


def test_readyz_asks_the_database_twice(
    beating: redis.Redis, store: Callable[..., InboundEvent], django_assert_num_queries: Any
) -> None:
    for state in EventState.values:
        store(state)
    with django_assert_num_queries(2):
        ask_readyz()


def test_the_demo_adds_what_the_sandbox_holds(beating: redis.Redis, settings: Any) -> None:
    settings.DEMO, settings.SANDBOX_URL, settings.SANDBOX_KEY = True, "http://127.0.0.1:9", "key"
    summary = {"contacts": 4, "notes": 9, "opportunities": 3, "more": 1}
    with responses.RequestsMock() as sandbox:
        sandbox.get(
            "http://127.0.0.1:9/_sandbox/summary",
            json=summary,
            match=[responses.matchers.header_matcher({"X-Sandbox-Key": "key"})],
        )
        assert ask_readyz()[1]["sandbox"] == {"contacts": 4, "notes": 9, "opportunities": 3}


def test_a_sandbox_that_is_away_is_said_and_does_not_matter(beating: redis.Redis, settings: Any) -> None:
    settings.DEMO, settings.SANDBOX_URL, settings.SANDBOX_KEY = True, "http://127.0.0.1:9", "key"
    with responses.RequestsMock() as sandbox:
        sandbox.get("http://127.0.0.1:9/_sandbox/summary", status=500)
        status, answer = ask_readyz()
    assert status == 200
    assert answer["sandbox"] == {"fault": "does not answer (HTTPError)"}


def test_there_are_no_metrics_without_a_token(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    with pytest.raises(Http404):
        ask_metrics()


def test_metrics_refuse_a_wrong_token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer é"},
    ):
        response = health.metrics(RequestFactory().get("/metrics", headers=headers))
        assert response.status_code == 401


def test_metrics_count_events_lanes_incidents_and_ages(
    beating: redis.Redis, store: Callable[..., InboundEvent], settings: Any, django_assert_num_queries: Any
) -> None:
    settings.METRICS_TOKEN = TOKEN
    store("waiting", 30)
    newest = store("held")
    with django_assert_num_queries(5):
        text = ask_metrics()

    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['ax_events{state="waiting"}'] == "1.0"
    assert lines['ax_events{state="held"}'] == "1.0"
    assert lines['ax_events{state="parked"}'] == "0.0"
    assert float(lines["ax_events_received_total"]) == newest.pk
    assert lines["ax_workers"] == "2.0"
    assert (lines["ax_redis_up"], lines["ax_database_up"]) == ("1.0", "1.0")
    assert lines["ax_lanes_due"] == lines["ax_incidents_open"] == "0.0"
    assert 0 <= float(lines["ax_scheduler_silent_seconds"]) < 15


def test_metrics_still_answer_without_redis(settings: Any) -> None:
    settings.METRICS_TOKEN, settings.REDIS_URL = TOKEN, "redis://127.0.0.1:1/0"
    text = ask_metrics()
    assert "ax_redis_up 0.0" in text
    assert "ax_database_up 1.0" in text
