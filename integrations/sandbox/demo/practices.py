"""The four practices of the demo, from their practice files, and what the pretend CRM must hold for them."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from integrations.emrs.aestheticspro.manifest import MANIFEST
from integrations.emrs.aestheticspro.sandbox import Clinician, Site

HERE = Path(__file__).parent
PIPELINE_NAMES = {"surgical": "Surgical", "non_surgical": "Non-Surgical"}
EMR = MANIFEST.slug
# Where their patients live, and whose telephone numbers begin how (all of them end in the unused 555-01xx).
_TOWNS: dict[str, tuple[tuple[str, str, str], tuple[str, ...]]] = {
    "bluestone": (("New York", "NY", "10001"), ("212", "646", "332", "929")),
    "harbor": (("Long Beach", "CA", "90802"), ("213", "310", "323", "818")),
    "juniper": (("Boulder", "CO", "80302"), ("303", "720", "970", "719")),
    "northlight": (("Evanston", "IL", "60201"), ("312", "773", "872", "630")),
}
_CLINICIANS = {
    "bluestone": ("Dana Reyes, NP", "Morgan Ellis, PA-C"),
    "harbor": ("Sage Whitlow, RN", "Noa Farrow, LE"),
    "juniper": ("Avery Lund, NP", "Robin Castle, LE"),
    "northlight": ("Jules Maren, PA-C", "Emery Holt, RN"),
}


@dataclass(frozen=True)
class DemoPractice:
    """One practice file. ``number`` (0 to 3) keeps the ids of the four apart."""

    slug: str
    number: int

    @property
    def path(self) -> Path:
        return HERE / f"{self.slug}.json"

    @cached_property
    def file(self) -> dict[str, Any]:
        """The practice file's content."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    @property
    def name(self) -> str:
        return str(self.file["practice"]["name"])

    @property
    def sub_account(self) -> dict[str, Any]:
        """Its one sub-account, as the file has it."""
        found: dict[str, Any] = self.file["sub_accounts"][0]
        return found

    @property
    def crm_id(self) -> str:
        return str(self.sub_account["crm_location_id"])

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Its clinics as AestheticsPro names them."""
        return tuple(Site(one["external_id"], one["name"]) for one in self.file["locations"])

    def zone(self, site: Site) -> ZoneInfo:
        """The time zone in which a clinic keeps its book."""
        own = next(one["time_zone"] for one in self.file["locations"] if one["external_id"] == site.id)
        return ZoneInfo(own or self.file["practice"]["time_zone"])

    @cached_property
    def consults(self) -> frozenset[str]:
        """Names of the services that its file counts as consults."""
        return frozenset(one["type"] for one in self.file["categories"] if "Consult" in one["category"])

    @property
    def clinicians(self) -> tuple[Clinician, ...]:
        names = _CLINICIANS[self.slug]
        return tuple(Clinician(10 * (self.number + 1) + place, name) for place, name in enumerate(names))

    @property
    def town(self) -> tuple[str, str, str]:
        """City, state and postal code."""
        return _TOWNS[self.slug][0]

    @property
    def area_codes(self) -> tuple[str, ...]:
        return _TOWNS[self.slug][1]

    def crm_setup(self) -> dict[str, Any]:
        """What a person sets up by hand in the CRM, for the control door's POST /sub-accounts.

        One field stands in the EMR's folder already: a folder is found through a field that is in it.
        """
        folder = {"id": f"{self.slug}-folder", "name": MANIFEST.folder}
        first = {
            "name": MANIFEST.patient_id_field,
            "dataType": "TEXT",
            "model": "contact",
            "parentId": folder["id"],
        }
        return {
            "id": self.crm_id,
            "name": self.name,
            "token": self.sub_account["token"],
            "timezone": self.file["practice"]["time_zone"],
            "folders": [folder],
            "custom_fields": [first],
            "pipelines": [
                {
                    "id": pipeline["id"],
                    "name": PIPELINE_NAMES[kind],
                    "stages": [{"id": crm_id, "name": name} for name, crm_id in pipeline["stages"].items()],
                }
                for kind, pipeline in self.sub_account["pipelines"].items()
            ],
            "workflows": [
                {"id": crm_id, "name": name} for name, crm_id in self.sub_account["workflows"].items()
            ],
        }


@lru_cache(maxsize=1)
def demo_practices() -> dict[str, DemoPractice]:
    """Slug → practice, in the order of their names."""
    slugs = sorted(path.stem for path in HERE.glob("*.json"))
    return {slug: DemoPractice(slug, number) for number, slug in enumerate(slugs)}
