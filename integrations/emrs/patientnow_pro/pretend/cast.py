"""Who and what there is at a pretend practice. Everybody is made up: mails go nowhere and phones ring nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facility:
    """One clinic of the practice."""

    id: str
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Clinician:
    """Somebody who treats."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Type:
    """One appointment type. ``items`` are places in MENU that are billed after it."""

    code: str
    name: str
    type_class: str
    event_type: str
    reason: str
    items: tuple[int, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill."""

    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Program:
    """A membership that can be bought, by the month."""

    name: str
    price: Decimal


FIRST_PATIENT_ID = 40_001
_NAMES = (
    "Rosa Imbert F, Aldo Brandt M, Bea Castillo F, Carlo Duval M, Dina Engel F, Estela Fuentes F, Fay Gardner F, "
    "Gina Hollis F, Hugo Ibarra M, Ilse Jonker F, Juno Keller F, Karim Lange M, Lara Mendez F, Mona Navarro F, "
    "Nico Ortega M, Orla Pratt F, Pia Quint F, Rafa Salas M, Sofia Trent F, Tilda Urban F, Ursa Vidal F, "
    "Vito Wells M, Wilma Yates F, Xena Zeller F, Yusuf Arden M, Zita Bloom F, Anya Corso F, Bruna Dietz F, "
    "Cleo Evers F, Dario Falk M"
)
_STREETS = ("Bay Rd", "Coral Way", "Grove St", "Harbor Dr", "Palm Ave", "Ocean Ln")
_TOWNS = (("Miami", "FL", "33101"), ("Coral Gables", "FL", "33134"), ("Hialeah", "FL", "33010"))
_SOURCES = ("Instagram", "Google", "Friend", "", "Website")
_CAST = [entry.split() for entry in _NAMES.split(", ")]
DIFFERENT = len(_CAST) * len(_CAST)

FACILITIES: Sequence[Facility] = (
    Facility("F1", "Miami", "America/New_York"),
    Facility("F2", "Coral Gables", "America/New_York"),
)
CLINICIANS: Sequence[Clinician] = (
    Clinician("3", "Dr. Lena Ortiz"),
    Clinician("5", "Dr. Paul Render"),
    Clinician("8", "Nia Cole, NP"),
)
MENU: Sequence[Item] = tuple(
    Item(name, Decimal(price))
    for name, price in (
        ("Botox", "400.00"),
        ("Dysport", "450.00"),
        ("Hydrafacial", "400.00"),
        ("Lip Filler", "690.00"),
        ("Chemical Peel", "225.00"),
        ("Laser Hair Removal", "310.00"),
        ("Consultation Fee", "150.00"),
        ("Breast Augmentation", "8900.00"),
        ("Rhinoplasty", "9600.00"),
        ("Retinol Serum", "86.50"),
    )
)
TYPES: Sequence[Type] = (
    Type("BAC", "Breast Aug Consult", "Appointment", "Consultation", "Breast augmentation", (6,)),
    Type("RHC", "Rhinoplasty Consult", "Appointment", "Consultation", "Rhinoplasty", (6,)),
    Type("BAS", "Breast Augmentation", "Procedure", "Surgery", "Breast augmentation", (7,)),
    Type("RHS", "Rhinoplasty", "Procedure", "Surgery", "Rhinoplasty", (8,)),
    Type("PRE", "Pre-Op", "Appointment", "Pre-Op", "Before surgery"),
    Type("POS", "Post-Op", "Appointment", "Post-Op", "After surgery"),
    Type("SKC", "Skin Consult", "Appointment", "Consultation", "New concern", (6,)),
    Type("INJ", "Botox", "Procedure", "Treatment", "Frown lines", (0,)),
    Type("DYS", "Dysport", "Procedure", "Treatment", "Forehead", (1, 9)),
    Type("HYD", "Hydrafacial", "Procedure", "Treatment", "Dull skin", (2,)),
    Type("FIL", "Lip Filler", "Procedure", "Treatment", "Lips", (3,)),
    Type("LHR", "Laser Hair Removal", "Procedure", "Treatment", "Legs", (5,)),
    Type("OFF", "Block", "Office", "Office", "Staff meeting"),
    Type("OLD", "Vein Clinic", "Appointment", "Consultation", "Veins", active=False),
)
PROGRAMS: Sequence[Program] = (
    Program("VIP Gold", Decimal("199.00")),
    Program("Glow Club", Decimal("89.00")),
)


def patient(number: int, area: str = "305") -> Json:
    """The record of patient no. ``number``: the same number is always the same person."""
    first, _, gender = _CAST[number % len(_CAST)]
    # Each round through the first names goes on with another shift of the family names.
    _, last, _ = _CAST[(number + number // len(_CAST)) % len(_CAST)]
    city, state, postal_code = _TOWNS[number % len(_TOWNS)]
    born = date(1955 + number * 7 % 48, 1 + number * 5 % 12, 1 + number * 11 % 28)
    return {
        "patientId": str(FIRST_PATIENT_ID + number),
        "firstName": first,
        "lastName": last,
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "cellPhone": f"{area}-555-{number % 10_000:04d}",
        "homePhone": None,
        "gender": "Female" if gender == "F" else "Male",
        "dateOfBirth": born.isoformat(),
        "address": {
            "line1": f"{number * 13 % 190 + 1} {_STREETS[number % len(_STREETS)]}",
            "city": city,
            "state": state,
            "zip": postal_code,
        },
        "referralSource": _SOURCES[number % len(_SOURCES)] or None,
        "unsubscribed": False,
    }
