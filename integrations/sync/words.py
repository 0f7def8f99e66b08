"""How dates and amounts are said to people."""

from datetime import date
from decimal import Decimal


def day(value: date) -> str:
    """3/12/2026: month, day, year as people here write them."""
    return f"{value.month}/{value.day}/{value.year}"


def dollars(amount: Decimal) -> str:
    """1,250.00 with two decimals and separators."""
    return f"{amount:,.2f}"
