"""Who may do what, as one table: a line for each thing, and for each address the line that it belongs to.

A new page, button or list action needs a line here and a row of the same words in docs/roles.md.
"""

from dataclasses import dataclass

from tenants.models import Role

A, O, S, R = Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT, Role.REVIEWER  # noqa: E741


@dataclass(frozen=True)
class Line:
    """One thing, and the roles that may do it. ``company``: only where the role counts in every practice."""

    words: str
    roles: frozenset[str]
    company: bool = False
    in_docs: bool = True

    def marks(self) -> list[str]:
        """What stands in the document under administrator, onboarding, support and reviewer."""
        yes = "company" if self.company else "yes"
        return [yes if role in self.roles else "no" for role in (A, O, S, R)]


def _line(words: str, *roles: str, **more: bool) -> Line:
    return Line(words, frozenset(roles), **more)


# Not by role: open to everybody; open to nobody in any role; the superuser's alone.
EVERYBODY = _line("everybody", A, O, S, R, in_docs=False)
NOBODY = _line("nobody", in_docs=False)
SUPERUSER = _line("Background queues (superusers only)")
# --- what is read ----------------------------------------------------------------------------------------
HOME = _line("Dashboard, menu, search box, help, own password", A, O, S)
FIND = _line("Find a patient", A, O, S)
SEE_PRACTICES = _line("Practices: list, page, history", A, O, S)
SEE_CONNECTIONS = _line("Connections: list, page, history", A, O, S)
SEE_ACCOUNTS = _line("Sub-accounts: list, page, history", A, O, S)
SEE_LOCATIONS = _line("Locations: list, page, history", A, O, S)
SEE_TYPES = _line("Appointment types: list, page, history", A, O, S)
SEE_BATCHES = _line("Changes of categories: list, page, history, progress", A, O, S)
SEE_EVENTS = _line("Events: list, page, history", A, O, S)
SEE_PATIENTS = _line("Patients: list, page, history", A, O, S)
SEE_CONTACTS = _line("Contacts: list, page, history", A, O, S)
SEE_PAYMENTS = _line("Payments: list, page, history", A, O, S)
SEE_INCIDENTS = _line("Incidents: list, page, history", A, O, S)
SEE_QUESTIONS = _line("Identity questions: list, page, history, candidates", A, O, S)
SEE_CREATES = _line("Failed creates: list, page, history", A, O, S)
SEE_PEOPLE = _line("People: list, page, history", A, O)
SEE_REVEALS = _line("Revealed payloads: list, page, history", A, O)
# --- what is done day by day -----------------------------------------------------------------------------
REVEAL = _line("Reveal a stored payload, with a reason", A, O, S)
RETRY = _line("Retry or replay an event", A, O, S)
PREVIEW = _line("Preview an event under today's settings", A, O, S)
BULK = _line("Retry or replay many events at once; see how far it is", A, O, S)
LONG_WORK = _line("Long work: list; how far back-fills and custom fields are", A, O, S)
SETTLE_WRITE = _line("Say whether a write in doubt happened", A, O, S)
SETTLE_PAYMENT = _line("Say whether a payment in doubt is in the CRM", A, O, S)
ANSWER = _line("Answer an identity question, change the answer", A, O, S)
CREATE = _line("Retry, link, create anyway or dismiss a failed create", A, O, S)
POLL = _line("Poll now", A, O, S)
SANDBOX = _line("Sandbox (demo only): board, contact, buttons, practices to practise with", A, O, S)
# --- categories -------------------------------------------------------------------------------------------
REVIEW = _line("Review page: see the types, choose, agree, undo one's own, sign off", A, O, R)
INVITE = _line("Review page: invite reviewers, send a link again", A, O)
CATEGORIZE = _line(
    "Appointment types on the staff pages: choose, confirm, take back, add, change, delete", A, O
)
UNDO_BATCH = _line("Undo a change of categories", A, O)
SHEETS = _line("Appointment types as Excel, CSV or Google Sheet: export, import", A, O)
# --- set-up -----------------------------------------------------------------------------------------------
NEW_PRACTICE = _line("New practice", A, O, company=True)
SETUP = _line("Guided set-up of a practice", A, O)
EDIT_PRACTICE = _line("Practice: change it, go live with every check green, pause, resume", A, O)
OVERRIDE = _line("Practice: go live before every check is green, with a reason", A)
EDIT_CONNECTION = _line(
    "Connection: add, change, delete while unused, pause, resume, new webhook address", A, O
)
TEST_CONNECTION = _line(
    "Connection: send a test event, test, pull locations, back-fill, where fields are read", A, O
)
EDIT_ACCOUNT = _line("Sub-account: add, change, delete while unused, new webhook address", A, O)
BIRTH_DATE = _line("A date of birth that the CRM refuses: leave it so, or write it again", A, O)
CRM_FIELDS = _line("Sub-account: propose stages, preview and provision custom fields", A, O)
EDIT_LOCATION = _line("Location: add, change, delete", A, O)
EDIT_PEOPLE = _line("People: add, change, switch off, set a password (nobody with more rights)", A, O)

