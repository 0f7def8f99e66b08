"""Made-up patients by number: the same number is always the same person, so nothing of them is kept."""

from datetime import date

from integrations.emrs.aestheticspro.sandbox import CLIENTS, Client
from integrations.sandbox.demo.practices import DemoPractice

# Where the patients of a practice live, and whose telephone numbers begin how (all end in the unused 555-01xx).
_TOWNS = (
    (("New York", "NY", "10001"), ("212", "646", "332", "929")),
    (("Long Beach", "CA", "90802"), ("213", "310", "323", "818")),
    (("Boulder", "CO", "80302"), ("303", "720", "970", "719")),
    (("Evanston", "IL", "60201"), ("312", "773", "872", "630")),
)
_STREETS = ("Alder St", "Birch Ave", "Cedar Ln", "Dogwood Ct", "Elm St", "Fir Rd", "Grove Blvd")
# First and last names of the cast make this many different people in each practice.
DIFFERENT = len(CLIENTS) * (len(CLIENTS) - 1)
FIRST_CLIENT_ID = 10_000


def person(practice: DemoPractice, number: int) -> Client:
    """Patient no. ``number`` of a practice."""
    first = CLIENTS[(number + 11 * practice.number) % len(CLIENTS)]
    # Each round through the first names goes on with another shift of the last names.
    shift = 1 + (number // len(CLIENTS) + 5 * practice.number) % (len(CLIENTS) - 1)
    last = CLIENTS[(number + 11 * practice.number + shift) % len(CLIENTS)]
    (city, state, postal_code), areas = _TOWNS[practice.number % len(_TOWNS)]
    return Client(
        client_id=FIRST_CLIENT_ID * (practice.number + 1) + number,
        first_name=first.first_name,
        last_name=last.last_name,
        born=date(1957 + (number * 7 + practice.number) % 47, 1 + number * 5 % 12, 1 + number * 11 % 28),
        gender=first.gender,
        email=f"{first.first_name}.{last.last_name}@example.com".lower(),
        mobile_phone=f"({areas[number // 100 % len(areas)]}) 555-01{number % 100:02d}",
        address1=f"{number * 13 % 190 + 1} {_STREETS[number % len(_STREETS)]}",
        city=city,
        state=state,
        postal_code=postal_code,
    )
