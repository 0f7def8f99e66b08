"""What each category does to the pipeline, in a few words beside a choice on the review page.

They depend on how many pipelines the one connection has. A spreadsheet knows no connection and needs whole sentences:
these are in ``categorization.explanations``.
"""

from categorization.categories import Category
from categorization.engine import ConnectionFacts

TWO_PIPELINES = {
    Category.SURGICAL_CONSULT: "Surgical pipeline: Consult Booked, then Consult Complete.",
    Category.SURGICAL_APPOINTMENT: "Surgical pipeline: Surgery Scheduled, then Surgery Complete.",
    Category.NON_SURGICAL_CONSULT: "Non-surgical pipeline: Booked, then Patient, or its consult stages if it has any.",
    Category.NON_SURGICAL_APPOINTMENT: "Non-surgical pipeline: Booked, then Patient.",
}
ANY_VISIT = "You have one pipeline: Booked, then Patient, as any visit."
ONE_PIPELINE = {
    Category.SURGICAL_CONSULT: ANY_VISIT,
    Category.SURGICAL_APPOINTMENT: ANY_VISIT,
    Category.NON_SURGICAL_CONSULT: "Booked, then Patient, or the consult stages if you have any.",
    Category.NON_SURGICAL_APPOINTMENT: "Booked, then Patient.",
}
STANDING_STILL = {
    Category.PRE_OP: "Before surgery. Noted on the contact; moves nothing.",
    Category.POST_OP: "After surgery. Noted on the contact; moves nothing.",
    Category.BLOCKED: "Time without a patient: lunch, meetings. Moves nothing.",
    Category.ONLINE: "Booked online. Moves as was agreed for online bookings.",
}
NUMBERS = {category: number for number, category in enumerate(Category, start=1)}


def explanations(*, has_two_pipelines: bool) -> dict[str, str]:
    """Category → what a visit of it does."""
    moving = TWO_PIPELINES if has_two_pipelines else ONE_PIPELINE
    return {category.value: (moving | STANDING_STILL)[category] for category in Category}


def explanations_for(facts: ConnectionFacts | None) -> dict[str, str]:
    """The same for a connection; one that is gone is taken for one with two pipelines, where all of it counts."""
    return explanations(has_two_pipelines=facts is None or facts.has_two_pipelines)
