"""What each category does to a contact, in one line for the people who choose among them."""

from categorization.categories import Category

EXPLANATIONS: dict[Category, str] = {
    Category.SURGICAL_CONSULT: (
        "A visit to talk about surgery. Surgical pipeline: Consult Booked, then Consult Complete; "
        "Cancelled / No-Show when it does not take place."
    ),
    Category.SURGICAL_APPOINTMENT: (
        "The surgery itself. Surgical pipeline: Surgery Scheduled, then Surgery Complete; "
        "Cancelled / No-Show when it does not take place."
    ),
    Category.NON_SURGICAL_CONSULT: (
        "A visit to talk about a treatment without surgery. Non-surgical pipeline: Booked, then Patient, or the "
        "consult stages where the practice has them; Cancelled / No-Show when it does not take place."
    ),
    Category.NON_SURGICAL_APPOINTMENT: (
        "A treatment without surgery. Non-surgical pipeline: Booked, then Patient; "
        "Cancelled / No-Show when it does not take place."
    ),
    Category.PRE_OP: "A visit before a surgery that is already planned. Noted at the contact; moves nothing.",
    Category.POST_OP: "A visit after a surgery. Noted at the contact; moves nothing.",
    Category.BLOCKED: "No visit at all: lunch, meetings, time kept free. Moves nothing.",
    Category.ONLINE: (
        "Booked by the patient online. Counts as the category that the connection's setting names; "
        "until one is chosen it waits."
    ),
}
