"""Everything the pretend CRM holds, in memory, behind one lock."""

import secrets
import threading
import time
from pathlib import Path
from typing import Any

from .accounts import SubAccount
from .faults import Faults
from .index import LateView
from .journal import Feed, RequestLog
from .records import Record, full_name
from .webhooks import Outgoing


class State:
    """The store. Take `lock` around every read or write; no call waits or talks to the network under it."""

    def __init__(self, path: Path | None = None, key: str | None = None) -> None:
        """Start empty. `path` is the snapshot file, `key` opens the control door (made up when missing)."""
        self.path = path
        self.key = key or secrets.token_urlsafe(24)
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.faults = Faults(self.closing)
        self.log = RequestLog()
        self.outgoing = Outgoing(self.key, self.closing)
        self.writes = 0
        self._late_contacts, self._late_opportunities = LateView(), LateView()
        self.accounts: dict[str, SubAccount] = {}
        self.emrs: dict[str, Record] = {}
        self._empty()

    def _empty(self) -> None:
        self.grants: dict[str, tuple[SubAccount, frozenset[str] | None]] = {}
        self.contacts: dict[str, Record] = {}
        self.notes: dict[str, list[Record]] = {}
        self.opportunities: dict[str, Record] = {}
        self.opportunities_of: dict[str, dict[str, None]] = {}
        self.enrolments: dict[str, list[Record]] = {}
        self.feed = Feed()

    def reset(self, everything: bool = False) -> None:
        """Forget contacts with all they have, faults and log; with `everything` the sub-accounts too."""
        kept = [] if everything else [account.dump() for account in self.accounts.values()]
        sequence = self.feed.latest
        self._empty()
        self.feed.latest = sequence + 1  # whoever follows the feed sees that it missed something
        self.accounts = {}
        for dumped in kept:
            self.adopt(SubAccount.load(dumped))
        if everything:
            self.emrs.clear()
        self.faults.clear()
        self.log.clear()
        self.touch()

    def adopt(self, account: SubAccount) -> None:
        """Add a sub-account, or take notice of its new tokens."""
        self.accounts[account.id] = account
        self.grants = {token: grant for token, grant in self.grants.items() if grant[0].id != account.id}
        for token, scopes in account.tokens.items():
            self.grants[token] = (account, None if scopes is None else frozenset(scopes))
        self.touch()

    def emr(self, slug: str) -> Record:
        """Return an EMR sandbox's own JSON object, kept in the snapshot. Call `touch` after a change."""
        return self.emrs.setdefault(slug, {})

    def touch(self) -> None:
        """Say that something changed, so that the next snapshot is written."""
        self.writes += 1

    def keep_contact(self, contact: Record) -> None:
        """Add a contact that is new."""
        contact_id = contact["id"]
        self.contacts[contact_id] = contact
        self.accounts[contact["locationId"]].index.add(contact)
        self.notes.setdefault(contact_id, [])
        self.opportunities_of.setdefault(contact_id, {})
        self.enrolments.setdefault(contact_id, [])

    def keep_opportunity(self, opportunity: Record) -> None:
        """Add an opportunity that is new."""
        self.opportunities[opportunity["id"]] = opportunity
        self.opportunities_of[opportunity["contactId"]][opportunity["id"]] = None

    def drop_opportunity(self, opportunity: Record) -> None:
        """Forget an opportunity."""
        del self.opportunities[opportunity["id"]]
        self.opportunities_of[opportunity["contactId"]].pop(opportunity["id"], None)

    def drop_contact(self, contact: Record) -> None:
        """Forget a contact with its notes, opportunities and enrolments."""
        contact_id = contact["id"]
        self.accounts[contact["locationId"]].index.remove(contact)
        for opportunity_id in self.opportunities_of.pop(contact_id):
            self.wrote_opportunity(opportunity_id, self.opportunities.pop(opportunity_id), gone=True)
        del self.contacts[contact_id], self.notes[contact_id], self.enrolments[contact_id]

    def opportunities_for(self, contact_id: str) -> list[Record]:
        """Return a contact's opportunities, oldest first."""
        return [self.opportunities[one] for one in self.opportunities_of.get(contact_id, ())]

    def told(self, kind: str, contact: Record, **details: Any) -> None:
        """Put a change of a contact into the feed."""
        self.touch()
        self.feed.add(
            kind, contact["locationId"], contact_id=contact["id"], contact_name=full_name(contact), **details
        )

    def tags_changed(self, contact: Record, before: list[str]) -> None:
        """Put a change of tags into the feed, and tell whom the sub-account wants told."""
        account, tags = self.accounts[contact["locationId"]], list(contact["tags"])
        self.told("tags_changed", contact, tags=tags)
        names = {key: one["name"] for key, one in account.fields.by_id.items()}
        fields = {names[key]: value for key, value in contact["customFields"].items() if key in names}
        added = [tag for tag in tags if tag not in before]
        self.outgoing.tags_changed(account.webhooks, contact, added, fields)

    def wrote_contact(self, contact: Record, gone: bool = False) -> None:
        """Note a contact's write for the search index, where that lags."""
        if self.faults.index_lag_ms:
            self._late_contacts.wrote(self._due(), contact["id"], None if gone else contact)

    def wrote_opportunity(self, opportunity_id: str, opportunity: Record, gone: bool = False) -> None:
        """Note an opportunity's write for the search index, where that lags."""
        if self.faults.index_lag_ms:
            self._late_opportunities.wrote(self._due(), opportunity_id, None if gone else opportunity)

    def seen_contacts(self) -> dict[str, Record] | None:
        """Return the contacts as the search sees them, or None when it sees them all as they are."""
        return self._late_contacts.at(time.monotonic()) if self.faults.index_lag_ms else None

    def seen_opportunities(self) -> dict[str, Record] | None:
        """Return the opportunities as the search sees them, or None when it sees them all as they are."""
        return self._late_opportunities.at(time.monotonic()) if self.faults.index_lag_ms else None

    def change_faults(self, wanted: Record, routes: list[str]) -> None:
        """Switch faults on or off, see `Faults.change`. An index that begins to lag knows all till now."""
        with self.lock:
            lagged = self.faults.index_lag_ms
            self.faults.change(wanted, routes)
            if self.faults.index_lag_ms and not lagged:
                self._late_contacts.start(self.contacts)
                self._late_opportunities.start(self.opportunities)

    def _due(self) -> float:
        return time.monotonic() + self.faults.index_lag_ms / 1000

    def counts(self, location_id: str | None = None) -> dict[str, int]:
        """Return `{contacts, notes, opportunities}` of one sub-account or of all."""
        if location_id is None:
            notes = sum(len(of_contact) for of_contact in self.notes.values())
            return {"contacts": len(self.contacts), "notes": notes, "opportunities": len(self.opportunities)}
        account = self.accounts.get(location_id)
        ids = account.index.ids if account else {}
        return {
            "contacts": len(ids),
            "notes": sum(len(self.notes[one]) for one in ids),
            "opportunities": sum(len(self.opportunities_of[one]) for one in ids),
        }
