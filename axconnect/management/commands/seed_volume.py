"""`manage.py seed_volume`: fills a bench database with the events of three months, of people who do not exist."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from axconnect.bench.volume import Volume, fill, holds_real_data


class Command(BaseCommand):
    help = "Fills an empty (or bench) database with made-up practices, patients and events, to measure with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--events", type=int, default=1_000_000)
        parser.add_argument("--contacts", type=int, default=50_000)
        parser.add_argument("--practices", type=int, default=40)
        parser.add_argument("--seed", type=int, default=1, help="another number makes other people")
        parser.add_argument("--yes", action="store_true", help="even beside practices that are real")

    def handle(self, *args: Any, **options: Any) -> None:
        volume = Volume(options["events"], options["contacts"], options["practices"], options["seed"])
        if min(volume.events, volume.contacts, volume.practices) < 1:
            raise CommandError("--events, --contacts and --practices are at least 1.")
        if holds_real_data() and not options["yes"]:
            raise CommandError(
                "This database has practices that are not made up. Use an empty one, or say --yes."
            )
        began, counts = time.monotonic(), dict[str, int]()
        for part, rows in fill(volume):
            if part not in counts and options["verbosity"] > 1:
                self.stdout.write(f"{time.monotonic() - began:.0f} s: {part}")
            counts[part] = counts.get(part, 0) + rows
        told = ", ".join(f"{count:,} {part}" for part, count in counts.items())
        self.stdout.write(f"{time.monotonic() - began:.0f} seconds, rows: {told}")
