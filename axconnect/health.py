"""/healthz, /readyz, /metrics: is it alive, can it work, how much is there to do. Few, fixed queries."""

import hmac
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
import requests
from django.conf import settings
from django.db import Error
from django.db.models import Count, Max, Min
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from integrations.models import InboundEvent, Incident, Lane
from integrations.models.narrowing import open_events

BEAT_KEY = "ax:scheduler:beat"
WORKERS_KEY = "ax:workers"
FRESH_SECONDS = 15
COUNTED_STATES = ("waiting", "held", "parked")


@dataclass(frozen=True)
class Pulse:
    """What Redis knows of the other processes. ``fault`` is empty while Redis answers."""

    fault: str = ""
    scheduler_age: float | None = None
    worker_ages: tuple[float, ...] = ()

    @property
    def scheduler(self) -> str:
        """ "ok", or what is wrong."""
        if self.fault:
            return "unknown: Redis does not answer"
        if self.scheduler_age is None:
            return "has not reported yet"
        if self.scheduler_age > FRESH_SECONDS:
            return f"silent for {self.scheduler_age:.0f} s"
        return "ok"

    @property
    def workers(self) -> int:
        """How many workers reported lately."""
        return sum(age <= FRESH_SECONDS for age in self.worker_ages)


@dataclass(frozen=True)
class Backlog:
    """What the database knows of the work. ``fault`` is empty while it answers."""

    fault: str = ""
    counts: dict[str, int] | None = None
    oldest_waiting_seconds: float = 0.0

    def count(self, state: str) -> int:
        """Events in this state; 0 while the database does not answer."""
        return (self.counts or {}).get(state, 0)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process lives."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when events that arrive now will be worked on, else 503; the JSON says what is missing."""
    pulse, backlog = read_pulse(), read_backlog()
    answer: dict[str, Any] = {
        "database": backlog.fault or "ok",
        "redis": pulse.fault or "ok",
        "scheduler": pulse.scheduler,
        "workers": pulse.workers,
        "waiting": backlog.count("waiting"),
        "oldest_waiting_seconds": round(backlog.oldest_waiting_seconds, 1),
        "held": backlog.count("held"),
        "parked": backlog.count("parked"),
    }
    is_ready = all(answer[part] == "ok" for part in ("database", "redis", "scheduler")) and pulse.workers > 0
    if settings.DEMO:
        answer["sandbox"] = read_sandbox()
    response = JsonResponse(answer, status=200 if is_ready else 503)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, to whoever holds METRICS_TOKEN. Without one there is no such page."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse("A bearer token is needed.\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def read_pulse() -> Pulse:
    """Ask Redis when scheduler and workers last reported (unix times)."""
    now = time.time()
    try:
        with _redis(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            pipe.get(BEAT_KEY)
            pipe.zrange(WORKERS_KEY, 0, -1, withscores=True)
            beat, workers = pipe.execute()
    except redis.RedisError as error:
        return Pulse(fault=f"does not answer ({type(error).__name__})")
    ages = tuple(now - float(at) for _, at in workers)
    return Pulse(scheduler_age=None if beat is None else now - float(beat), worker_ages=ages)


def read_backlog() -> Backlog:
    """Count what waits, is held and is parked, in one query."""
    events = open_events(InboundEvent.objects.across_practices()).filter(state__in=COUNTED_STATES).order_by()
    try:
        rows = list(events.values_list("state").annotate(count=Count("pk"), oldest=Min("received_at")))
    except Error as error:
        return Backlog(fault=f"cannot be read ({type(error).__name__})")
    oldest = next((at for state, _, at in rows if state == "waiting"), None)
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return Backlog(counts={state: count for state, count, _ in rows}, oldest_waiting_seconds=max(0.0, age))


def read_sandbox() -> dict[str, Any]:
    """How much the demo's pretend CRM holds: contacts, notes, opportunities; or its fault."""
    try:
        answer = requests.get(
            f"{settings.SANDBOX_URL}/_sandbox/summary",
            headers={"X-Sandbox-Key": settings.SANDBOX_KEY},
            timeout=2,
        )
        answer.raise_for_status()
        found = answer.json()
        return {name: int(found[name]) for name in ("contacts", "notes", "opportunities")}
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        return {"fault": f"does not answer ({type(error).__name__})"}


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)


@lru_cache(maxsize=1)
def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Figures())
    return registry


class Figures:
    """Reads the figures at the moment Prometheus asks."""

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not query."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Four queries and one round trip to Redis."""
        pulse = read_pulse()
        yield from _from_redis(pulse)
        try:
            yield from _from_database()
            is_up = 1
        except Error:
            is_up = 0
        yield GaugeMetricFamily("ax_database_up", "Whether the database answers", value=is_up)


def _from_redis(pulse: Pulse) -> Iterator[Metric]:
    yield GaugeMetricFamily("ax_redis_up", "Whether Redis answers", value=0 if pulse.fault else 1)
    yield GaugeMetricFamily("ax_workers", "Workers that reported lately", value=pulse.workers)
    if pulse.scheduler_age is not None:
        age = GaugeMetricFamily("ax_scheduler_silent_seconds", "Since the scheduler reported")
        age.add_metric([], pulse.scheduler_age)
        yield age
    if pulse.worker_ages:
        oldest = GaugeMetricFamily("ax_worker_silent_seconds", "Since the most silent worker reported")
        oldest.add_metric([], max(pulse.worker_ages))
        yield oldest


def _from_database() -> Iterator[Metric]:
    backlog = read_backlog()
    if backlog.fault:
        raise Error(backlog.fault)
    events = GaugeMetricFamily("ax_events", "Events that are not finished, by state", labels=["state"])
    for state in COUNTED_STATES:
        events.add_metric([state], backlog.count(state))
    yield events
    yield GaugeMetricFamily(
        "ax_oldest_waiting_seconds", "Age of the oldest waiting event", value=backlog.oldest_waiting_seconds
    )
    # Ids only rise and finished events are not counted one by one: there may be millions.
    newest = InboundEvent.objects.across_practices().aggregate(newest=Max("pk"))["newest"]
    yield CounterMetricFamily("ax_events_received", "Events ever stored", value=newest or 0)
    due = Lane.objects.across_practices().filter(next_at__lte=timezone.now()).count()
    yield GaugeMetricFamily("ax_lanes_due", "Lanes with work that is due", value=due)
    incidents = Incident.objects.across_practices().filter(closed_at__isnull=True).count()
    yield GaugeMetricFamily("ax_incidents_open", "Incidents that are open", value=incidents)
