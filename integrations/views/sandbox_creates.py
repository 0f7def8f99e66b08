"""The demo's button "add create tag": a made-up contact in the pretend CRM, with the tag that makes a patient."""

import random
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from integrations.contract.errors import ContractError
from integrations.crm.calls import ContactValues
from integrations.demo_sender import door
from integrations.models import CreateRequest, SubAccount
from integrations.sandbox.demo.door import DoorError
from integrations.sync.create_back.tags import tags_of
from integrations.sync.crm_access import client_for
from integrations.sync.profile import ConnectionProfile, profiles
from integrations.views.links import list_of
from integrations.views.sandbox import demo_page
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

FIRST = ("Alma", "Bea", "Cora", "Dina", "Esme", "Fay", "Greta", "Hope", "Ivy", "June", "Lena", "Maya", "Nell")
LAST = ("Abbott", "Barlow", "Chase", "Dalton", "Ellery", "Foss", "Garland", "Hale", "Ingram", "Joyce")
# Button, what it says, its icon, what the contact lacks.
WAYS = (
    ("whole", "Add create tag", "sell", "Somebody with everything that the EMR needs"),
    (
        "incomplete",
        "… without phone and gender",
        "person_alert",
        "Somebody of whom the EMR needs to know more",
    ),
)


@demo_page
@require_safe
def panel(request: HttpRequest) -> HttpResponse:
    """The buttons of one sub-account (``?account=`` its CRM id); nothing where its EMR takes no patients."""
    return _panel(request, _account(request))


@demo_page
@require_POST
def press(request: HttpRequest) -> HttpResponse:
    """Make the contact and add the tag, as the front desk does; the CRM tells us of it."""
    account = _account(request)
    if not may(request.user, Right.OPERATE, account.practice_id):
        raise PermissionDenied
    connection = _two_way(account)
    way = request.POST.get("way", "")
    if connection is None or way not in {name for name, *_ in WAYS}:
        raise Http404("There is no such button.")
    tag = tags_of(connection)[0]
    try:
        tell_of_tags(account, tag)
        made = client_for(account).create_contact(_somebody(is_whole=way == "whole"))
        door().change_contact(made["id"], add_tags=[tag])
    except (DoorError, ContractError) as error:
        return _panel(request, account, fault=str(error))
    return _panel(request, account, made=made, tag=tag)


def tell_of_tags(account: SubAccount, tag: str) -> None:
    """Let the pretend CRM tell us of tags, both by a workflow and by the app. Raises DoorError."""
    app = settings.PUBLIC_URL + reverse("crm-app-webhook")
    workflow = {"url": account.webhook_url, "secret": account.webhook_secret, "tags": [tag]}
    door().tell_of_tags(account.crm_subaccount_id, workflow=workflow, app={"url": app})


def _panel(request: HttpRequest, account: SubAccount, **said: Any) -> HttpResponse:
    connection = _two_way(account)
    may_press = connection is not None and may(request.user, Right.OPERATE, account.practice_id)
    context = {
        "account": account,
        "ways": WAYS if may_press else (),
        "emr": connection.manifest.name if connection else "",
        "tag": tags_of(connection)[0] if connection else "",
        "failed_link": list_of(CreateRequest),
        **said,
    }
    return TemplateResponse(request, "sandbox/create_tag.html", context)


def _account(request: HttpRequest) -> SubAccount:
    wanted = request.POST.get("account") or request.GET.get("account") or ""
    rows = rows_with(request.user, SubAccount, Right.SEE).filter(crm_subaccount_id=wanted)
    found: SubAccount | None = rows.select_related("practice").first()
    if found is None:
        raise Http404("There is no such sub-account.")
    return found


def _two_way(account: SubAccount) -> ConnectionProfile | None:
    """The practice's first connection in whose EMR patients can be created."""
    profile = profiles([account.practice_id])[account.practice_id]
    return next((row for row in profile.connections.values() if tags_of(row)), None)


def _somebody(*, is_whole: bool) -> ContactValues:
    chance = random.Random()
    first, last, number = chance.choice(FIRST), chance.choice(LAST), chance.randrange(100, 10_000)
    born: date = now().date() - timedelta(days=chance.randrange(22 * 365, 68 * 365))
    values: ContactValues = {
        "firstName": first,
        "lastName": last,
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "dateOfBirth": born.isoformat(),
        "postalCode": "33609",
        "source": "Front desk",
    }
    if is_whole:
        values |= {"phone": f"+1{chance.randrange(212, 990)}555{number:04}", "gender": "female"}
    return values


urlpatterns: list[URLPattern] = [
    path("sandbox/create-tag/", panel, name="sandbox-create-tag"),
    path("sandbox/create-tag/press/", press, name="sandbox-create-tag-press"),
]
