"""Category × outcome × lead or patient: the tables of where the card stands, held against every EMR over HTTP.

A cell is what becomes of a *lead*'s card: its stage and status. A *patient*'s card goes to the same stage and is
won, always. A lead whose card is won has become a patient, any other lead is none. ``–``: no card. ``held``: the
pipeline step waits for a category.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.emrs import registry
from integrations.emrs.aestheticspro import sandbox as apro
from integrations.emrs.modmed import client as modmed_client
from integrations.emrs.modmed.pretend import cast as modmed_cast
from integrations.emrs.modmed.pretend import shapes
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud import client as nextech_client
from integrations.emrs.nextech_cloud.pretend import cast as nextech_cast
from integrations.emrs.nextech_cloud.pretend import resources as nx
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.emrs.patientnow_pro.pretend import cast as patientnow_cast
from integrations.emrs.patientnow_pro.sandbox import Practice as Desk
from integrations.models import InboundEvent
from tests.faults.stories import client
from tests.patientnow.clinic import API_KEY, EMR_ID, NON_SURGICAL, SURGICAL, Clinic, Json, crm_account
from tests.polling.offices import KEY, poll_all, set_up, work

OUTCOMES = ("booked", "completed", "cancelled", "no-show")

TWO_PIPELINES = """
    Surgical Consult         | Surgical: Consult Booked, open    | Surgical: Consult Complete, open | Surgical: Cancelled / No-Show, open     | Surgical: Cancelled / No-Show, open
    Surgical Appointment     | Surgical: Surgery Scheduled, open | Surgical: Surgery Complete, won  | Surgical: Cancelled / No-Show, open     | Surgical: Cancelled / No-Show, open
    Non-Surgical Consult     | Non-Surgical: Booked, open        | Non-Surgical: Patient, won       | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Non-Surgical Appointment | Non-Surgical: Booked, open        | Non-Surgical: Patient, won       | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Pre-Op Appointment       | –                                 | –                                | –                                       | –
    Post-Op Appointment      | –                                 | –                                | –                                       | –
    Blocked                  | –                                 | –                                | –                                       | –
    Online Appointment       | held                              | held                             | held                                    | held
"""  # noqa: E501

ONE_PIPELINE = """
    Surgical Consult         | Non-Surgical: Booked, open | Non-Surgical: Patient, won | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Surgical Appointment     | Non-Surgical: Booked, open | Non-Surgical: Patient, won | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Non-Surgical Consult     | Non-Surgical: Booked, open | Non-Surgical: Patient, won | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Non-Surgical Appointment | Non-Surgical: Booked, open | Non-Surgical: Patient, won | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
    Pre-Op Appointment       | –                          | –                          | –                                       | –
    Post-Op Appointment      | –                          | –                          | –                                       | –
    Blocked                  | –                          | –                          | –                                       | –
    Online Appointment       | Non-Surgical: Booked, open | Non-Surgical: Patient, won | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
"""  # noqa: E501

# With the switch "separate consult stages": this row instead of the one above.
SEPARATE_CONSULTS = """
    Non-Surgical Consult | Non-Surgical: Consult Booked, open | Non-Surgical: Consult Complete, open | Non-Surgical: Cancelled / No-Show, open | Non-Surgical: Cancelled / No-Show, open
"""  # noqa: E501

# At AestheticsPro a visit completes by being paid, and who pays is a patient whatever it was for.
PAID_IS_A_PATIENT = """
    Pre-Op Appointment       | –                          | Non-Surgical: Patient, won | –                                       | –
    Post-Op Appointment      | –                          | Non-Surgical: Patient, won | –                                       | –
    Blocked                  | –                          | Non-Surgical: Patient, won | –                                       | –
"""  # noqa: E501

# Where the practice chose that an Online Appointment counts as a Surgical Consult.
ONLINE_IS_A_SURGICAL_CONSULT = """
    Online Appointment       | Surgical: Consult Booked, open    | Surgical: Consult Complete, open | Surgical: Cancelled / No-Show, open     | Surgical: Cancelled / No-Show, open
