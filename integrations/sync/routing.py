"""Category × outcome → pipeline and stage. A table, and the few rules around it. Pure."""

from dataclasses import dataclass

from categorization.categories import UNMOVING, Category
from integrations.contract.records import Outcome
from integrations.models.subaccounts import PipelineKind

SURGICAL, NON_SURGICAL = PipelineKind.SURGICAL, PipelineKind.NON_SURGICAL
CANCELLED_STAGE = "Cancelled / No-Show"
PATIENT_STAGE = "Patient"
FINAL_STAGES = frozenset({PATIENT_STAGE, "Surgery Complete"})

# category: (pipeline, booked, completed)
_TABLE: dict[Category, tuple[PipelineKind, str, str]] = {
    Category.SURGICAL_CONSULT: (SURGICAL, "Consult Booked", "Consult Complete"),
    Category.SURGICAL_APPOINTMENT: (SURGICAL, "Surgery Scheduled", "Surgery Complete"),
    Category.NON_SURGICAL_CONSULT: (NON_SURGICAL, "Booked", PATIENT_STAGE),
    Category.NON_SURGICAL_APPOINTMENT: (NON_SURGICAL, "Booked", PATIENT_STAGE),
}
_SEPARATE_CONSULTS = (NON_SURGICAL, "Consult Booked", "Consult Complete")

STAGE_NAMES: dict[PipelineKind, tuple[str, ...]] = {
    SURGICAL: (
        "Consult Booked",
        "Consult Complete",
        "Surgery Scheduled",
        "Surgery Complete",
        CANCELLED_STAGE,
    ),
    NON_SURGICAL: ("Booked", PATIENT_STAGE, CANCELLED_STAGE),
}
CONSULT_STAGES = ("Consult Booked", "Consult Complete")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a visit stands: pipeline and stage name. ``is_final``: completing here makes a patient."""

    pipeline: PipelineKind
    stage: str

    @property
    def is_final(self) -> bool:
        return self.stage in FINAL_STAGES


def pipeline_of(category: Category | None) -> PipelineKind | None:
    """The pipeline that a category moves; None for those that move nothing and for no category."""
    row = _TABLE.get(category) if category else None
    return row[0] if row else None


def route(category: Category | None, outcome: Outcome, separate_consults: bool) -> Route | None:
    """The stage for a visit of ``category`` in ``outcome``; None when it moves nothing.

    ``separate_consults``: the practice keeps Consult Booked / Consult Complete on its non-surgical pipeline.
    """
    if category is None or category in UNMOVING or category not in _TABLE or outcome is Outcome.OTHER:
        return None
    pipeline, booked, completed = _TABLE[category]
    if separate_consults and category is Category.NON_SURGICAL_CONSULT:
        pipeline, booked, completed = _SEPARATE_CONSULTS
    if outcome is Outcome.BOOKED:
        return Route(pipeline, booked)
    if outcome is Outcome.COMPLETED:
        return Route(pipeline, completed)
    return Route(pipeline, CANCELLED_STAGE)
