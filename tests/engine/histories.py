"""Made-up histories of one patient, for tests that let them arrive in any order and any number of times."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from integrations.emrs.aestheticspro import sandbox as apro
from tests.engine.world import at

SITE = apro.Site("12", "Downtown")
BOTOX, FILLER, PRE_OP, CONSULT = apro.SERVICES[0], apro.SERVICES[3], apro.SERVICES[6], apro.SERVICES[25]
SERVICES = (BOTOX, FILLER, PRE_OP, CONSULT)
# What the practices of these tests confirmed: one type that moves nothing, one consult.
CATEGORIES = {PRE_OP.name: "Pre-Op Appointment", CONSULT.name: "Non-Surgical Consult"}
KINDS = ("booked", "cancelled", "no-show", "rescheduled", "deleted", "invoice", "retail")
# With messages that say less, or something else, of what the visit was. An invoice has one form only.
VAGUE_KINDS = (*(kind for kind in KINDS if kind != "invoice"), "cancelled bare", "invoice for more")


@dataclass(frozen=True)
class Step:
    """One thing that happened: ``minute`` is when (several may share one), ``day`` the visit's day in March."""

    kind: str
    visit: int = 0
    minute: int = 0
    day: int = 12

    def body(self, client: apro.Client, event_id: str = "") -> dict[str, Any]:
        """The webhook body about ``client``, whose visits and invoices are numbered by the client."""
        service = SERVICES[self.visit]
        starts = datetime(2026, 3, self.day, 10)
        own = apro.Visit(client.client_id * 100 + self.visit, client, starts, (service,), SITE)
        body = self._built(own, at(self.minute))
        key = f"{self}/{client.client_id}"
        return body | {"event_id": event_id or str(uuid.uuid5(uuid.NAMESPACE_OID, key))}

    def _built(self, own: apro.Visit, sent: datetime) -> dict[str, Any]:
        if self.kind == "booked":
            return apro.booked(own, sent)
        if self.kind in ("cancelled", "cancelled bare"):
            return _bare(apro.cancelled(own, sent), self.kind)
        if self.kind == "no-show":
            return apro.no_show(own, sent)
        if self.kind == "rescheduled":
            return apro.rescheduled(own, own.starts_at, sent)
        if self.kind == "deleted":
            return apro.deleted(own, sent)
        return self._paid(own)

    def _paid(self, own: apro.Visit) -> dict[str, Any]:
        """An invoice never changes: its time follows from its number."""
        number, sent = own.appointment_id * 10, at(3 + 2 * self.visit)
        if self.kind == "retail":
            body = apro.retail_sale(
                own.client, apro.RETAIL[self.visit : self.visit + 1], number + 1, sent, SITE
            )
        else:
            paid = replace(own, starts_at=datetime(2026, 3, 12, 10))
            body = apro.invoice_paid(paid, number, sent)
        if self.kind == "invoice for more":
            body["data"]["service"] = f"{own.services[0].name}, SPF 50 Sunscreen"
        body["data"]["invoice_number"] = f"INV-{self.visit}{self.kind[0]}"
        return body


def _bare(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """A cancellation that says of the visit only that it is off."""
    if kind == "cancelled bare":
        for name in ("services", "provider", "date_time"):
            del body["data"][name]
    return body


def steps(kinds: tuple[str, ...]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        kind=st.sampled_from(kinds),
        visit=st.integers(0, 3),
        minute=st.integers(0, 8),
        day=st.integers(8, 14),
    )


@st.composite
def histories(
    draw: Any, longest: int = 8, wordings: tuple[tuple[str, ...], ...] = (KINDS, VAGUE_KINDS)
) -> tuple[list[Step], list[int]]:
    """A history, and the order in which its steps arrive: every step at least once, some several times."""
    kinds = draw(st.sampled_from(wordings))
    told = draw(st.lists(steps(kinds), min_size=1, max_size=longest, unique=True))
    repeated = draw(st.lists(st.integers(0, len(told) - 1), max_size=4))
    return told, draw(st.permutations([*range(len(told)), *repeated]))