"""  # noqa: E501

Table = dict[tuple[str, str], str]


def table(*texts: str) -> Table:
    """(category, outcome) → cell; later texts replace rows of earlier ones."""
    found: Table = {}
    for text in texts:
        for line in text.strip().splitlines():
            category, *cells = [cell.strip() for cell in line.split("|")]
            found |= {(category, outcome): cell for outcome, cell in zip(OUTCOMES, cells, strict=True)}
    return found


NOW = datetime.now(UTC).replace(microsecond=0)
STARTS = (NOW + timedelta(days=4)).replace(hour=16, minute=0, second=0)
Native = dict[str, str]


@dataclass
class Book:
    """One EMR of a sandbox, as this test uses it. ``person`` gives somebody's name and e-mail by number; ``put`` puts
    their visit on file and gives what has to be posted; ``connection`` is what a practice file says of it."""

    emr: str
    connection: Json
    person: Callable[[int], Native]
    put: Callable[[int, str, str], list[Json]]
    polled: bool


def modmed(url: str) -> Book:
    firm = Firm(f"{url}/emr/modmed", KEY, "bayside")
    credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
    firm.set_up(credentials, with_cast=True)
    words = {"booked": "pending", "completed": "fulfilled", "cancelled": "cancelled", "no-show": "noshow"}

    def person(number: int) -> Native:
        who = modmed_cast.patient(number)
        return {"firstName": who.first_name, "lastName": who.last_name, "email": who.email}

    def put(number: int, type_name: str, outcome: str) -> list[Json]:
        kind = modmed_cast.Type(type_name, type_name)
        visit = shapes.appointment(
            str(9000 + number),
            modmed_cast.patient(number).id,
            STARTS,
            NOW,
            status=words[outcome],
            type=kind,
            practitioner_id="375397",
            location_id="826",
        )
        firm.save(shapes.patient(modmed_cast.patient(number), NOW - timedelta(days=30)), visit)
        return []

    return Book("modmed", {"base_url": firm.base_url, "credentials": credentials}, person, put, True)


def nextech(url: str) -> Book:
    office = Office(url, KEY, "practice-1")
    office.open()
    shape = {
        "booked": nx.pending,
        "completed": nx.fulfilled,
        "cancelled": nx.cancelled,
        "no-show": nx.no_show,
    }

    def person(number: int) -> Native:
        who = nextech_cast.patient(number)
        return {"firstName": who.first_name, "lastName": who.last_name, "email": who.email}

    def put(number: int, type_name: str, outcome: str) -> list[Json]:
        purpose = nextech_cast.Purpose("900", "Visit", Decimal(100))
        kind = nextech_cast.AppointmentType("90", type_name, (purpose,))
        visit = nx.Visit(str(7000 + number), nextech_cast.patient(number), STARTS, kind, (purpose,))
        office.save(nx.patient_saved(nextech_cast.patient(number), NOW - timedelta(days=30)))
        office.save(shape[outcome](visit, NOW))
        return []

    connection = {"base_url": office.base_url, "credentials": office.credentials()}
    return Book("nextech_cloud", connection, person, put, True)


def patientnow(url: str) -> Book:
    desk = Desk(f"{url}/emr/patientnow_pro", KEY, EMR_ID)
    desk.set_up(API_KEY)
    words = {"completed": "Checkout", "cancelled": "Cancelled", "no-show": "No-Show"}

    def person(number: int) -> Native:
        who = patientnow_cast.patient(number)
        return {"firstName": who["firstName"], "lastName": who["lastName"], "email": who["email"]}

    def put(number: int, type_name: str, outcome: str) -> list[Json]:
        who = patientnow_cast.patient(number)
        desk.save("patients", who)
        notice = desk.book(who["patientId"], days_ahead=3)
        record = desk.record("appointments", notice["appointmentId"])
        desk.save("appointments", {**record, "appointmentType": type_name})
        if outcome == "booked":
            return [notice]
        return [desk.set_status(notice["appointmentId"], words[outcome])]

    credentials = {"api_key": API_KEY, "practice_id": EMR_ID}
    connection = {"base_url": desk.base_url, "credentials": credentials}
    return Book("patientnow_pro", connection, person, put, False)


def aestheticspro(url: str) -> Book:
    def who(number: int) -> apro.Client:
        return replace(client(number), first_name="Alba")

    def person(number: int) -> Native:
        found = who(number)
        return {"firstName": found.first_name, "lastName": found.last_name, "email": found.email}

    def put(number: int, type_name: str, outcome: str) -> list[Json]:
        service = apro.Service(type_name, "service", Decimal(100))
        starts = STARTS.replace(tzinfo=None)
        visit = apro.Visit(88_000 + number, who(number), starts, (service,), apro.Site("12", "Downtown"))
        shape = {"booked": apro.booked, "cancelled": apro.cancelled, "no-show": apro.no_show}
        if outcome == "completed":
            return [apro.invoice_paid(visit, 99_000 + number, NOW)]
        return [shape[outcome](visit, NOW)]

    return Book("aestheticspro", {"base_url": None, "credentials": {}}, person, put, False)


BOOKS = {
    "modmed": modmed,
    "nextech_cloud": nextech,
    "patientnow_pro": patientnow,
    "aestheticspro": aestheticspro,
}


def test_every_emr_is_held_against_the_tables() -> None:
    assert set(BOOKS) == set(registry())


class Held:
    """A practice on one EMR in which every cell of a table has its own visitor: one lead, one patient."""

    def __init__(self, url: str, emr: str, kind: str, **switches: Any) -> None:
        self.book = BOOKS[emr](url)
        self.crm = Clinic.__new__(Clinic)
        self.crm.url = url
        self.crm.door("POST", "/sub-accounts", crm_account("LOC1"))
        self.connection = set_up(self._practice(kind, switches))
        self.crm.connection, self.crm.practice = self.connection, self.connection.practice

    def _practice(self, kind: str, switches: Json) -> Json:
        emr = self.book.emr
        pipelines: Json = {"non_surgical": {"id": "P2", "stages": NON_SURGICAL}}
        if kind != "med_spa":
            pipelines["surgical"] = {"id": "P1", "stages": SURGICAL}
        account = {"key": "main", "default": True, "crm_location_id": "LOC1", "token": "pit-one"}
        return {
            "format": 1,
            "practice": {
                "slug": "bayside",
                "name": "Bayside",
                "kind": kind,
                "country": "US",
                "time_zone": "America/New_York",
                "live": True,
                "live_reason": "test",
            },
            "sub_accounts": [{**account, "pipelines": pipelines}],
            "connections": [{"key": emr, "emr": emr, "switches": switches, **self.book.connection}],
            "categories": [
                {
                    "connection": emr,
                    "type": f"{name} type",
                    "purpose": "",
                    "category": name,
                    "confirmed": True,
                }
                for name in {category for category, _ in table(ONE_PIPELINE)}
            ],
        }

    def against(self, expected: Table) -> None:
        """Let every visit happen and compare where its visitor's card stands."""
        if self.book.polled:
            poll_all(self.connection)
        rows = [(*cell, who) for cell in expected for who in ("lead", "patient")]
        notices = []
        for number, (category, outcome, who) in enumerate(rows):
            if who == "patient":
                self.crm.make_contact({"Contact Type": "Patient"}, **self.book.person(number))
            notices += self.book.put(number, f"{category} type", outcome)
        for notice in notices:
            assert self.crm.post(notice).status_code == 202
        if self.book.polled:
            poll_all(self.connection)
        work(120)
        shown = {row["native"]["email"]: row for row in self.crm.contacts()}
        found = {}
        wanted = {}
        for number, (category, outcome, who) in enumerate(rows):
            cell = expected[category, outcome]
            contact = shown[self.book.person(number)["email"].lower()]
            found[category, outcome, who] = self._cell(contact)
            wanted[category, outcome, who] = (
                (_of_patient(cell) if who == "patient" else cell),
                ("Patient" if who == "patient" or cell.endswith("won") else None),
            )
        assert found == wanted

    def _cell(self, contact: Json) -> tuple[str, str | None]:
        """A contact's card in the words of the table, and its type."""
        cards = [f"{row['pipeline']}: {row['stage']}, {row['status']}" for row in contact["opportunities"]]
        assert len(cards) <= 1
        note = "\n".join(one["body"] for one in contact["notes"])
        waits = "Category: not yet set" in note
        return (cards[0] if cards else "held" if waits else "–"), contact["fields"].get("Contact Type")


