"""Who would move if types counted differently. Reads only."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from categorization.engine import Preview, Shift
from categorization.models import AppointmentType
from integrations.models.subaccounts import PipelineKind
from integrations.sync.categories.around import Around, contacts_of, counting, keys_of, visits_with
from integrations.sync.categories.held import held_by_type
from integrations.sync.profile import PracticeProfile, load_profile

NO_VISIT_LEFT = "no visit counts in that pipeline any more, and cards are never taken away"


@dataclass(frozen=True, slots=True)
class Step:
    """One card of one contact: the stage that visits gave it under the old categories, and under the new."""

    pipeline: PipelineKind
    before: str
    after: str

    @property
    def moves(self) -> bool:
        """Whether the card goes to another stage (or comes to be)."""
        return bool(self.after) and self.before != self.after


def preview(practice_id: int, choices: Mapping[int, str]) -> Preview:
    """What would become of the contacts if these types (id → category) counted so."""
    rows = list(AppointmentType.objects.for_practice(practice_id).filter(pk__in=list(choices)))
    profile = load_profile(practice_id)
    after = counting(profile, keys_of(rows, choices))
    visits = list(visits_with(profile, keys_of(rows, choices)))
    shifts: Counter[Step] = Counter()
    contacts = moving = 0
    for one in contacts_of(profile, visits):
        found = list(steps(one, profile, after))
        contacts += 1
        moving += any(step.moves for step in found)
        shifts.update(found)
    held = held_by_type(rows)
    return Preview(len(visits), contacts, moving, _in_words(shifts), sum(held.values()))


def steps(one: Around, before: PracticeProfile, after: PracticeProfile) -> Iterator[Step]:
    """The cards of a contact whose stage the change of categories changes."""
    was, will_be = one.stages(before), one.stages(after)
    for kind in PipelineKind:
        old = was[kind].stage if kind in was else ""
        new = will_be[kind].stage if kind in will_be else ""
        if (old or "") != (new or ""):
            yield Step(kind, old or "", new or "")


def _in_words(shifts: Counter[Step]) -> tuple[Shift, ...]:
    return tuple(
        Shift(
            str(step.pipeline.label),
            step.before,
            step.after,
            count,
            "" if step.after else NO_VISIT_LEFT,
        )
        for step, count in shifts.most_common()
    )
