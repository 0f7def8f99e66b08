"""What Nextech Cloud is to the rest of AX Connect."""

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

MANIFEST = Manifest(
    slug="nextech_cloud",
    name="Nextech Cloud",
    way=Way.POLL,
    field_prefix="NXT",
    folder="Nextech",
    fields=(
        FolderField("NXT Patient ID"),
        FolderField("NXT Appointment Type"),
        FolderField("NXT Appointment Date", DataType.DATE),
        FolderField("NXT Appointment Status"),
        FolderField("NXT Appointment Location"),
        FolderField("NXT Appointment Practitioner"),
        FolderField("NXT Appointment Purpose"),
        FolderField("NXT Payment Status"),
        FolderField("NXT Last Payment Date", DataType.DATE),
        FolderField("NXT Birthday", DataType.DATE),
        FolderField("NXT Last Payment ID"),
        FolderField("NXT Create Location", several_locations_only=True),
    ),
    events=(
        EventKind("appointment", "Appointment"),
        EventKind("patient", "Patient"),
        EventKind("payment", "Payment"),
    ),
    patient_id_field="NXT Patient ID",
    birthday_field="NXT Birthday",
    payment_id_field="NXT Last Payment ID",
    appointment_workflow="NXT Appointments Update",
    payment_workflow="NXT Payments Update",
    birthday_workflow="NXT Birthday",
    location_workflow="NXT Location Assignment",
    credentials=(
        CredentialField(
            "client_id",
            "Client ID",
            help="The application id that Nextech gave for its API.",
        ),
        CredentialField(
            "username",
            "User name",
            help="The API user of this practice, as it signs in to Azure.",
        ),
        CredentialField(
            "password",
            "Password",
            secret=True,
            help="The one chosen in Azure after the first sign-in: the password that Nextech sends has "
            "expired once it is used.",
        ),
        CredentialField("practice_id", "Practice ID", help="Sent as nx-practice-id with every request."),
    ),
    switches=(
        Switch(
            "payments",
            "Payments",
            default=False,
            default_by_kind={"med_spa": True},
            help="Read payments, write lifetime value and a note for each. A payment does not say for which "
            "visit it is: good for a med spa, misleading where there is surgery (quotes, credits, payment "
            "plans).",
        ),
        Switch(
            "count_insurance",
            "Count insurance money",
            default=False,
            help="Off: only what patients pay themselves changes the lifetime value.",
        ),
        Switch(
            "count_adjustments",
            "Count adjustments",
            default=False,
            help="Off: write-offs, credits and other adjustments change nothing.",
        ),
        Switch(
            "surgical_value",
            "Value on the surgical opportunity",
            default=False,
            help="Also write the lifetime value to the opportunity in the surgical pipeline.",
        ),
        Switch(
            "sync_address",
            "Write the address",
            default=False,
            help="Street, city, state and postal code of a changed patient go to the contact.",
        ),
        Switch(
            "separate_consult_stages",
            "Separate stages for consults",
            default=False,
            help="Consults use Consult Booked and Consult Complete on the non-surgical pipeline. A completed "
            "consult leaves a lead open there.",
        ),
        Switch(
            "online_appointment_counts_as",
            "Online Appointment counts as",
            default="",
            choices=(
                "",
                "Surgical Consult",
                "Surgical Appointment",
                "Non-Surgical Consult",
                "Non-Surgical Appointment",
            ),
            help="Until this is chosen, appointments of that category are held.",
        ),
        Switch(
            "status_map",
            "Custom statuses",
            default=(),
            help='What a custom status of this practice means, such as "Online Book = booked". Known meanings: '
            "booked, confirmed, fulfilled, cancelled, no-show, recorded. A custom status that is not listed "
            "is recorded, and nothing is written for it.",
        ),
        Switch(
            "default_postal_code",
            "Postal code for new patients",
            default="",
            help="Nextech makes no patient without one. Used where the contact has none.",
        ),
        Switch(
            "create_tag_aliases",
            "More tags that create a patient",
            default=(),
            help="Beside nxt-create.",
        ),
        Switch(
            "create_required_fields",
            "Needed to create a patient",
            default=("first_name", "last_name", "email", "phone", "birth_date"),
            help="Known: first_name, last_name, email, phone, birth_date, gender, postal_code.",
        ),
    ),
    checklist=(
        ChecklistItem(
            "direct_api_access",
            "Direct API access",
            "The practice orders Direct API access from Nextech: $2,000 or more once, and a monthly fee, both "
            "billed by Nextech. Make sure that they know before they sign.",
        ),
        ChecklistItem(
            "password_reset",
            "Password reset in Azure",
            "The password that Nextech sends expires with the first sign-in. Sign in once to the Azure "
            "portal as the API user, choose a new password, and enter that one here.",
        ),
        ChecklistItem(
            "no_second_factor",
            "No second factor",
            "The API user signs in without a person: ask Nextech to leave multi-factor sign-in off for it.",
        ),
        ChecklistItem(
            "online_status",
            "Status of online bookings",
            'Have the practice set "Online Scheduling Appointments - Book" to Pending in Nextech. Where they '
            'keep a status of their own, name it under Custom statuses, such as "Online Book = booked".',
        ),
        ChecklistItem(
            "types_reviewed",
            "Types and purposes reviewed",
            "The practice has looked through all appointment types and purposes: a wrong category is what "
            "moves contacts to a wrong stage.",
        ),
    ),
    create_tags=("nxt-create",),
    create_location_field="NXT Create Location",
    default_base_url="https://select.nextech-api.com/api",
)
