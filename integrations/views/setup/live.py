"""The go-live page: every check with its proof, the tick of what only people know, the button; pause and resume."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from integrations.admin import live_state
from integrations.sync.golive import Check, State, is_ready
from integrations.views.long_work import fields_work
from integrations.views.setup.emr import tick
from integrations.views.setup.forms import ReasonForm
from integrations.views.setup.pages import accounts_of, show, step_page, to_step
from integrations.views.setup.progress import TITLES, Progress, link_to, progress_of, step_of
from tenants.models import Practice
from tenants.roles import Right, may
from tenants.scoped_admin import UserError

ICONS = {State.GREEN: "check_circle", State.RED: "cancel", State.MANUAL: "visibility"}
STATE_WORDS = {State.GREEN: "done", State.RED: "missing", State.MANUAL: "look at it"}


@dataclass(frozen=True, slots=True)
class Line:
    """A check as the page shows it. ``tick``: ``connection/item`` of what a person ticks, "" for other checks."""

    check: Check
    icon: str
    state_words: str
    link: str
    tick: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Group:
    """The checks that are made green on one step."""

    title: str
    lines: list[Line]


@step_page
def live_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Where it stands, and what can be done about it."""
    if request.method == "POST":
        if "tick" in request.POST:
            return tick(request, practice, "go-live")
        messages.success(request, _act(request, practice))
        return to_step(practice, "go-live")
    progress = progress_of(practice)
    return show(
        request,
        practice,
        "go-live",
        groups=list(_groups(progress)),
        is_ready=is_ready(progress.checks),
        done=live_state.done(progress.checks),
        total=len(progress.checks),
        percent=live_state.percent(progress.checks),
        may_override=may(request.user, Right.GO_LIVE, practice),
        form=ReasonForm(),
        means=live_state,
        works=[one for one in fields_work(accounts_of(practice)) if one.needs_a_look or not one.is_finished],
    )


def _act(request: HttpRequest, practice: Practice) -> str:
    user: Any = request.user
    if "go_live" in request.POST:
        return live_state.go_live(practice, user)
    if "override" in request.POST:
        return live_state.go_live(practice, user, request.POST.get("reason", "")[:500])
    if "pause" in request.POST:
        return live_state.pause(practice)
    if "resume" in request.POST:
        return live_state.resume(practice)
    raise UserError("Press one of the buttons.")


def _groups(progress: Progress) -> Iterator[Group]:
    several = progress.step("mapping") is not None
    found: dict[str, list[Line]] = {}
    for check in progress.checks:
        slug = step_of(check, several=several)
        found.setdefault(slug, []).append(_line(progress.practice, check, slug))
    for slug, title in TITLES.items():
        if slug in found:
            yield Group("What the EMR asks of the practice" if slug == "go-live" else title, found[slug])


def _line(practice: Practice, check: Check, slug: str) -> Line:
    kind, _, rest = check.name.partition("/")
    return Line(
        check=check,
        icon=ICONS[check.state],
        state_words=STATE_WORDS[check.state],
        link=link_to(practice, slug, check) if slug != "go-live" else "",
        tick=rest if kind == "prerequisite" else "",
        at=datetime.fromisoformat(check.at) if check.at else None,
    )
