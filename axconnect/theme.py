"""How the staff application looks and what its menu offers (django-unfold)."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy

MENU = "integrations.admin.menu"


def environment_label(request: HttpRequest) -> tuple[str, str] | None:
    """(words, colour) beside every page's title where it is not the real thing."""
    return ("Demo", "warning") if settings.DEMO else None


def environment_prefix(request: HttpRequest) -> str | None:
    """What stands before the title in the browser's tab."""
    return "[Demo]" if settings.DEMO else None


def sandbox_address() -> str:
    """The board of the pretend CRM, which only the demo has."""
    return reverse("sandbox") if settings.DEMO else ""


def on_patients(request: HttpRequest) -> bool:
    """Whether the page is about patients; the search page has an entry of its own."""
    patients, search = reverse("admin:integrations_patient_changelist"), reverse("admin:find-patient")
    return request.path.startswith(patients) and request.path != search


def _item(title: str, icon: str, link: str, permission: str = "sees", **more: Any) -> dict[str, Any]:
    address = reverse_lazy(f"admin:{link}")
    return {"title": title, "icon": icon, "link": address, "permission": f"{MENU}.{permission}", **more}


def _badge(name: str, variant: str = "warning") -> dict[str, Any]:
    return {"badge": f"{MENU}.{name}", "badge_variant": variant}


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            _item("Dashboard", "space_dashboard", "index"),
            _item("Find a patient", "person_search", "find-patient"),
            {
                "title": "Sandbox CRM",
                "icon": "view_kanban",
                "link": lambda request: sandbox_address(),
                "active": lambda request: request.path.startswith("/sandbox/"),
                "permission": f"{MENU}.sees_sandbox",
            },
        ],
    },
    {
        "title": "Work",
        "separator": True,
        "items": [
            _item("Events", "bolt", "integrations_inboundevent_changelist", **_badge("parked", "danger")),
            _item(
                "Failed creates",
                "person_alert",
                "integrations_createrequest_changelist",
                **_badge("failed_creates"),
            ),
            _item(
                "Identity questions",
                "diversity_3",
                "integrations_identityquestion_changelist",
                **_badge("questions"),
            ),
            _item(
                "Incidents",
                "emergency_home",
                "integrations_incident_changelist",
                **_badge("incidents", "danger"),
            ),
            {
                "title": "Long work",
                "icon": "hourglass_top",
                "link": reverse_lazy("bulk-runs"),
                "active": lambda request: request.path.startswith("/bulk/"),
                "permission": f"{MENU}.sees",
            },
        ],
    },
    {
        "title": "People and money",
        "separator": True,
        "items": [
            _item("Contacts", "contacts", "integrations_contact_changelist"),
            _item("Patients", "personal_injury", "integrations_patient_changelist", active=on_patients),
            _item("Ledger", "payments", "integrations_ledgerrow_changelist", **_badge("unsure_payments")),
        ],
    },
    {
        "title": "Set-up",
        "separator": True,
        "items": [
            _item("Practices", "local_hospital", "tenants_practice_changelist"),
            _item(
                "Connections", "cable", "integrations_connection_changelist", **_badge("refused", "danger")
            ),
            _item("Sub-accounts", "hub", "integrations_subaccount_changelist"),
            _item("Locations", "location_on", "tenants_location_changelist", **_badge("unmapped")),
            _item(
                "Appointment types",
                "category",
                "categorization_appointmenttype_changelist",
                **_badge("uncategorized"),
            ),
        ],
    },
    {
        "title": "Company",
        "separator": True,
        "items": [
            _item("People", "group", "tenants_user_changelist", "manages_people"),
            _item("Payload log", "visibility", "integrations_payloadreveal_changelist", "manages_people"),
            {
                "title": "Queues",
                "icon": "stacks",
                "link": reverse_lazy("django_rq:home"),
                "permission": f"{MENU}.is_superuser",
            },
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "AX Connect",
    "SITE_HEADER": "AX Connect",
    "SITE_SUBHEADER": "EMR to CRM",
    "SITE_ICON": lambda request: static("axconnect/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("axconnect/favicon.svg")}
    ],
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "integrations.views.dashboard.dashboard_callback",
    "ENVIRONMENT": "axconnect.theme.environment_label",
    "ENVIRONMENT_TITLE_PREFIX": "axconnect.theme.environment_prefix",
    "STYLES": [lambda request: static("axconnect/axconnect.css")],
    "SCRIPTS": [lambda request: static("axconnect/axconnect.js")],
    # Text on a primary-600 ground and primary-600 text on white both pass WCAG AA (5.5 to 1).
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(60% .118 184.7)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(33% .055 189)",
            "950": "oklch(27.7% .046 192.5)",
        },
    },
    "COMMAND": {
        "search_models": [
            "tenants.practice",
            "tenants.location",
            "integrations.connection",
            "integrations.subaccount",
            "tenants.user",
        ],
        "search_callback": f"{MENU}.pages_named",
        # Kept in the browser: what somebody typed must not stay there.
        "show_history": False,
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": NAVIGATION,
    },
}