LINES = [one for one in list(globals().values()) if isinstance(one, Line)]


@dataclass(frozen=True)
class Page:
    """The lines by which an address is opened, posted to, and asked for as a dialog (htmx) where it has one."""

    get: Line
    post: Line
    dialog: Line | None = None


def _button(see: Line, do: Line) -> Page:
    """Its address leads to the row's page; the dialog and the deed are for those who may."""
    return Page(see, do, do)


def _rows(see: Line, add: Line = NOBODY, change: Line = NOBODY, delete: Line = NOBODY) -> dict[str, Page]:
    """The admin's own pages of a model."""
    return {
        "changelist": Page(see, see),
        "history": Page(see, see),
        "change": Page(see, change),
        "add": Page(add, add),
        "delete": Page(delete, delete),
    }


_MODELS = {
    "tenants_practice": _rows(SEE_PRACTICES, add=NEW_PRACTICE, change=EDIT_PRACTICE),
    "tenants_user": _rows(SEE_PEOPLE, add=EDIT_PEOPLE, change=EDIT_PEOPLE),
    "tenants_location": _rows(SEE_LOCATIONS, EDIT_LOCATION, EDIT_LOCATION, EDIT_LOCATION),
    "integrations_connection": _rows(SEE_CONNECTIONS, EDIT_CONNECTION, EDIT_CONNECTION, EDIT_CONNECTION),
    "integrations_subaccount": _rows(SEE_ACCOUNTS, EDIT_ACCOUNT, EDIT_ACCOUNT, EDIT_ACCOUNT),
    "categorization_appointmenttype": _rows(SEE_TYPES, CATEGORIZE, CATEGORIZE, CATEGORIZE),
    "categorization_categorybatch": _rows(SEE_BATCHES),
    "integrations_inboundevent": _rows(SEE_EVENTS),
    "integrations_patient": _rows(SEE_PATIENTS),
    "integrations_contact": _rows(SEE_CONTACTS),
    "integrations_ledgerrow": _rows(SEE_PAYMENTS),
    "integrations_incident": _rows(SEE_INCIDENTS),
    "integrations_identityquestion": _rows(SEE_QUESTIONS),
    "integrations_createrequest": _rows(SEE_CREATES),
    "integrations_payloadreveal": _rows(SEE_REVEALS),
}
# Buttons on a row's page or above a list, by the name that the admin gives them.
BUTTONS = {
    "integrations_inboundevent_retry": _button(SEE_EVENTS, RETRY),
    "integrations_inboundevent_preview_now": Page(PREVIEW, PREVIEW),
    "integrations_inboundevent_replay": _button(SEE_EVENTS, RETRY),
    "integrations_ledgerrow_is_there": _button(SEE_PAYMENTS, SETTLE_PAYMENT),
    "integrations_ledgerrow_write_again": _button(SEE_PAYMENTS, SETTLE_PAYMENT),
    "integrations_subaccount_propose_mappings": _button(SEE_ACCOUNTS, CRM_FIELDS),
    "integrations_subaccount_preview_fields": _button(SEE_ACCOUNTS, CRM_FIELDS),
    "integrations_subaccount_provision_fields": _button(SEE_ACCOUNTS, CRM_FIELDS),
    "integrations_subaccount_rotate_webhook": _button(SEE_ACCOUNTS, EDIT_ACCOUNT),
    "integrations_subaccount_write_birth_date": _button(SEE_ACCOUNTS, BIRTH_DATE),
    "integrations_incident_leave_it": _button(SEE_INCIDENTS, BIRTH_DATE),
    "integrations_connection_send_test": _button(SEE_CONNECTIONS, TEST_CONNECTION),
    "integrations_connection_poll_now": _button(SEE_CONNECTIONS, POLL),
    "integrations_connection_test": Page(TEST_CONNECTION, TEST_CONNECTION),
    "integrations_connection_pause": _button(SEE_CONNECTIONS, EDIT_CONNECTION),
    "integrations_connection_resume": _button(SEE_CONNECTIONS, EDIT_CONNECTION),
    "integrations_connection_pull_locations": _button(SEE_CONNECTIONS, TEST_CONNECTION),
    "integrations_connection_back_fill": Page(TEST_CONNECTION, TEST_CONNECTION),
    "integrations_connection_stop_backfill": _button(SEE_CONNECTIONS, TEST_CONNECTION),
    "integrations_connection_new_address": _button(SEE_CONNECTIONS, EDIT_CONNECTION),
    "tenants_practice_new_practice": Page(NEW_PRACTICE, NEW_PRACTICE),
    "tenants_practice_set_up": Page(SETUP, SETUP),
    "tenants_practice_go_live": _button(SEE_PRACTICES, EDIT_PRACTICE),
    "tenants_practice_pause": _button(SEE_PRACTICES, EDIT_PRACTICE),
    "tenants_practice_resume": _button(SEE_PRACTICES, EDIT_PRACTICE),
    "tenants_practice_add_connection": Page(EDIT_CONNECTION, EDIT_CONNECTION),
    "tenants_practice_add_sub_account": Page(EDIT_ACCOUNT, EDIT_ACCOUNT),
}
# Actions on several rows of a list.
LIST_ACTIONS = {
    "categorization_appointmenttype": {
        "confirm_suggestions": CATEGORIZE,
        "confirm_selected": CATEGORIZE,
        "take_back": CATEGORIZE,
    },
    "integrations_inboundevent": {"retry_selected": BULK, "replay_selected": BULK},
}
_SANDBOX_SEEN, _SANDBOX_DONE = Page(SANDBOX, NOBODY), Page(NOBODY, SANDBOX)
_OWN = {
    "healthz": Page(EVERYBODY, NOBODY),
    "readyz": Page(EVERYBODY, NOBODY),
    # By a token or a secret of their own, never by a role.
    "metrics": Page(NOBODY, NOBODY),
    "emr-webhook": Page(NOBODY, NOBODY),
    "crm-app-webhook": Page(NOBODY, NOBODY),
    "crm-webhook": Page(NOBODY, NOBODY),
    "review:home": Page(REVIEW, NOBODY),
    "review:sign-in": Page(EVERYBODY, EVERYBODY),
    "review:sign-out": Page(NOBODY, EVERYBODY),
    "review:forgotten": Page(EVERYBODY, EVERYBODY),
    # By the token in an e-mail.
    "review:link": Page(NOBODY, NOBODY),
    "review:types": Page(REVIEW, NOBODY),
    "review:agree": Page(NOBODY, REVIEW),
    "review:sign-off": Page(NOBODY, REVIEW),
    "review:choose": Page(NOBODY, REVIEW),
    "review:undo": Page(NOBODY, REVIEW),
    "review:invite": Page(INVITE, INVITE),
    "review:invite-again": Page(NOBODY, INVITE),
    "categories-export": Page(SHEETS, NOBODY),
    "categories-export-csv": Page(SHEETS, NOBODY),
    "categories-import": Page(SHEETS, SHEETS),
    "categories-import-confirm": Page(SHEETS, SHEETS),
    "categories-sheet": Page(SHEETS, SHEETS),
    "categories-sheet-read": Page(NOBODY, SHEETS),
    "dashboard-live": Page(HOME, NOBODY),
    "sandbox": _SANDBOX_SEEN,
    "sandbox-board": _SANDBOX_SEEN,
    "sandbox-contact": _SANDBOX_SEEN,
    "sandbox-contact-live": _SANDBOX_SEEN,
    "sandbox-create-tag": _SANDBOX_SEEN,
    "sandbox-rehearsals": _SANDBOX_SEEN,
    "sandbox-send": _SANDBOX_DONE,
    "sandbox-outage": _SANDBOX_DONE,
    "sandbox-create-tag-press": _SANDBOX_DONE,
    "setup-start": Page(SETUP, NEW_PRACTICE),
    "setup": Page(SETUP, NOBODY),
    "setup-step": Page(SETUP, SETUP),
    "help": Page(HOME, NOBODY),
    "help-image": Page(HOME, NOBODY),
    "help-page": Page(HOME, NOBODY),
    "attention-confirm-type": Page(NOBODY, CATEGORIZE),
    "attention-test": Page(NOBODY, TEST_CONNECTION),
    "attention-answer": Page(NOBODY, ANSWER),
    "attention-retry-create": Page(NOBODY, CREATE),
    "attention-retry-event": Page(NOBODY, RETRY),
    "bulk-runs": Page(LONG_WORK, NOBODY),
    "provision-run": Page(LONG_WORK, NOBODY),
    "provision-run-progress": Page(LONG_WORK, NOBODY),
    "back-fill": Page(LONG_WORK, NOBODY),
    "back-fill-progress": Page(LONG_WORK, NOBODY),
    "back-fill-stop": Page(NOBODY, TEST_CONNECTION),
    "bulk-run": Page(BULK, NOBODY),
    "bulk-run-progress": Page(BULK, NOBODY),
    "admin:search": Page(HOME, HOME),
    "admin:index": Page(HOME, HOME),
    "admin:login": Page(EVERYBODY, EVERYBODY),
    "admin:logout": Page(NOBODY, EVERYBODY),
    "admin:password_change": Page(HOME, HOME),
    "admin:password_change_done": Page(HOME, NOBODY),
    # Asked for choices of a form: whoever sees the rows that are chosen from.
    "admin:autocomplete": Page(SEE_PEOPLE, NOBODY),
    "admin:jsi18n": Page(HOME, NOBODY),
    # No row of ours has a page on another site.
    "not-there": Page(NOBODY, NOBODY),
    "admin:view_on_site": Page(NOBODY, NOBODY),
    "admin:app_list": Page(HOME, HOME),
    # Whatever is left.
    "(?P<url>.*)$": Page(NOBODY, NOBODY),
    "admin:auth_user_password_change": Page(EDIT_PEOPLE, EDIT_PEOPLE),
    "admin:category-progress": Page(SEE_BATCHES, SEE_BATCHES),
    "admin:category-undo": Page(NOBODY, UNDO_BATCH),
    "admin:category-choose": Page(NOBODY, CATEGORIZE),
    "admin:event-preview": Page(PREVIEW, REVEAL),
    "admin:subaccount-budget": Page(SEE_ACCOUNTS, SEE_ACCOUNTS),
    "admin:event-payload": Page(REVEAL, REVEAL),
    "admin:effect-settle": Page(NOBODY, SETTLE_WRITE),
    "admin:connection-fields": Page(TEST_CONNECTION, TEST_CONNECTION),
    "admin:connection-test": Page(TEST_CONNECTION, TEST_CONNECTION),
    "admin:connection-backfill": Page(TEST_CONNECTION, TEST_CONNECTION),
    "admin:find-patient": Page(FIND, FIND),
    "admin:creates-retry-fixed": Page(NOBODY, CREATE),
    "admin:create-retry": Page(NOBODY, CREATE),
    "admin:create-link": Page(NOBODY, CREATE),
    "admin:create-anyway": Page(NOBODY, CREATE),
    "admin:create-dismiss": Page(NOBODY, CREATE),
    "admin:identity-answer": Page(NOBODY, ANSWER),
    "admin:identity-change": Page(NOBODY, ANSWER),
    "admin:identity-candidates": Page(SEE_QUESTIONS, SEE_QUESTIONS),
}
_QUEUES = (
    "home_json metrics home jobs queue_details finished_jobs failed_jobs delete_failed_jobs scheduled_jobs "
    "started_jobs deferred_jobs clear requeue_all job_detail result_detail delete_job requeue_job enqueue_job "
    "stop_job confirm_action actions workers worker_details scheduler_jobs cron_scheduler_detail cron_job_detail"
)
PAGES: dict[str, Page] = {
    **_OWN,
    **{f"django_rq:{name}": Page(SUPERUSER, SUPERUSER) for name in _QUEUES.split()},
    **{f"admin:{name}": page for name, page in BUTTONS.items()},
    **{f"admin:{model}_{name}": page for model, pages in _MODELS.items() for name, page in pages.items()},
    # An address without its last word leads to the row's page, which asks again.
    **{f"{model.replace('_', '/')}/<path:object_id>/": Page(HOME, HOME) for model in _MODELS},
}
# Done on a page that others open for something else; what they may do there is tested by name.
DEEDS = [OVERRIDE]
