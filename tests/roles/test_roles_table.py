"""Every address and every button, for every role: what docs/roles.md says is so, and nothing else is open."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse

from categorization.models import AppointmentType
from tenants.models import PracticeState, Role, User
from tests.roles.conftest import COMPANY, EVERYBODY, NOBODY, ROLES, STRANGER, SUPERUSER, Sample
from tests.roles.table import BUTTONS, DEEDS, LINES, LIST_ACTIONS, PAGES, Line, Page
from tests.roles.table import EVERYBODY as FOR_EVERYBODY
from tests.roles.table import NOBODY as FOR_NOBODY
from tests.roles.table import SUPERUSER as FOR_SUPERUSERS
from tests.roles.walk import FAILED, LOGIN, METHOD, NONE, OPEN, REFUSED, Address, Got, ask, every_address

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
MODELS = {f"{model._meta.app_label}_{model._meta.model_name}": model for model in admin.site._registry}
# Addresses that name no row, or only lead to the page of one, which asks again.
WITHOUT_ROW = {"name", "app_label", "url"}
LEADS_ON = re.compile(r"^\w+/\w+/<path:object_id>/$")


# --- who gets what ---------------------------------------------------------------------------------------


def may(who: str, line: Line, *, names_a_row: bool) -> bool:
    """Whether the table lets a person in."""
    if line is FOR_EVERYBODY:
        return True
    if who == NOBODY or line is FOR_NOBODY:
        return False
    if who == SUPERUSER:
        return line is FOR_SUPERUSERS or Role.ADMINISTRATOR in line.roles
    if who == STRANGER and names_a_row:
        return False
    is_company = who in COMPANY
    role = COMPANY.get(who, Role.ADMINISTRATOR if who == STRANGER else who)
    return role in line.roles and (is_company or not line.company)


def closed(who: str) -> set[str]:
    """What somebody gets where they are not let in: staff are never sent round to sign in again."""
    return {NOBODY: {LOGIN}, Role.REVIEWER: {LOGIN, REFUSED, NONE}}.get(who, {REFUSED, NONE}) | {METHOD}


def wanted(who: str, line: Line, address: Address) -> set[str]:
    """The answers that are right."""
    names_a_row = bool(set(address.parts) - WITHOUT_ROW) and not LEADS_ON.match(address.name)
    if may(who, line, names_a_row=names_a_row):
        # There is no Redis here, and no such job in it: past the guard is far enough.
        return {OPEN, FAILED, NONE, METHOD} if line is FOR_SUPERUSERS else {OPEN}
    return closed(who) | ({REFUSED, NONE} if line is FOR_NOBODY else set())


def values(sample: Sample, name: str, who: str) -> dict[str, str]:
    """What is put into an address: the ids of the practice's rows."""
    world = sample.world
    keys = {
        "slug": world.practice.slug,
        "step": "credentials",
        "token": "no-token",
        "key": world.connection.webhook_key if name == "emr-webhook" else world.sub_account.webhook_key,
        "name": "board.png" if name == "help-image" else "support",
        "account_id": str(world.sub_account.pk),
        "run_id": str(sample.run.pk),
        "provision_id": str(sample.fields.pk),
        "backfill_id": str(sample.fill.pk),
        "app_label": "integrations",
        "url": "no-such-page",
        "rest": "1/1",
        "contact_id": world.contact.crm_id,
        "content_type_id": "1",
        "object_id": "1",
        "effect_id": str(world.event.effects.get(position=0).pk),
        "event_id": str(world.event.pk),
        "batch_id": str(world.batch.pk),
        "type_id": str(world.type.pk),
        "request_id": str(world.create.pk),
        "question_id": str(world.question.pk),
        "id": str(sample.member.pk),
        "pk": str(world.type.pk),
        "connection_id": str((world.connection if name.endswith("-fields") else sample.polled).pk),
        "queue_index": "0",
        "scheduler_index": "0",
        "connection_index": "0",
        "job_id": "none",
        "result_id": "none",
        "scheduler_name": "none",
        "cron_job_name": "none",
    }
    found = next((label for label in MODELS if name.removeprefix("admin:").startswith(f"{label}_")), "")
    if found:
        row = sample.row_of(MODELS[found], name.removeprefix(f"admin:{found}_"))
        keys["object_id"] = str(row.pk)
    elif LEADS_ON.match(name):
        model = name.partition("/<")[0].replace("/", "_")
        keys["object_id"] = str(sample.row_of(MODELS[model], "").pk)
    elif name == "review:undo":
        keys["pk"] = str(sample.undone[who].pk if who in sample.undone else world.batch.pk)
    elif name in ATTENTION:
        keys["pk"] = str(getattr(world, ATTENTION[name]).pk)
    elif name == "review:invite-again":
        keys["pk"] = str(world.practice.invitations.get().pk)
    return keys


