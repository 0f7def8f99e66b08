"""What each staff page is, in one line, and where the documents say more. One table for all of them."""

from dataclasses import dataclass

from django.urls import NoReverseMatch

from integrations.views.help_pages import address_of


@dataclass(frozen=True, slots=True)
class HelpLine:
    """What a page is, and the document (``name#anchor``) that says more."""

    words: str
    target: str

    @property
    def link(self) -> str:
        """The address of the document; "" where the pages of documents are not served."""
        try:
            return address_of(self.target)
        except NoReverseMatch:
            return ""


_EVENT = "admin:integrations_inboundevent"
_CREATE = "admin:integrations_createrequest"
_QUESTION = "admin:integrations_identityquestion"
_INCIDENT = "admin:integrations_incident"
_CONTACT = "admin:integrations_contact"
_PATIENT = "admin:integrations_patient"
_LEDGER = "admin:integrations_ledgerrow"
_REVEAL = "admin:integrations_payloadreveal"
_CONNECTION = "admin:integrations_connection"
_ACCOUNT = "admin:integrations_subaccount"
_PRACTICE = "admin:tenants_practice"
_LOCATION = "admin:tenants_location"
_USER = "admin:tenants_user"
_TYPE = "admin:categorization_appointmenttype"
_BATCH = "admin:categorization_categorybatch"

_PASSWORD = HelpLine("Sets a new password for signing in here.", "support#people-and-roles")
_QUEUES = HelpLine(
    "The work that waits for the worker processes. It is for whoever runs the servers.",
    "operators#health-and-readiness",
)
_IMPORT = HelpLine(
    "Reads a spreadsheet of categories back. Nothing changes before you confirm the differences.",
    "onboarding/categories#by-spreadsheet",
)
_SHEET = HelpLine(
    "A Google Sheet in which the practice chooses categories, read back here.",
    "onboarding/categories#by-google-sheet",
)

