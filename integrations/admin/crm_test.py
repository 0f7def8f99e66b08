"""Trying what AX Connect needs of a sub-account, one by one. It reads and changes nothing in the CRM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.contract.errors import AuthError, ContractError
from integrations.crm.client import CrmClient
from integrations.models import SubAccount
from integrations.sync import circuit
from integrations.sync.crm_access import client_for
from integrations.sync.crm_mirror import fetch_fields, store_listing


@dataclass(frozen=True, slots=True)
class TriedCall:
    """What came of trying one thing. ``wrong`` are the boxes to look at, "token" or "crm_subaccount_id"."""

    label: str
    words: str
    is_fine: bool
    wrong: tuple[str, ...] = ()


def _pipelines(client: CrmClient) -> str:
    found = client.pipelines()
    names = ", ".join(str(row.get("name") or row.get("id")) for row in found)
    return f"{len(found)} pipelines: {names}." if found else "The CRM answers, and has no pipelines yet."


def _contacts(client: CrmClient) -> str:
    client.search_contacts(limit=1)
    return "The CRM shows us its contacts."


def _workflows(client: CrmClient) -> str:
    return f"{len(client.workflows())} workflows."


def try_sub_account(account: SubAccount) -> list[TriedCall]:
    """Read custom fields (kept: they prove that the token works), pipelines, workflows and contacts. Without the
    first nothing else is tried."""
    client = client_for(account)

    def fields(_: CrmClient) -> str:
        listing = fetch_fields(client)
        store_listing(account, listing)
        circuit.reauthenticated(SubAccount, account.pk, account.practice_id)
        return f"{len(listing.fields)} custom fields."

    wanted: Sequence[tuple[str, Callable[[CrmClient], str]]] = (
        ("Read custom fields", fields),
        ("Read pipelines", _pipelines),
        ("Read workflows", _workflows),
        ("Read contacts", _contacts),
    )
    tried: list[TriedCall] = []
    for label, call in wanted:
        tried.append(_try(client, label, call))
        if not tried[0].is_fine:
            break
    return tried


def _try(client: CrmClient, label: str, call: Callable[[CrmClient], Any]) -> TriedCall:
    try:
        return TriedCall(label, str(call(client)), True)
    except ContractError as error:
        wrong = ("token", "crm_subaccount_id") if isinstance(error, AuthError) else ("crm_subaccount_id",)
        if error.status == 401:
            wrong = ("token",)
        blames = isinstance(error, AuthError) or error.status in (400, 403, 404, 422)
        return TriedCall(label, f"{error} {error.vendor_words}".strip(), False, wrong if blames else ())
