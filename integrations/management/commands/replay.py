"""``python manage.py replay``: run stored events again under today's settings."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from integrations.management.practices import practice_or_stop
from integrations.models import EventState, InboundEvent
from integrations.sync.replay import replay


class Command(BaseCommand):
    help = "Runs stored events again. Notes, money and enrolments that were written are not written twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--event", type=int, help="the event's id")
        what.add_argument("--practice", help="the practice's slug; needs --since")
        parser.add_argument("--since", help="received at or after this ISO time, such as 2026-03-12T08:00")
        parser.add_argument("--dry-run", action="store_true", help="say what would run, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        events = list(self._events(options).exclude(state=EventState.WAITING).filter(lane__isnull=False))
        if not events:
            raise CommandError(
                "No event fits that can run again (waiting events run anyway, test pings never do)."
            )
        for event in events:
            if options["dry_run"] or replay(event):
                verb = "would run" if options["dry_run"] else "runs"
                self.stdout.write(f"event {event.pk} ({event.kind or 'unread'}, {event.state}) {verb} again")
        self.stdout.write(f"{len(events)} event{'s' if len(events) != 1 else ''}")

    def _events(self, options: dict[str, Any]) -> "QuerySet[InboundEvent]":
        if options["event"] is not None:
            return InboundEvent.objects.across_practices().filter(pk=options["event"])
        if not options["since"]:
            raise CommandError("--practice needs --since: say from when on.")
        try:
            since = datetime.fromisoformat(options["since"])
        except ValueError:
            raise CommandError(
                f'--since "{options["since"]}" is not an ISO time such as 2026-03-12T08:00.'
            ) from None
        since = since if since.tzinfo else timezone.make_aware(since)
        rows = InboundEvent.objects.for_practice(practice_or_stop(options["practice"], self.stderr))
        return rows.filter(received_at__gte=since).order_by("id")
