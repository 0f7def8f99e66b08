"""What can only be judged beside the rows that exist: references, kept secrets, moves that mix people up."""

from collections.abc import Iterator

from integrations import emrs
from integrations.practice_file.parts import MASK, ConnectionPart, PracticeFile, SubAccountPart
from integrations.practice_file.problems import meant
from integrations.practice_file.stored import Stored

_NOTHING_KEPT = f'"{MASK}" keeps what is stored, and nothing is stored yet; write the value itself'


def problems_beside(stored: Stored, file: PracticeFile) -> list[str]:
    """What is wrong with the file for this practice, as sentences with their paths."""
    return [
        *_references(stored, file),
        *(problem for part in file.sub_accounts for problem in _sub_account(part, stored)),
        *(problem for part in file.connections for problem in _connection(part, stored)),
    ]


def _references(stored: Stored, file: PracticeFile) -> Iterator[str]:
    accounts = {part.key for part in file.sub_accounts} | set(stored.sub_accounts)
    for location in file.locations or []:
        if location.sub_account and location.sub_account not in accounts:
            words = (
                f'unknown sub-account "{location.sub_account}"{meant(location.sub_account, sorted(accounts))}'
            )
            yield f"{location.path}.sub_account: {words}"
    connections = {part.key for part in file.connections} | set(stored.connections)
    for row in file.categories:
        if row.connection and row.connection not in connections:
            words = f'unknown connection "{row.connection}"{meant(row.connection, sorted(connections))}'
            yield f"{row.path}.connection: {words}"


def _sub_account(part: SubAccountPart, stored: Stored) -> Iterator[str]:
    row = stored.sub_accounts.get(part.key)
    if part.values.get("token") == MASK and not (row and row.token):
        yield f"{part.path}.token: {_NOTHING_KEPT}"
    wanted = part.values.get("crm_subaccount_id")
    if row and wanted and wanted != row.crm_subaccount_id and getattr(row, "has_contacts", False):
        yield (
            f'{part.path}.crm_location_id: sub-account "{part.key}" already holds contacts of '
            f'{row.crm_subaccount_id}; add "{wanted}" under another key'
        )


def _connection(part: ConnectionPart, stored: Stored) -> Iterator[str]:
    if not part.emr:
        return
    row = stored.connections.get(part.key)
    if row and row.emr != part.emr and getattr(row, "has_events", False):
        yield f'{part.path}.emr: connection "{part.key}" already has events of {row.emr}; use another key'
    kept = row if row and row.emr == part.emr else None
    for name, value in part.values.get("credentials", {}).items():
        if value == MASK and not (kept and kept.credential(name)):
            yield f"{part.path}.credentials.{name}: {_NOTHING_KEPT}"
    manifest = emrs.registry()[part.emr].manifest
    address = part.values.get("base_url", kept.base_url if kept else "")
    if manifest.needs_base_url and not address:
        yield f"{part.path}.base_url: is missing; {manifest.name} has an address of its own for each practice"
    if "credentials" not in part.values:
        for field in manifest.credentials:
            if field.required and not (kept and kept.credential(field.name)):
                yield f"{part.path}.credentials.{field.name}: is missing ({field.label})"
