"""What may stand in a log line."""

import logging
import re

# The key of a webhook address is what lets a sender in; that of a reviewer's link, a person.
ADDRESS_KEY = re.compile(r"(/webhooks/\w+/|/review/link/)[^/\s?'\"]+")


class LineFormatter(logging.Formatter):
    """Formats a record and hides the keys in addresses, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return ADDRESS_KEY.sub(r"\1***", super().format(record))
