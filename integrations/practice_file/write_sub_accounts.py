"""Writes the sub-accounts of a practice file and what is mapped in each."""

from integrations.models import Pipeline, Stage, SubAccount, WorkflowMapping
from integrations.practice_file.changes import Changes
from integrations.practice_file.parts import MASK, PipelinePart, PracticeFile, SubAccountPart
from integrations.practice_file.stored import Stored
from integrations.sync.circuit import reauthenticated


def write_sub_accounts(stored: Stored, file: PracticeFile, changes: Changes) -> None:
    """Make or update every sub-account of the file; others stay as they are."""
    _free_the_default(stored, file, changes)
    in_use = stored.stages_in_use()
    for part in file.sub_accounts:
        row = stored.sub_accounts.get(part.key) or SubAccount(practice=stored.practice, key=part.key)
        values = {name: value for name, value in part.values.items() if value != MASK}
        if "token" in changes.save(row, f"sub-account {part.key}", values):
            reauthenticated(SubAccount, row.pk, row.practice_id)
        stored.sub_accounts[part.key] = row
        _write_pipelines(stored, part, changes, in_use)
        _write_workflows(stored, part, changes)
    for key in sorted(set(stored.sub_accounts) - {part.key for part in file.sub_accounts}):
        changes.notes.append(f"sub-account {key} is not in the file: left as it is")


def _free_the_default(stored: Stored, file: PracticeFile, changes: Changes) -> None:
    """Only one row may be the default at any moment, so the former one goes first."""
    chosen = next((part.key for part in file.sub_accounts if part.values.get("is_default")), None)
    for key, row in stored.sub_accounts.items():
        if chosen is not None and key != chosen and row.is_default:
            changes.save(row, f"sub-account {key}", {"is_default": False})


def _write_pipelines(
    stored: Stored, part: SubAccountPart, changes: Changes, in_use: set[tuple[str, str, str]]
) -> None:
    if part.pipelines is None:
        return
    for pipeline in part.pipelines:
        _write_pipeline(stored, part.key, pipeline, changes, in_use)
    named = {pipeline.kind for pipeline in part.pipelines}
    for (key, kind), row in list(stored.pipelines.items()):
        if key != part.key or kind in named:
            continue
        if any((account, of) == (key, kind) for account, of, _ in in_use):
            changes.notes.append(f"sub-account {key}, pipeline {kind}: kept, opportunities stand in it")
        else:
            changes.delete(row, f"sub-account {key}, pipeline {kind}")


def _write_pipeline(
    stored: Stored, key: str, part: PipelinePart, changes: Changes, in_use: set[tuple[str, str, str]]
) -> None:
    label = f"sub-account {key}, pipeline {part.kind}"
    row = stored.pipelines.get((key, part.kind)) or Pipeline(
        sub_account=stored.sub_accounts[key], kind=part.kind
    )
    changes.save(row, label, _identity(row, part.crm_id))
    for name, crm_id in (part.stages or {}).items():
        stage = stored.stages.get((key, part.kind, name)) or Stage(pipeline=row, name=name)
        changes.save(stage, f'{label}, stage "{name}"', _identity(stage, crm_id))
    if part.stages is not None:
        _remove_stages(stored, key, part, changes, in_use)


def _identity(row: Pipeline | Stage, crm_id: str) -> dict[str, str]:
    """A row that points elsewhere forgets the name that it had in the CRM."""
    return {"crm_id": crm_id} if row.crm_id == crm_id else {"crm_id": crm_id, "crm_name": ""}


def _remove_stages(
    stored: Stored, key: str, part: PipelinePart, changes: Changes, in_use: set[tuple[str, str, str]]
) -> None:
    for (account, kind, name), row in stored.stages.items():
        if (account, kind) != (key, part.kind) or name in (part.stages or {}):
            continue
        label = f'sub-account {key}, pipeline {kind}, stage "{name}"'
        if (account, kind, name) in in_use:
            changes.notes.append(f"{label}: kept, opportunities stand in it")
        else:
            changes.delete(row, label)


def _write_workflows(stored: Stored, part: SubAccountPart, changes: Changes) -> None:
    if part.workflows is None:
        return
    for name, crm_id in part.workflows.items():
        row = stored.workflows.get((part.key, name))
        row = row or WorkflowMapping(sub_account=stored.sub_accounts[part.key], name=name)
        changes.save(row, f'sub-account {part.key}, workflow "{name}"', {"crm_id": crm_id})
    for (key, name), row in stored.workflows.items():
        if key == part.key and name not in part.workflows:
            changes.delete(row, f'sub-account {key}, workflow "{name}"')
