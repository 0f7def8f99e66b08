"""What each category does to a contact, for the sheet of categories in a spreadsheet.

It is read far from our pages and serves all connections of a practice at once, so each sentence says what kind of
visit is meant and names every case. The review page says less and says it for one connection, see
``categorization.review.explanations``.
"""

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
