"""Bodies as AestheticsPro sends them, for the sandbox, the demo and tests. Pure builders: who, what and when
come in, a dictionary comes out. Every person is made up; mails go nowhere and phones ring nowhere."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import requests

_EVENT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:axconnect:sandbox:aestheticspro")
SECRET_HEADER = "X-AX-Secret"  # noqa: S105  (a header's name)


@dataclass(frozen=True, slots=True)
class Client:
    """One made-up person as the EMR knows them."""

    client_id: int
    first_name: str
    last_name: str
    born: date
    gender: str
    email: str
    mobile_phone: str
    address1: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Service:
    """One line of the med spa's menu."""

    name: str
    type: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Site:
    """One clinic of the practice."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Clinician:
    """Somebody who treats."""

    id: int
    name: str


_NAMES = (
    "Alba Winter F, Bruno Castell M, Carla Osei F, Delia Marsh F, Edda Lindqvist F, Farid Noor M, "
    "Greta Holm F, Hana Kimura F, Ines Duarte F, Joel Ferris M, Kaya Stone F, Lena Vogel F, Mara Quill F, "
    "Nadia Brandt F, Oscar Bell M, Petra Sand F, Quinn Harlow X, Rosa Almeida F, Selma Berg F, "
    "Tessa Rowan F, Uma Patel F, "
    "Vera Stahl F, Wanda Frost F, Xenia Moreau F, Yara Haddad F, Zora Lane F, Amos Reed M, Bianca Torres F, "
    "Celia Grant F, Dora Fields F, Elio Conti M, Freya Dahl F, Gwen Archer F, Helga Nyman F, Iris Calder F, "
    "Jana Novak F, Kira Bloom F, Lola Mendes F, Mina Sato F, Nora Keane F, Olga Petrov F, Paula Rivers F, "
    "Rhea Singh F, Stella Noble F"
)
_STREETS = ("Alder St", "Birch Ave", "Cedar Ln", "Dogwood Ct", "Elm St", "Fir Rd", "Grove Blvd")
_TOWNS = (("New York", "NY", "10001"), ("Hoboken", "NJ", "07030"), ("Yonkers", "NY", "10701"))


def _client(number: int, entry: str) -> Client:
    first_name, last_name, gender = entry.split()
    city, state, postal_code = _TOWNS[number % len(_TOWNS)]
    return Client(
        client_id=5001 + number,
        first_name=first_name,
        last_name=last_name,
        born=date(1958 + number * 7 % 46, 1 + number * 5 % 12, 1 + number * 11 % 28),
        gender=gender,
        email=f"{first_name}.{last_name}@example.com".lower(),
        mobile_phone=f"(212) 555-01{number:02d}",
        address1=f"{number * 13 % 190 + 1} {_STREETS[number % len(_STREETS)]}",
        city=city,
        state=state,
        postal_code=postal_code,
    )


CLIENTS = tuple(_client(number, entry.strip()) for number, entry in enumerate(_NAMES.split(",")))

SERVICES = tuple(
    Service(name, type_, Decimal(price))
    for name, type_, price in (
        ("Botox", "Injectable", "350.00"),
        ("Botox Touch-Up", "Injectable", "120.00"),
        ("Dysport", "Injectable", "320.00"),
        ("Lip Filler", "Injectable", "680.00"),
        ("Cheek Filler", "Injectable", "750.00"),
        ("Under-Eye Filler", "Injectable", "790.00"),
        ("Kybella", "Injectable", "600.00"),
        ("Sculptra", "Injectable", "850.00"),
        ("Hydrafacial", "Facial", "199.00"),
        ("Signature Facial", "Facial", "145.00"),
        ("Dermaplaning", "Facial", "110.00"),
        ("LED Light Therapy", "Facial", "75.00"),
        ("Chemical Peel", "Peel", "160.00"),
        ("VI Peel", "Peel", "325.00"),
        ("Microneedling", "Skin", "300.00"),
        ("Microneedling with PRP", "Skin", "550.00"),
        ("Laser Hair Removal - Small Area", "Laser", "95.00"),
        ("Laser Hair Removal - Full Legs", "Laser", "420.00"),
        ("IPL Photofacial", "Laser", "375.00"),
        ("Laser Resurfacing", "Laser", "1250.00"),
        ("CoolSculpting", "Body", "1400.00"),
        ("Emsculpt", "Body", "750.00"),
        ("Vitamin B12 Injection", "Wellness", "35.00"),
        ("IV Hydration", "Wellness", "189.00"),
        ("New Client Consultation", "Consult", "0.00"),
        ("Laser Consultation", "Consult", "50.00"),
    )
)

RETAIL = tuple(
    Service(name, "retail", Decimal(price))
    for name, price in (
        ("SPF 50 Sunscreen", "42.00"),
        ("Vitamin C Serum", "118.00"),
        ("Retinol Night Cream", "86.50"),
        ("Gentle Cleanser", "34.00"),
        ("Lash Serum", "150.00"),
    )
)

SITES = (Site("12", "Bluestone Downtown"), Site("14", "Bluestone Riverside"))
CLINICIANS = (
    Clinician(7, "Dana Reyes, NP"),
    Clinician(8, "Morgan Ellis, PA-C"),
    Clinician(9, "Sage Whitlow, RN"),
    Clinician(11, "Noa Farrow, LE"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One appointment at the practice. ``starts_at`` is local time of the site, without a zone."""

    appointment_id: int
    client: Client
    starts_at: datetime
    services: tuple[Service, ...] = SERVICES[:1]
    site: Site = SITES[0]
    clinician: Clinician = CLINICIANS[0]

    @property
    def price(self) -> Decimal:
        """What all its services cost together."""
        return sum((service.price for service in self.services), Decimal("0.00"))


