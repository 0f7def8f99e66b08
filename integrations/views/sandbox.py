"""The pretend CRM as a person sees it, and buttons that make things happen in each EMR. Demo only."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import requests
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from integrations.contract.demo import NEW_PATIENT, DemoDesk, Happening, NothingToDo
from integrations.demo_sender import (
    begin_outage,
    deliver,
    demo_connection,
    desk,
    door,
    end_outage,
    news_of,
    outage_seconds_left,
    poll_at_once,
    set_emr_outage,
)
from integrations.models import Connection, Contact, EventState, InboundEvent, LocationRoute, SubAccount
from integrations.sandbox.demo.door import DoorError
from integrations.sandbox.demo.practices import DemoPractice, practice_with
from integrations.views.links import list_of, page_of
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

View = Callable[..., HttpResponse]
CARDS_PER_STAGE = 12
# The contact's own properties that are worth a look, in this order.
NATIVE = (
    ("firstName", "First name"),
    ("lastName", "Last name"),
    ("email", "E-mail"),
    ("phone", "Phone"),
    ("dateOfBirth", "Date of birth"),
    ("gender", "Gender"),
    ("address1", "Street"),
    ("city", "City"),
    ("state", "State"),
    ("postalCode", "Postal code"),
    ("source", "Source"),
)


def demo_page(view: View) -> Any:
    """For staff, and only in the demo."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **kwargs)

    return admin.site.admin_view(guarded)


@demo_page
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The board of one sub-account (``?account=`` its CRM id), with the sender beside it."""
    account = _account(request)
    context = {
        **admin.site.each_context(request),
        "title": "Sandbox",
        "accounts": _titled(_accounts(request)),
        **_sender(request, account),
        **_board(account),
    }
    return TemplateResponse(request, "sandbox/board.html", context)


@demo_page
@require_safe
def board_live(request: HttpRequest) -> HttpResponse:
    """The pipelines alone, for a board that is open."""
    return TemplateResponse(request, "sandbox/pipelines.html", _board(_account(request)))


@demo_page
@require_safe
def contact(request: HttpRequest, contact_id: str) -> HttpResponse:
    """One contact as the CRM holds it."""
    found = _contact(request, contact_id)
    context = {**admin.site.each_context(request), "title": "Sandbox contact", **found}
    status = requests.codes.ok if found.get("contact") else requests.codes.not_found
    return TemplateResponse(request, "sandbox/contact.html", context, status=status)


@demo_page
@require_safe
def contact_live(request: HttpRequest, contact_id: str) -> HttpResponse:
    """What changes on a contact's page that is open."""
    return TemplateResponse(request, "sandbox/contact_parts.html", _contact(request, contact_id))


@demo_page
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """One press on one of the desk's buttons: lets it happen, and shows what became of it."""
    account, practice = _practice_to_act_for(request)
    found = desk(practice)
    press = Press.of(request, found, _site_of(account))
    try:
        answers = press.act(practice, found)
    except NothingToDo as nothing:
        answers = [{"words": str(nothing), "tone": "warning", "at": now()}]
    except requests.RequestException as error:
        answers = [{"words": f"The sandbox failed ({type(error).__name__}).", "tone": "danger", "at": now()}]
    context = {
        # The last press stands first, and so does the last message of a press.
        "answers": answers[::-1],
        "practice": account.practice,
        **_sender(request, account),
        "chosen_patient": press.patient,
    }
    return TemplateResponse(request, "sandbox/answers.html", context)


@demo_page
@require_POST
def outage(request: HttpRequest) -> HttpResponse:
    """Lets the CRM pretend to be down for half a minute or up again, or the EMR until it is switched on again."""
    account, practice = _practice_to_act_for(request)
    order = request.POST.get("outage", "")
    try:
        if order not in OUTAGES:
            raise Http404("There is no such button.")
        OUTAGES[order](practice)
    except (DoorError, requests.RequestException) as error:
        context = {"fault": f"The sandbox failed ({type(error).__name__}).", "account": account}
        return TemplateResponse(request, "sandbox/pipelines.html", context)
    return TemplateResponse(request, "sandbox/pipelines.html", _board(account))


OUTAGES: dict[str, Callable[[DemoPractice], None]] = {
    "on": lambda practice: begin_outage(),
    "off": lambda practice: end_outage(),
    "emr-on": lambda practice: set_emr_outage(practice, True),
    "emr-off": lambda practice: set_emr_outage(practice, False),
}


