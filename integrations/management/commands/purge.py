"""`manage.py purge`: deletes what retention says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.sync.retention import purge


class Command(BaseCommand):
    help = (
        "Deletes payloads and bodies of writes older than PAYLOAD_DAYS of events that are finished, incidents "
        "closed for 90 days, long work that has been over for 90 days, polls of more than 3 days ago, and what "
        "is known of rows that no poll reads again. "
        "What became of each event stays, and so do the copies of notes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        done = purge(dry_run=dry_run)
        verb = "would be deleted" if dry_run else "deleted"
        self.stdout.write(f"payloads: {done.payloads} {verb}")
        self.stdout.write(f"bodies of writes: {done.bodies} {verb}")
        self.stdout.write(f"incidents: {done.incidents} {verb}")
        self.stdout.write(f"polls: {done.polls} {verb}")
        self.stdout.write(f"known rows: {done.rows} {verb}")
        self.stdout.write(f"long work: {done.long_work} {verb}")
