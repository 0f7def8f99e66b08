"""The columns of the spreadsheet, and cells that no spreadsheet program takes for a formula."""

import re

CONNECTION, TYPE, PURPOSE = "Connection", "Type", "Purpose"
CATEGORY, CONFIRMED_BY = "Category", "Confirmed by"
COLUMNS = [
    CONNECTION,
    TYPE,
    PURPOSE,
    "Times seen",
    "Next booking",
    "Suggestion",
    "Why",
    CATEGORY,
    CONFIRMED_BY,
    "Confirmed on",
]
# Characters wide, as Excel counts.
WIDTHS = [18, 40, 32, 11, 13, 26, 44, 26, 24, 13]
TYPES_SHEET, EXPLANATIONS_SHEET = "Types", "Explanations"
REVIEWED_BY = "Reviewed by:"
MOST_ROWS = 5000

# The quote itself is among them, so that a name that begins with one comes back as it was.
_GUARDED = ("=", "+", "-", "@", "'")


def guarded(text: str) -> str:
    """``text`` with a quote before it where a spreadsheet program would read a formula."""
    starts_formula = text.lstrip().startswith(_GUARDED) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if starts_formula else text


def unguarded(text: str) -> str:
    """What ``guarded`` was given. Text that was never guarded stays as it is."""
    return text[1:] if text.startswith("'") and guarded(text[1:]) == text else text


def column_key(text: str) -> str:
    """The form in which column names compare: case, spaces and signs do not count."""
    return re.sub(r"[\W_]+", "", text.casefold())
