"""Where the enriched bodies hold what a practice may keep elsewhere. Everything else stands where FHIR says."""

from integrations.contract.manifest import PayloadField

PAYLOAD_FIELDS = (
    PayloadField(
        "type",
        "Appointment type",
        ("appointment.appointmentType.text", "appointment.appointmentType.coding.0.display"),
    ),
    # ModMed's "Reason for Visit". Its "Appointment Notes" are appointment.comment.
    PayloadField("description", "Appointment description", ("appointment.description",)),
    # No field of ModMed's is called charge type: what was charged comes nearest.
    PayloadField(
        "charge_type",
        "Charge type",
        ("transaction.details", "charge.code.text", "charge.code.coding.0.display"),
    ),
    PayloadField("transaction_id", "Transaction id", ("transaction.financialTransactionId", "charge.id")),
)

PATHS = {field.name: field.paths for field in PAYLOAD_FIELDS}
