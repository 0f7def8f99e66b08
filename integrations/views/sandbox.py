"""The pretend CRM as a person sees it, and buttons that make things happen in AestheticsPro. Demo only."""

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

from integrations.demo_sender import (
    at_desk,
    begin_outage,
    deliver,
    door,
    end_outage,
    outage_seconds_left,
)
from integrations.emrs.aestheticspro.sandbox import SERVICES
from integrations.models import Connection, Contact, InboundEvent, SubAccount
from integrations.sandbox.demo.book import open_books
from integrations.sandbox.demo.desk import Desk, Message, NothingToDo
from integrations.sandbox.demo.door import DoorError
from integrations.sandbox.demo.people import person
from integrations.sandbox.demo.practices import DemoPractice, demo_practices
from integrations.views.links import page_of
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

View = Callable[..., HttpResponse]
CARDS_PER_STAGE = 12
NEW_PATIENT = "new"
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
# Button, what it says, its icon, what happens.
BUTTONS: tuple[tuple[str, str, str, str], ...] = (
    ("book_visit", "Book", "event_available", "A new appointment"),
    ("pay", "Pay invoice", "payments", "The next appointment took place and is paid"),
    ("cancel", "Cancel", "event_busy", "The next appointment is called off"),
    ("no_show", "No-show", "person_off", "Nobody comes to the next appointment"),
    ("reschedule", "Reschedule", "update", "The next appointment moves to another day"),
    ("delete", "Delete", "delete", "The next appointment is removed from the book"),
    ("sell", "Retail sale", "shopping_bag", "Products, without an appointment"),
    ("save", "Save client", "badge", "The patient's details are saved"),
    ("ping", "Test ping", "network_ping", "AestheticsPro tries the webhook"),
    (
        "late_cancellation",
        "Late cancellation",
        "history",
        "A visit, a newer one, then late the word that the first is off: the card must stay in Booked",
    ),
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
        "accounts": _accounts(request),
        "buttons": BUTTONS,
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
    """One press on one of the sender's buttons: posts the webhooks and shows what was answered."""
    account, practice = _practice_to_send_for(request)
    press = Press.of(request)
    try:
        messages = at_desk(practice, press.act)
    except NothingToDo as nothing:
        answers = [{"words": str(nothing), "tone": "warning", "at": now()}]
    else:
        answers = [_answer(practice, message) for message in messages]
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
    """Lets the CRM pretend to be down for half a minute, or up again."""
    account, _ = _practice_to_send_for(request)
    try:
        if request.POST.get("outage") == "on":
            begin_outage()
        else:
            end_outage()
    except DoorError as error:
        return TemplateResponse(request, "sandbox/pipelines.html", {"fault": str(error), "account": account})
    return TemplateResponse(request, "sandbox/pipelines.html", _board(account))


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
    return list(rows.order_by("practice__name", "key"))


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
        }
    except DoorError as error:
        return {"account": account, "fault": str(error)}


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
    """Patients and services to choose from; nothing where the sub-account is none of the demo's."""
    practice = demo_practices().get(account.practice.slug) if account else None
    if account is None or practice is None or not may(request.user, Right.OPERATE, account.practice_id):
        return {"sender": None}
    with open_books(settings.DATA_DIR) as books:
        people = dict(books.of(practice.slug).people)
    rows = [(number, person(practice, number), len(entry.appointments)) for number, entry in people.items()]
    patients = [
        (str(number), f"{who.last_name}, {who.first_name}", booked)
        for number, who, booked in sorted(rows, key=lambda row: (row[1].last_name, row[1].first_name))
    ]
    return {
        "sender": practice,
        "patients": patients,
        "services": [(str(place), service) for place, service in enumerate(SERVICES)],
        "chosen_patient": NEW_PATIENT,
    }


def _practice_to_send_for(request: HttpRequest) -> tuple[SubAccount, DemoPractice]:
    account = _account(request)
    practice = demo_practices().get(account.practice.slug) if account else None
    if account is None or practice is None:
        raise Http404("This sub-account is none of the demo's.")
    if not may(request.user, Right.OPERATE, account.practice_id):
        raise PermissionDenied
    return account, practice


@dataclass
class Press:
    """One press on a button. ``patient`` is who it was about, once it has acted."""

    button: str
    patient: str
    service: int | None

    @classmethod
    def of(cls, request: HttpRequest) -> "Press":
        """What was pressed. Raises Http404 for a button that there is not."""
        button, place = request.POST.get("button", ""), request.POST.get("service", "")
        if button not in {name for name, *_ in BUTTONS}:
            raise Http404("There is no such button.")
        is_on_menu = place.isdecimal() and int(place) < len(SERVICES)
        return cls(button, request.POST.get("patient", NEW_PATIENT), int(place) if is_on_menu else None)

    def act(self, desk: Desk) -> list[Message]:
        """Let it happen at the desk. Raises NothingToDo."""
        if self.button == "ping":
            return [desk.ping()]
        is_known = self.patient.isdecimal() and int(self.patient) in desk.book.people
        number = int(self.patient) if is_known else desk.book.new_person()
        self.patient = str(number)
        if self.button == "late_cancellation":
            return desk.late_cancellation(number, self.service)
        if self.button == "book_visit":
            return [desk.book_visit(number, self.service)]
        message: Message = getattr(desk, self.button)(number)
        return [message]


def _answer(practice: DemoPractice, message: Message) -> dict[str, Any]:
    """What our own webhook address answered to a message."""
    shown: dict[str, Any] = {"words": message.words, "at": now()}
    try:
        answer = deliver(practice, message)
        said = answer.json()
    except (requests.RequestException, Connection.DoesNotExist) as error:
        return shown | {"tone": "danger", "answer": f"not delivered ({type(error).__name__})"}
    event = said.get("event")
    words = f"{answer.status_code} {said.get('result') or said.get('error') or ''}".strip()
    return shown | {
        "tone": "success" if answer.ok else "danger",
        "answer": f"{words}, event {event}" if event else words,
        "link": page_of(InboundEvent, event),
    }
