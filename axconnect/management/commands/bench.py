"""``make bench``: measures the whole way, prints numbers, judges nothing."""

import json
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Max

from axconnect.bench import creates, pages, polls
from axconnect.bench.accept import measure
from axconnect.bench.end_to_end import Result, Shape, stack
from axconnect.bench.processes import postgres_programs
from integrations.models import Effect, InboundEvent


class Command(BaseCommand):
    help = "Measures events from our door to the last CRM write on a stack of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--events", type=int, default=1000)
        parser.add_argument(
            "--latency", type=int, nargs="+", default=[0, 50], help="CRM latency, milliseconds"
        )
        parser.add_argument(
            "--database", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"]
        )
        parser.add_argument("--workers", type=int, default=2)
        parser.add_argument("--lanes", type=int, default=8)
        parser.add_argument(
            "--only",
            choices=["accept", "deliver", "polls", "creates", "pages"],
            help="leave the other parts out; pages are measured on SQLite only when they are asked for",
        )
        parser.add_argument("--rows", type=int, default=1_000_000, help="events behind the pages")
        parser.add_argument("--contacts", type=int, default=50_000, help="contacts behind the pages")
        parser.add_argument("--practices", type=int, default=40, help="practices behind the pages")
        parser.add_argument(
            "--connections", type=int, nargs="+", default=[100, 1000], help="connections that are polled"
        )
        parser.add_argument("--tags", type=int, default=20, help="create tags")
        parser.add_argument("--tag-every", type=float, default=3.0, help="seconds between two create tags")
        parser.add_argument("--emr-latency", type=int, default=100, help="EMR latency, milliseconds")
        parser.add_argument("--polls-at-once", type=int, default=32, help="polls of each worker at once")
        # What follows is called by the benchmark itself, inside the stack that it started.
        for name in ("--times", "--seed-polls"):
            parser.add_argument(name, type=int, help=SUPPRESS)
        parser.add_argument("--emr", help=SUPPRESS)
        parser.add_argument("--time-pages", action="store_true", help=SUPPRESS)
        parser.add_argument("--poll-all", action="store_true", help=SUPPRESS)
        parser.add_argument("--polled-since", type=float, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if self._is_inside(options):
            return
        for database in options["database"]:
            if database == "postgres" and postgres_programs() is None:
                self.stdout.write("PostgreSQL is not installed: left out.")
                continue
            if options["only"] == "pages" or (options["only"] is None and database == "postgres"):
                self._pages(database, options)
            if options["only"] in (None, "polls"):
                self._polls(database, options)
            if options["only"] in (None, "creates"):
                self._creates(database, options)
            if options["only"] in (None, "accept"):
                self._accepts(database, options["events"])
            if options["only"] in (None, "deliver"):
                for latency in options["latency"]:
                    self._deliveries(
                        Shape(options["events"], 4, latency, options["workers"], options["lanes"], database)
                    )

    def _is_inside(self, options: dict[str, Any]) -> bool:
        """Do what the benchmark asks of its own stack. Whether that was it."""
        if options["times"]:
            self.stdout.write(json.dumps(_times(options["times"])))
        elif options["seed_polls"]:
            polls.seed(options["seed_polls"], options["emr"])
        elif options["poll_all"]:
            polls.poll_all()
        elif options["time_pages"]:
            self.stdout.write(json.dumps(pages.time_pages()))
        elif options["polled_since"]:
            self.stdout.write(json.dumps(polls.polled_since(options["polled_since"])))
        else:
            return False
        return True

    def _pages(self, database: str, options: dict[str, Any]) -> None:
        rows = options["rows"]
        said, timings = pages.measure(
            database, events=rows, contacts=options["contacts"], practices=options["practices"]
        )
        self.stdout.write(f"{database}, pages over {rows:,} events; filled in {said}")
        for line in pages.table(timings):
            self.stdout.write(line)
        met, fixed = sum(one.is_met for one in timings), sum(one.is_fixed for one in timings)
        self.stdout.write(
            f"{met} of {len(timings)} meet the target; {fixed} ask no more queries than with few rows."
        )

    def _polls(self, database: str, options: dict[str, Any]) -> None:
        latency, at_once = options["emr_latency"], options["polls_at_once"]
        for one in polls.rounds(
            options["connections"],
            latency_ms=latency,
            workers=options["workers"],
            at_once=at_once,
            database=database,
        ):
            self.stdout.write(
                f"{database}, EMR {latency} ms, {options['workers']}x{at_once} polls, "
                f"{one.connections} connections x 3, {one.what}: {one.seconds:.1f} s "
                f"({one.seconds / 3:.0f} % of five minutes), {one.calls} requests, {one.events} events, "
                f"CPU {1000 * one.cpu_seconds / one.connections:.1f} ms/connection, peak {one.peak_mb:.0f} MB"
            )

    def _creates(self, database: str, options: dict[str, Any]) -> None:
        every, emr_ms = options["tag_every"], max(200, options["emr_latency"])
        found = creates.measure(
            options["tags"],
            every=every,
            emr_ms=emr_ms,
            workers=options["workers"],
            lanes=options["lanes"],
            database=database,
        )
        self.stdout.write(
            f"{database}, EMR {emr_ms} ms, CRM {creates.CRM_MS} ms, {found.tags} create tags, one every "
            f"{every:g} s: patient in the EMR after p50 {found.patient_p50:.2f} s, p95 {found.patient_p95:.2f} s; "
            f"answer on the contact p95 {found.answer_p95:.2f} s"
        )

    def _accepts(self, database: str, events: int) -> None:
        rates = measure(database, events)
        self.stdout.write(
            f"{database}: bare view {rates.bare:.0f} accepts/s, webhook {rates.webhook:.0f} accepts/s "
            f"({rates.share:.0%} of it)"
        )

    def _deliveries(self, shape: Shape) -> None:
        with stack(shape) as made:
            self._say(shape, "new contacts", made.round(0))
            self._say(shape, "linked contacts", made.round(1))

    def _say(self, shape: Shape, what: str, result: Result) -> None:
        parts = ", ".join(
            f"{name} {value:.1f}" for name, value in result.cpu_by_part.items() if value >= 0.05
        )
        self.stdout.write(
            f"{shape.database}, CRM {shape.latency_ms} ms, {shape.workers}x{shape.lanes} lanes, {what}: "
            f"accepted {result.accepted_per_second:.0f}/s, delivered {result.events_per_second:.0f}/s, "
            f"p50 {result.p50:.2f} s, p95 {result.p95:.2f} s, {result.calls_per_event:.2f} calls/event, "
            f"CPU {result.cpu_ms:.1f} ms/event ({parts}), peak {result.peak_mb:.0f} MB"
        )


def _times(count: int) -> list[tuple[float, float]]:
    newest = InboundEvent.objects.across_practices().order_by("-id").values_list("pk", "received_at")[:count]
    received = dict(newest)
    confirmed = (
        Effect.objects.across_practices()
        .filter(event_id__gte=min(received))
        .values_list("event_id")
        .annotate(last=Max("confirmed_at"))
    )
    return [(received[pk].timestamp(), last.timestamp()) for pk, last in confirmed if pk in received and last]
