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
from django.db.models import Count, Max, Min, Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from integrations.models import InboundEvent, Incident, Lane, PollCursor
from integrations.models.narrowing import open_events
from integrations.sync.watch import overdue

BEAT_KEY = "ax:scheduler:beat"
WORKERS_KEY, POLLERS_KEY = "ax:workers", "ax:pollers"
FRESH_SECONDS = 15
COUNTED_STATES = ("waiting", "held", "parked")


@dataclass(frozen=True)
class Pulse:
    """What Redis knows of the other processes. ``fault`` is empty while Redis answers."""

    fault: str = ""
    scheduler_age: float | None = None
    worker_ages: tuple[float, ...] = ()
    poller_ages: tuple[float, ...] = ()

    @property
    def pollers(self) -> int:
        """How many workers that poll reported lately."""
        return sum(age <= FRESH_SECONDS for age in self.poller_ages)

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


@dataclass(frozen=True, slots=True)
class Polls:
    """How the polling of EMRs goes: cursors there are, connections that are late, seconds of the latest one."""

    cursors: int = 0
    late: int = 0
    late_seconds: float = 0.0
    failing: int = 0

    @property
    def is_needed(self) -> bool:
        return self.cursors > 0

    def words(self, pulse: Pulse) -> str:
        """ "ok", or what is wrong. One practice's EMR that does not answer is no matter of readiness."""
        if self.is_needed and not pulse.pollers:
            return "no worker polls"
        if self.late:
            return f"{self.late} connection{'s are' if self.late != 1 else ' is'} late"
        return "ok"


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process lives."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when events that arrive now will be worked on, else 503; the JSON says what is missing."""
    pulse, backlog, polls = read_pulse(), read_backlog(), read_polls()
    answer: dict[str, Any] = {
        "database": backlog.fault or "ok",
        "redis": pulse.fault or "ok",
        "scheduler": pulse.scheduler,
        "workers": pulse.workers,
        "polls": polls.words(pulse),
        "waiting": backlog.count("waiting"),
        "oldest_waiting_seconds": round(backlog.oldest_waiting_seconds, 1),
        "held": backlog.count("held"),
        "parked": backlog.count("parked"),
    }
    is_ready = all(answer[part] == "ok" for part in ("database", "redis", "scheduler")) and pulse.workers > 0
    if polls.is_needed and not pulse.pollers:
        is_ready = False
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
            pipe.zrange(POLLERS_KEY, 0, -1, withscores=True)
            beat, workers, pollers = pipe.execute()
    except redis.RedisError as error:
        return Pulse(fault=f"does not answer ({type(error).__name__})")
    return Pulse(
        scheduler_age=None if beat is None else now - float(beat),
        worker_ages=tuple(now - float(at) for _, at in workers),
        poller_ages=tuple(now - float(at) for _, at in pollers),
    )


def read_backlog() -> Backlog:
    """Count what waits, is held and is parked, in one query."""
    events = open_events(InboundEvent.objects.across_practices()).filter(state__in=COUNTED_STATES).order_by()
    try:
        rows = list(events.values_list("state").annotate(count=Count("*"), oldest=Min("received_at")))
    except Error as error:
        return Backlog(fault=f"cannot be read ({type(error).__name__})")
    oldest = next((at for state, _, at in rows if state == "waiting"), None)
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return Backlog(counts={state: count for state, count, _ in rows}, oldest_waiting_seconds=max(0.0, age))


def read_polls() -> Polls:
    """Count cursors and those that are late, in one query; nothing where the database does not answer."""
    now = timezone.now()
    late = overdue(now)
    try:
        found = PollCursor.objects.across_practices().aggregate(
            cursors=Count("pk"),
            late=Count("connection_id", filter=late, distinct=True),
            since=Min("next_at", filter=late),
            failing=Count("pk", filter=Q(failures__gt=0)),
        )
    except Error:
        return Polls()
    seconds = (now - found["since"]).total_seconds() if found["since"] else 0.0
    return Polls(found["cursors"], found["late"], seconds, found["failing"])


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
        """Five queries and one round trip to Redis."""
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
    yield GaugeMetricFamily("ax_pollers", "Workers that poll and reported lately", value=pulse.pollers)
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
    polls = read_polls()
    yield GaugeMetricFamily("ax_poll_cursors", "Resources of EMRs that are polled", value=polls.cursors)
    yield GaugeMetricFamily("ax_polls_late", "Connections whose poll is late", value=polls.late)
    yield GaugeMetricFamily(
        "ax_polls_late_seconds", "Since the latest poll was due", value=polls.late_seconds
    )
    yield GaugeMetricFamily("ax_polls_failing", "Resources whose last poll failed", value=polls.failing)
    incidents = Incident.objects.across_practices().filter(closed_at__isnull=True).count()
    yield GaugeMetricFamily("ax_incidents_open", "Incidents that are open", value=incidents)
