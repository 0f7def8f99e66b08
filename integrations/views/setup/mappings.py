"""Which of the CRM's stages and workflows are meant: read from the CRM, proposed by name, confirmed by a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse

from integrations.admin.crm_setup import propose
from integrations.admin.mapping_form import (
    CrmListing,
    SubAccountForm,
    form_of,
    names_of,
    pipeline_field,
    pipeline_kinds,
    stage_field,
    stage_names,
    workflow_field,
)
from integrations.contract.errors import ContractError
from integrations.models import PipelineKind, PipelineLogic, SubAccount
from integrations.views.setup.pages import accounts_of, chosen, show, step_page, to_step, words_of
from tenants.models import Practice

Parts = Callable[[SubAccount], dict[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Box:
    """One thing to map. ``is_proposed``: AX Connect filled it in by name, and nobody confirmed it yet."""

    field: BoundField
    is_proposed: bool


def _stages_of(account: SubAccount) -> dict[str, Sequence[str]]:
    return {"kinds": pipeline_kinds(account.practice)}


def _workflows_of(account: SubAccount) -> dict[str, Sequence[str]]:
    return {"names": names_of(account)}


@step_page
def stages_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Pipelines and stages of a sub-account."""
    return _step(request, practice, "stages", _stages_of)


@step_page
def workflows_step(request: HttpRequest, practice: Practice) -> HttpResponse:
    """Workflows of a sub-account. None has to be mapped."""
    return _step(request, practice, "workflows", _workflows_of)


def _step(request: HttpRequest, practice: Practice, step: str, parts: Parts) -> HttpResponse:
    accounts = accounts_of(practice)
    row = chosen(request, "account", accounts)
    if row is None or not row.token:
        return show(request, practice, step, account=row, accounts=accounts)
    listing, trouble = _listing(request, row)
    form = _form(row, listing, parts(row), request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        form.save_mappings()
        messages.success(request, "Saved.")
        request.session.pop(_key(row), None)
        return _onward(request, practice, step, row, accounts)
    return show(
        request,
        practice,
        step,
        account=row,
        accounts=accounts,
        trouble=trouble,
        form=form,
        groups=_groups(form, listing),
        boxes=[_box(form, workflow_field(name), listing) for name in form.names],
        leaves_it=row.pipeline_logic == PipelineLogic.CRM_WORKFLOW,
        has_listing=bool(listing.pipelines or listing.workflows),
        proposals=sum(_box(form, name, listing).is_proposed for name in form.fields),
    )


def _onward(
    request: HttpRequest, practice: Practice, step: str, row: SubAccount, accounts: Sequence[SubAccount]
) -> HttpResponse:
    """To the next sub-account, then to the next step."""
    place = [one.pk for one in accounts].index(row.pk)
    if place + 1 < len(accounts):
        return to_step(practice, step, account=accounts[place + 1].key)
    return to_step(practice, "workflows" if step == "stages" else "categories")


def _key(row: SubAccount) -> str:
    return f"setup-listing-{row.pk}"


def _listing(request: HttpRequest, row: SubAccount) -> tuple[CrmListing, str]:
    """What the CRM lists, asked whenever the page is opened; what is saved is held against what was shown. With
    words when the CRM does not answer: what is mapped can be looked at all the same."""
    kept = request.session.get(_key(row))
    if request.method == "POST" and kept:
        return CrmListing.from_json(kept), ""
    try:
        listing = propose(row)
    except ContractError as error:
        return CrmListing(), words_of(error)
    request.session[_key(row)] = listing.as_json()
    return listing, ""


def _form(
    row: SubAccount, listing: CrmListing, parts: dict[str, Sequence[str]], data: Any = None
) -> SubAccountForm:
    """The sub-account page's form, with nothing but these mappings."""
    made = form_of(row, listing, **parts)
    form = made(data, instance=row)
    for name in ("practice", "key", "crm_subaccount_id", "is_default", "pipeline_logic", "token"):
        form.fields.pop(name, None)
    return form


def _box(form: SubAccountForm, name: str, listing: CrmListing) -> Box:
    stored = name in dict(form._mapped())
    return Box(form[name], not stored and bool(listing.proposed.get(name)))


def _groups(form: SubAccountForm, listing: CrmListing) -> list[dict[str, Any]]:
    """Per pipeline: its label, the box of the pipeline, a box per stage."""
    return [
        {
            "label": f"{PipelineKind(kind).label} pipeline",
            "pipeline": _box(form, pipeline_field(kind), listing),
            "stages": [_box(form, stage_field(kind, name), listing) for name in stage_names(kind)],
        }
        for kind in form.kinds
    ]