urlpatterns: list[URLPattern] = [
    path("sandbox/", board, name="sandbox"),
    path("sandbox/board/", board_live, name="sandbox-board"),
    path("sandbox/send/", send, name="sandbox-send"),
    path("sandbox/outage/", outage, name="sandbox-outage"),
    path("sandbox/contacts/<str:contact_id>/", contact, name="sandbox-contact"),
    path("sandbox/contacts/<str:contact_id>/live/", contact_live, name="sandbox-contact-live"),
]


# --- the board ---------------------------------------------------------------------------------------------


def _accounts(request: HttpRequest) -> list[SubAccount]:
    rows = rows_with(request.user, SubAccount, Right.SEE).select_related("practice")
    return list(rows.order_by("practice__name", "-is_default", "key"))


def _account(request: HttpRequest) -> SubAccount | None:
    """The sub-account asked for, else the first that the person may see; None where there is none."""
    accounts = _accounts(request)
    wanted = request.POST.get("account") or request.GET.get("account")
    if not wanted:
        return accounts[0] if accounts else None
    found = next((account for account in accounts if account.crm_subaccount_id == wanted), None)
    if found is None:
        raise Http404("There is no such sub-account.")
    return found


def _titled(accounts: list[SubAccount]) -> list[tuple[SubAccount, str]]:
    """Each sub-account with what its tab says: the practice, or, where that has several, the clinics that go there."""
    several = Counter(account.practice_id for account in accounts)
    clinics: dict[int, list[str]] = {}
    routes = LocationRoute.objects.across_practices().filter(sub_account__in=accounts)
    for account_id, name in routes.values_list("sub_account_id", "location__name"):
        clinics.setdefault(account_id, []).append(name)
    return [
        (account, ", ".join(clinics.get(account.pk, [])) if several[account.practice_id] > 1 else "")
        for account in accounts
    ]


def _board(account: SubAccount | None) -> dict[str, Any]:
    if account is None:
        return {"account": None}
    try:
        crm_id = account.crm_subaccount_id
        pipelines = door().board(crm_id, CARDS_PER_STAGE)["pipelines"]
        for pipeline in pipelines:
            pipeline["is_empty"] = not any(stage["count"] for stage in pipeline["stages"])
        for stage in (stage for pipeline in pipelines for stage in pipeline["stages"]):
            stage["more"] = stage["count"] - len(stage["cards"])
        return {
            "account": account,
            "pipelines": sorted(pipelines, key=lambda pipeline: bool(pipeline["is_empty"])),
            "counters": door().summary(crm_id),
            "outage_left": round(outage_seconds_left()),
            **_news(account),
        }
    except DoorError as error:
        return {"account": account, "fault": str(error)}


def _news(account: SubAccount) -> dict[str, Any]:
    """Which EMR the practice has, how it reaches us and when it did last; nothing where it is none of the demo's."""
    practice = practice_with(account.crm_subaccount_id)
    if practice is None:
        return {}
    try:
        is_down = desk(practice).state().is_down
    except requests.RequestException:
        is_down = False
    news = news_of(practice)
    age = (now() - news.last_at).total_seconds() if news.last_at else 0.0
    held = {"practice": account.practice_id, "state": EventState.HELD}
    return {
        "news": news,
        "news_age": age,
        "emr_is_down": is_down,
        "held": InboundEvent.objects.for_practice(account.practice_id).filter(state=EventState.HELD).count(),
        "held_link": list_of(InboundEvent, **held),
    }


# --- the contact -------------------------------------------------------------------------------------------


def _contact(request: HttpRequest, contact_id: str) -> dict[str, Any]:
    """The contact, or ``fault``: why it cannot be shown."""
    try:
        found = door().contact(contact_id)
    except DoorError as error:
        gone = "This contact is gone from the CRM: somebody deleted it, or its story in the demo was told."
        return {"fault": gone if error.status == requests.codes.not_found else str(error)}
    own = [one for one in _accounts(request) if one.crm_subaccount_id == found["location_id"]]
    if not own:
        raise Http404("There is no such contact.")
    known = Contact.objects.for_practice(own[0].practice_id).filter(sub_account=own[0], crm_id=contact_id)
    for row, name in [(note, "dateAdded") for note in found["notes"]] + [
        (enrolment, "at") for enrolment in found["enrolments"]
    ]:
        row["when"] = datetime.fromisoformat(row[name])
    return {
        "contact": found,
        "account": own[0],
        "native": [(label, found["native"][name]) for name, label in NATIVE if found["native"].get(name)],
        "folders": _by_folder(found["fields"], own[0].crm_subaccount_id),
        "story_link": page_of(Contact, known.values_list("pk", flat=True).first()),
    }


