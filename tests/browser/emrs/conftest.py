"""The pretend EMRs and CRM without the demo's practices: a ModMed firm, and a live practice on it."""

from tests.creates.conftest import app_key, modmed
from tests.polling.conftest import crm, firm, sandbox

__all__ = ["app_key", "crm", "firm", "modmed", "sandbox"]
