"""Who and what there is at a pretend practice. Every person is made up; mails go nowhere, phones ring nowhere."""

import uuid
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_GUIDS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:axconnect:sandbox:nextech_cloud")


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """One made-up person as Nextech knows them. ``private`` names ways to reach them that are not sent: email,
    mobile, home."""

    id: str
    chart_number: str
    first_name: str
    last_name: str
    born: date
    gender: str
    email: str
    mobile: str
    home: str
    street: str
    city: str
    state: str
    postal_code: str
    private: frozenset[str] = frozenset()
    site_id: str = ""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an appointment is for, and what it costs."""

    id: str
    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class AppointmentType:
    """An appointment type with its purposes."""

    id: str
    name: str
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """One location of the practice."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Clinician:
    """Somebody who treats. ``name`` is written last name first."""

    id: str
    name: str


_FIRST_NAMES = (
    "Alba Bruno Carla Delia Edda Farid Greta Hana Ines Joel Kaya Lena Mara Nadia Oscar Petra Quinn Rosa Selma "
    "Tessa Uma Vera Wanda Xenia Yara Zora Amos Bianca Celia Dora Elio Freya Gwen Helga Iris Jana Kira Lola Mina "
    "Nora Olga"
)
_LAST_NAMES = (
    "Winter Castell Osei Marsh Lindqvist Noor Holm Kimura Duarte Ferris Stone Vogel Quill Brandt Bell Sand "
    "Harlow Almeida Berg Rowan Patel Stahl Frost Moreau Haddad Lane Reed Torres Grant Fields Conti Dahl Archer "
    "Nyman Calder Novak Bloom"
)
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_MALE = {"Bruno", "Farid", "Joel", "Oscar", "Amos", "Elio"}
_STREETS = ("Alder St", "Birch Ave", "Cedar Ln", "Dogwood Ct", "Elm St", "Fir Rd", "Grove Blvd")
_TOWNS = (("Tampa", "FL", "33609"), ("St. Petersburg", "FL", "33701"), ("Clearwater", "FL", "33755"))
# The two lists share no factor, so this many patients in a row have different names.
DIFFERENT = len(_FIRST) * len(_LAST)


def guid(*parts: object) -> str:
    """An id that is always the same for the same parts."""
    return str(uuid.uuid5(_GUIDS, "/".join(map(str, parts))))


def patient(number: int, *, practice: str = "demo") -> PatientEntry:
    """Patient no. ``number`` of a practice: always the same person, and DIFFERENT of them differ by name."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    city, state, postal_code = _TOWNS[number % len(_TOWNS)]
    return PatientEntry(
        id=guid(practice, "patient", number),
        chart_number=str(10_001 + number),
        first_name=first,
        last_name=last,
        born=date(1957 + number * 7 % 47, 1 + number * 5 % 12, 1 + number * 11 % 28),
        gender="male" if first in _MALE else "female",
        email=f"{first}.{last}@example.com".lower(),
        mobile=f"({813 + number // 100 % 90}) 555-01{number % 100:02d}",
        home=f"({720 + number // 100 % 90}) 555-01{number % 100:02d}",
        street=f"{number * 13 % 190 + 1} {_STREETS[number % len(_STREETS)]}",
        city=city,
        state=state,
        postal_code=postal_code,
    )


def _types() -> tuple[AppointmentType, ...]:
    """The menu of a practice with surgery and a med spa."""
    menu = {
        "Surgery Consult": "Breast Augmentation Consult 150, Rhinoplasty Consult 150, Tummy Tuck Consult 150",
        "Surgery Cosmetic": "Breast Augmentation 7800, Rhinoplasty 8900, Abdominoplasty 9600",
        "Pre-Op": "Pre-Op Visit 0",
        "Post-Op": "Post-Op Visit 0, Suture Removal 0",
        "Med Spa Consult": "New Patient Consult 50, Laser Consult 50",
        "Injectables": "Botox 420, Dermal Filler 750, Kybella 1200",
        "Skin Care": "Chemical Peel 180, Hydrafacial 199, Microneedling 325",
        "Laser": "Laser Hair Removal 250, Laser Skin Resurfacing 1450, IPL Photofacial 375",
        "Virtual Visit": "Video Consult 0",
        "Blocked Time": "Meeting 0",
    }
    found, number = [], 100
    for place, (name, offered) in enumerate(menu.items(), 1):
        purposes = []
        for entry in offered.split(", "):
            number += 1
            purpose, _, price = entry.rpartition(" ")
            purposes.append(Purpose(str(number), purpose, Decimal(price)))
        found.append(AppointmentType(str(place), name, tuple(purposes)))
    return tuple(found)


TYPES = _types()
TYPE_NAMED = {kind.name: kind for kind in TYPES}
SITES = (Site("5", "South Dermatology"), Site("6", "Harbor Med Spa"))
CLINICIANS = (
    Clinician("2", "Davison, Darren"),
    Clinician("3", "Whitlow, Sage"),
    Clinician("4", "Ellis, Morgan"),
)
# Statuses of the practice's own: appointments in them come without a FHIR status.
CUSTOM_STATUSES = {"6": "Online Book", "7": "Online Hold"}
