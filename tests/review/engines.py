"""A pretend engine: what its connections are and what a change would do is written down beforehand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from categorization.engine import ConnectionFacts, Preview, Progress, Shift
from categorization.models import AppointmentType

NEXTECH = ConnectionFacts("nextech", "Nextech", offers_online=True, has_two_pipelines=True)
APRO = ConnectionFacts("aestheticspro", "AestheticsPro", offers_online=False, has_two_pipelines=True)
MOVES = Preview(
    visits=14,
    contacts=9,
    moving=4,
    shifts=(
        Shift("surgical", "", "Consult Booked", 3),
        Shift("surgical", "Consult Complete", "", 1, "a later visit keeps it"),
    ),
    held=2,
)


@dataclass
class PretendEngine:
    """Answers what it was given, and remembers what it was asked."""

    known: dict[int, dict[str, ConnectionFacts]] = field(default_factory=dict)
    answer: Preview = MOVES
    asked: list[dict[int, str]] = field(default_factory=list)

    def connections(self, practice_id: int) -> Mapping[str, ConnectionFacts]:
        return self.known.get(practice_id, {APRO.key: APRO})

    def held(self, types: Iterable[AppointmentType]) -> Mapping[int, int]:
        return {}

    def preview(self, practice_id: int, choices: Mapping[int, str]) -> Preview:
        self.asked.append(dict(choices))
        return self.answer

    def progress(self, batch_id: int) -> Progress | None:
        return None
