"""The practices of the demo, from their practice files, and what the pretend CRM must hold for them: four that live,
and one per EMR that nobody has set up yet, to practise a set-up with."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from integrations.contract.demo import Place
from integrations.contract.manifest import Way
from integrations.emrs import Emr, emr_for

HERE = Path(__file__).parent
PIPELINE_NAMES = {"surgical": "Surgical", "non_surgical": "Non-Surgical"}
# Those to practise with are built like one that lives, under a name and ids of their own.
REHEARSALS = {"cedar": "northlight", "lakeview": "bluestone", "seaside": "harbor", "willow": "juniper"}


@dataclass(frozen=True)
class DemoPractice:
    """One practice file. ``number`` (0 to 7) keeps their ids apart; ``like``: the practice whose file it follows."""

    slug: str
    number: int
    like: str = ""

    @property
    def path(self) -> Path:
        return HERE / f"{self.like or self.slug}.json"

    @cached_property
    def file(self) -> dict[str, Any]:
        """The practice file's content."""
        text = self.path.read_text()
        if self.like:
            text = text.replace(self.like, self.slug).replace(self.like.title(), self.slug.title())
        found: dict[str, Any] = json.loads(text)
        return found

    @property
    def name(self) -> str:
        return str(self.file["practice"]["name"])

    @property
    def emr(self) -> Emr:
        """The EMR of its connection."""
        return emr_for(self._connection["emr"])

    @property
    def is_polled(self) -> bool:
        """Whether its EMR is asked on a schedule, instead of posting to us."""
        return self.emr.manifest.way is Way.POLL

    @property
    def connection_key(self) -> str:
        return str(self._connection["key"])

    @property
    def sub_accounts(self) -> list[dict[str, Any]]:
        """Its sub-accounts, as the file has them."""
        found: list[dict[str, Any]] = self.file["sub_accounts"]
        return found

    @property
    def crm_ids(self) -> list[str]:
        """What the CRM calls its sub-accounts."""
        return [str(one["crm_location_id"]) for one in self.sub_accounts]

    @property
    def _connection(self) -> dict[str, Any]:
        found: dict[str, Any] = self.file["connections"][0]
        return found

    def place(self, sandbox_url: str, sandbox_key: str) -> Place:
        """What its EMR's sandbox has to know."""
        return Place(self.slug, self.file, sandbox_url, sandbox_key)

    def file_with(self, connection: dict[str, Any]) -> dict[str, Any]:
        """The practice file, with what only a running sandbox knows of the connection."""
        return self.file | {"connections": [self._connection | connection]}

    def crm_setup(self, account: dict[str, Any]) -> dict[str, Any]:
        """What a person sets up by hand in the CRM for one of the sub-accounts, for the control door's
        POST /sub-accounts.

        One field stands in the EMR's folder already: a folder is found through a field that is in it.
        """
        folder = {"id": f"{account['crm_location_id']}-folder", "name": self.emr.manifest.folder}
        first = {
            "name": self.emr.manifest.patient_id_field,
            "dataType": "TEXT",
            "model": "contact",
            "parentId": folder["id"],
        }
        return {
            "id": account["crm_location_id"],
            "name": self._account_name(account),
            "token": account["token"],
            "timezone": self.file["practice"]["time_zone"],
            "folders": [folder],
            "custom_fields": [first],
            "pipelines": [
                {
                    "id": pipeline["id"],
                    "name": PIPELINE_NAMES[kind],
                    "stages": [{"id": crm_id, "name": name} for name, crm_id in pipeline["stages"].items()],
                }
                for kind, pipeline in account["pipelines"].items()
            ],
            "workflows": [{"id": crm_id, "name": name} for name, crm_id in account["workflows"].items()],
        }

    def _account_name(self, account: dict[str, Any]) -> str:
        """What the CRM calls a sub-account: the practice, or, where it has several, the clinic that goes there."""
        if len(self.sub_accounts) == 1:
            return self.name
        clinics = [one["name"] for one in self.file["locations"] if one["sub_account"] == account["key"]]
        return ", ".join(clinics) or self.name


@lru_cache(maxsize=1)
def demo_practices() -> dict[str, DemoPractice]:
    """Slug → practice, in the order of their names."""
    slugs = sorted(path.stem for path in HERE.glob("*.json"))
    return {slug: DemoPractice(slug, number) for number, slug in enumerate(slugs)}


@lru_cache(maxsize=1)
def rehearsals() -> dict[str, DemoPractice]:
    """Slug → practice that nobody has set up yet, one per EMR, in the order of their names."""
    first = len(demo_practices())
    found = enumerate(sorted(REHEARSALS.items()), start=first)
    return {slug: DemoPractice(slug, number, like) for number, (slug, like) in found}


def practice_with(crm_id: str) -> DemoPractice | None:
    """The practice that has this sub-account of the pretend CRM, whatever it is called here; None for another's."""
    known = (*demo_practices().values(), *rehearsals().values())
    return next((one for one in known if crm_id in one.crm_ids), None)
