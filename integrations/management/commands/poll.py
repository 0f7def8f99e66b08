"""``python manage.py poll PRACTICE/KEY``: ask one connection's EMR now, or say what that would store."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.contract.errors import ContractError
from integrations.contract.manifest import Way
from integrations.contract.protocols import Resource
from integrations.emrs import registry
from integrations.management.practices import practice_or_stop
from integrations.models import Connection, PollCursor, PollRun, Trigger
from integrations.practice_file.problems import meant
from integrations.sync.drain import worker_name
from integrations.sync.polling import cursors
from integrations.sync.polling.poll import poll
from integrations.sync.polling.preview import EVENT, Preview, preview
from integrations.sync.profile import PracticeProfile, profiles

SHOWN_AT_MOST = 200


class Command(BaseCommand):
    help = "Polls every resource of a connection now. Workers then work on the events that come of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connection", metavar="CONNECTION", help="practice/key, such as bluestone/modmed")
        parser.add_argument("--dry-run", action="store_true", help="say what would be stored, store nothing")

    def handle(self, *args: Any, connection: str, dry_run: bool, **options: Any) -> None:
        row = self._connection(connection)
        cursors.set_up_cursors(row.practice_id)
        profile = profiles([row.practice_id])[row.practice_id]
        failed = [
            words
            for cursor, resource in _in_order(row)
            if (words := self._try(cursor, resource, profile, dry_run))
        ]
        if failed:
            raise CommandError("\n".join(failed))

    def _connection(self, words: str) -> Connection:
        """The connection of ``practice/key``; ends with exit code 1 and the known ones when there is none."""
        slug, _, key = words.partition("/")
        if not slug or not key:
            raise CommandError(
                f'"{words}" is not a connection: write practice/key, such as bluestone/modmed.'
            )
        practice = practice_or_stop(slug, self.stderr)
        rows = Connection.objects.for_practice(practice)
        row: Connection | None = rows.filter(key=key).first()
        if row is None:
            known = rows.order_by("key").values_list("key", flat=True)
            raise CommandError(f'{practice.name} has no connection "{key}"{meant(key, known)}')
        emr = registry().get(row.emr)
        if emr is None:
            raise CommandError(f'There is no EMR "{row.emr}".')
        if emr.manifest.way is not Way.POLL:
            raise CommandError(
                f"{emr.manifest.name} is not polled: it sends its events to the webhook address."
            )
        if row.needs_reauth_since is not None:
            raise CommandError(
                f"{words} needs new credentials: {row.last_error or 'the EMR refused them.'} "
                "Enter them on the connection's page."
            )
        return row

    def _try(self, cursor: PollCursor, resource: Resource, profile: PracticeProfile, is_dry: bool) -> str:
        """Poll one resource and print a line. Why it failed, "" when it did not."""
        if is_dry:
            try:
                self._show(resource, preview(cursor, profile))
            except ContractError as error:
                return f"{resource.label}: {error}"
            return ""
        claimed = cursors.claim_one(cursor.pk, worker_name())
        if claimed is None:
            return f"{resource.label}: another worker is polling it right now. Try again in a moment."
        run = poll(claimed, profile, trigger=Trigger.HAND)
        if run is None:
            return f"{resource.label}: not polled. {_why_not(cursor)}"
        if run.error:
            return f"{resource.label}: {run.error}"
        self.stdout.write(f"{resource.label}: {_words(run)}")
        return ""

    def _show(self, resource: Resource, found: Preview) -> None:
        counts = f"{_count(found.rows_seen, 'row')} seen, {_count(found.calls, 'request')}"
        self.stdout.write(
            f"{resource.label}: {counts}, {len(found.would)} new or changed. Nothing was stored."
        )
        for row_id, at, what in found.would[:SHOWN_AT_MOST]:
            when = at.isoformat(timespec="seconds") if at else "no version time"
            self.stdout.write(f"  {found.resource} {row_id} {when} {what}")
        if (more := len(found.would) - SHOWN_AT_MOST) > 0:
            events = sum(what == EVENT for _, _, what in found.would[SHOWN_AT_MOST:])
            self.stdout.write(f"  … and {more} more, {_count(events, 'event')} among them")


def _in_order(connection: Connection) -> Iterator[tuple[PollCursor, Resource]]:
    """The connection's cursors, those that are read patient by patient last: they need what the others found."""
    resources = cursors.resources_of(registry()[connection.emr])
    rows = PollCursor.objects.for_practice(connection.practice_id).filter(connection=connection)
    known = {row.resource: row for row in rows}
    for resource in sorted(resources.values(), key=lambda one: one.is_by_patient):
        if resource.name in known:
            yield known[resource.name], resource


def _why_not(cursor: PollCursor) -> str:
    connection = Connection.objects.for_practice(cursor.practice_id).get(pk=cursor.connection_id)
    if connection.needs_reauth_since is not None:
        return "The connection needs new credentials."
    return "Another worker took it over."


def _words(run: PollRun) -> str:
    if not run.pk:
        return "waits for the first poll of the connection's other resources."
    seen = f"{_count(run.rows_seen, 'row')} seen, {_count(run.calls, 'request')}"
    if run.trigger == Trigger.FIRST:
        return f"{seen}. First poll: recorded, nothing written."
    kind = " The whole book was compared." if run.trigger == Trigger.NIGHTLY else ""
    return f"{seen}, {_count(run.events, 'event')}.{kind}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
