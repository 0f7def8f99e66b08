"""The labelled lists: names as practices type them, and the category that a person gave each.

labelled_names.csv was written before the first rule and used to tune them. held_out_names.csv was written afterwards,
in three parts, and looked at only once the rules had answered it; what it taught was then put right, so that it now
guards against falling back. Columns as in the command; ``expected`` is a category, or "ambiguous" where a person
must look.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from categorization.categories import UNMOVING, Category
from categorization.suggest import SURE, Suggestion, suggest

FOLDER = Path(__file__).parent
TUNED, HELD_OUT = "labelled_names.csv", "held_out_names.csv"
AMBIGUOUS = "ambiguous"
MOVING = {
    Category.SURGICAL_CONSULT,
    Category.SURGICAL_APPOINTMENT,
    Category.NON_SURGICAL_CONSULT,
    Category.NON_SURGICAL_APPOINTMENT,
}


@dataclass(frozen=True)
class Labelled:
    """One row of a list and what was suggested for it."""

    name: str
    expected: str
    suggestion: Suggestion

    @property
    def is_clear(self) -> bool:
        return self.expected != AMBIGUOUS

    @property
    def is_right(self) -> bool:
        return self.suggestion.category == self.expected and self.suggestion.confidence >= SURE

    @property
    def is_harmful(self) -> bool:
        """A visit that moves nothing, put where it would move a patient; however unsure."""
        return self.expected in UNMOVING and self.suggestion.category in MOVING


def labelled(file: str) -> list[Labelled]:
    """A list with the suggestion for each of its names."""
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        return [
            Labelled(
                row["name"],
                row["expected"],
                suggest(
                    row["name"],
                    purposes=(row["purpose"],),
                    type_class=row["class"],
                    minutes=int(row["minutes"]) if row["minutes"] else None,
                    kind=row["kind"] or "plastic_surgery_med_spa",
                ),
            )
            for row in csv.DictReader(lines)
        ]
