"""Where the practice's contacts live in the CRM: id and token, tested; the custom fields that have to exist."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse

from integrations.admin.crm_setup import Json, stored_plans
from integrations.admin.crm_test import TriedCall, try_sub_account
from integrations.models import SubAccount
from integrations.sync.provision import begin, manifests_of
from integrations.views.long_work import fields_work
from integrations.views.setup.forms import AccountForm, free_slug
from integrations.views.setup.pages import accounts_of, chosen, show, step_page, to_step
from tenants.models import Practice, User
from tenants.scoped_admin import UserError


@step_page
def accounts_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """One sub-account at a time: entered, tested, its fields made. ``?new=1`` adds another."""
    accounts = accounts_of(practice)
    row = None if "new" in request.GET else chosen(request, "account", accounts)
    tried: list[TriedCall] = []
    form = _form(practice, row, accounts)
    if request.method == "POST" and "provision" in request.POST:
        return _provision(request, practice, row)
    if request.method == "POST":
        form = _form(practice, row, accounts, request.POST)
        if form.is_valid():
            row = form.save_account()
            tried = try_sub_account(row)
            if all(one.is_fine for one in tried):
                messages.success(request, "Saved, and the CRM answers.")
                return to_step(practice, "sub-accounts", account=row.key, tested="1")
            accounts = accounts_of(practice)
            row = next(one for one in accounts if one.pk == row.pk)
            form = _form(practice, row, accounts)
    return show(request, practice, "sub-accounts", **_shown(request, row, accounts, form, tried))


def _form(
    practice: Practice, row: SubAccount | None, accounts: Sequence[SubAccount], data: Any = None
) -> AccountForm:
    others = [one for one in accounts if row is None or one.pk != row.pk]
    key = "main" if not accounts else ""
    if row is None and accounts:
        taken = SubAccount.objects.for_practice(practice)
        key = free_slug("second" if len(accounts) == 1 else "another", taken, "key")
    instance = row if row is not None else SubAccount(practice=practice)
    initial = {} if row is not None else {"key": key}
    return AccountForm(data, instance=instance, others=others, initial=initial)


def _provision(request: HttpRequest, practice: Practice, row: SubAccount | None) -> HttpResponse:
    if row is None:
        raise Http404("There is no such sub-account.")
    if not manifests_of(row):
        raise UserError("Choose the EMR first: the fields depend on it.")
    begin(row, cast(User, request.user))
    return to_step(practice, "sub-accounts", account=row.key)


def _shown(
    request: HttpRequest,
    row: SubAccount | None,
    accounts: Sequence[SubAccount],
    form: AccountForm,
    tried: Sequence[TriedCall],
) -> dict[str, Any]:
    works = fields_work([row]) if row is not None else []
    plans: list[Json] = stored_plans(row) if row is not None and row.fields_fetched_at else []
    return {
        "account": row,
        "accounts": accounts,
        "form": form,
        "tried": tried,
        "wrong": {name for one in tried for name in one.wrong},
        "has_emr": row is not None and bool(manifests_of(row)),
        "plans": plans,
        "missing": sum(len(plan["missing"]) for plan in plans),
        "works": works,
        "is_making": any(not work.is_finished for work in works),
        "was_tested": "tested" in request.GET,
    }
