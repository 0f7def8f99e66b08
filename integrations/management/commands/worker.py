"""``python manage.py worker``: works on events, polls and upkeep."""

from argparse import ArgumentParser
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.sync import bell
from integrations.sync.worker import run_worker


class Command(BaseCommand):
    help = "Runs one worker process with several lanes at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--lanes", type=int, default=settings.LANES, help="lanes worked on at once")
        parser.add_argument("--queues", nargs="+", default=[bell.EVENTS, bell.POLLS, bell.UPKEEP])

    def handle(self, *args: Any, **options: Any) -> None:
        if options["lanes"] < 1:
            raise CommandError("--lanes takes 1 or more.")
        settings.LANES = options["lanes"]
        try:
            run_worker(options["queues"])
        except redis.ConnectionError as error:
            raise CommandError(f"Redis does not answer: {error}") from None
