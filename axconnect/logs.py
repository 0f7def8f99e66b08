"""What may stand in a log line."""

import logging
import re

# The key of a webhook address is what lets a sender in.
WEBHOOK_KEY = re.compile(r"(/webhooks/\w+/)[^/\s?'\"]+")


class LineFormatter(logging.Formatter):
    """Formats a record and hides the keys of webhook addresses, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return WEBHOOK_KEY.sub(r"\1***", super().format(record))