# Rows of the dashboard, by what they are about.
ATTENTION = {
    "attention-confirm-type": "type",
    "attention-test": "connection",
    "attention-answer": "question",
    "attention-retry-create": "create",
    "attention-retry-event": "event",
}
SENT = {
    "admin:autocomplete": {"app_label": "tenants", "model_name": "membership", "field_name": "user"},
    "sandbox-create-tag": {"account": "LOC-bluestone"},
    "sandbox-create-tag-press": {"account": "LOC-bluestone", "way": "whole"},
    "sandbox-send": {"account": "LOC-bluestone", "button": "book_visit"},
    "sandbox-outage": {"account": "LOC-bluestone", "outage": "on"},
    "sandbox": {"account": "LOC-bluestone"},
    "sandbox-board": {"account": "LOC-bluestone"},
    "metrics": {},
}
# These name the sub-account that they are about among what is sent.
NAMES_A_ROW = {name for name, sent in SENT.items() if "account" in sent}


def foreign(who: str, sample: Sample) -> list[str]:
    """Words of a practice that somebody may not know of."""
    if who in (*COMPANY, SUPERUSER):
        return []
    hidden = {STRANGER: [sample.world], NOBODY: [sample.world, sample.other]}.get(who, [sample.other])
    # A sign-in page leads back to the address that was asked for, with the ids that stood in it.
    ids = [] if who == NOBODY else [(one.sub_account.crm_subaccount_id, one.contact.crm_id) for one in hidden]
    return [one.practice.name for one in hidden] + [words for pair in ids for words in pair]


def answers(sample: Sample, who: str, address: Address, page: Page) -> Iterator[tuple[str, Line, Got]]:
    """(how, the line by which it is asked, what came) for GET, POST and, where there is one, the dialog."""
    path, client = address.path(values(sample, address.name, who)), sample.client(who)
    sent = SENT.get(address.name, {})
    yield "GET", page.get, ask(client, "get", path, sent)
    yield "POST", page.post, ask(client, "post", path, sent)
    if page.dialog:
        yield "dialog", page.dialog, ask(client, "get", path, sent, HX_Request="true")


def complaints(sample: Sample, who: str, address: Address) -> Iterator[str]:
    """What is otherwise than the table says."""
    sample.make_ready(address.name)
    for how, line, got in answers(sample, who, address, PAGES[address.name]):
        right = wanted(who, line, address)
        if who == STRANGER and address.name in NAMES_A_ROW:
            right = closed(who)
        if got.what not in right:
            yield f"{how} {address.name}: {who} {got.what}, and should get: {', '.join(sorted(right))}"
        yield from (
            f"{how} {address.name}: {who} reads {word!r}" for word in foreign(who, sample) if word in got.text
        )
    sample.set_state(PracticeState.LIVE)


# --- addresses -------------------------------------------------------------------------------------------


def test_every_address_stands_in_the_table() -> None:
    known = [address.name for address in every_address()]
    missing = sorted(set(known) - set(PAGES))
    assert not missing, f"Add to PAGES in tests/roles/table.py who may open and post: {', '.join(missing)}."
    assert sorted(set(PAGES) - set(known)) == [], "The table names addresses that are no more."


@pytest.mark.parametrize("who", EVERYBODY)
def test_everybody_gets_at_every_address_what_the_table_says(sample: Sample, who: str) -> None:
    wrong = [words for address in every_address() for words in complaints(sample, who, address)]
    assert not wrong, "\n".join(wrong)


def test_without_the_demo_there_is_no_sandbox(sample: Sample, settings: Any) -> None:
    settings.DEMO = False
    client = sample.client(SUPERUSER)
    for address in every_address():
        if address.name.startswith("sandbox"):
            path = address.path(values(sample, address.name, SUPERUSER))
            assert {ask(client, how, path, SENT.get(address.name)).what for how in ("get", "post")} == {NONE}


# --- buttons and actions ---------------------------------------------------------------------------------


def request_of(user: User) -> HttpRequest:
    """A request as the admin sees it."""
    request = RequestFactory().get("/")
    request.user = user
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request


def base_buttons(model_admin: Any) -> list[Any]:
    """All buttons of a model's pages, whoever may press them."""
    return [
        *model_admin._get_base_actions_list(),
        *model_admin._get_base_actions_detail(),
        *model_admin._get_base_actions_row(),
        *model_admin._get_base_actions_submit_line(),
    ]