def booked(visit: Visit, sent_at: datetime) -> dict[str, Any]:
    """The body for a new appointment. ``sent_at`` is aware (best in the site's zone), here and below."""
    return _about(visit, "appointment.created", "Booked", sent_at)


def cancelled(visit: Visit, sent_at: datetime) -> dict[str, Any]:
    """The body for a cancellation."""
    return _about(visit, "appointment.cancelled", "Cancelled", sent_at)


def no_show(visit: Visit, sent_at: datetime) -> dict[str, Any]:
    """The body for a visit to which nobody came."""
    return _about(visit, "appointment.no_show", "No Show", sent_at)


def rescheduled(visit: Visit, starts_at: datetime, sent_at: datetime) -> dict[str, Any]:
    """The body for a visit moved to ``starts_at`` (local, without a zone)."""
    return _about(replace(visit, starts_at=starts_at), "appointment.updated", "Booked", sent_at)


def deleted(visit: Visit, sent_at: datetime) -> dict[str, Any]:
    """The body for an appointment removed from the book."""
    return _about(visit, "appointment.deleted", "Deleted", sent_at)


def invoice_paid(
    visit: Visit, invoice_id: int, sent_at: datetime, *, amount: Decimal | None = None
) -> dict[str, Any]:
    """The body for the paid invoice of a visit. ``amount`` is the visit's price unless given."""
    paid = visit.price if amount is None else amount
    data = _invoice(invoice_id, visit.client, paid, sent_at, visit.services, kind="service")
    data["appointment"] = {
        "appointment_id": visit.appointment_id,
        "date_time": visit.starts_at.isoformat(),
        "services": [{"name": service.name, "type": service.type} for service in visit.services],
        "provider": {"id": visit.clinician.id, "name": visit.clinician.name},
    }
    return _envelope("invoice.paid", sent_at, data, invoice_id, visit.site)


def retail_sale(
    client: Client,
    items: Sequence[Service],
    invoice_id: int,
    sent_at: datetime,
    site: Site = SITES[0],
) -> dict[str, Any]:
    """The body for products sold without an appointment."""
    paid = sum((item.price for item in items), Decimal("0.00"))
    data = _invoice(invoice_id, client, paid, sent_at, items, kind="retail")
    return _envelope("invoice.paid", sent_at, data | {"appointment": None}, invoice_id, site)


def client_saved(client: Client, sent_at: datetime, site: Site = SITES[0]) -> dict[str, Any]:
    """The body for a client created or changed."""
    return _envelope("client.saved", sent_at, _client_data(client), client.client_id, site)


def test_ping(sent_at: datetime) -> dict[str, Any]:
    """The body that AestheticsPro sends when a webhook is set up or changed."""
    return _envelope("webhook.test", sent_at, {"message": "Test ping"}, "ping")


def send(
    url: str, body: Mapping[str, Any], secret: str | None = None, *, timeout: float = 10.0
) -> requests.Response:
    """Post a body as AestheticsPro would. ``timeout`` in seconds. Raises requests' own errors."""
    headers = {SECRET_HEADER: secret} if secret else {}
    return requests.post(url, json=body, headers=headers, timeout=timeout)


def _about(visit: Visit, event: str, status: str, sent_at: datetime) -> dict[str, Any]:
    data = {
        "appointment_id": visit.appointment_id,
        "status": status,
        "date_time": visit.starts_at.isoformat(),
        "services": [
            {"name": service.name, "type": service.type, "price": str(service.price)}
            for service in visit.services
        ],
        "provider": {"id": visit.clinician.id, "name": visit.clinician.name},
        "client": _client_data(visit.client),
    }
    return _envelope(event, sent_at, data, visit.appointment_id, visit.site)


def _invoice(
    invoice_id: int, client: Client, paid: Decimal, sent_at: datetime, items: Sequence[Service], kind: str
) -> dict[str, Any]:
    return {
        "invoice_id": invoice_id,
        "invoice_number": f"INV-{invoice_id}",
        "total": f"{paid:.2f}",
        "paid_amount": f"{paid:.2f}",
        "paid_date": sent_at.strftime("%m/%d/%Y"),
        "service": None,
        "items": [
            {"name": item.name, "type": kind, "quantity": 1, "amount": f"{item.price:.2f}"} for item in items
        ],
        "client": _client_data(client),
    }


def _client_data(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "first_name": client.first_name,
        "last_name": client.last_name,
        "email": client.email,
        "mobile_phone": client.mobile_phone,
        "home_phone": "",
        "birthdate": client.born.strftime("%m/%d/%Y"),
        "gender": client.gender,
        "address1": client.address1,
        "city": client.city,
        "state": client.state,
        "postal_code": client.postal_code,
    }


def _envelope(
    event: str, sent_at: datetime, data: dict[str, Any], subject: object, site: Site | None = None
) -> dict[str, Any]:
    """One delivery. Its event id follows from what it says, so that the same arguments give the same body."""
    timestamp = sent_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body: dict[str, Any] = {
        "event": event,
        "event_id": str(uuid.uuid5(_EVENT_IDS, f"{event}/{subject}/{timestamp}")),
        "timestamp": timestamp,
    }
    if site:
        body["location"] = {"id": site.id, "name": site.name}
    return body | {"data": data}
