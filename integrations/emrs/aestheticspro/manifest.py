"""What AestheticsPro is to the rest of AX Connect."""

from integrations.contract.manifest import (
    ChecklistItem,
    CredentialField,
    DataType,
    EventKind,
    FolderField,
    Manifest,
    Switch,
    Way,
)
from integrations.emrs.aestheticspro.fields import PAYLOAD_FIELDS

MANIFEST = Manifest(
    slug="aestheticspro",
    name="AestheticsPro",
    way=Way.WEBHOOK,
    field_prefix="APro",
    folder="Aesthetics Pro",
    fields=(
        FolderField("APro Client ID"),
        FolderField("APro DOB", DataType.DATE),
        FolderField("APro Location"),
        FolderField("APro Appt ID"),
        FolderField("APro Provider"),
        FolderField("APro Appt Status"),
        FolderField("APro Appt Date", DataType.DATE),
        FolderField("APro Invoice ID"),
        FolderField("APro Appt Services"),
        FolderField("APro Appt Service Type"),
    ),
    events=(
        EventKind("webhook.test", "Test ping", used=False),
        EventKind("client.saved", "Client created or updated"),
        EventKind("appointment.created", "Appointment booked"),
        EventKind("appointment.updated", "Appointment changed or rescheduled"),
        EventKind("appointment.cancelled", "Appointment cancelled"),
        EventKind("appointment.no_show", "No-show"),
        EventKind("appointment.deleted", "Appointment deleted"),
        EventKind("invoice.paid", "Invoice paid"),
    ),
    patient_id_field="APro Client ID",
    birthday_field="APro DOB",
    payment_id_field="APro Invoice ID",
    appointment_workflow="APro Appointments Update",
    payment_workflow="APro Invoice Paid",
    birthday_workflow="APro Birthday",
    has_surgical_pipeline=False,
    creates_opportunity_on_payment=True,
    credentials=(
        CredentialField(
            "header_secret",
            "Webhook secret",
            secret=True,
            required=False,
            help="Optional. When set, a delivery without it in the header X-AX-Secret is refused.",
        ),
    ),
    switches=(
        Switch(
            "act_on_reschedules",
            "Act on reschedules and deletions",
            default=False,
            help="Off: they are recorded, and nothing is written to the CRM. On: a new date updates the next "
            "visit, a deleted appointment counts as cancelled.",
        ),
        Switch(
            "sync_address",
            "Write the address",
            default=True,
            help="Street, city, state and postal code of a saved client go to the contact.",
        ),
        Switch(
            "separate_consult_stages",
            "Separate stages for consults",
            default=False,
            help="Consults use Consult Booked and Consult Complete on the non-surgical pipeline. A completed "
            "consult leaves a lead open there.",
        ),
    ),
    checklist=(
        ChecklistItem(
            "edition",
            "Executive or Enterprise edition",
            "Only these two editions of AestheticsPro send webhooks: ask the practice which one they have. "
            "AestheticsPro bills them $25 per month and location for access, and $0.02 per task over 5,000 "
            "per billing cycle: make sure that they know.",
        ),
        ChecklistItem(
            "webhooks_enabled",
            "Webhooks enabled",
            "The practice asks their AestheticsPro Client Success Manager to sign them up for the "
            "integration and to enable webhooks on their account.",
        ),
        ChecklistItem(
            "user_account",
            "User account for us",
            "AestheticsPro makes a user account in the practice's system for our integrations e-mail "
            "address. Sign in with it once: without it nobody here can set up or repair the webhooks.",
        ),
        ChecklistItem(
            "webhook_address",
            "Webhook address entered",
            "In AestheticsPro, signed in with that account, add a webhook with the address shown on the "
            "connection's page and choose the client, appointment and invoice events. AestheticsPro sends a "
            "test ping when it is saved: it shows under Events as ignored, and proves the address right.",
        ),
    ),
    payload_fields=PAYLOAD_FIELDS,
    free_tasks_per_cycle=5000,
    task_price="0.02",
)
