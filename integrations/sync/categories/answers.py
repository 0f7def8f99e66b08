"""What the review pages ask of the engine."""

from collections.abc import Iterable, Mapping

from categorization.engine import ConnectionFacts, Preview, Progress
from categorization.models import AppointmentType
from integrations.sync.categories import moving
from integrations.sync.categories.held import held_by_type
from integrations.sync.categories.preview import preview
from integrations.sync.profile import load_profile


class Answers:
    """The engine as the review pages see it."""

    def connections(self, practice_id: int) -> Mapping[str, ConnectionFacts]:
        """The practice's connections by key."""
        profile = load_profile(practice_id)
        return {
            one.key: ConnectionFacts(
                one.key,
                one.manifest.name,
                one.manifest.offers_online,
                one.manifest.has_surgical_pipeline and profile.has_surgery,
            )
            for one in profile.connections.values()
        }

    def held(self, types: Iterable[AppointmentType]) -> Mapping[int, int]:
        """Type id → how many events wait for it, of these types."""
        return held_by_type(types)

    def preview(self, practice_id: int, choices: Mapping[int, str]) -> Preview:
        """Who would move if these types counted so."""
        return preview(practice_id, choices)

    def progress(self, batch_id: int) -> Progress | None:
        """How far a change is carried out."""
        return moving.progress(batch_id)
