"""``manage.py poll CONNECTION``: one poll now, without waiting for the next turn."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.contract.errors import ContractError
from integrations.models import Connection, PollCursor, PollRun, Trigger
from integrations.sync.polling import cursors
from integrations.sync.polling.poll import poll
from integrations.sync.polling.preview import preview
from integrations.sync.profile import PracticeProfile, profiles

WHO = "by hand"


class Command(BaseCommand):
    help = (
        "Polls every resource of a connection once. What came of it is worked on by the workers. Exit code 1 "
        "when a resource could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connection", metavar="CONNECTION", help="practice/key, such as bluestone/modmed")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be stored, and store nothing"
        )

    def handle(self, *args: Any, connection: str, dry_run: bool, **options: Any) -> None:
        row = _connection(connection)
        cursors.set_up_cursors(row.practice_id)
        profile = profiles([row.practice_id])[row.practice_id]
        rows = PollCursor.objects.for_practice(row.practice_id).filter(connection=row).order_by("pk")
        failed = [cursor.resource for cursor in rows if not self._one(cursor, profile, dry_run)]
        if failed:
            raise CommandError(f"Not read: {', '.join(failed)}.")

    def _one(self, cursor: PollCursor, profile: PracticeProfile, dry_run: bool) -> bool:
        """Whether a resource could be read; prints what came of it."""
        if dry_run:
            return self._preview(cursor, profile)
        claimed = cursors.claim_one(cursor.pk, WHO)
        if claimed is None:
            self.stderr.write(f"{cursor.resource}: a worker polls it right now.")
            return False
        run = poll(claimed, profile, trigger=Trigger.HAND)
        if run is None:
            self.stderr.write(f"{cursor.resource}: not polled. The connection's page says why.")
            return False
        if run.error:
            self.stderr.write(f"{cursor.resource}: {run.error}")
            return False
        self.stdout.write(f"{cursor.resource}: {_words(run)}")
        return True

    def _preview(self, cursor: PollCursor, profile: PracticeProfile) -> bool:
        try:
            found = preview(cursor, profile)
        except ContractError as error:
            self.stderr.write(f"{cursor.resource}: {error}")
            return False
        self.stdout.write(
            f"{cursor.resource}: {found.rows_seen} rows in {found.calls} requests; would store {len(found.would)}"
        )
        for external_id, updated_at, what in found.would:
            at = updated_at.isoformat() if updated_at else "no version time"
            self.stdout.write(f"  {external_id}  {at}  {what}")
        return True


def _words(run: PollRun) -> str:
    what = "recorded, nothing is written" if run.trigger == Trigger.FIRST else f"{run.events} new events"
    return f"{run.rows_seen} rows in {run.calls} requests and {run.seconds:.1f} s: {what}"


def _connection(words: str) -> Connection:
    slug, _, key = words.partition("/")
    row = (
        Connection.objects.across_practices()
        .filter(practice__slug=slug, key=key)
        .select_related("practice")
        .first()
    )
    if row is None:
        known = Connection.objects.across_practices().order_by("practice__slug", "key")
        names = [str(one) for one in known.select_related("practice")[:20]]
        there_is = f" There is {', '.join(names)}." if names else " There is none yet."
        raise CommandError(f'There is no connection "{words}": write practice/key.{there_is}')
    if row.emr not in cursors.polled_emrs():
        raise CommandError(f"{row} is not polled: its EMR sends its events by itself.")
    found: Connection = row
    return found