def _of_patient(cell: str) -> str:
    return f"{cell.rpartition(',')[0]}, won" if "," in cell else cell


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed limits are so high that nobody waits."""
    monkeypatch.setattr(modmed_client, "CALLS_PER_SECOND", 10_000.0)
    monkeypatch.setattr(nextech_client, "CALLS_PER_SECOND", 10_000.0)


SURGERIES = [slug for slug, emr in registry().items() if emr.manifest.has_surgical_pipeline]
BY_SWITCH = [
    slug for slug, emr in registry().items() if "separate_consult_stages" in emr.manifest.switch_defaults()
]


@pytest.mark.parametrize("emr", SURGERIES)
def test_two_pipelines(db: None, sandbox: str, fast: None, emr: str) -> None:
    Held(sandbox, emr, "plastic_surgery_med_spa").against(table(TWO_PIPELINES))


@pytest.mark.parametrize("emr", BOOKS)
def test_one_pipeline(db: None, sandbox: str, fast: None, emr: str) -> None:
    more = [PAID_IS_A_PATIENT] if emr == "aestheticspro" else []
    Held(sandbox, emr, "med_spa").against(table(ONE_PIPELINE, *more))


def test_an_emr_without_surgery_knows_one_pipeline_even_at_a_surgery(db: None, sandbox: str) -> None:
    Held(sandbox, "aestheticspro", "plastic_surgery").against(table(ONE_PIPELINE, PAID_IS_A_PATIENT))


@pytest.mark.parametrize("emr", BY_SWITCH)
@pytest.mark.parametrize("kind", ["med_spa", "plastic_surgery_med_spa"])
def test_separate_consult_stages(db: None, sandbox: str, fast: None, emr: str, kind: str) -> None:
    is_dual = kind != "med_spa" and emr in SURGERIES
    more = [PAID_IS_A_PATIENT] if emr == "aestheticspro" else []
    whole = table(TWO_PIPELINES if is_dual else ONE_PIPELINE, SEPARATE_CONSULTS, *more)
    moving = {cell: words for cell, words in whole.items() if cell[0].startswith("Non-Surgical")}
    Held(sandbox, emr, kind, separate_consult_stages=True).against(moving)


def test_an_online_appointment_counts_as_what_the_practice_chose(db: None, sandbox: str, fast: None) -> None:
    choice = {"online_appointment_counts_as": "Surgical Consult"}
    Held(sandbox, "nextech_cloud", "plastic_surgery", **choice).against(table(ONLINE_IS_A_SURGICAL_CONSULT))


def test_nothing_is_left_over(db: None, sandbox: str, fast: None) -> None:
    """Every visit of a table is one event that is done, or held where the table says so."""
    held = Held(sandbox, "patientnow_pro", "plastic_surgery")
    held.against(table(TWO_PIPELINES))
    states = InboundEvent.objects.for_practice(held.connection.practice).values_list("state", flat=True)
    assert sorted(states) == ["done"] * 56 + ["held"] * 8
