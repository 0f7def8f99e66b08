"""What ModMed is to the rest of AX Connect."""

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
from integrations.emrs.modmed.fields import PAYLOAD_FIELDS

MANIFEST = Manifest(
    slug="modmed",
    name="ModMed",
    way=Way.POLL,
    field_prefix="ModMed",
    folder="ModMed",
    fields=(
        FolderField("ModMed Appt Status"),
        FolderField("ModMed Appt Date", DataType.DATE),
        FolderField("ModMed Appt Type"),
        FolderField("ModMed Appt Description"),
        FolderField("ModMed Appt ID"),
        FolderField("ModMed Birthday", DataType.DATE),
        FolderField("ModMed Location"),
        FolderField("ModMed Provider"),
        FolderField("ModMed Patient ID"),
        FolderField("ModMed Charge Type"),
        FolderField("ModMed Transaction ID"),
    ),
    events=(
        EventKind("appointment", "Appointment booked or changed"),
        EventKind("patient", "Patient created or updated"),
        EventKind("charge", "Charge"),
    ),
    patient_id_field="ModMed Patient ID",
    birthday_field="ModMed Birthday",
    appointment_workflow="ModMed Appointments and Pipeline Update",
    birthday_workflow="ModMed Birthday",
    has_surgical_pipeline=True,
    create_tags=("modmed-create",),
    default_base_url="https://mmapi.ema-api.com/ema-prod/firm/{firm_url_prefix}/ema",
    payload_fields=PAYLOAD_FIELDS,
    # Either a FHIR user name with its password, or a client id with its secret: the client says what is missing.
    credentials=(
        CredentialField(
            "firm_url_prefix",
            "Prefix URL",
            required=False,
            help="What stands before .ema.md in the practice's own address: bluestone for "
            "https://bluestone.ema.md. The whole address is understood too. Needed unless a base address is set.",
        ),
        CredentialField(
            "username",
            "FHIR user name",
            required=False,
            help="With the FHIR password: the older of ModMed's two ways to sign in.",
        ),
        CredentialField("password", "FHIR password", secret=True, required=False),
        CredentialField(
            "client_id",
            "Client id",
            required=False,
            help="With the client secret: the newer way, which replaces user name and password.",
        ),
        CredentialField("client_secret", "Client secret", secret=True, required=False),
        CredentialField(
            "api_key",
            "API key",
            secret=True,
            help="Made for this practice by ModMed Developer Support at our request. Each environment of "
            "ModMed's has its own.",
        ),
    ),
    switches=(
        Switch(
            "sync_address",
            "Write the address",
            default=True,
            help="Street, city, state and postal code of a patient go to the contact.",
        ),
        Switch(
            "separate_consult_stages",
            "Separate stages for consults",
            default=False,
            help="Practices with one pipeline only: consults use Consult Booked and Consult Complete. A "
            "completed consult leaves a lead open there.",
        ),
        Switch(
            "create_tag_aliases",
            "More tags that create a patient",
            default=[],
            help="Tags beside modmed-create, separated by commas, that create the contact in ModMed.",
        ),
        Switch(
            "create_required_fields",
            "Needed to create a patient",
            default=["first_name", "last_name", "email", "phone", "gender", "birth_date"],
            help="What a contact must have before it is created in ModMed: first_name, last_name, email, phone, "
            "gender, birth_date.",
        ),
    ),
    checklist=(
        ChecklistItem(
            "practice_solutions",
            "Request to ModMed Practice Solutions",
            "The practice writes to practicesolutions at modmed.com and asks for API access for the Aesthetix CRM "
            "integration. ModMed bills them from $25 per provider: make sure that they know. Their team enables "
            "the access and says how to make the credentials.",
        ),
        ChecklistItem(
            "allowed_resources",
            "Resources allowed",
            "ModMed allows each kind of record on its own. Ask for Appointment, Patient (read and create), "
            "Practitioner, Location, ChargeItem and the value set appointment-type; Test on the connection's page "
            "shows which one is missing. A practice with EMA but without ModMed Practice Management has no "
            "appointments in the API.",
        ),
        ChecklistItem(
            "prefix_url",
            "Prefix URL",
            "The practice sends the address at which they sign in to EMA: what stands before .ema.md is entered "
            "as the prefix URL.",
        ),
        ChecklistItem(
            "fhir_user",
            "FHIR user name and password",
            "The practice makes them in EMA as Practice Solutions describes, for us alone, and sends both through "
            "a safe channel. ModMed is replacing them by a client id with a secret: those are taken as well.",
        ),
        ChecklistItem(
            "api_key",
            "API key",
            "We ask ModMed Developer Support for a key for this practice, and for production. It is not the "
            "practice's to give.",
        ),
        ChecklistItem(
            "appointment_types",
            "Appointment types reviewed with the practice",
            "After the first pull every appointment type gets a suggested category. The practice confirms each "
            "one: a wrong category is the most common cause of a contact in the wrong stage.",
        ),
    ),
)