HELP: dict[str, HelpLine] = {
    # --- start ---
    "admin:index": HelpLine(
        "What arrives, what became of it, and what needs a person, each with its one action.",
        "support#the-dashboard",
    ),
    "admin:find-patient": HelpLine(
        "Finds a patient by what somebody at the practice has in hand. Start here when they ask about one.",
        "support#find-a-patient",
    ),
    "admin:app_list": HelpLine(
        "The lists of one part of AX Connect; the menu leads to each of them.", "index#documents"
    ),
    "sandbox": HelpLine(
        "The demo's pretend CRM, with buttons that make things happen in each EMR. No real system is behind it.",
        "support#the-sandbox-of-the-demo",
    ),
    "sandbox-rehearsals": HelpLine(
        "Pretend practices to practise a set-up with, and what each step of it asks for.",
        "onboarding/new-practice#practising",
    ),
    "sandbox-contact": HelpLine(
        "One contact as the demo's pretend CRM holds it: what AX Connect wrote arrived here.",
        "support#the-sandbox-of-the-demo",
    ),
    "help": HelpLine("What there is to read, by who you are.", "index#documents"),
    "help-page": HelpLine("One of the documents, as it belongs to this version.", "index#documents"),
    # --- work ---
    f"{_EVENT}_changelist": HelpLine(
        "Everything that arrived, with what became of it. An event that is not here never arrived.",
        "support#no-note",
    ),
    f"{_EVENT}_change": HelpLine(
        "The story of one event: received, understood, decided and why, written, outcome.", "support#parked"
    ),
    "admin:event-preview": HelpLine(
        "What this event would do if it ran now, beside what was written of it. Nothing is written.",
        "support#before-you-press",
    ),
    "bulk-runs": HelpLine(
        "Work that takes longer than a press, whoever asked for it: how far each piece is, and what came of it.",
        "support#long-work",
    ),
    "provision-run": HelpLine(
        "How far the making of a sub-account's custom fields is. It goes on whether somebody watches or not.",
        "support#long-work",
    ),
    "back-fill": HelpLine(
        "How far a back-fill is. Its events are made when all was read, and written after what is live.",
        "support#long-work",
    ),
    "bulk-run": HelpLine(
        "How far this run is, and what came of it. It goes on whether somebody watches or not.",
        "support#many-events-at-once",
    ),
    "admin:event-payload": HelpLine(
        "What the EMR sent, word for word. It asks why, and keeps your name and reason.",
        "support#looking-into-a-payload",
    ),
    f"{_CREATE}_changelist": HelpLine(
        "Contacts with a create tag that did not become patients, with what is missing.",
        "support#no-patient-after-the-tag",
    ),
    f"{_QUESTION}_changelist": HelpLine(
        "Patients who share an e-mail or phone with another contact. Only a person can say who is who.",
        "support#held",
    ),
    f"{_INCIDENT}_changelist": HelpLine(
        "What is or was wrong with an EMR or the CRM. An incident closes by itself when it works again.",
        "support#incidents",
    ),
    # --- people and money ---
    f"{_CONTACT}_changelist": HelpLine(
        "Contacts that AX Connect writes to in the CRM. Each page says why it is in its stage.",
        "support#wrong-stage",
    ),
    f"{_CONTACT}_change": HelpLine(
        "What AX Connect wrote to this contact, and the sentence that explains its stage.",
        "support#wrong-stage",
    ),
    f"{_PATIENT}_changelist": HelpLine(
        "Patients as their EMRs know them, and the contact that each is linked to.", "support#contact-missing"
    ),
    f"{_LEDGER}_changelist": HelpLine(
        "Each payment that changed a lifetime value, once, with the value before and after.",
        "support#lifetime-value-wrong",
    ),
    # --- set-up ---
    f"{_PRACTICE}_changelist": HelpLine(
        "The practices that you work for, and whether each is live.", "onboarding/go-live#1-the-practice"
    ),
    f"{_PRACTICE}_add": HelpLine(
        "The first step: name, kind, country and time zone of a practice.",
        "onboarding/go-live#1-the-practice",
    ),
    f"{_PRACTICE}_change": HelpLine(
        "One practice with all that belongs to it. The list at the top says what is missing before it goes live.",
        "onboarding/go-live#7-the-list-turns-green",
    ),
    f"{_CONNECTION}_changelist": HelpLine(
        "Which EMR of which practice, whether its events come, and how.", "support#nothing-arrives"
    ),
    f"{_CONNECTION}_add": HelpLine(
        "Connects one EMR of a practice. What it needs is asked on the next page.",
        "onboarding/go-live#2-the-connection-to-the-emr",
    ),
    f"{_CONNECTION}_change": HelpLine(
        "One EMR of one practice: credentials, switches, and how it is doing.", "support#nothing-arrives"
    ),
    "admin:connection-test": HelpLine(
        "Tries what AX Connect needs of the EMR, one thing after the other. It only reads.",
        "onboarding/go-live#6-test-it",
    ),
    "admin:connection-fields": HelpLine(
        "Where in the EMR's payload each value stands, if this practice sends it in another place.",
        "support#parked",
    ),
    "admin:connection-backfill": HelpLine(
        "Reads older records from the EMR. It says what it costs before it starts.",
        "support#an-emr-that-is-polled-modmed-nextech-cloud",
    ),
    f"{_ACCOUNT}_changelist": HelpLine(
        "The containers in the CRM that AX Connect writes to, one or more per practice.",
        "onboarding/go-live#3-the-sub-account-of-the-crm",
    ),
    f"{_ACCOUNT}_change": HelpLine(
        "Where a practice's contacts live in the CRM: token, stages, workflows, fields, and its request budget.",
        "support#the-crms-request-budget",
    ),
    f"{_LOCATION}_changelist": HelpLine(
        "Clinic sites, and the sub-account that each one's events go to.", "onboarding/go-live#4-locations"
    ),
    f"{_TYPE}_changelist": HelpLine(
        "What each appointment type counts as. Events of a type that nobody confirmed wait.",
        "onboarding/categories#categories-of-appointment-types",
    ),
    f"{_BATCH}_changelist": HelpLine(
        "Each change of categories: who made it, what moved because of it, and how to take it back.",
        "onboarding/categories#categories-of-appointment-types",
    ),
    "categories-import": _IMPORT,
    "categories-import-confirm": _IMPORT,
    "categories-sheet": _SHEET,
    "categories-sheet-read": _SHEET,
    # --- company ---
    f"{_USER}_changelist": HelpLine(
        "Who may sign in, and what each may do in which practice.", "support#people-and-roles"
    ),
    f"{_REVEAL}_changelist": HelpLine(
        "Who looked into which payload, when and why.", "support#looking-into-a-payload"
    ),
    "admin:password_change": _PASSWORD,
    "admin:password_change_done": _PASSWORD,
    "admin:auth_user_password_change": _PASSWORD,
    "django_rq:": _QUEUES,
}


def help_line(view_name: str) -> HelpLine | None:
    """The line of a page by its view's name. Forms, histories and deletions without one of their own have that of
    their list, and all pages of the queues the same one. None where there is no line."""
    if view_name.startswith("django_rq:"):
        return HELP["django_rq:"]
    if view_name in HELP:
        return HELP[view_name]
    base, _, page = view_name.rpartition("_")
    if page == "add":
        return HELP.get(f"{base}_change") or HELP.get(f"{base}_changelist")
    return HELP.get(f"{base}_changelist")
