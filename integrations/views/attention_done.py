"""The one action of each row of "Needs attention", done where the row stands.

Each answers a POST with the row's result in words: the row alone for htmx, else a message on the dashboard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from categorization import confirming
from categorization.engine import engine
from categorization.models import AppointmentType, ConfirmedVia
from integrations.admin import polls
from integrations.admin.identity import AnswerForm
from integrations.admin.labels import went_on
from integrations.admin.send_test import can_send, send_test_event
from integrations.contract.errors import ContractError
from integrations.models import Connection, CreateRequest, IdentityQuestion, InboundEvent
from integrations.sync import answering, replay
from integrations.sync.create_back import ask
from integrations.views.links import page_of
from tenants.roles import Right, may
from tenants.scoped_admin import UserError, practice_id_of, rows_with

MEANWHILE = "Somebody else was faster: this is settled, or it is being tried right now."


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a press. ``is_fine`` False: nothing was changed, and ``words`` say why."""

    words: str
    is_fine: bool = True


Act = Callable[[HttpRequest, Any], Done]


def pressed(model: type[Model], *rights: Right) -> Callable[[Act], Any]:
    """A view for who holds one of ``rights`` in the row's practice; a row that they may not see does not exist."""

    def decorate(act: Act) -> Any:
        @never_cache
        @require_POST
        @wraps(act)
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            row = rows_with(request.user, model, Right.SEE).filter(pk=pk).first()
            if row is None:
                raise Http404("There is no such row.")
            if not any(may(request.user, right, practice_id_of(row)) for right in rights):
                raise PermissionDenied
            return _answer(request, row, act(request, row))

        return admin.site.admin_view(view)

    return decorate


def _answer(request: HttpRequest, row: Any, done: Done) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        (messages.success if done.is_fine else messages.error)(request, done.words)
        return HttpResponseRedirect(reverse("admin:index"))
    context = {"done": done, "link": page_of(type(row), row.pk)}
    return TemplateResponse(request, "dashboard/done.html", context)


def _keep(request: HttpRequest, row: Model, words: str) -> None:
    """In the row's history, under the person's name."""
    admin.site.get_model_admin(type(row)).log_change(request, row, words)  # type: ignore[no-untyped-call]


@pressed(AppointmentType, Right.CATEGORIZE, Right.CONFIGURE)
def confirm_type(request: HttpRequest, row: AppointmentType) -> Done:
    """Agree with the suggestion that was shown, as long as it still is the suggestion."""
    category = request.POST.get("category", "")
    if row.is_confirmed:
        return _confirmed_meanwhile(row)
    if not row.may_be_agreed_with or category != row.suggested:
        return Done("The suggestion has changed since. Load the page again and look once more.", False)
    waiting = engine().held([row]).get(row.pk, 0)
    try:
        via = ConfirmedVia.PAGE
        batch = confirming.confirm(row.practice, {row.pk: category}, user=request.user, via=via, asked=False)
    except confirming.BadChoice as error:
        return Done(str(error), False)
    if batch is None:
        row.refresh_from_db()
        return _confirmed_meanwhile(row)
    return Done(f"{row} counts as {category} now. {went_on(waiting)}")


def _confirmed_meanwhile(row: AppointmentType) -> Done:
    return Done(f"{row} was confirmed as {row.category} in the meantime.")


@pressed(Connection, Right.CONFIGURE)
def test_connection(request: HttpRequest, row: Connection) -> Done:
    """Try what the connection must be able to do: each capability of its API, or the way to its own door."""
    try:
        if polls.capabilities(row):
            return _tried(polls.try_all(row, request.user))
        if can_send(row):
            return Done(send_test_event(row))
    except (ContractError, UserError) as error:
        return Done(str(error), False)
    return Done("This EMR offers nothing that could be tried from here. Open the connection.", False)


def _tried(trial: polls.Trial) -> Done:
    failed = [one for one in trial.tried if not one.is_fine]
    if failed:
        return Done(" ".join(f"{one.capability.label} fails: {one.words}" for one in failed), False)
    count = len(trial.tried)
    return Done(f"Everything works: {count} of {count}. {trial.lifted_words}".rstrip())


@pressed(IdentityQuestion, Right.OPERATE)
def answer_question(request: HttpRequest, row: IdentityQuestion) -> Done:
    """Link, create without the shared value, or leave out."""
    form = AnswerForm(request.POST)
    if row.answer:
        return Done(MEANWHILE, False)
    if not form.is_valid():
        return Done(" ".join(map(str, form.non_field_errors())) or "Choose one of the answers.", False)
    user: Any = request.user
    try:
        released = answering.answer(row, form.cleaned_data["choice"], user, form.cleaned_data["contact"])
    except (ValueError, ContractError) as error:
        return Done(str(error), False)
    _keep(request, row, f"Answered: {row.get_answer_display()}")
    return Done(f"Kept: {row.get_answer_display()}. {went_on(released)}")


@pressed(CreateRequest, Right.OPERATE)
def retry_create(request: HttpRequest, row: CreateRequest) -> Done:
    """Try once more to create the patient."""
    if not ask.retry(row):
        return Done(MEANWHILE, False)
    words = "It is tried again: the contact's note says what came of it."
    _keep(request, row, words)
    return Done(words)


@pressed(InboundEvent, Right.OPERATE)
def retry_event(request: HttpRequest, row: InboundEvent) -> Done:
    """Go on from the step that failed."""
    if not replay.retry(row):
        return Done(MEANWHILE, False)
    return Done(f"Event {row.pk} is on its way again. What was written is not written twice.")


urlpatterns: list[URLPattern] = [
    path("dashboard/types/<int:pk>/confirm/", confirm_type, name="attention-confirm-type"),
    path("dashboard/connections/<int:pk>/test/", test_connection, name="attention-test"),
    path("dashboard/questions/<int:pk>/answer/", answer_question, name="attention-answer"),
    path("dashboard/creates/<int:pk>/retry/", retry_create, name="attention-retry-create"),
    path("dashboard/events/<int:pk>/retry/", retry_event, name="attention-retry-event"),
]
