"""`python manage.py up`: everything in one foreground command."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from axconnect.embedded_redis import NoRedisServer
from axconnect.launch import run
from axconnect.launch_plan import Launch, NotPossible, launch_environment

STAGE = "AX_UP_STAGE"


class Command(BaseCommand):
    help = (
        "Run AX Connect: migrations, a private Redis and SQLite where none are set up, web server, workers "
        "and scheduler. Ctrl-C ends everything."
    )
    # Checked when the environment is complete.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with four sandbox practices, alive")
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=settings.WORKERS, help="worker processes")
        parser.add_argument("--lanes", type=int, default=settings.LANES, help="patients per worker at once")

    def handle(self, *args: Any, **options: Any) -> None:
        launch = Launch(options["bind"], options["workers"], options["lanes"], options["demo"])
        try:
            if os.environ.pop(STAGE, "") != "run":
                launch.refuse_nonsense()
                start_again_with(launch_environment(launch, os.environ))
            self.check()
            run(launch)
        except (NotPossible, NoRedisServer) as error:
            raise CommandError(str(error)) from None


def start_again_with(environment: dict[str, str]) -> None:
    """Become the same command with another environment.

    Settings are read once, when a process starts; so this one, like its children, must start with them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.argv], {**environment, STAGE: "run"})  # noqa: S606
