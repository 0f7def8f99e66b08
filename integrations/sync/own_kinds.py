"""Events that no EMR and no CRM sent: the engine's own, and what people read of them."""

DECIDE_AGAIN = "categories-changed"
LEAVE_CONTACT = "patient-left-contact"
JOIN_CONTACT = "patient-joined-contact"

OWN_LABELS = {
    DECIDE_AGAIN: "Categories changed",
    LEAVE_CONTACT: "Patient taken off a contact",
    JOIN_CONTACT: "Patient brought to another contact",
}