def _by_folder(values: dict[str, Any], crm_id: str) -> list[tuple[str, list[tuple[str, Any]]]]:
    """The filled custom fields under the names of their folders, both in the CRM's order."""
    try:
        fields = door().sub_account(crm_id)["custom_fields"]
    except DoorError:
        return [("Fields", sorted(values.items()))]
    folders: dict[str, list[tuple[str, Any]]] = {}
    for field in fields["fields"]:
        if field["name"] in values:
            folder = fields["folders"].get(field["parentId"], "Fields")
            folders.setdefault(folder, []).append((field["name"], values[field["name"]]))
    return list(folders.items())


# --- the sender --------------------------------------------------------------------------------------------


def _sender(request: HttpRequest, account: SubAccount | None) -> dict[str, Any]:
    """Patients, services and buttons to choose from; nothing where the sub-account is none of the demo's."""
    practice = practice_with(account.crm_subaccount_id) if account else None
    if account is None or practice is None or not may(request.user, Right.OPERATE, account.practice_id):
        return {"sender": None}
    found = desk(practice)
    try:
        state = found.state()
    except requests.RequestException:
        return {"sender": None}
    patients = sorted(state.patients, key=lambda one: one.name)
    return {
        "sender": practice,
        "buttons": found.buttons,
        "patients": [(one.id, one.name, one.booked) for one in patients],
        "services": [(str(place), name) for place, name in enumerate(state.services)],
        "chosen_patient": NEW_PATIENT,
        "emr_name": practice.emr.manifest.name,
        "poll_seconds": settings.POLL_SECONDS if practice.is_polled else 0,
    }


def _practice_to_act_for(request: HttpRequest) -> tuple[SubAccount, DemoPractice]:
    account = _account(request)
    practice = practice_with(account.crm_subaccount_id) if account else None
    if account is None or practice is None:
        raise Http404("This sub-account is none of the demo's.")
    if not may(request.user, Right.OPERATE, account.practice_id):
        raise PermissionDenied
    return account, practice


def _site_of(account: SubAccount) -> str:
    """The clinic at which a press on the sub-account's tab happens; "" where its practice has no other tab."""
    if SubAccount.objects.for_practice(account.practice_id).count() < 2:
        return ""
    routes = LocationRoute.objects.for_practice(account.practice_id).filter(sub_account=account)
    return routes.order_by("location_id").values_list("location__external_id", flat=True).first() or ""


@dataclass
class Press:
    """One press on a button. ``patient`` is who it was about, once it has acted; ``site`` the clinic of the tab."""

    button: str
    patient: str
    service: int | None
    site: str

    @classmethod
    def of(cls, request: HttpRequest, found: DemoDesk, site: str) -> "Press":
        """What was pressed. Raises Http404 for a button that the desk has not."""
        button, place = request.POST.get("button", ""), request.POST.get("service", "")
        if button not in {one.name for one in found.buttons}:
            raise Http404("There is no such button.")
        is_place = place.isascii() and place.isdecimal() and len(place) < 5
        return cls(button, request.POST.get("patient", NEW_PATIENT), int(place) if is_place else None, site)

    def act(self, practice: DemoPractice, found: DemoDesk) -> list[dict[str, Any]]:
        """Let it happen, and say what became of each thing. Raises NothingToDo and requests' own errors."""
        pressed = found.press(self.button, self.patient, self.service, self.site)
        self.patient = pressed.patient
        if practice.is_polled:
            poll_at_once(practice)
        return [_answer(practice, one) for one in pressed.happenings]


def _answer(practice: DemoPractice, happening: Happening) -> dict[str, Any]:
    """What our own webhook address answered to what happened, or that it stands in the book and is read now."""
    shown: dict[str, Any] = {"words": happening.words, "at": now()}
    try:
        if happening.body is None:
            link = page_of(Connection, demo_connection(practice).pk)
            return shown | {
                "tone": "info",
                "answer": "in the book, polled now",
                "link": link,
                "to": "The connection",
            }
        answer = deliver(practice, happening)
        said = answer.json()
    except Connection.DoesNotExist:
        nobody = f"stands in {practice.emr.manifest.name}, which is not connected yet"
        return shown | {"tone": "warning", "answer": nobody}
    except requests.RequestException as error:
        return shown | {"tone": "danger", "answer": f"not delivered ({type(error).__name__})"}
    event = said.get("event")
    words = f"{answer.status_code} {said.get('result') or said.get('error') or ''}".strip()
    return shown | {
        "tone": "success" if answer.ok else "danger",
        "answer": f"{words}, event {event}" if event else words,
        "link": page_of(InboundEvent, event),
        "to": "Its story",
    }
