"""Practices whose appointment types are not all confirmed, against the pretend CRM and EMRs over HTTP."""

from typing import Any

import pytest

from tests.patientnow.clinic import CATEGORIES, Clinic
from tests.patientnow.conftest import sandbox
from tests.polling.conftest import crm, firm, modmed, nextech, office

__all__ = ["crm", "firm", "modmed", "nextech", "office", "sandbox"]


def unsettled(*names: str) -> list[dict[str, Any]]:
    """The clinic's categories without those types."""
    return [
        {"connection": "pnow", "type": name, "purpose": "", "category": category, "confirmed": True}
        for name, category in CATEGORIES.items()
        if name not in names
    ]


@pytest.fixture
def clinic(db: None, sandbox: str) -> Clinic:
    """Bayside Aesthetics, where nobody has said yet what "Botox" and "Breast Aug Consult" count as."""
    return Clinic(sandbox, categories=unsettled("Botox", "Breast Aug Consult"))
