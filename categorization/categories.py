"""The eight categories, what people call them, and how type names compare."""

import re
from enum import StrEnum

_SPACES = re.compile(r"\s+")


class Category(StrEnum):
    SURGICAL_CONSULT = "Surgical Consult"
    SURGICAL_APPOINTMENT = "Surgical Appointment"
    NON_SURGICAL_CONSULT = "Non-Surgical Consult"
    NON_SURGICAL_APPOINTMENT = "Non-Surgical Appointment"
    PRE_OP = "Pre-Op Appointment"
    POST_OP = "Post-Op Appointment"
    BLOCKED = "Blocked"
    ONLINE = "Online Appointment"


# What several purposes of one visit amount to: the one that moves furthest comes first.
FURTHEST_FIRST = [
    Category.SURGICAL_APPOINTMENT,
    Category.SURGICAL_CONSULT,
    Category.NON_SURGICAL_APPOINTMENT,
    Category.NON_SURGICAL_CONSULT,
    Category.ONLINE,
    Category.PRE_OP,
    Category.POST_OP,
    Category.BLOCKED,
]
UNMOVING = frozenset({Category.PRE_OP, Category.POST_OP, Category.BLOCKED})

_SYNONYMS = {
    "block": Category.BLOCKED,
    "blocks": Category.BLOCKED,
    "pre-op": Category.PRE_OP,
    "preop": Category.PRE_OP,
    "pre op": Category.PRE_OP,
    "pre op appointment": Category.PRE_OP,
    "post-op": Category.POST_OP,
    "postop": Category.POST_OP,
    "post op": Category.POST_OP,
    "post op appointment": Category.POST_OP,
    "surgery consult": Category.SURGICAL_CONSULT,
    "surgical consultation": Category.SURGICAL_CONSULT,
    "surgery": Category.SURGICAL_APPOINTMENT,
    "surgical appt": Category.SURGICAL_APPOINTMENT,
    "surgery appointment": Category.SURGICAL_APPOINTMENT,
    "nonsurgical consult": Category.NON_SURGICAL_CONSULT,
    "non surgical consult": Category.NON_SURGICAL_CONSULT,
    "non-surgical consultation": Category.NON_SURGICAL_CONSULT,
    "nonsurgical appointment": Category.NON_SURGICAL_APPOINTMENT,
    "non surgical appointment": Category.NON_SURGICAL_APPOINTMENT,
    "non-surgical appt": Category.NON_SURGICAL_APPOINTMENT,
    "online": Category.ONLINE,
}
_BY_NAME = {category.value.casefold(): category for category in Category} | _SYNONYMS


def name_key(name: str) -> str:
    """The form in which type and purpose names compare: trimmed, case-folded, single-spaced."""
    return _SPACES.sub(" ", name.strip()).casefold()


def category_named(text: str) -> Category | None:
    """The category that a person means by ``text``, synonyms understood; None when nothing fits."""
    return _BY_NAME.get(name_key(text))


def furthest(categories: "list[Category]") -> Category:
    """Of several categories the one that moves a contact furthest. The list must not be empty."""
    return min(categories, key=FURTHEST_FIRST.index)
