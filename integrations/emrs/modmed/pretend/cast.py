"""Who and what there is at a pretend practice. Everybody is made up: mails go nowhere and phones ring nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Patient:
    """One made-up person as ModMed knows them. ``phone`` is ten digits."""

    id: str
    first_name: str
    last_name: str
    born: date
    gender: str
    email: str
    phone: str
    line: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Practitioner:
    """Somebody who treats."""

    id: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Site:
    """One clinic of the practice."""

    id: str
    name: str
    line: str = "12 Alder Street"
    city: str = "Boca Raton"
    state: str = "FL"
    postal_code: str = "33431"


@dataclass(frozen=True, slots=True)
class Type:
    """One appointment type. ``minutes`` is how long it takes, ``price`` what is charged (dollars, "" for none)."""

    code: str
    name: str
    minutes: int = 30
    price: str = ""
    reason: str = ""


FIRST_PATIENT_ID = 385_001
_NAMES = (
    "Adele Brook F, Basil Crane M, Cora Dunmore F, Dario Elm M, Elsa Fenwick F, Flora Gale F, Gideon Hart M, "
    "Hattie Ivers F, Isla Jarrow F, Jonas Kell M, Kira Lowell F, Liv Marsden F, Magnus Nash M, Nell Orchard F, "
    "Opal Penrose F, Piers Quaid M, Ruth Sandler F, Sylvie Thorne F, Theo Underhill M, Una Vale F, Vesna Wilder F, "
    "Willa Xander F, Yves Yardley M, Zelda Arden F"
)
_STREETS = ("Alder Street", "Birch Avenue", "Cedar Lane", "Dogwood Court", "Elm Road")
_TOWNS = (("Boca Raton", "FL", "33431"), ("Delray Beach", "FL", "33444"), ("Deerfield Beach", "FL", "33441"))
_CAST = [entry.split() for entry in _NAMES.split(", ")]
DIFFERENT = len(_CAST) * (len(_CAST) - 1)


def patient(number: int, area: str = "561") -> Patient:
    """Patient no. ``number`` of a practice: the same number is always the same person."""
    first, _, gender = _CAST[number % len(_CAST)]
    # Each round through the first names goes on with another shift of the family names.
    _, last, _ = _CAST[(number + number // len(_CAST)) % len(_CAST)]
    city, state, postal_code = _TOWNS[number % len(_TOWNS)]
    return Patient(
        id=str(FIRST_PATIENT_ID + number),
        first_name=first,
        last_name=last,
        born=date(1955 + number * 7 % 48, 1 + number * 5 % 12, 1 + number * 11 % 28),
        gender="female" if gender == "F" else "male",
        email=f"{first}.{last}.{number}@example.com".lower(),
        phone=f"{area}55501{number % 100:02d}",
        line=f"{number * 13 % 190 + 1} {_STREETS[number % len(_STREETS)]}",
        city=city,
        state=state,
        postal_code=postal_code,
    )


SITES: Sequence[Site] = (Site("826", "Main Street Clinic"), Site("827", "Lakeside Clinic", "80 Birch Avenue"))
PRACTITIONERS: Sequence[Practitioner] = (
    Practitioner("375397", "Frances", "Ashdown"),
    Practitioner("375399", "Miles", "Harcourt"),
    Practitioner("ref|451", "Joan", "Ellery"),
)
TYPES: Sequence[Type] = (
    Type("1957", "Follow-up", 15, "85.00", "Follow-up"),
    Type("1959", "Surgery", 120, "4200.00", "Planned procedure"),
    Type("1960", "Breast Aug Consult", 60, "150.00", "Interested in augmentation"),
    Type("1961", "Rhinoplasty Consult", 60, "150.00", "Interested in rhinoplasty"),
    Type("1962", "Cosmetic Consult", 30, "", "New concern"),
    Type("1963", "Botox", 30, "420.00", "Frown lines"),
    Type("1964", "Filler", 45, "690.00", "Lips"),
    Type("1965", "Laser Treatment", 45, "350.00", "Sun damage"),
    Type("1966", "Pre-Op", 30, "", "Before surgery"),
    Type("1967", "Post-Op", 20, "", "After surgery"),
    Type("1968", "Block", 60),
)
