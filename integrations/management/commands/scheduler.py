"""``python manage.py scheduler``: the tick that rings for anything due."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from integrations.sync.schedule import Scheduler


class Command(BaseCommand):
    help = "Rings the workers for anything due, every few seconds. Start as many as you like: one leads."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()

        def stop(_signum: int, _frame: FrameType | None) -> None:
            stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        Scheduler().run(stopping.is_set)
