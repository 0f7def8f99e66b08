"""A practice's clinics and clinicians as AestheticsPro knows them, from its practice file."""

from zoneinfo import ZoneInfo

from integrations.emrs.aestheticspro.sandbox import CLINICIANS, Clinician, Site
from integrations.sandbox.demo.practices import DemoPractice


def sites_of(practice: DemoPractice) -> tuple[Site, ...]:
    """Its clinics."""
    return tuple(Site(one["external_id"], one["name"]) for one in practice.file["locations"])


def zone_of(practice: DemoPractice, site: Site) -> ZoneInfo:
    """The time zone in which a clinic keeps its book."""
    own = next(one["time_zone"] for one in practice.file["locations"] if one["external_id"] == site.id)
    return ZoneInfo(own or practice.file["practice"]["time_zone"])


def clinicians_of(practice: DemoPractice) -> tuple[Clinician, ...]:
    """Two who treat there."""
    first = practice.number % len(CLINICIANS)
    return tuple(CLINICIANS[(first + place) % len(CLINICIANS)] for place in range(2))


def consults_of(practice: DemoPractice) -> frozenset[str]:
    """Names of the services that its file counts as consults."""
    return frozenset(one["type"] for one in practice.file["categories"] if "Consult" in one["category"])
