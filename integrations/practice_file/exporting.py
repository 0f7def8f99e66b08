"""Writes the practice file of a practice: what an import of it would make again."""

from typing import Any

from integrations import emrs
from integrations.models import Connection, SubAccount
from integrations.models.subaccounts import PipelineKind
from integrations.practice_file.parts import MASK
from integrations.practice_file.read_sub_accounts import stage_names
from integrations.practice_file.reading import FORMAT
from integrations.practice_file.stored import Stored
from tenants.models import Location, Practice, PracticeState

Document = dict[str, Any]


def export_practice(slug: str, *, with_secrets: bool = False) -> Document:
    """The practice file as a JSON object, always in the same order.

    Without secrets, ``"***"`` stands in their place; importing that keeps what is stored. Raises
    Practice.DoesNotExist.
    """
    stored = Stored.of(slug)
    if stored.practice is None:
        raise Practice.DoesNotExist(f'There is no practice "{slug}".')
    return {
        "format": FORMAT,
        "practice": _practice(stored.practice),
        "sub_accounts": [
            _sub_account(stored, row, with_secrets) for _, row in sorted(stored.sub_accounts.items())
        ],
        "locations": [_location(row) for _, row in sorted(stored.locations.items())],
        "connections": [_connection(row, with_secrets) for _, row in sorted(stored.connections.items())],
        "categories": _categories(stored),
    }


def _practice(row: Practice) -> Document:
    is_live = row.state == PracticeState.LIVE
    document = {name: getattr(row, name) for name in ("slug", "name", "kind", "country", "time_zone")}
    reason = {"live_reason": row.live_reason} if is_live and row.live_reason else {}
    return document | {"live": is_live} | reason


def _sub_account(stored: Stored, row: SubAccount, with_secrets: bool) -> Document:
    kinds = [kind.value for kind in PipelineKind if (row.key, kind) in stored.pipelines]
    return {
        "key": row.key,
        "default": row.is_default,
        "crm_location_id": row.crm_subaccount_id,
        "token": _secret(row.token, with_secrets),
        "pipeline_logic": row.pipeline_logic,
        "pipelines": {kind: _pipeline(stored, row.key, kind) for kind in kinds},
        "workflows": {
            name: mapping.crm_id
            for (key, name), mapping in sorted(stored.workflows.items())
            if key == row.key
        },
    }


def _pipeline(stored: Stored, key: str, kind: str) -> Document:
    mapped = [(name, stored.stages.get((key, kind, name))) for name in stage_names(kind)]
    return {
        "id": stored.pipelines[key, kind].crm_id,
        "stages": {name: row.crm_id for name, row in mapped if row},
    }


def _location(row: Location) -> Document:
    route = getattr(row, "route", None)
    return {
        "external_id": row.external_id,
        "name": row.name,
        "time_zone": row.time_zone or None,
        "sub_account": route.sub_account.key if route else None,
    }


def _connection(row: Connection, with_secrets: bool) -> Document:
    emr = emrs.registry().get(row.emr)
    declared = emr.manifest.credentials if emr else ()
    return {
        "key": row.key,
        "emr": row.emr,
        "base_url": row.base_url or None,
        "credentials": {
            field.name: _secret(row.credential(field.name), with_secrets or not field.secret)
            for field in declared
            if row.credential(field.name)
        },
        "switches": dict(sorted(row.switches.items())),
        "workflow_names": dict(sorted(row.workflow_names.items())),
    }


def _secret(value: str, shown: bool) -> str:
    return value if shown or not value else MASK


def _categories(stored: Stored) -> list[Document]:
    return [
        {
            "connection": row.connection_key,
            "type": row.name,
            "purpose": row.purpose,
            "category": row.category,
            "confirmed": row.is_confirmed,
        }
        for key, row in sorted(stored.types.items())
        if key[0] in stored.connections
    ]