def test_every_button_and_list_action_stands_in_the_table() -> None:
    found = {
        button.action_name
        for model_admin in admin.site._registry.values()
        for button in base_buttons(model_admin)
    }
    assert found == set(BUTTONS), "Add the button to BUTTONS in tests/roles/table.py, or take it out there."
    request = request_of(User(is_superuser=True, is_staff=True))
    listed = {label: set(admin.site._registry[model].get_actions(request)) for label, model in MODELS.items()}
    in_table = {label: set(LIST_ACTIONS.get(label, {})) for label in MODELS}
    assert listed == in_table, "Add the action to LIST_ACTIONS in tests/roles/table.py, or take it out there."


@pytest.mark.parametrize("who", [one for one in EVERYBODY if one != NOBODY])
def test_everybody_sees_the_buttons_that_they_may_press_and_no_others(sample: Sample, who: str) -> None:
    request = request_of(sample.people[who])
    wrong = []
    for label, model in MODELS.items():
        model_admin: Any = admin.site._registry[model]
        above = {one.action_name for one in model_admin.get_actions_list(request)}
        for button in base_buttons(model_admin):
            name = button.action_name
            sample.make_ready(f"admin:{name}")
            row = sample.row_of(model, name.removeprefix(f"{label}_"))
            on_page = {one.action_name for one in model_admin.get_actions_detail(request, row.pk)}
            is_above = name in {one.action_name for one in model_admin._get_base_actions_list()}
            page = BUTTONS[name]
            right = may(who, page.dialog or page.get, names_a_row=not is_above)
            if (name in (above if is_above else on_page)) != right:
                wrong.append(f"{who}: {name} should {'' if right else 'not '}be there")
            sample.set_state(PracticeState.LIVE)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", [one for one in EVERYBODY if one != NOBODY])
def test_everybody_has_the_list_actions_that_the_table_gives_them(sample: Sample, who: str) -> None:
    request = request_of(sample.people[who])
    for label, actions in LIST_ACTIONS.items():
        offered = set(admin.site._registry[MODELS[label]].get_actions(request))
        assert offered == {name for name, line in actions.items() if may(who, line, names_a_row=False)}, label


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_list_action_that_is_posted_all_the_same_changes_nothing(sample: Sample, who: str) -> None:
    kind = sample.world.type
    AppointmentType.objects.for_practice(sample.world.practice).filter(pk=kind.pk).update(
        suggested="Blocked", confidence=1.0
    )
    data = {"action": "confirm_suggestions", "_selected_action": [str(kind.pk)]}
    sample.client(who).post(reverse("admin:categorization_appointmenttype_changelist"), data)
    kind.refresh_from_db()
    line = LIST_ACTIONS["categorization_appointmenttype"]["confirm_suggestions"]
    assert kind.is_confirmed == may(who, line, names_a_row=True)


@pytest.mark.parametrize("who", [one for one in EVERYBODY if one not in (NOBODY, STRANGER)])
def test_only_an_administrator_goes_live_before_every_check_is_green(sample: Sample, who: str) -> None:
    sample.make_ready("go_live")
    [line] = DEEDS
    for address in (
        reverse("admin:tenants_practice_go_live", args=[sample.world.practice.pk]),
        reverse("setup-step", args=[sample.world.practice.slug, "go-live"]),
    ):
        got = ask_to_go_live(sample, who, address)
        assert (got == PracticeState.LIVE) == may(who, line, names_a_row=True), (who, address)


def ask_to_go_live(sample: Sample, who: str, address: str) -> str:
    """The state of the practice after somebody pressed the button with a reason."""
    sample.client(who).post(
        address, {"reason": "agreed by phone", "override": "1", "_form_submitted": "True"}
    )
    state = sample.state()
    sample.set_state(PracticeState.ONBOARDING)
    return state


# --- the document ----------------------------------------------------------------------------------------


def rows_of_the_document() -> list[list[str]]:
    """The cells of its one table, without head."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["page or action", *(role.label for role in ROLES)]
    return cells[2:]


def test_the_document_says_what_the_table_says() -> None:
    written = {words: marks for words, *marks in rows_of_the_document()}
    meant = {line.words: line.marks() for line in LINES if line.in_docs}
    assert sorted(set(written) - set(meant)) == [], "docs/roles.md names what is not in tests/roles/table.py"
    assert sorted(set(meant) - set(written)) == [], "docs/roles.md misses what is in tests/roles/table.py"
    assert written == meant


def test_no_row_stands_twice_and_none_is_about_nothing() -> None:
    words = [row[0] for row in rows_of_the_document()]
    assert len(words) == len(set(words))
    used = {line for page in PAGES.values() for line in (page.get, page.post, page.dialog)} | set(DEEDS)
    assert [line.words for line in LINES if line not in used] == []
