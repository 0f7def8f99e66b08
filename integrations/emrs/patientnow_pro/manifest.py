"""What PatientNow Pro is to the rest of AX Connect."""

from integrations.contract.manifest import (
    ChecklistItem,
    CredentialField,
    EventKind,
    Manifest,
    Switch,
    Way,
)
from integrations.contract.shared_folders import PATIENTNOW_FIELDS, PATIENTNOW_FOLDER, PATIENTNOW_PREFIX
from integrations.emrs.patientnow_pro.fields import PAYLOAD_FIELDS

MANIFEST = Manifest(
    slug="patientnow_pro",
    name="PatientNow Pro",
    way=Way.WEBHOOK,
    field_prefix=PATIENTNOW_PREFIX,
    folder=PATIENTNOW_FOLDER,
    fields=PATIENTNOW_FIELDS,
    events=(
        EventKind("test", "Test notice", used=False),
        EventKind("patient.created", "Patient created"),
        EventKind("patient.updated", "Patient updated"),
        EventKind("appointment.created", "Appointment booked"),
        EventKind("appointment.status_changed", "Appointment status changed"),
        EventKind("bill.completed", "Patient bill"),
        EventKind("membership.created", "Membership created"),
    ),
    patient_id_field="PNOW ID",
    birthday_field="PNOW DOB",
    payment_id_field="PNOW Last Order ID",
    appointment_workflow="PatientNow Appointments Update",
    payment_workflow="PatientNow Order Paid",
    membership_workflow="PatientNow Membership Update",
    birthday_workflow="PatientNow Birthday",
    has_surgical_pipeline=True,
    needs_base_url=True,
    last_service_from_payment=True,
    stage_field="Lead Status",
    standard_fields=("Lead Status", "Gender", "Referral Source"),
    create_tags=("pnowcreate", "pnow-create"),
    payload_fields=PAYLOAD_FIELDS,
    credentials=(
        CredentialField(
            "api_key",
            "API key",
            secret=True,
            help="Given by PatientNow for this practice's paid API access. The base address comes with it and is "
            "needed too: PatientNow has none that serves every practice.",
        ),
        CredentialField(
            "practice_id", "Practice ID", help="Sent with every request; comes with the API key."
        ),
        CredentialField(
            "header_secret",
            "Webhook secret",
            secret=True,
            required=False,
            help="Optional. When set, a notice without it in the header X-AX-Secret is refused.",
        ),
    ),
    switches=(
        Switch(
            "surgical_value",
            "Value on the surgical opportunity",
            default=False,
            help="Also write the lifetime value to the opportunity in the surgical pipeline.",
        ),
        Switch(
            "dynamic_membership_tag",
            "Name the membership in its tag",
            default=False,
            help='Off: the tag is "membership". On: "membership - " and the name of the program.',
        ),
        Switch(
            "sync_address",
            "Write the address",
            default=False,
            help="Street, city, state and postal code of a created or updated patient go to the contact.",
        ),
        Switch(
            "separate_consult_stages",
            "Separate stages for consults",
            default=False,
            help="Consults use Consult Booked and Consult Complete on the non-surgical pipeline: for practices "
            "that consult and treat on separate days. A completed consult leaves a lead open there.",
        ),
        Switch(
            "create_tag_aliases",
            "More tags that create a patient",
            default=[],
            help="Beside pnowcreate and pnow-create, separated by commas.",
        ),
        Switch(
            "create_required_fields",
            "Needed to create a patient",
            default=["first_name", "last_name", "gender"],
            help="What a contact must have before it is created in PatientNow: first_name, last_name, gender, "
            "email, phone, birth_date.",
        ),
    ),
    checklist=(
        ChecklistItem(
            "paid_api_access",
            "Paid API access",
            "The practice orders API access from PatientNow: $149 per month, billed to them by PatientNow. "
            "Nothing works before it is active: make sure that they know.",
        ),
        ChecklistItem(
            "api_credentials",
            "API key, practice ID and base address",
            "PatientNow sends them once the access is active. Enter all three here and press Test: it tries the "
            "key and reads facilities, appointment types and patients.",
        ),
        ChecklistItem(
            "webhooks",
            "Webhooks switched on",
            "Give PatientNow the address shown on the connection's page and ask for these notices: patient "
            "created, patient updated, appointment created, appointment status changed, patient bill completed, "
            "membership created. The test notice shows under Events as ignored, and proves the address right.",
        ),
        ChecklistItem(
            "facilities_mapped",
            "Facilities mapped",
            "Pull the locations and give each its sub-account and its time zone. A contact goes to the sub-account "
            "of the facility where the patient is seen.",
        ),
        ChecklistItem(
            "appointment_types",
            "Appointment types reviewed with the practice",
            "After the first pull every appointment type gets a suggested category. The practice confirms each "
            "one: a wrong category is the most common cause of a contact in the wrong stage.",
        ),
        ChecklistItem(
            "consult_days",
            "Consults and treatments on separate days?",
            "Ask practices without surgery. If so, switch on Separate stages for consults, and make sure that "
            "their pipeline has the stages Consult Booked and Consult Complete.",
        ),
    ),
)
