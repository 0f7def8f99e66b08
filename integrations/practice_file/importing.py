"""Writes a practice file: everything in one transaction, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import transaction

from integrations.practice_file.changes import Changes
from integrations.practice_file.checking import problems_beside
from integrations.practice_file.going_live import set_live
from integrations.practice_file.parts import PracticeFile
from integrations.practice_file.problems import PracticeFileError
from integrations.practice_file.reading import read
from integrations.practice_file.stored import Stored
from integrations.practice_file.write_categories import write_categories
from integrations.practice_file.write_connections import write_connections
from integrations.practice_file.write_locations import write_locations
from integrations.practice_file.write_sub_accounts import write_sub_accounts
from integrations.sync.crm_mirror import Listing, store_listing
from integrations.sync.release import settings_changed
from tenants.models import Practice

# What was fetched from the CRM for the sub-accounts of the file, by their keys.
Listings = Mapping[str, Listing]
Prepare = Callable[[PracticeFile, Stored], Listings]


@dataclass(frozen=True)
class Imported:
    """What an import did. ``changes`` and ``notes`` are sentences for whoever ran it.

    ``webhooks``: connection key → address; ``crm_webhooks``: sub-account key → address and secret.
    """

    slug: str
    changes: list[str]
    notes: list[str]
    webhooks: dict[str, str] = field(default_factory=dict)
    crm_webhooks: dict[str, dict[str, str]] = field(default_factory=dict)


def import_practice(raw: bytes, *, dry_run: bool = False, prepare: Prepare | None = None) -> Imported:
    """Make or update a practice from the text of a practice file; a second time changes nothing.

    ``prepare`` may do outside work between the checks and the transaction (provisioning). ``dry_run`` writes
    everything and takes it back. Raises PracticeFileError with every problem; then nothing has changed.
    """
    file = _checked(raw)
    listings = prepare(file, Stored.of(file.practice.slug)) if prepare else {}
    with transaction.atomic():
        imported = _write(file, listings, dry_run)
        transaction.set_rollback(dry_run)
    return imported


def _checked(raw: bytes) -> PracticeFile:
    file, problems = read(raw)
    problems = problems + problems_beside(Stored.of(file.practice.slug), file)
    if problems:
        raise PracticeFileError(problems)
    return file


def _write(file: PracticeFile, listings: Listings, dry_run: bool) -> Imported:
    stored, changes = Stored.of(file.practice.slug, locked=True), Changes()
    # Somebody may have changed the rows since the first look, which was outside this transaction.
    if problems := problems_beside(stored, file):
        raise PracticeFileError(problems)
    known = (set(stored.connections), set(stored.sub_accounts))
    practice = stored.practice or Practice(slug=file.practice.slug)
    changes.save(practice, "practice", file.practice.values)
    stored.practice = practice
    write_sub_accounts(stored, file, changes)
    write_locations(stored, file, changes)
    write_connections(stored, file, changes)
    write_categories(stored, file, changes)
    _store_listings(stored, listings, changes)
    set_live(practice, file.practice, changes)
    if changes.lines:
        transaction.on_commit(lambda: settings_changed(practice.pk))
    # What a dry run makes is taken back: its addresses would never work.
    shown = known if dry_run else (set(stored.connections), set(stored.sub_accounts))
    return _imported(stored, changes, *shown)


def _store_listings(stored: Stored, listings: Listings, changes: Changes) -> None:
    for key, listing in listings.items():
        if store_listing(stored.sub_accounts[key], listing):
            changes.lines.append(f"sub-account {key}: custom fields and names read from the CRM")


def _imported(stored: Stored, changes: Changes, connections: set[str], sub_accounts: set[str]) -> Imported:
    return Imported(
        slug=stored.practice.slug if stored.practice else "",
        changes=changes.lines,
        notes=changes.notes,
        webhooks={key: stored.connections[key].webhook_url for key in sorted(connections)},
        crm_webhooks={
            key: {
                "url": stored.sub_accounts[key].webhook_url,
                "secret": stored.sub_accounts[key].webhook_secret,
            }
            for key in sorted(sub_accounts)
        },
    )
